//! Whom the engine's processes run as: when the engine is root, a user of its own for each
//! service, each data service and the router.
//!
//! Users are handed out like ports: the next free number of the machine-wide register
//! ([`UserRegister`]), kept for the life of the state directory. Invariant: no two names, of one app
//! or of several apps on the machine, have the same user; none of them is root.

mod in_use;
mod register;
mod user_numbers;

use serde::{Deserialize, Serialize};

use crate::paths::StateDir;
pub use register::{RegisterError, UserRegister};

/// A user and its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserIdentity {
    pub uid: u32,
    pub gid: u32,
}

/// The user of a service's tasks; `None` when the engine is not root: its own. Blocks.
///
/// # Errors
/// [`RegisterError`].
pub fn of_service(state: &StateDir, service: &str) -> Result<Option<UserIdentity>, RegisterError> {
    of(state, &format!("service {service}"))
}

/// The user of a data service (`database main`, `cache main`); `None` when the engine is not
/// root. Blocks.
///
/// # Errors
/// [`RegisterError`].
pub fn of_data_service(
    state: &StateDir,
    label: &str,
) -> Result<Option<UserIdentity>, RegisterError> {
    of(state, label)
}

/// The user of the routers; `None` when the engine is not root. Blocks.
///
/// # Errors
/// [`RegisterError`].
pub fn of_router(state: &StateDir) -> Result<Option<UserIdentity>, RegisterError> {
    of(state, "router")
}

/// The user that a service's tasks were given before, by the state directory's own file.
#[must_use]
pub fn known_of_service(state: &StateDir, service: &str) -> Option<UserIdentity> {
    let uid = user_numbers::registered_user(state, &format!("service {service}"))?;
    Some(UserIdentity { uid, gid: uid })
}

/// Gives all users of a state directory back; nothing of it runs any more. Blocks.
///
/// # Errors
/// [`RegisterError`].
pub fn give_back(state: &StateDir) -> Result<(), RegisterError> {
    if rustix::process::geteuid().is_root() {
        UserRegister::of_machine().give_back(state)?;
    }
    Ok(())
}

fn of(state: &StateDir, name: &str) -> Result<Option<UserIdentity>, RegisterError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let uid = UserRegister::of_machine().user(state, name)?;
    Ok(Some(UserIdentity { uid, gid: uid }))
}
