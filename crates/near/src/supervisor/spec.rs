//! What a process is to be, as the supervisor tells it to a shim.
//!
//! It holds secrets (the environment): it goes over a pipe, never to a file or a command line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use neargate_core::ids::RevisionNumber;
use neargate_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cgroup::ResourceLimits;
use crate::identity::UserIdentity;
use crate::process_identity::ProcessIdentity;
use crate::shim_role::ShimRole;

/// One process to run.
#[derive(Clone, Serialize, Deserialize)]
pub struct TaskSpec {
    /// Unique under the state directory: `api-r3-7`, `database-main`.
    pub id: String,
    /// Purpose of the process; `None`: a session, or an engine of a version that did not say it.
    #[serde(default)]
    pub role: Option<ShimRole>,
    /// Whose log its output goes to.
    pub log: LogTarget,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Its whole environment, but for what [`WorkingDirectory`] adds.
    pub env: BTreeMap<String, String>,
    /// Where it runs.
    pub place: WorkingDirectory,
    /// Whom it runs as; `None`: the engine's own user.
    pub identity: Option<UserIdentity>,
    /// CPU, memory and processes it may use.
    pub limits: Option<ResourceLimits>,
    /// The port that it was given, for the record.
    pub port: Option<u16>,
    /// How it is stopped.
    pub stop: StopPolicy,
}

/// Where the output of a process goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTarget {
    /// Service, database or cache name: the directory under `logs/`.
    pub service: String,
    /// Revision; 0 when it has none.
    pub revision: RevisionNumber,
}

/// Where a process runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkingDirectory {
    /// In this directory, entered before the user is changed.
    Directory(PathBuf),
    /// In this directory, which is also first on `PATH`. As root it is mounted read-only at a
    /// place that the task's user can reach, whatever lies above it.
    Snapshot(PathBuf),
}

/// How a process is stopped: signal, time, SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopPolicy {
    /// The signal that asks.
    pub signal: StopSignal,
    /// Then it is killed.
    #[serde(with = "neargate_core::duration")]
    pub timeout: Duration,
    /// Rule for its children that have not ended when it has.
    pub children: OrphanPolicy,
}

/// Rule for processes that outlive the first one of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrphanPolicy {
    /// They get the signal, and what is left of the timeout.
    Asked,
    /// They are killed: a server that recovers from that and must be started again soon.
    Killed,
}

/// Signals that ask a process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopSignal {
    Terminate,
    Interrupt,
}

/// A process that runs, as its shim wrote it down in `tasks/<id>/state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningProcess {
    /// Name of its directory under `tasks/`.
    pub id: String,
    /// Purpose of the process; `None`: it was started by a version that did not write it down.
    #[serde(default)]
    pub role: Option<ShimRole>,
    /// Process id of the shim, which leads the record.
    pub shim: ProcessIdentity,
    /// Process id of the task.
    pub task: ProcessIdentity,
    /// When it was started.
    pub started_at: Timestamp,
    /// The port that it was given.
    pub port: Option<u16>,
    /// Its own user; `None`: the engine's.
    #[serde(default)]
    pub user: Option<u32>,
    /// Limits that are not enforced for it, in words.
    pub notes: Vec<String>,
}

impl RunningProcess {
    /// Purpose of the process.
    #[must_use]
    pub fn role(&self) -> ShimRole {
        let recorded = self.role.clone();
        recorded.unwrap_or_else(|| ShimRole::in_earlier_name(&self.id))
    }
}

/// How a process ended, as its shim wrote it down in `tasks/<id>/exit.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// Exit code or signal.
    pub exit: neargate_core::machine::ProcessExit,
    /// When its shim saw the end.
    pub at: Timestamp,
    /// The kernel killed something of it for want of memory.
    pub out_of_memory: bool,
}
