//! What can go wrong with the journal, in words that say what to do.
//!
//! Invariant: every SQLite error passes [`translate`], so that "no space" and "damaged" are
//! never told as a bare code.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why the journal refused.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file system is full. Nothing was written; the same call works when space returns.
    #[error("no space left for the journal {}: free some space; nothing was written", path.display())]
    NoSpace {
        /// The journal's file.
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    /// The file is not what was written.
    #[error(
        "the journal {} is damaged ({detail}): stop the engine, move {} with its -wal and -shm files aside, and run `neargate up` again; it deploys the services anew, data and secrets lie in other files and are kept",
        path.display(),
        path.display()
    )]
    Damaged {
        /// The journal's file.
        path: PathBuf,
        /// The fault in it, in words.
        detail: String,
    },
    /// A later version of Neargate wrote the file.
    #[error(
        "the journal {} has schema {found}, and this version of neargate knows schemas up to {known}: use the newer version again",
        path.display()
    )]
    NewerSchema {
        /// The journal's file.
        path: PathBuf,
        /// Schema of the file.
        found: u32,
        /// Newest schema that this version knows.
        known: u32,
    },
    /// Another process kept the file locked for longer than the busy timeout.
    #[error("the journal {} is held by another program (an open sqlite3 shell?)", path.display())]
    Busy {
        /// The journal's file.
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    /// The disk does not keep up with what is decided.
    #[error("the disk is too slow: {waiting} decisions wait to be written")]
    TooSlow {
        /// Decisions in the queue.
        waiting: usize,
    },
    /// Anything else SQLite refused.
    #[error("could not {operation} the journal {}", path.display())]
    Sqlite {
        /// The operation, in words.
        operation: &'static str,
        /// The journal's file.
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    /// An entry or a state could not be turned into JSON.
    #[error("could not encode {what} for the journal")]
    Encode {
        /// `an entry`, `a snapshot`.
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    /// Another engine holds the state directory.
    #[error(
        "another engine (pid {holder}) already runs on {}: use it, or stop it with `neargate down`",
        path.display()
    )]
    EngineRuns {
        /// The lock file.
        path: PathBuf,
        /// Process id of the holder as the lock file says, `unknown` when it says nothing yet.
        holder: String,
    },
    /// The file could not be made.
    #[error("could not make the journal {}", path.display())]
    Make {
        /// The journal's file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The lock file could not be opened or written.
    #[error("could not lock {}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Sorts a SQLite error into what the operator can do about it.
pub(super) fn translate(
    path: &Path,
    operation: &'static str,
    source: rusqlite::Error,
) -> JournalError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => JournalError::NoSpace { path, source },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => JournalError::Damaged {
            path,
            detail: source.to_string(),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            JournalError::Busy { path, source }
        }
        _ => JournalError::Sqlite {
            operation,
            path,
            source,
        },
    }
}
