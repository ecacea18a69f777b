//! Who asks: the kernel's word, and the name that the machine has for it.

use serde::{Deserialize, Serialize};

/// Where the machine's own users are.
const USERS: &str = "/etc/passwd";

/// A user of this machine, at the other end of the API socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerUser {
    /// User id, by `SO_PEERCRED` of the API socket.
    pub uid: u32,
    /// Its name; empty: the machine's own list has none (a directory service may).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

impl PeerUser {
    /// The user with this id.
    #[must_use]
    pub fn of(uid: u32) -> Self {
        let users = std::fs::read_to_string(USERS).unwrap_or_default();
        let name = name_of(uid, &users).unwrap_or_default();
        Self { uid, name }
    }

    /// The user of this process.
    #[must_use]
    pub fn own() -> Self {
        Self::of(rustix::process::getuid().as_raw())
    }
}

impl std::fmt::Display for PeerUser {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.name.is_empty() {
            write!(out, "user {}", self.uid)
        } else {
            write!(out, "{}", self.name)
        }
    }
}

/// Login name of a user id in the lines of `/etc/passwd` (`rosa:x:1000:…`).
fn name_of(uid: u32, users: &str) -> Option<String> {
    let line = users.lines().find(|line| {
        let third = line.split(':').nth(2);
        third.and_then(|text| text.parse().ok()) == Some(uid)
    })?;
    line.split(':').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_user_is_found_by_its_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nrosa:x:1000:1000::/home/rosa:/bin/sh\n";
        assert_eq!(super::name_of(1000, users).as_deref(), Some("rosa"));
        assert_eq!(super::name_of(7, users), None);
    }
}
