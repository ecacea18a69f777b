//! Whom a router runs as and what of the state directory that user reaches: the access log's
//! directory, which is its own, and the snapshots, whose directory its group may enter. The state
//! directory above them is closed to it and to everybody else; the router opens both while it
//! is still root.
//!
//! Invariant: an access log of an earlier version goes on; nothing else of the state directory is
//! given away.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use crate::atomic::{self, AtomicError};
use crate::identity::UserIdentity;
use crate::identity::{self, RegisterError};
use crate::paths::StateDir;

/// Why a router has no user or no directories.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoomsError {
    /// There is no user for it.
    #[error(transparent)]
    User(#[from] RegisterError),
    /// The directory of the snapshots cannot be shared.
    #[error(transparent)]
    Snapshots(#[from] AtomicError),
    /// The directory of the access log cannot be made.
    #[error("cannot make {path} the router's")]
    Log {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Makes the directories ready; the user of routers, `None` when the engine is not root. Blocks.
///
/// # Errors
/// [`RoomsError`].
pub(super) fn provide(state: &StateDir) -> Result<Option<UserIdentity>, RoomsError> {
    let user = identity::of_router(state)?;
    atomic::group_directory(&state.artifacts(), user.map(|user| user.gid))?;
    log_directory(state, user).map_err(|source| RoomsError::Log {
        path: state.router(),
        source,
    })?;
    Ok(user)
}

fn log_directory(state: &StateDir, user: Option<UserIdentity>) -> io::Result<()> {
    let directory = state.router();
    match fs::DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?,
    }
    let link = state.access_log_link();
    if fs::symlink_metadata(&link).is_ok_and(|found| found.is_file()) {
        fs::rename(&link, state.access_log())?;
    }
    if let Some(user) = user {
        give(&directory, user)?;
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            lchown(path, Some(user.uid), Some(user.gid))?;
        }
    }
    match symlink("router/access.log", &link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn give(path: &Path, user: UserIdentity) -> io::Result<()> {
    chown(path, Some(user.uid), Some(user.gid))
}
