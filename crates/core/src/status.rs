//! The shape of `neargate status --json`: a contract that scripts rely on.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The whole environment as the engine sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// App name.
    pub app: String,
    /// Environment name.
    pub env: String,
    /// `http://127.0.0.1:8080`.
    pub endpoint: String,
    /// Services by name.
    pub services: Vec<ServiceStatus>,
    /// Databases by name.
    pub databases: Vec<DataStatus>,
    /// Caches by name.
    pub caches: Vec<DataStatus>,
    /// The engine's process.
    pub engine: ProcessStatus,
    /// The router's process; `None` while it is being replaced after a crash.
    pub router: Option<ProcessStatus>,
    /// What the operator should know: limits that are not enforced, fields not acted on.
    pub notes: Vec<String>,
    /// The engine's version; `None` far, and when it is too old to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
    /// How long inputs wait for the engine's loop; `None` far, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_loop: Option<LoopLag>,
    /// Artifacts that are being copied for revisions to come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copying: Vec<Copying>,
}

/// How far the copy of a service's artifact is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copying {
    /// Service name.
    pub service: String,
    /// Files that are done.
    pub files: u64,
    /// Files of the artifact; 0 until they are counted.
    pub all_files: u64,
    /// Bytes that are done.
    pub bytes: u64,
    /// Bytes of the artifact.
    pub all_bytes: u64,
    /// Of the files that are done: those shared with the revision before.
    pub shared_files: u64,
    /// Files and folders that `.neargateignore` leaves out.
    pub left_out: u64,
}

/// How long inputs (calls, reports of routers, ends of tasks, timers) wait for the engine's loop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LoopLag {
    /// The longest wait of the last minute, milliseconds.
    pub last_minute_ms: f64,
    /// The longest wait since the engine began, milliseconds.
    pub longest_ms: f64,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Service name.
    pub name: String,
    /// Tasks wanted.
    pub desired: u32,
    /// Tasks running.
    pub running: u32,
    /// Tasks healthy.
    pub healthy: u32,
    /// Healthy tasks that it takes to serve as asked: `desired`, or the capacity floor while a
    /// release replaces a stable revision.
    #[serde(default)]
    pub needed: u32,
    /// Revision being released or serving (0: none).
    pub revision: u32,
    /// Latest revision marked stable.
    pub stable_revision: Option<u32>,
    /// The release in progress.
    pub release: Option<ReleaseStatus>,
    /// Tasks, oldest first.
    pub tasks: Vec<TaskStatus>,
    /// Why tasks are not starting, when they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A release in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseStatus {
    /// Release id.
    pub id: u64,
    /// `rolling`, …
    pub strategy: String,
    /// `scale-up`, … (DESIGN §6).
    pub stage: String,
    /// Step k of n; 0 when the strategy has no steps.
    pub step: u32,
    /// Percent of traffic on the new revision.
    pub weight: f64,
    /// What it waits for, in words.
    pub waiting_for: String,
    /// When it began.
    pub started_at: Timestamp,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// Task id.
    pub id: String,
    /// Process id; `None` before it runs.
    pub pid: Option<u32>,
    /// Port it was given.
    pub port: Option<u16>,
    /// Its revision.
    pub revision: u32,
    /// ECS's `lastStatus`, lower case: `pending`, `running`, `deactivating`, `stopping`, `stopped`.
    pub state: String,
    /// `unknown`, `healthy`, `unhealthy`.
    pub health: String,
    /// When it ran first.
    pub started_at: Option<Timestamp>,
}

/// A database or cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataStatus {
    /// Name.
    pub name: String,
    /// `postgres 15`, `redis 7.0`.
    pub engine: String,
    /// `starting`, `available`, `recovering`, `failed`, `stopped`, `external`.
    pub state: String,
    /// URL without its password.
    pub url_redacted: String,
    /// What it waits for or what went wrong, when there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A process of Neargate itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Process id.
    pub pid: u32,
    /// When it began.
    pub started_at: Timestamp,
}
