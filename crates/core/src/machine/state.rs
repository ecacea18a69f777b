//! The state of one environment: what replay of the journal gives.
//!
//! Health, lifecycle and admission of a task are three facts. Everything is ordered (BTreeMap),
//! so equal journals give equal states, byte for byte.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::capacity::Capacity;
use super::promotion::{GuardVerdict, Promotion, SplitCheck};
use super::release_stage::{ReleaseKind, ReleaseStage};
use super::release_timeline::{FinishedRelease, MOMENTS_KEPT, TimelineEvent};
use super::scale_bounds::ScaleBounds;
use super::start_backoff::StartBackoff;
use super::task_failure::EvidenceLine;
use crate::health_reason::HealthReason;
use crate::ids::{ReleaseId, RevisionNumber, ServiceName, TaskId};
use crate::model::{Alarm, Job, Manifest, Service, Workload};
use crate::time::Timestamp;

/// Revisions kept per service, besides those in use.
pub(super) const REVISIONS_KEPT: usize = 10;
/// Finished releases kept per service.
pub(super) const HISTORY_KEPT: usize = 50;
/// Lines of evidence kept per release.
pub(super) const EVIDENCE_KEPT: usize = 20;
/// Names of removed services whose numbers are remembered.
pub(super) const FORGOTTEN_KEPT: usize = 1000;
/// A task that is started but not running by then has failed to start.
pub const START_TIMEOUT: Duration = Duration::from_secs(120);
/// ECS: a task without any health check counts as healthy this long after it runs.
pub const STEADY_AFTER: Duration = Duration::from_secs(40);

/// Everything that was decided for one environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredState")]
pub struct EnvironmentState {
    /// Whether the environment should run.
    pub phase: EnvironmentPhase,
    /// Services by name.
    pub services: BTreeMap<ServiceName, ServiceState>,
    /// Id of the next release.
    pub next_release: ReleaseId,
    /// Where the numbers of removed services go on when one of their name comes again.
    #[serde(default)]
    pub(super) forgotten: BTreeMap<ServiceName, RetiredNumbers>,
    /// Nearest deadline of each service that has one; kept by `apply`.
    pub(super) deadlines: BTreeSet<(Timestamp, ServiceName)>,
    /// The service of each task that exists; kept by `apply`, and derived again when a snapshot is read.
    #[serde(skip)]
    pub(super) task_services: BTreeMap<TaskId, ServiceName>,
}

/// A state as a snapshot of the journal holds it.
#[derive(Deserialize)]
struct StoredState {
    phase: EnvironmentPhase,
    services: BTreeMap<ServiceName, ServiceState>,
    next_release: ReleaseId,
    #[serde(default)]
    forgotten: BTreeMap<ServiceName, RetiredNumbers>,
    deadlines: BTreeSet<(Timestamp, ServiceName)>,
}

impl From<StoredState> for EnvironmentState {
    fn from(stored: StoredState) -> Self {
        let mut services = stored.services;
        let mut task_services = BTreeMap::new();
        for service in services.values_mut() {
            for task in service.tasks.values_mut() {
                if task.ordinal == 0 {
                    task.ordinal = ordinal_in_id(&task.id);
                }
                task_services.insert(task.id.clone(), service.name.clone());
            }
        }
        Self {
            phase: stored.phase,
            services,
            next_release: stored.next_release,
            forgotten: stored.forgotten,
            deadlines: stored.deadlines,
            task_services,
        }
    }
}

/// The ordinal of a task that a version without [`Task::ordinal`] wrote down: its id ends with it. The only place that
/// reads an id.
fn ordinal_in_id(id: &TaskId) -> u64 {
    let (_, ordinal) = id.as_str().rsplit_once('-').unwrap_or_default();
    ordinal.parse().unwrap_or(0)
}

/// Numbers of a removed service that are never used again (ECS: a revision number is not reused).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RetiredNumbers {
    /// Number of the next revision.
    pub next_revision: RevisionNumber,
    /// Number of the next task.
    pub next_task: u64,
}

/// Whether the environment should run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvironmentPhase {
    /// `neargate up` was the last word.
    Up,
    /// Nothing runs, by `neargate down` or because nothing was ever asked.
    #[default]
    Down,
}

/// An immutable snapshot of what a service is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RevisionDefinition {
    pub service: Service,
    /// The jobs of this service by name.
    pub jobs: BTreeMap<String, Job>,
    /// The alarms that guard its releases, by name.
    #[serde(default)]
    pub guards: BTreeMap<String, Alarm>,
    /// SHA-256 of the artifact, hex; `None`: tasks run in `root`.
    pub artifact: Option<String>,
    /// The manifest's folder; tasks without an artifact run in it.
    pub root: String,
    /// Version of each secret in use.
    pub secrets: BTreeMap<String, u32>,
    /// `--set` as written.
    pub overrides: Vec<String>,
    /// Login name of the person who made it.
    pub user: String,
    /// Git revision of the folder, when it is a work tree.
    pub git: Option<String>,
}

