//! Which programs for data services this machine has, for `neargate doctor`.

use neargate_core::model::CacheEngine;

use super::error::DataError;
use super::program;

/// The newest PostgreSQL, in words.
///
/// # Errors
/// None is installed; names the package.
pub fn postgres() -> Result<String, DataError> {
    program::postgres("any", None, None)
        .map(|found| format!("postgres {} in {}", found.version, found.bin.display()))
}

/// The server for caches of an engine, in words.
///
/// # Errors
/// None is installed; names the package.
pub fn cache(engine: CacheEngine) -> Result<String, DataError> {
    let (wanted, sibling) = match engine {
        CacheEngine::Redis => ("redis-server", "valkey-server"),
        CacheEngine::Valkey => ("valkey-server", "redis-server"),
    };
    program::cache(wanted, sibling)
        .map(|found| format!("{} in {}", found.words, found.server.display()))
}
