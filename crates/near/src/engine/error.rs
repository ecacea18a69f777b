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
    /// The tasks that an earlier engine left cannot be found out.
    #[error("cannot read the running tasks (the tasks folder of the state directory)")]
    Tasks(#[source] io::Error),
    /// Something of the operating system.
    #[error("{what}")]
    System {
        /// The step that failed, in words.
        what: &'static str,
        #[source]
        source: io::Error,
    },
    /// There is no key for sticky sessions.
    #[error(transparent)]
    CookieKey(#[from] CookieKeyError),
    /// The app's definition in the journal cannot be read.
    #[error("cannot read the app from the journal")]
    Definition(#[source] serde_json::Error),
}