impl RevisionDefinition {
    /// Definition of a service by its manifest; artifact, folder, secrets and cause are not in it.
    #[must_use]
    pub fn of(manifest: &Manifest, service: &Service) -> Self {
        let policy = &service.release;
        let jobs = [
            &policy.before,
            &policy.smoke,
            &policy.after,
            &policy.on_rollback,
        ];
        let jobs = jobs.into_iter().flatten();
        let guards = policy.guard.iter();
        Self {
            service: service.clone(),
            jobs: jobs
                .filter_map(|job| Some((job.clone(), manifest.jobs.get(job)?.clone())))
                .collect(),
            guards: guards
                .filter_map(|name| Some((name.clone(), manifest.alarms.get(name)?.clone())))
                .collect(),
            artifact: None,
            root: String::new(),
            secrets: BTreeMap::new(),
            overrides: Vec::new(),
            user: String::new(),
            git: None,
        }
    }

    /// Whether a task of one would be a task of the other: everything but the scale and the record.
    /// A snapshot is the same wherever the manifest's folder is.
    #[must_use]
    pub fn runs_the_same(&self, other: &Self) -> bool {
        let mut mine = self.service.clone();
        mine.scale.clone_from(&other.service.scale);
        mine.build.clone_from(&other.service.build);
        mine == other.service
            && self.jobs == other.jobs
            && self.artifact == other.artifact
            && (self.artifact.is_some() || self.root == other.root)
            && self.secrets == other.secrets
    }

    /// Static sites have no tasks.
    #[must_use]
    pub fn has_tasks(&self) -> bool {
        !matches!(self.service.runs, Workload::Static(_))
    }
}

/// How far a revision got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevisionStatus {
    /// Registered, its release not done.
    Candidate,
    /// A release to it was done once.
    Stable,
    /// Its release failed; it gets no new task.
    Failed,
}

/// A numbered revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Service, jobs and alarms of the revision.
    pub definition: Arc<RevisionDefinition>,
    /// How far it got.
    pub status: RevisionStatus,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// State of one service: its revisions, tasks and releases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceState {
    pub name: ServiceName,
    pub desired: u32,
    /// Revisions by number.
    pub revisions: BTreeMap<RevisionNumber, Revision>,
    /// Number of the next revision.
    pub next_revision: RevisionNumber,
    /// The revision that new tasks are of; 0: none yet.
    pub primary: RevisionNumber,
    /// The revision whose release was done last.
    pub stable: Option<RevisionNumber>,
    /// The release in progress.
    pub release: Option<Release>,
    /// Tasks that exist, by id.
    pub tasks: BTreeMap<TaskId, Task>,
    /// Number of the next task.
    pub next_task: u64,
    /// Revisions whose tasks failed to start, by number.
    #[serde(default)]
    pub backoffs: BTreeMap<RevisionNumber, StartBackoff>,
    /// The manifest's bounds that `desired` was last brought into; `None`: it was never decided.
    #[serde(default)]
    pub scale_bounds: Option<ScaleBounds>,
    /// Platform that runs its revisions.
    #[serde(default, skip_serializing_if = "Capacity::is_scheduler")]
    pub capacity: Capacity,
    /// Releases that ended, oldest first.
    pub history: VecDeque<Arc<FinishedRelease>>,
    /// Whether it should go.
    pub removal: Removal,
}

/// Whether a service is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Removal {
    /// It is in the manifest.
    Kept,
    /// It goes when its tasks have stopped.
    Leaving,
}

/// A task that exists or is about to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Unique in the environment, for example `api-r3-7`.
    pub id: TaskId,
    /// How many tasks the service had made when it made this one, itself included: the younger of two has the
    /// greater number. Snapshots of earlier versions lack it; `StoredState` recovers it.
    #[serde(default)]
    pub ordinal: u64,
    pub revision: RevisionNumber,
    /// Where it is.
    pub lifecycle: TaskLifecycle,
    /// Verdict of its check.
    pub health: TaskHealth,
    pub health_reason: HealthReason,
    /// An unhealthy verdict is ignored until then.
    pub grace_until: Option<Timestamp>,
    /// The log lines that came with such a verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
    /// When it ran first.
    pub ran_at: Option<Timestamp>,
    /// Whether it was healthy once.
    pub record: TaskHistory,
}

/// Past of a task, for the circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskHistory {
    /// It was never healthy, and did not fail.
    New,
    /// It was healthy once.
    Proven,
    /// It counted as a failure of its release: once, whatever else happens to it.
    Counted,
}

