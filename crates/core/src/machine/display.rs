//! The machine's facts in plain words, for people and logs.

use super::entry::{Fact, JournalEntry};
use super::promotion::{GuardVerdict, Promotion, SplitCheck};
use super::release_stage::{ReleaseOutcome, ReleaseStage};
use super::state::{ServiceState, TaskHealth};
use crate::ids::{ReleaseId, RevisionNumber};

impl JournalEntry {
    /// The kind of fact, for filters: `task-ran`, `release-finished`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.fact {
            Fact::EnvironmentStarted => "environment-started",
            Fact::EnvironmentStopped => "environment-stopped",
            Fact::RevisionRegistered { .. } => "revision-registered",
            Fact::DesiredChanged { .. } => "desired-changed",
            Fact::ServiceAdopted { .. } => "service-adopted",
            Fact::CapacityChanged { .. } => "capacity-changed",
            Fact::RemovalStarted => "removal-started",
            Fact::ServiceForgotten => "service-forgotten",
            Fact::ReleaseStarted { .. } => "release-started",
            Fact::StageEntered { .. } => "stage-entered",
            Fact::StepTaken { .. } => "step-taken",
            Fact::BakeEnded { .. } => "bake-ended",
            Fact::GuardJudged { .. } => "guard-judged",
            Fact::SplitMeasured { .. } => "split-measured",
            Fact::GateMoved { .. } => "gate-moved",
            Fact::HookStarted { .. } => "hook-started",
            Fact::HookSucceeded { .. } => "hook-succeeded",
            Fact::HookFailed { .. } => "hook-failed",
            Fact::TaskCreated { .. } => "task-created",
            Fact::TaskRan { .. } => "task-ran",
            Fact::TaskHealthChanged { .. } => "task-health-changed",
            Fact::TaskDeactivated { .. } => "task-deactivated",
            Fact::TaskStopRequested { .. } => "task-stop-requested",
            Fact::TaskKilled { .. } => "task-killed",
            Fact::TaskStopped { .. } => "task-stopped",
            Fact::StartsDelayed { .. } => "starts-delayed",
            Fact::StartsResumed { .. } => "starts-resumed",
            Fact::BackoffEnded { .. } => "backoff-ended",
            Fact::ScaleBoundsChanged { .. } => "scale-bounds-changed",
            Fact::FailureCounted { .. } => "failure-counted",
            Fact::FailuresForgotten { .. } => "failures-forgotten",
            Fact::RevisionFailed { .. } => "revision-failed",
            Fact::ReleaseFinished { .. } => "release-finished",
        }
    }

    /// The release that the fact belongs to.
    #[must_use]
    pub fn release(&self) -> Option<ReleaseId> {
        match &self.fact {
            Fact::ReleaseStarted { release, .. }
            | Fact::StageEntered { release, .. }
            | Fact::HookStarted { release, .. }
            | Fact::HookSucceeded { release, .. }
            | Fact::HookFailed { release, .. }
            | Fact::FailureCounted { release, .. }
            | Fact::FailuresForgotten { release }
            | Fact::CapacityChanged { release, .. }
            | Fact::ReleaseFinished { release, .. } => Some(*release),
            _ => None,
        }
    }

    /// One line for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.fact {
            Fact::EnvironmentStarted => "the environment starts".into(),
            Fact::EnvironmentStopped => "the environment stops".into(),
            Fact::RevisionRegistered {
                revision,
                definition,
            } => match &definition.artifact {
                Some(digest) => format!(
                    "revision {revision} is registered (artifact {})",
                    &digest[..digest.len().min(12)]
                ),
                None => format!("revision {revision} is registered"),
            },
            Fact::DesiredChanged { desired } => format!("the desired count is {desired}"),
            Fact::ServiceAdopted { adopted } => match adopted.stable.first() {
                Some(serving) => format!("revision {} serves", serving.number),
                None => "nothing serves yet".into(),
            },
            Fact::RemovalStarted => "the service is being removed".into(),
            Fact::ServiceForgotten => "the service has been removed".into(),
            Fact::ScaleBoundsChanged { bounds } => {
                format!("the manifest allows {} to {} tasks", bounds.min, bounds.max)
            }
            Fact::StartsDelayed {
                revision, until, ..
            } => {
                format!(
                    "the next start of a task of revision {revision} is in {}",
                    crate::duration::rounded(until.since(self.at))
                )
            }
            Fact::StartsResumed { .. } => "tasks may be started again".into(),
            Fact::BackoffEnded { revision, reason } => {
                format!("tasks of revision {revision} may be started at once: {reason}")
            }
            Fact::RevisionFailed { revision } => format!("revision {revision} is marked failed"),
            _ => self
                .describe_release()
                .or_else(|| self.describe_shift())
                .or_else(|| self.describe_task())
                .unwrap_or_default(),
        }
    }

    fn describe_release(&self) -> Option<String> {
        Some(match &self.fact {
            Fact::ReleaseStarted { release, to, .. } => {
                format!("release {release} to revision {to} starts")
            }
            Fact::StageEntered { stage, reason, .. } if !reason.is_empty() => {
                format!("{}: {reason}", stage.describe())
            }
            Fact::StageEntered { stage, .. } => stage.describe().to_owned(),
            Fact::HookStarted { job, .. } => format!("job {job} runs"),
            Fact::HookSucceeded { job, .. } => format!("job {job} succeeded"),
            Fact::HookFailed { job, reason, .. } => format!("job {job} failed: {reason}"),
            Fact::FailureCounted {
                task,
                count,
                threshold: 0,
                reason,
                ..
            } => {
                format!("task {task} failed ({count}, the breaker is off): {reason}")
            }
            Fact::FailureCounted {
                task,
                count,
                threshold,
                reason,
                ..
            } => {
                format!("task {task} failed ({count} of {threshold}): {reason}")
            }
            Fact::CapacityChanged { change, .. } => change.describe(),
            Fact::FailuresForgotten { .. } => {
                "a task is healthy: the failure count is 0 again".into()
            }
            Fact::ReleaseFinished {
                release,
                outcome,
                reason,
                serving,
                ..
            } => {
                // Of a release that is done, the reason says it.
                let serves = if *serving == RevisionNumber::NONE || *outcome == ReleaseOutcome::Done
                {
                    String::new()
                } else {
                    format!("; revision {serving} serves")
                };
                // What is rolled back said why when it began to go back.
                let why = match outcome {
                    ReleaseOutcome::RolledBack => String::new(),
                    ReleaseOutcome::Done | ReleaseOutcome::Failed => format!(": {reason}"),
                };
                format!("release {release} {}{why}{serves}", outcome.name())
            }
            _ => return None,
        })
    }

    fn describe_shift(&self) -> Option<String> {
        Some(match &self.fact {
            Fact::StepTaken {
                step,
                weight,
                bake_until,
                stage,
                ..
            } => format!(
                "{} step {step}: {} % of the traffic, for at least {}",
                stage.name(),
                percent(*weight),
                seconds(bake_until.since(self.at))
            ),
            Fact::BakeEnded { .. } => "the bake time is over".into(),
            Fact::GuardJudged {
                guard,
                verdict,
                reason,
                ..
            } => format!("guard {guard} {}: {reason}", verdict_words(*verdict)),
            Fact::SplitMeasured {
                split,
                share,
                requests,
                ..
            } => format!(
                "the router sent the new revision {} % of {requests} requests{}",
                percent(*share),
                if *split == SplitCheck::Off {
                    ", which is not its weight"
                } else {
                    ""
                }
            ),
            Fact::GateMoved { gate, by, .. } => match gate {
                Promotion::Closed => format!("{by} resumed it"),
                Promotion::Promoted => format!("{by} promoted it to the next step"),
                Promotion::PromotedFully => format!("{by} promoted it fully"),
                Promotion::Paused => format!("{by} paused it"),
            },
            _ => return None,
        })
    }

    fn describe_task(&self) -> Option<String> {
        Some(match &self.fact {
            Fact::TaskCreated { task, .. } => format!("task {task} starts"),
            Fact::TaskRan { task } => format!("task {task} runs"),
            Fact::TaskHealthChanged {
                task,
                health,
                reason,
                ..
            } => {
                let because = if reason.is_empty() { "" } else { ": " };
                format!("task {task} is {}{because}{reason}", name(*health))
            }
            Fact::TaskDeactivated { task, reason, .. } => format!("task {task} drains: {reason}"),
            Fact::TaskStopRequested { task, reason, .. } => format!("task {task} stops: {reason}"),
            Fact::TaskKilled { task, .. } => format!("task {task} did not stop and is killed"),
            Fact::TaskStopped { task, exit, .. } => format!("task {task} stopped: {exit}"),
            _ => return None,
        })
    }
}

