//! Whom data services run as.
//!
//! PostgreSQL refuses root, and a cache has no business being root either. Invariant: as root,
//! the services run as an unprivileged user of the machine; as anybody else, as that user.
//! The user must have an entry in `/etc/passwd`, because `initdb` asks for one.

use std::fs;

use super::error::DataError;

/// Whom a process runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The engine's own user, which is not root.
    Same,
    /// Another user, because the engine is root.
    Other {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

impl Owner {
    /// The owner for a program: the first of these users that the machine has, `nobody` at last.
    ///
    /// # Errors
    /// [`DataError::NoUser`] when the machine has none of them.
    pub fn of(preferred: &str) -> Result<Self, DataError> {
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

    /// User and group id, when they are another's.
    #[must_use]
    pub fn ids(self) -> Option<(u32, u32)> {
        match self {
            Self::Same => None,
            Self::Other { uid, gid } => Some((uid, gid)),
        }
    }
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
