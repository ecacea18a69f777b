//! What happened or was asked, in past tense.

use super::adopted_service::AdoptedService;
use super::capacity_change::CapacityObservation;
use super::promotion::{GuardVerdict, SplitCheck};
use super::start_backoff::Obstacle;
use super::state::{ProcessExit, RevisionDefinition, TaskHealth};
use crate::health_reason::HealthReason;
use crate::ids::{ReleaseId, RevisionNumber, ServiceName, TaskId};

/// Rule of a deploy about a release in progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Supersede {
    /// It is refused.
    #[default]
    Refuse,
    /// It takes over, as ECS does.
    TakeOver,
    /// `up`: a definition that is stable or on its way already leaves the release alone; another
    /// one is refused.
    Continue,
    /// `up` after an interruption (`down`, a dead engine, a power cut): as `Continue`, but another
    /// definition takes over.
    ContinueOrTakeOver,
}

/// A person's word about a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseControl {
    /// Take the next step now.
    Promote,
    /// Take all steps now.
    PromoteFully,
    /// Take no step until it is resumed.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Roll back to the stable revision.
    Abort,
}

/// An input of [`decide`](super::decide::decide). Late, repeated and unknown ones are harmless.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The environment should run.
    UpRequested,
    /// Everything should stop; what is desired is kept.
    DownRequested,
    /// A service should be this.
    DeployRequested {
        service: ServiceName,
        /// Service, jobs and alarms of the wanted revision.
        definition: Box<RevisionDefinition>,
        /// Guards that breach now, before anything began: name and reason.
        firing: Vec<(String, String)>,
        /// Whether a release in progress gives way.
        supersede: Supersede,
    },
    /// A new revision was asked for even when nothing of its definition changed (ECS's
    /// `forceNewDeployment`).
    NewRevisionForced {
        service: ServiceName,
        /// Service, jobs and alarms of the wanted revision.
        definition: Box<RevisionDefinition>,
        /// Guards that breach now, before anything began: name and reason.
        firing: Vec<(String, String)>,
        /// Whether a release in progress gives way.
        supersede: Supersede,
    },
    /// A service is run by others, who say how a release finds it.
    ServiceAdopted {
        service: ServiceName,
        /// Revision, tasks and capacity as the release finds them.
        adopted: Box<AdoptedService>,
    },
    /// The capacity of a service that others run was looked at.
    CapacityObserved {
        service: ServiceName,
        /// Services, deployment or files as they were seen.
        observation: CapacityObservation,
    },
    /// A service is not in the manifest any more.
    RemovalRequested { service: ServiceName },
    /// A number of tasks was asked for.
    ScaleRequested { service: ServiceName, desired: u32 },
    /// An earlier revision was asked for.
    RollbackRequested {
        service: ServiceName,
        /// Its number; `None`: the newest stable one that does not serve.
        to: Option<RevisionNumber>,
    },
    /// Somebody said something about the release in progress.
    ReleaseSteered {
        service: ServiceName,
        steer: ReleaseControl,
        /// Login name of the person.
        by: String,
    },
    /// A guard came to another verdict about the new revision in this step.
    GuardJudged {
        release: ReleaseId,
        /// The step that was judged.
        step: u32,
        /// Name of the alarm.
        guard: String,
        verdict: GuardVerdict,
        /// The alarm's words, with its data points.
        reason: String,
    },
    /// The router's split was compared with the one asked for.
    SplitMeasured {
        release: ReleaseId,
        /// The step that was measured.
        step: u32,
        /// Result of the comparison.
        split: SplitCheck,
        /// Measured share of the new revision, tenths of a percent.
        share: u32,
        /// Requests in the stretch that was measured.
        requests: u64,
    },
    /// A task's process runs.
    TaskStarted { task: TaskId },
    /// A task's process could not be started.
    TaskStartFailed {
        task: TaskId,
        /// Why, in words.
        reason: String,
        /// The obstacle, when it is known and may go away.
        obstacle: Option<Obstacle>,
    },
    /// An obstacle that kept tasks from starting is gone.
    ObstacleRemoved { obstacle: Obstacle },
    /// All tasks are gone at once and nobody saw one end: a power cut, a reboot.
    HostRestarted,
    /// A task's process ended.
    TaskExited {
        task: TaskId,
        exit: ProcessExit,
        /// Its last log lines.
        last_lines: Vec<String>,
    },
    /// A health check came to another verdict.
    TaskHealthChanged {
        task: TaskId,
        health: TaskHealth,
        reason: HealthReason,
        /// The task's last log lines, when it is unhealthy.
        last_lines: Vec<String>,
    },
    /// A deactivating task has no request in flight any more.
    TaskDrained {
        task: TaskId,
        /// Requests and upgraded connections that were cut off because its drain time was over.
        cut: u64,
    },
    /// A job of a release ended.
    HookFinished {
        release: ReleaseId,
        /// Which run of the release's jobs.
        run: u32,
        exit: ProcessExit,
        /// Its last log lines.
        last_lines: Vec<String>,
    },
    /// The timer that [`next_deadline`](super::next_deadline) armed.
    TimePassed,
}
