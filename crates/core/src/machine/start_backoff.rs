//! What is remembered of tasks of a revision that do not start.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Failed starts of a revision's tasks: none in a row is forgotten until a task is healthy, a
/// person asks, or the obstacle is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartBackoff {
    /// Failed starts in a row; those of tasks that were started together are one.
    pub failures: u32,
    /// No task of the revision is started before this moment.
    pub until: Option<Timestamp>,
    /// Why the last one failed.
    pub reason: String,
    /// The obstacle, when it is known.
    pub obstacle: Option<Obstacle>,
}

/// Something outside of a revision that keeps its tasks from starting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Obstacle {
    /// A database of this name that is not available.
    Database(String),
    /// A cache of this name that is not available.
    Cache(String),
    /// No space on the disk.
    DiskFull,
    /// The machine or the engine may open no more files.
    Descriptors,
    /// A TCP port of the app that another process has.
    PortTaken(u16),
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Database(name) => write!(out, "database {name} is available"),
            Self::Cache(name) => write!(out, "cache {name} is available"),
            Self::DiskFull => write!(out, "the disk has space"),
            Self::Descriptors => write!(out, "files can be opened"),
            Self::PortTaken(port) => write!(out, "port {port} is free"),
        }
    }
}
