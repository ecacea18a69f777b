//! The machine that decides: services, tasks and releases of one environment.
//!
//! One total function decides — [`decide()`] — and one applies a persisted entry to the
//! state — [`apply()`] — live and in replay. A [`Decision`] gives its actions away only
//! against the proof that its entries are persisted, so acting before persisting does not
//! compile. Deadlines are absolute times in the state; [`next_deadline`] arms one timer.
//!
//! - State and facts: `state`, with the leaves `release_stage`, `release_timeline`, `promotion`, `start_backoff`,
//!   `task_failure` and `scale_bounds`; `event`: what happened; `entry`: what was decided; `apply`: what an entry changes; `evidence`: why tasks failed.
//! - Deciding: `decide` reads an event, `commands` what people ask for; both record facts in a `transaction` and then `settle`
//!   it: `release` (stages and hooks; `traffic_shift`: steps, guards, people; `circuit_breaker`: failed tasks; `stage_change`:
//!   forward, back or to the end) and `scheduler` (which tasks start and stop; `desired_count`: how many; `start_delay`: when)
//!   react until nothing more follows. `strategy`: which steps; `limits`: ECS's arithmetic.
//! - Reading: `queries`: what follows from the state; `display`: all of it for people, `waits`: what a release waits for; `decision`: what to do.

mod adopted_service;
mod apply;
mod apply_backoff;
mod approval;
mod capacity;
mod capacity_change;
mod capacity_order;
mod capacity_queries;
mod capacity_requests;
mod circuit_breaker;
mod commands;
mod decide;
mod decision;
mod desired_count;
mod display;
mod entry;
mod event;
mod evidence;
mod journaled_state;
pub mod limits;
mod promotion;
mod queries;
mod release;
mod release_stage;
mod release_timeline;
mod scale_bounds;
mod scheduler;
mod settle;
mod stage_change;
mod start_backoff;
mod start_delay;
mod state;
pub mod strategy;
mod task_failure;
mod traffic_shift;
mod transaction;
mod waits;

pub use adopted_service::{AdoptedRevision, AdoptedService};
pub use apply::apply;
pub use approval::{ApprovalWanted, approval_wanted, is_held};
pub use capacity::{
    Capacity, DeploymentCapacity, DeploymentProgress, FilesCapacity, ObservedServices,
    RequestedDeployment, RevisionCapacity, ServicesCapacity,
};
pub use capacity_change::{CapacityChange, CapacityObservation};
pub use capacity_order::{CapacityOrder, DeploymentOrder, ServicesOrder};
pub use decide::decide;
pub use decision::{Action, Decision, EntryLog, Persisted, Refusal, RemoteEntryLog};
pub use display::weight;
pub use entry::{Fact, JournalEntry};
pub use event::{Event, ReleaseControl, Supersede};
pub use journaled_state::JournaledState;
pub use limits::MOST_TASKS;
pub use promotion::{GuardVerdict, Promotion, SplitCheck};
pub use release_stage::{ReleaseKind, ReleaseOutcome, ReleaseStage};
pub use release_timeline::{FinishedRelease, MOMENTS_KEPT, TimelineEvent};
pub use scale_bounds::ScaleBounds;
pub use start_backoff::{Obstacle, StartBackoff};
pub use state::{
    EnvironmentPhase, EnvironmentState, HookRun, ProcessExit, Release, Removal, Revision,
    RevisionDefinition, RevisionStatus, START_TIMEOUT, STEADY_AFTER, ServiceState, Task,
    TaskHealth, TaskHistory, TaskLifecycle,
};
pub use task_failure::{EvidenceLine, TaskFailure};
pub use waits::{leaving, waiting_for};

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
