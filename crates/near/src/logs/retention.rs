//! Which logs stay: those of tasks that live, and of each service the newest of those that ended.

use std::fs;
use std::io;
use std::path::PathBuf;

use neargate_core::ids::TaskId;

use super::writer::{FILES, rotated};
use crate::paths::StateDir;

/// Logs of tasks that are gone, kept per service.
pub const DEAD_TASKS_KEPT: usize = 20;

/// Removes logs of tasks that are gone, but for the newest of each service.
///
/// # Errors
/// A directory cannot be read.
pub fn prune(state: &StateDir, service: &str, alive: &[TaskId]) -> io::Result<()> {
    let directory = state.logs().join(service);
    let mut dead: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(directory)?.flatten() {
        let path = entry.path();
        let task = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "log")
            && !alive.iter().any(|alive| *alive == task)
        {
            dead.push((entry.metadata()?.modified()?, path));
        }
    }
    dead.sort();
    let surplus = dead.len().saturating_sub(DEAD_TASKS_KEPT);
    for (_, path) in dead.into_iter().take(surplus) {
        for number in 1..FILES {
            let _ = fs::remove_file(rotated(&path, number));
        }
        let _ = fs::remove_file(path);
    }
    Ok(())
}
