//! The shape of `neargate status --json`: a contract that scripts rely on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ReleaseId, RevisionNumber, TaskId};
use crate::routing::control::RouterLoad;
use crate::status_words::{DataStateName, StageName, StrategyName, TaskHealthName, TaskStateName};
use crate::time::Timestamp;

/// The whole environment as the engine sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub app: String,
    pub env: String,
    /// Base URL, such as `http://127.0.0.1:8080`; empty: no manifest was applied.
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
    /// Notes for the operator: limits that are not enforced, fields not acted on.
    pub notes: Vec<String>,
    /// The engine's version; `None` far, and when it is too old to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
    /// How full the router is, and what it lacked; `None` while there is none, and far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_load: Option<RouterLoad>,
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

impl Copying {
    /// How far the copy is, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let (files, bytes) = (self.all_files, megabytes(self.all_bytes));
        let mut words = if files == 0 {
            "looks through the artifact".to_owned()
        } else if self.files == 0 && self.bytes == 0 {
            format!("reads the artifact: {files} files, {bytes} MB")
        } else if self.files < files {
            let (done, done_bytes) = (self.files, megabytes(self.bytes));
            format!("copies the artifact: {done} of {files} files, {done_bytes} of {bytes} MB")
        } else {
            let shared = self.shared_files;
            format!("writes the artifact to the disk: {files} files, {shared} of them unchanged")
        };
        if self.left_out > 0 {
            words.push_str(&format!("; {} left out", self.left_out));
        }
        words
    }
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

/// How long inputs (calls, reports of routers, ends of tasks, timers) wait for the engine's loop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LoopLag {
    /// The longest wait of the last minute, milliseconds.
    pub last_minute_ms: f64,
    /// The longest wait since the engine began, milliseconds.
    pub longest_ms: f64,
}

/// Content of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceKind {
    /// Tasks; there may be none at the moment.
    #[default]
    Tasks,
    /// Files that the router, or on AWS a bucket, serves.
    Static,
}

/// One service as `neargate status` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    pub name: String,
    /// Tasks or files.
    #[serde(default)]
    pub kind: ServiceKind,
    /// Number of tasks that it should have.
    pub desired: u32,
    /// Tasks whose process runs.
    pub running: u32,
    /// Tasks that are healthy.
    pub healthy: u32,
    /// Healthy tasks that it takes to serve as asked: `desired`, or the capacity floor while a
    /// release replaces a stable revision.
    #[serde(default)]
    pub needed: u32,
    /// Revision being released or serving (0: none).
    pub revision: RevisionNumber,
    /// Latest revision marked stable.
    pub stable_revision: Option<RevisionNumber>,
    /// The release in progress.
    pub release: Option<ReleaseStatus>,
    /// Tasks, oldest first.
    pub tasks: Vec<TaskStatus>,
    /// Why tasks are not starting, when they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Whether that is a failure: of the last release, or of several starts in a row.
    #[serde(default, skip_serializing_if = "is_false")]
    pub failing: bool,
}

impl Status {
    /// The name of the only service that is to have tasks; `None`: there are none, or several.
    #[must_use]
    pub fn only_service_with_tasks(&self) -> Option<&str> {
        let mut with_tasks = self.services.iter().filter(|service| service.desired > 0);
        match (with_tasks.next(), with_tasks.next()) {
            (Some(only), None) => Some(&only.name),
            _ => None,
        }
    }
}

impl ServiceStatus {
    /// Result of the last check of the first task that is not healthy, when it failed: `500 (1 of
    /// 2)`.
    #[must_use]
    pub fn last_check(&self) -> Option<&str> {
        let mut tasks = self.tasks.iter().filter(|task| {
            let waited_for = task.runs() && task.health != TaskHealthName::Healthy;
            waited_for && task.revision == self.revision
        });
        tasks.find_map(|task| task.last_check.as_deref())
    }

    /// How many tasks are healthy, in words; while a release is in progress, those of its revision
    /// and those of the others apart.
    #[must_use]
    pub fn healthy_words(&self) -> String {
        match (self.kind, self.desired, self.tasks.as_slice()) {
            (ServiceKind::Static, ..) => return "no tasks".to_owned(),
            (ServiceKind::Tasks, 0, []) => return "scaled to 0".to_owned(),
            (ServiceKind::Tasks, ..) => {}
        }
        let desired = self.desired;
        if self.release.is_none() || self.tasks.is_empty() {
            return format!("{} of {desired} healthy", self.healthy);
        }
        let mut healthy: BTreeMap<RevisionNumber, u32> = BTreeMap::new();
        for task in &self.tasks {
            let serves = task.runs() && task.health == TaskHealthName::Healthy;
            *healthy.entry(task.revision).or_default() += u32::from(serves);
        }
        let own = healthy.remove(&self.revision).unwrap_or(0);
        let mut words = format!("{own} of {desired} healthy");
        for (revision, count) in healthy {
            words.push_str(&format!(", {count} of revision {revision}"));
        }
        words
    }
}

/// A release in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseStatus {
    pub id: ReleaseId,
    /// Strategy of the release, such as `rolling`.
    pub strategy: StrategyName,
    /// Stage of the release, such as `scale-up`.
    pub stage: StageName,
    /// Step k of n; 0 when the strategy has no steps.
    pub step: u32,
    /// Percent of traffic on the new revision.
    pub weight: f64,
    /// Condition that it waits for, in words.
    pub waiting_for: String,
    /// Whether that is a person's word, or traffic that may never come: it may wait until its limit.
    #[serde(default, skip_serializing_if = "is_false")]
    pub held: bool,
    /// Whether a person paused it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paused: bool,
    /// When it began.
    pub started_at: Timestamp,
}

