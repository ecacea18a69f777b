//! Which users a state directory has, by its own file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::paths::StateDir;

/// Users of a state directory, as its file `users` keeps them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct UserNumbers {
    /// Random; names the directory wherever it is moved to.
    pub(super) directory: String,
    /// Number by name: `service web`, `database main`, `router`.
    pub(super) users: BTreeMap<String, u32>,
}

impl UserNumbers {
    pub(super) fn read(file: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }
}

/// The number that a name was given before, by the state directory's own file.
pub(super) fn registered_user(state: &StateDir, name: &str) -> Option<u32> {
    UserNumbers::read(&state.users())?.users.get(name).copied()
}
