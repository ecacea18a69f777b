//! Whom tasks run as: a user of their own per service when the engine is root.
//!
//! Invariant: the same service of the same state directory gets the same user at every start;
//! no task runs as root. The numbers are systemd's range for dynamic users, so no real user
//! of the machine has one.

use sha2::{Digest, Sha256};

use crate::paths::StateDir;
use crate::supervisor::Identity;

const FIRST: u32 = 61_184;
const COUNT: u32 = 4_336;

/// The user of a service's tasks; `None` when the engine is not root: its own.
#[must_use]
pub fn of_service(state: &StateDir, service: &str) -> Option<Identity> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(state.path().as_os_str().as_encoded_bytes());
    hash.update([0]);
    hash.update(service);
    let digest = hash.finalize();
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let uid = FIRST + number % COUNT;
    Some(Identity { uid, gid: uid })
}
