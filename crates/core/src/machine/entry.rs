//! Facts that were decided and persisted. The journal is a list of these.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::adopted_service::AdoptedService;
use super::capacity_change::CapacityChange;
use super::promotion::{GuardVerdict, Promotion, SplitCheck};
use super::release_stage::{ReleaseKind, ReleaseOutcome, ReleaseStage};
use super::scale_bounds::ScaleBounds;
use super::start_backoff::Obstacle;
use super::state::{ProcessExit, RevisionDefinition, TaskHealth};
use super::task_failure::TaskFailure;
use crate::health_reason::HealthReason;
use crate::ids::{ReleaseId, RevisionNumber, ServiceName, TaskId};
use crate::time::Timestamp;

/// One fact: about the environment, or about one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// When it was decided.
    pub at: Timestamp,
    /// Service name; empty: the environment.
    pub service: ServiceName,
    pub fact: Fact,
}

/// A decided fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Fact {
    /// The environment runs.
    EnvironmentStarted,
    /// The environment stops.
    EnvironmentStopped,
    /// A revision exists.
    RevisionRegistered {
        revision: RevisionNumber,
        /// Service, jobs and alarms of the revision.
        definition: Arc<RevisionDefinition>,
    },
    /// Another number of tasks is wanted.
    DesiredChanged { desired: u32 },
    /// The manifest gives other bounds for the number of tasks.
    ScaleBoundsChanged { bounds: ScaleBounds },
    /// The service is run by others, and a release finds it so.
    ServiceAdopted {
        /// Revision, tasks and capacity as the release finds them.
        adopted: Box<AdoptedService>,
    },
    /// The capacity that others provide was asked for something, or looks different.
    CapacityChanged {
        release: ReleaseId,
        change: CapacityChange,
    },
    /// The service goes.
    RemovalStarted,
    /// The service is gone.
    ServiceForgotten,
    /// A release began.
    ReleaseStarted {
        release: ReleaseId,
        kind: ReleaseKind,
        /// To this revision.
        to: RevisionNumber,
        /// The revision that holds the traffic meanwhile, when it is another one than the primary:
        /// the stable one, after a release that was superseded half done.
        #[serde(default)]
        from: Option<RevisionNumber>,
        /// When its first stage must be over.
        deadline: Timestamp,
    },
    /// A release entered a stage.
    StageEntered {
        release: ReleaseId,
        stage: ReleaseStage,
        /// The revision that new tasks are of from now on.
        primary: RevisionNumber,
        /// When the stage must be over.
        deadline: Timestamp,
        /// Why, when it is a step back.
        reason: String,
    },
    /// The new revision gets a greater share of the requests.
    StepTaken {
        release: ReleaseId,
        /// Number of the step, from 1.
        step: u32,
        /// Share of the new revision, tenths of a percent.
        weight: u32,
        /// When the next step may be taken.
        bake_until: Timestamp,
        /// When it must be taken.
        deadline: Timestamp,
        /// `shifting`, or `baking` at the last step.
        stage: ReleaseStage,
    },
    /// The bake of a step is over.
    BakeEnded { release: ReleaseId },
    /// A guard came to a verdict.
    GuardJudged {
        release: ReleaseId,
        /// Name of the alarm.
        guard: String,
        verdict: GuardVerdict,
        /// The alarm's words.
        reason: String,
    },
    /// The router's split was compared with the one asked for.
    SplitMeasured {
        release: ReleaseId,
        /// Result of the comparison.
        split: SplitCheck,
        /// Measured share, tenths of a percent.
        share: u32,
        /// Requests in the stretch that was measured.
        requests: u64,
    },
    /// Somebody said something about going on.
    GateMoved {
        release: ReleaseId,
        /// Where the gate is now.
        gate: Promotion,
        /// Login name of the person.
        by: String,
    },
    /// A job of a release began.
    HookStarted {
        release: ReleaseId,
        /// In this revision.
        revision: RevisionNumber,
        /// Name of the job.
        job: String,
        /// Which run of the release's jobs.
        run: u32,
        /// Then it has failed.
        deadline: Timestamp,
    },
    /// A job of a release succeeded.
    HookSucceeded {
        release: ReleaseId,
        /// Name of the job.
        job: String,
    },
    /// A job of a release failed.
    HookFailed {
        release: ReleaseId,
        /// Name of the job.
        job: String,
        /// Which run of the release's jobs.
        run: u32,
        /// Exit, or why it did not run, in words.
        reason: String,
        /// Its last log lines.
        last_lines: Vec<String>,
    },
    /// A task should start.
    TaskCreated {
        task: TaskId,
        revision: RevisionNumber,
    },
    /// A task runs.
    TaskRan { task: TaskId },
    /// A task's health changed.
    TaskHealthChanged {
        task: TaskId,
        health: TaskHealth,
        reason: HealthReason,
        /// The verdict is ignored until then.
        grace_until: Option<Timestamp>,
        /// The task's last log lines, of a verdict that counts only after its grace period.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        last_lines: Vec<String>,
    },
    /// A task gets no new requests.
    TaskDeactivated {
        task: TaskId,
        /// Cause of the end, in words.
        reason: String,
        /// Then it is stopped.
        deadline: Timestamp,
    },
    /// A task was told to stop.
    TaskStopRequested {
        task: TaskId,
        /// Cause of the end, in words.
        reason: String,
        /// Then it is killed.
        deadline: Timestamp,
        /// Requests and connections that were cut off at the end of its drain time.
        #[serde(default, skip_serializing_if = "is_zero")]
        cut: u64,
    },
    /// A task that did not stop is killed.
    TaskKilled {
        task: TaskId,
        /// Then it is killed again.
        deadline: Timestamp,
    },
    /// A task ended.
    TaskStopped {
        task: TaskId,
        revision: RevisionNumber,
        exit: ProcessExit,
        /// Its last log lines, when nobody asked for its end.
        last_lines: Vec<String>,
    },
    /// No task of a revision is started for a while.
    StartsDelayed {
        /// The revision; 0 (before there was one for each): the primary one.
        #[serde(default)]
        revision: RevisionNumber,
        /// Failed starts in a row.
        failures: u32,
        /// No task of the revision starts before.
        until: Timestamp,
        /// Why the last start failed.
        #[serde(default)]
        reason: String,
        /// The obstacle, when it is known and may go away.
        #[serde(default)]
        obstacle: Option<Obstacle>,
    },
    /// The delay is over; the failures still count.
    StartsResumed {
        /// The revision; 0: all.
        #[serde(default)]
        revision: RevisionNumber,
    },
    /// The failed starts of a revision are forgotten.
    BackoffEnded {
        revision: RevisionNumber,
        /// Why, in words.
        reason: String,
    },
    /// The breaker counted a failed task.
    FailureCounted {
        release: ReleaseId,
        task: TaskId,
        /// Failures so far.
        count: u32,
        /// The release fails at so many.
        threshold: u32,
        /// Why the task failed.
        reason: TaskFailure,
        /// The task's last log lines.
        last_lines: Vec<String>,
    },
    /// A healthy task set the breaker's count to 0.
    FailuresForgotten { release: ReleaseId },
    /// A revision's release failed.
    RevisionFailed { revision: RevisionNumber },
    /// A release ended.
    ReleaseFinished {
        release: ReleaseId,
        outcome: ReleaseOutcome,
        /// Cause of the outcome, in words.
        reason: String,
        /// Log lines, exits, answers.
        evidence: Vec<String>,
        /// The revision that serves now; 0: none.
        serving: RevisionNumber,
    },
}

impl Fact {
    /// Whether it belongs into the story of a release. Who moves a service as a whole (`delegated`)
    /// tells it in words of their own, without the stages that only name tasks.
    #[must_use]
    pub fn is_told(&self, delegated: bool) -> bool {
        match self {
            Self::TaskCreated { .. } | Self::StartsResumed { .. } | Self::TaskKilled { .. } => {
                false
            }
            Self::StageEntered { stage, reason, .. } => {
                let names_tasks = matches!(stage, ReleaseStage::ScaleUp | ReleaseStage::CleaningUp);
                !(delegated && names_tasks && reason.is_empty())
            }
            _ => true,
        }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