/// Where a task is. Stopped tasks leave the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum TaskLifecycle {
    /// Asked to start.
    Pending { since: Timestamp },
    /// Its process runs.
    Running { since: Timestamp },
    /// No new requests; those in flight finish.
    Deactivating {
        since: Timestamp,
        /// Then it is stopped anyway.
        deadline: Timestamp,
    },
    /// Told to stop.
    Stopping {
        since: Timestamp,
        /// Then it is killed.
        deadline: Timestamp,
    },
}

/// Verdict of a health check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskHealth {
    /// No verdict yet.
    #[default]
    Unknown,
    /// Fit for traffic.
    Healthy,
    /// Failing its check: no traffic.
    Unhealthy,
}

/// A release in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Unique in the environment.
    pub id: ReleaseId,
    /// Why it began.
    pub kind: ReleaseKind,
    /// The revision that served at its start; 0: none.
    pub from: RevisionNumber,
    /// The revision that it is to.
    pub to: RevisionNumber,
    /// Where it is.
    pub stage: ReleaseStage,
    /// When the stage must be over (ECS: 24 hours).
    pub stage_deadline: Timestamp,
    /// When it began.
    pub started_at: Timestamp,
    /// Jobs of the present stage or step that succeeded.
    pub hooks_done: u32,
    /// The job that runs.
    pub hook: Option<HookRun>,
    /// Jobs begun in all stages.
    #[serde(default)]
    pub hook_runs: u32,
    /// The job that failed last: it may not have been stopped.
    #[serde(default)]
    pub stopped_hook: Option<HookRun>,
    /// Failed tasks that the breaker has counted.
    pub failures: u32,
    /// Why it is rolling back.
    pub reason: String,
    /// Log lines, exits, answers of failed tasks.
    pub evidence: Vec<EvidenceLine>,
    /// Steps taken; 0: the new revision got no production traffic yet.
    #[serde(default)]
    pub step: u32,
    /// Share of the requests that the new revision is to get, tenths of a percent.
    #[serde(default)]
    pub weight: u32,
    /// When the present step may be over.
    #[serde(default)]
    pub bake_until: Option<Timestamp>,
    /// When the present step was taken.
    #[serde(default)]
    pub step_since: Option<Timestamp>,
    /// Verdicts of its guards, by alarm name.
    #[serde(default)]
    pub guards: BTreeMap<String, GuardVerdict>,
    /// Whether the router splits the requests as asked.
    #[serde(default)]
    pub split: SplitCheck,
    /// A person's last word about the steps.
    #[serde(default)]
    pub gate: Promotion,
    /// Requests and connections of old tasks that were cut off at the end of `drain`.
    #[serde(default)]
    pub cut: u64,
    /// Its timeline so far.
    #[serde(default)]
    pub story: Vec<Arc<TimelineEvent>>,
}

impl Release {
    /// The evidence for people.
    #[must_use]
    pub fn evidence_lines(&self) -> Vec<String> {
        self.evidence.iter().map(ToString::to_string).collect()
    }

    /// Adds a moment; in the middle of a long story the older ones give way.
    pub(super) fn record(&mut self, at: Timestamp, text: String) {
        if text.is_empty() {
            return;
        }
        if self.story.len() >= MOMENTS_KEPT {
            self.story.remove(MOMENTS_KEPT / 2);
        }
        self.story.push(Arc::new(TimelineEvent { at, text }));
    }
}

/// A job that runs for a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRun {
    /// Name of the job.
    pub job: String,
    /// Which run of the release's jobs this is, from 1.
    pub run: u32,
    /// Then it is stopped and has failed.
    pub deadline: Timestamp,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessExit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It never ran.
    NotStarted(String),
    /// An HTTP check that did not get the answer that it asks for: what came instead.
    Unmet(String),
    /// Nobody saw it end.
    Unknown,
    /// With every other process of the machine: a power cut, a reboot.
    HostRestarted,
}

impl std::fmt::Display for ProcessExit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(126) => write!(
                out,
                "exit code 126: its program, or one that it starts, may not be run (permissions, a folder such as /root that the task's user may not enter, or not a program): neargate doctor"
            ),
            Self::Code(127) => write!(
                out,
                "exit code 127: its program, or one that it starts, was not found"
            ),
            Self::Code(code) => write!(out, "exit code {code}"),
            Self::Signal(9) => write!(out, "killed (signal 9)"),
            Self::Signal(signal) => write!(out, "signal {signal}"),
            Self::NotStarted(reason) => write!(out, "did not start: {reason}"),
            Self::Unmet(answer) => write!(out, "{answer}"),
            Self::Unknown => write!(out, "ended unseen"),
            Self::HostRestarted => write!(out, "ended with everything else on this machine"),
        }
    }
}
