//! Judges releases in progress.

use super::Engine;

impl Engine {
    /// Alarms that breach now, with their words.
    pub(super) fn firing(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}
