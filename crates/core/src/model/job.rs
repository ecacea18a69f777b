//! Jobs: what runs once, by a command or by asking.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A one-off or scheduled task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The job's name.
    pub name: String,
    /// In whose revision, size and environment it runs.
    pub service: String,
    /// Work of the job: `command` or `http` on the wire.
    #[serde(flatten)]
    pub work: JobWork,
    /// Killed after this long; a failure.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
    /// A cron expression or `rate(5 minutes)`.
    pub schedule: Option<String>,
}

impl Job {
    /// Program and arguments; empty for an HTTP check.
    #[must_use]
    pub fn command(&self) -> &[String] {
        match &self.work {
            JobWork::Command(command) => command,
            JobWork::Http(_) => &[],
        }
    }
}

/// Work of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobWork {
    /// Runs a program with these arguments.
    Command(Vec<String>),
    /// Asks the new revision, and no other, through the router.
    Http(HttpCheck),
}

/// GET a path until the answer is the one wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HttpCheck {
    /// For example `/healthz`; with its query.
    pub path: String,
    /// Status codes wanted, as inclusive ranges.
    pub status: Vec<(u16, u16)>,
    /// For one attempt.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
    /// Attempts at most.
    pub attempts: u32,
    /// The `Host` header; `None`: the service's own address.
    pub host: Option<String>,
    /// Other headers of the request, by name.
    pub headers: BTreeMap<String, String>,
}
