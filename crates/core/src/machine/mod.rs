//! The machine that decides: services, tasks and releases of one environment.
//!
//! One total function decides — [`decide()`] — and one applies a persisted entry to the
//! state — [`apply()`] — live and in replay. A [`Decision`] gives its actions away only
//! against the proof that its entries are persisted, so acting before persisting does not
//! compile. Deadlines are absolute times in the state; [`next_deadline`] arms one timer.
//!
//! - `state`: what is, `reading`: what follows from it; `event`: what happened; `entry`: what was decided; `step`: what to do
//! - `requests`: what people ask for; `desired_count`: how many tasks; `schedule`: which tasks to start and stop; `start_backoff`: when;
//!   `release`: stages, hooks, breaker; `shift`: steps, guards, people; `strategy`: which steps; `limits`: ECS's arithmetic; `story`: what
//!   happened
//! - `words`: all of it for people

mod apply;
mod approval;
mod circuit_breaker;
mod commands;
mod decide;
mod decision;
mod desired_count;
mod display;
mod entry;
mod event;
mod evidence;
pub mod limits;
mod queries;
mod release;
mod release_timeline;
mod scheduler;
mod start_backoff;
mod state;
pub mod strategy;
mod traffic_shift;
mod transaction;

pub use apply::apply;
pub use approval::{ApprovalWanted, approval_wanted};
pub use decide::{MOST_TASKS, decide};
pub use decision::{Action, Decision, EntryLog, Persisted, Refusal};
pub use desired_count::ScaleBounds;
pub use display::{leaving, lifecycle, waiting_for, weight};
pub use entry::{Fact, JournalEntry};
pub use event::{Event, ReleaseControl, Supersede};
pub use evidence::NOT_AT_ITS_PORT;
pub use release_timeline::{FinishedRelease, MOMENTS_KEPT, TimelineEvent};
pub use start_backoff::{Obstacle, StartBackoff};
pub use state::{
    EnvironmentPhase, EnvironmentState, HookRun, ProcessExit, Release, ReleaseKind, ReleaseOutcome,
    ReleaseStage, Removal, Revision, RevisionDefinition, RevisionStatus, START_TIMEOUT,
    STEADY_AFTER, ServiceState, Task, TaskHealth, TaskHistory, TaskLifecycle,
};
pub use strategy::{GuardVerdict, Promotion, SplitCheck};

use crate::time::Timestamp;

/// When `decide` must be asked again with [`Event::TimePassed`], if nothing else happens.
#[must_use]
pub fn next_deadline(state: &EnvironmentState) -> Option<Timestamp> {
    state.deadlines.first().map(|(deadline, _)| *deadline)
}

/// Everything that was decided and may not have been done: after a replay, do it again.
#[must_use]
pub fn outstanding(state: &EnvironmentState) -> Vec<Action> {
    let mut actions = Vec::new();
    for service in state.services.values() {
        for task in service.tasks.values() {
            match task.lifecycle {
                TaskLifecycle::Pending { .. } => actions.push(Action::StartTask {
                    service: service.name.clone(),
                    revision: task.revision,
                    task: task.id.clone(),
                }),
                TaskLifecycle::Stopping { .. } => actions.push(Action::StopTask {
                    task: task.id.clone(),
                }),
                TaskLifecycle::Running { .. } | TaskLifecycle::Deactivating { .. } => {}
            }
        }
        if let Some(release) = &service.release {
            actions.extend(hook_outstanding(service, release));
        }
    }
    actions.push(Action::PublishRoutes);
    actions
}

/// The job that runs, or the one that failed and may not have been stopped.
fn hook_outstanding(service: &ServiceState, release: &Release) -> Option<Action> {
    if let Some(hook) = &release.hook {
        return Some(Action::RunHook {
            release: release.id,
            service: service.name.clone(),
            revision: release.to,
            job: hook.job.clone(),
            run: hook.run,
        });
    }
    let stopped = release.stopped_hook.as_ref()?;
    Some(Action::StopHook {
        release: release.id,
        service: service.name.clone(),
        job: stopped.job.clone(),
        run: stopped.run,
    })
}
