//! Whom data services run as.
//!
//! PostgreSQL refuses root, and a cache has no business being root either. Invariant: as root,
//! each service runs as an unprivileged user of its own; as anybody else, as that user.
//! `initdb` wants the user to have an account; [`super::os_account`] shows it one.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;

use rustix::thread::CapabilitySet;

use super::error::DataError;
use crate::identity;
use crate::paths::StateDir;

/// Whom a process runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessOwner {
    /// The engine's own user, which is not root.
    Same,
    /// Another user, because the engine is root.
    Other { uid: u32, gid: u32 },
}

impl ProcessOwner {
    /// The owner of a data service (`database main`): a user of its own, from the machine-wide
    /// register. Root that may not mount cannot give it an account, so there the services share
    /// the first of these users that the machine has: the preferred one, `nobody` at last. Blocks.
    ///
    /// # Errors
    /// [`DataError::Identity`]; [`DataError::NoUser`] when the machine has none of them.
    pub fn of(state: &StateDir, label: &str, preferred: &str) -> Result<Self, DataError> {
        if may_mount() {
            let own = identity::of_data_service(state, label);
            let own = own.map_err(|source| DataError::Identity {
                service: label.to_owned(),
                source,
            })?;
            return Ok(own.map_or(Self::Same, |own| Self::Other {
                uid: own.uid,
                gid: own.gid,
            }));
        }
        Self::shared(preferred)
    }

    fn shared(preferred: &str) -> Result<Self, DataError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Same);
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        [preferred, "nobody"]
            .iter()
            .find_map(|name| entry(&passwd, name))
            .map(|(uid, gid)| Self::Other { uid, gid })
            .ok_or_else(|| DataError::NoUser {
                name: preferred.to_owned(),
            })
    }

    /// Makes a directory and all in it the owner's when it is another user's: one that a version
    /// before registers made. No process may stand in it. Blocks.
    ///
    /// # Errors
    /// [`DataError::Files`].
    pub fn take_over(self, directory: &Path) -> Result<(), DataError> {
        let Self::Other { uid, gid } = self else {
            return Ok(());
        };
        if fs::metadata(directory).map_or(true, |found| found.uid() == uid) {
            return Ok(());
        }
        give_all(directory, uid, gid).map_err(|source| DataError::Files {
            operation: "give away",
            path: directory.to_owned(),
            source,
        })
    }

    /// User and group id, when they are another's.
    #[must_use]
    pub fn ids(self) -> Option<(u32, u32)> {
        match self {
            Self::Same => None,
            Self::Other { uid, gid } => Some((uid, gid)),
        }
    }
}

/// Gives a tree away, itself last: what was not finished is begun anew.
fn give_all(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give_all(&entry?.path(), uid, gid)?;
        }
    }
    lchown(path, Some(uid), Some(gid))
}

/// Whether this process may make mounts of its own.
fn may_mount() -> bool {
    rustix::thread::capabilities(None)
        .is_ok_and(|own| own.effective.contains(CapabilitySet::SYS_ADMIN))
}

/// Ids of a user that is not root.
fn entry(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        if fields.first() != Some(&name) {
            return None;
        }
        let uid = fields.get(2)?.parse().ok().filter(|uid| *uid != 0)?;
        Some((uid, fields.get(3)?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_root_is_never_chosen() {
        let passwd = "root:x:0:0::/:/bin/sh\nevil:x:0:0::/:\nnobody:x:65534:65533::/:\nshort:x\n";
        assert_eq!(entry(passwd, "nobody"), Some((65534, 65533)));
        for name in ["root", "evil", "short", "absent", "no"] {
            assert_eq!(entry(passwd, name), None, "{name}");
        }
    }
}
