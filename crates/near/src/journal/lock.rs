//! One engine per state directory.
//!
//! Invariant: the lock is the kernel's (`flock`), so it ends with its holder, however that
//! dies; the pid in the file is only there to be told to people.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::error::JournalError;
use crate::paths::StateDir;

/// Attempts to get the lock, 50 ms apart.
const ATTEMPTS: u32 = 40;

/// Held while the engine lives. Dropping it lets the next engine in.
#[derive(Debug)]
pub struct EngineLock {
    _file: File,
}

/// Takes the engine's lock of a state directory, `run/engine.lock`.
///
/// # Errors
/// [`JournalError::EngineRuns`] names the holder; [`JournalError::Lock`] when the file cannot
/// be opened.
pub fn lock(state: &StateDir) -> Result<EngineLock, JournalError> {
    let path = state.run().join("engine.lock");
    let failed = |source: io::Error| JournalError::Lock {
        path: path.clone(),
        source,
    };
    for directory in [state.path(), state.run()] {
        crate::atomic::private_directory(&directory)
            .map_err(|error| failed(io::Error::other(error)))?;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let holder = match text.trim() {
                "" => "unknown".to_owned(),
                pid => pid.to_owned(),
            };
            return Err(JournalError::EngineRuns { path, holder });
        }
        Err(errno) => return Err(failed(errno.into())),
    }
    file.set_len(0).map_err(failed)?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
        .map_err(failed)?;
    Ok(EngineLock { _file: file })
}

/// As [`lock`], but an engine that was killed a moment ago may still be going.
///
/// # Errors
/// Those of [`lock`], after two seconds.
pub async fn lock_when_free(state: &StateDir) -> Result<EngineLock, JournalError> {
    for _ in 0..ATTEMPTS {
        match lock(state) {
            Err(JournalError::EngineRuns { .. }) => {}
            other => return other,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lock(state)
}

/// Pid of the engine that holds the lock; `None` when none does.
#[must_use]
pub fn holder(state: &StateDir) -> Option<u32> {
    let path = state.run().join("engine.lock");
    let file = File::open(&path).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => fs::read_to_string(&path).ok()?.trim().parse().ok(),
        _ => None,
    }
}
