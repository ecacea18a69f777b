//! Why a task did not start, and what stood in its way.

use neargate_core::machine::Obstacle;

use crate::data::{DataServiceKind, DataServiceName};

/// Why a task did not start.
#[derive(Debug)]
pub struct StartFailure {
    /// In words; names what is missing.
    pub reason: String,
    /// What stood in its way, when it may go away.
    pub obstacle: Option<Obstacle>,
}

impl From<String> for StartFailure {
    /// A full disk and a want of descriptors are known by the kernel's words, wherever on the way
    /// they were met.
    fn from(reason: String) -> Self {
        let known = [
            ("No space left on device", Obstacle::DiskFull),
            ("Too many open files", Obstacle::Descriptors),
        ];
        let met = known.into_iter().find(|(words, _)| reason.contains(words));
        Self {
            obstacle: met.map(|(_, obstacle)| obstacle),
            reason,
        }
    }
}

/// The obstacle that a data service is while it is not available.
#[must_use]
pub fn of_data(key: &DataServiceName) -> Obstacle {
    let name = key.name.clone();
    match key.kind {
        DataServiceKind::Database => Obstacle::Database(name),
        DataServiceKind::Cache => Obstacle::Cache(name),
    }
}
