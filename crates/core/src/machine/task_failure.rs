//! Why tasks failed, as the breaker counts it and a release keeps it.
//!
//! Invariant: versions that kept words only are read as [`TaskFailure::Words`] and [`EvidenceLine::Headline`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::health_reason::HealthReason;
use crate::ids::TaskId;

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TaskFailure {
    /// Its health check says so.
    Unhealthy {
        unhealthy: HealthReason,
        /// The path that it asked for, when a status came back.
        path: Option<String>,
        /// Whether it has a health check and never passed it.
        never_healthy: bool,
    },
    /// It ended, or did not start.
    Words(String),
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unhealthy, path, never_healthy) = match self {
            Self::Words(words) => return out.write_str(words),
            Self::Unhealthy {
                unhealthy,
                path,
                never_healthy,
            } => (unhealthy, path, *never_healthy),
        };
        write!(out, "unhealthy: {unhealthy}")?;
        if let Some(path) = path {
            write!(out, " from {path}")?;
        }
        out.write_str(if never_healthy {
            " (never healthy)"
        } else {
            ""
        })
    }
}

/// One line of what a release failed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EvidenceLine {
    /// Tasks that failed by the same.
    Tasks {
        /// In the order of their failures.
        tasks: Vec<TaskId>,
        failure: TaskFailure,
    },
    /// A log line of the failure before it.
    Log { log: String },
    /// A job, a guard, a capacity that failed.
    Headline(String),
}

impl EvidenceLine {
    /// Whether it says that a task listens elsewhere. The next tasks find that port taken, so they
    /// fail by what follows from it.
    pub(super) fn is_wrong_port(&self) -> bool {
        matches!(
            self,
            Self::Tasks { failure: TaskFailure::Unhealthy { unhealthy, .. }, .. }
                if unhealthy.wrong_port.is_some()
        )
    }
}

impl fmt::Display for EvidenceLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tasks { tasks, failure } => {
                let several = if tasks.len() > 1 { "s" } else { "" };
                let tasks: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
                write!(out, "task{several} {}: {failure}", tasks.join(", "))
            }
            Self::Log { log } => write!(out, "  {log}"),
            Self::Headline(words) => out.write_str(words),
        }
    }
}
