//! Whose a state directory is, by what its engine wrote down; no engine needs to run.

use super::DEFINITION;
use crate::api::wire::Definition;
use crate::journal;
use crate::paths::StateDir;

/// The app and the environment that a state directory belongs to; nothing when no app was up in it.
#[must_use]
pub fn owner(state: &StateDir) -> Option<(String, String)> {
    let text = journal::read_meta(&state.database(), DEFINITION)?;
    let definition: Definition = serde_json::from_str(&text).ok()?;
    Some((definition.manifest.app, definition.manifest.env))
}