impl ReleaseStatus {
    /// Whether a share of the traffic is moved, and not task after task replaced.
    #[must_use]
    pub fn shifts(&self) -> bool {
        self.strategy != StrategyName::Rolling
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// One task as `neargate status` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskStatus {
    pub id: TaskId,
    /// Process id; `None` before it runs.
    pub pid: Option<u32>,
    /// Port it was given.
    pub port: Option<u16>,
    pub revision: RevisionNumber,
    /// ECS's `lastStatus`, lower case: `pending`, `running`, `deactivating`, `stopping`, `stopped`.
    pub state: TaskStateName,
    /// `unknown`, `healthy`, `unhealthy`.
    pub health: TaskHealthName,
    /// Result of its last health check, when it failed: `500 (1 of 2)`, the second number being how
    /// many in a row make it unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_check: Option<String>,
    /// When it ran first.
    pub started_at: Option<Timestamp>,
    /// While it leaves: when it is told to stop (`deactivating`), or killed (`stopping`), at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves_by: Option<Timestamp>,
}

impl TaskStatus {
    /// Whether its process runs and is to go on.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.state == TaskStateName::Running
    }
}

/// A database or cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataStatus {
    /// Name in the manifest.
    pub name: String,
    /// `postgres 15`, `redis 7.0`.
    pub engine: String,
    /// `starting`, `available`, `recovering`, `failed`, `stopped`, `external`.
    pub state: DataStateName,
    /// URL without its password.
    pub url_redacted: String,
    /// Reason for waiting or for a failure, when there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A process of Neargate itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessStatus {
    pub pid: u32,
    /// When it began.
    pub started_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_says_how_far_it_is_and_what_is_left_out() {
        let copying = |files, all_files, bytes, left_out| Copying {
            service: "web".into(),
            files,
            all_files,
            bytes,
            all_bytes: 117_400_000,
            shared_files: 6499,
            left_out,
        };
        for (copying, expected) in [
            (copying(0, 0, 0, 0), "looks through the artifact"),
            (
                copying(0, 6500, 0, 0),
                "reads the artifact: 6500 files, 118 MB",
            ),
            (
                copying(0, 6500, 11_600_000, 0),
                "copies the artifact: 0 of 6500 files, 12 of 118 MB",
            ),
            (
                copying(3210, 6500, 11_600_000, 24),
                "copies the artifact: 3210 of 6500 files, 12 of 118 MB; 24 left out",
            ),
            (
                copying(6500, 6500, 117_400_000, 0),
                "writes the artifact to the disk: 6500 files, 6499 of them unchanged",
            ),
        ] {
            assert_eq!(copying.describe(), expected);
        }
    }

    fn task(revision: u32, health: &str) -> TaskStatus {
        TaskStatus {
            id: TaskId::of("web", RevisionNumber(revision), 1),
            pid: None,
            port: None,
            revision: RevisionNumber(revision),
            state: TaskStateName::Running,
            health: health.into(),
            last_check: None,
            started_at: None,
            leaves_by: None,
        }
    }

    fn service(desired: u32, tasks: Vec<TaskStatus>, releases: bool) -> ServiceStatus {
        let healthy = tasks
            .iter()
            .filter(|task| task.health == TaskHealthName::Healthy);
        let healthy = healthy.count();
        ServiceStatus {
            name: "web".to_owned(),
            kind: ServiceKind::Tasks,
            desired,
            running: desired,
            healthy: u32::try_from(healthy).unwrap_or(0),
            needed: desired,
            revision: RevisionNumber(4),
            stable_revision: Some(RevisionNumber(3)),
            release: releases.then(|| ReleaseStatus {
                id: ReleaseId(4),
                strategy: StrategyName::Rolling,
                stage: StageName::ScaleUp,
                step: 0,
                weight: 0.0,
                held: false,
                paused: false,
                waiting_for: String::new(),
                started_at: Timestamp(0),
            }),
            tasks,
            trouble: None,
            failing: false,
        }
    }

    #[test]
    fn healthy_tasks_are_those_of_the_revision_that_is_named() {
        let old = || vec![task(3, "healthy"), task(3, "healthy"), task(4, "unknown")];
        let both = || vec![task(3, "healthy"), task(4, "healthy")];
        for (found, words) in [
            (service(2, old(), true), "0 of 2 healthy, 2 of revision 3"),
            (service(1, both(), true), "1 of 1 healthy, 1 of revision 3"),
            (service(2, both(), false), "2 of 2 healthy"),
            (service(0, Vec::new(), false), "scaled to 0"),
        ] {
            assert_eq!(found.healthy_words(), words);
        }
        let mut failing = service(2, old(), true);
        assert_eq!(failing.last_check(), None);
        for task in &mut failing.tasks {
            task.last_check = Some(format!("{}00 (1 of 2)", task.revision));
        }
        assert_eq!(failing.last_check(), Some("400 (1 of 2)"));
        let files = ServiceStatus {
            kind: ServiceKind::Static,
            ..service(0, Vec::new(), false)
        };
        assert_eq!(files.healthy_words(), "no tasks");
    }
}
