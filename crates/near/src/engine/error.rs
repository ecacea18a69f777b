//! Why an engine does not run.
//!
//! Invariant: each variant names what was tried; what the system said is its source.

use std::io;

use super::cookie_key::CookieKeyError;
use crate::atomic::AtomicError;
use crate::journal::JournalError;
use crate::secrets::SecretsError;

/// Why the engine does not run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The state directory cannot be used.
    #[error("the state directory cannot be used")]
    State(#[source] AtomicError),
    /// The journal, or another engine has it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The secrets cannot be opened.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// Something of the operating system.
    #[error("{what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// It is not known which tasks run; to start them again might start them twice.
    #[error("cannot read which tasks run")]
    Adopt(#[source] io::Error),
    /// There is no key for sticky sessions.
    #[error(transparent)]
    CookieKey(#[from] CookieKeyError),
    /// What was recorded of the app cannot be read.
    #[error("what the journal says of the app cannot be read")]
    Definition(#[source] serde_json::Error),
}