impl ReleaseStage {
    /// Work of a release in this stage, for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Pending => "accepted",
            Self::BeforeHooks => "running the `before` jobs",
            Self::ScaleUp => "starting the new tasks",
            Self::TestTraffic => "testing the new revision",
            Self::Shifting => "shifting traffic",
            Self::Baking => "watching the new revision",
            Self::CleaningUp => "stopping the old tasks",
            Self::RollingBack => "rolling back",
        }
    }
}

/// `unknown`, `healthy`, `unhealthy`.
fn name(health: TaskHealth) -> &'static str {
    match health {
        TaskHealth::Unknown => "unknown",
        TaskHealth::Healthy => "healthy",
        TaskHealth::Unhealthy => "unhealthy",
    }
}

impl TaskHealth {
    /// `unknown`, `healthy`, `unhealthy`.
    #[must_use]
    pub fn name(self) -> &'static str {
        name(self)
    }
}

/// Tenths of a percent as people write percents.
pub(super) fn percent(tenths: u32) -> f64 {
    f64::from(tenths) / 10.0
}

fn verdict_words(verdict: GuardVerdict) -> &'static str {
    match verdict {
        GuardVerdict::Pending => "is not judged yet",
        GuardVerdict::Quiet => "is quiet",
        GuardVerdict::TooLittle => "cannot be judged",
        GuardVerdict::Fired => "fired",
    }
}

/// Percent of the traffic that is the new revision's: the weight, or, while tasks are replaced
/// one by one, its share of the healthy tasks.
#[must_use]
pub fn weight(service: &ServiceState) -> f64 {
    if let Some([_, (_, tenths)]) = service.shares() {
        return percent(tenths);
    }
    let healthy = service.tasks.values().filter(|task| task.healthy());
    let (mut new, mut all) = (0u32, 0u32);
    for task in healthy {
        all += 1;
        new += u32::from(task.revision == service.primary);
    }
    if all == 0 {
        0.0
    } else {
        f64::from(new) * 100.0 / f64::from(all)
    }
}

/// A rest in whole seconds, rounded up.
pub(super) fn seconds(rest: std::time::Duration) -> String {
    crate::duration::rounded(std::time::Duration::from_secs(
        rest.as_millis()
            .div_ceil(1000)
            .try_into()
            .unwrap_or(u64::MAX),
    ))
}
