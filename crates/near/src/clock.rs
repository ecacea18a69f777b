//! The wall clock of near, as the core's timestamps.

use std::time::{SystemTime, UNIX_EPOCH};

use neargate_core::time::Timestamp;

/// This moment.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
