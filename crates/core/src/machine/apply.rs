//! Applies a persisted entry to the state: the only way that the state changes, live and in replay.
//!
//! Invariant: total and deterministic. An entry about something that does not exist changes
//! nothing; `decide` never makes one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::apply_backoff::apply_to_backoff;
use super::entry::{Fact, JournalEntry};
use super::evidence;
use super::promotion::{GuardVerdict, Promotion, SplitCheck};
use super::release_stage::{ReleaseOutcome, ReleaseStage};
use super::release_timeline::FinishedRelease;
use super::state::{
    EnvironmentPhase, EnvironmentState, FORGOTTEN_KEPT, HISTORY_KEPT, HookRun, REVISIONS_KEPT,
    Release, Removal, RetiredNumbers, Revision, RevisionStatus, ServiceState, Task, TaskHealth,
    TaskHistory, TaskLifecycle,
};
use crate::ids::{RevisionNumber, ServiceName, TaskId};
use crate::time::Timestamp;

/// Applies one entry.
pub fn apply(state: &mut EnvironmentState, entry: &JournalEntry) {
    match &entry.fact {
        Fact::EnvironmentStarted => state.phase = EnvironmentPhase::Up,
        Fact::EnvironmentStopped => state.phase = EnvironmentPhase::Down,
        Fact::ServiceForgotten => {
            forget_deadline(state, &entry.service);
            if let Some(service) = state.services.remove(&entry.service) {
                state
                    .task_services
                    .retain(|_, owner| *owner != service.name);
                keep_numbers(state, &service);
            }
        }
        fact => {
            match fact {
                Fact::ReleaseStarted { release, .. } => state.next_release = release.next(),
                Fact::ServiceAdopted { adopted } => state.next_release = adopted.next_release,
                _ => {}
            }
            note_task(&mut state.task_services, &entry.service, fact);
            forget_deadline(state, &entry.service);
            let new = state.new_service(&entry.service);
            let service = state.services.entry(entry.service.clone()).or_insert(new);
            apply_to_service(service, entry);
            if let Some(deadline) = service.deadline() {
                state.deadlines.insert((deadline, entry.service.clone()));
            }
        }
    }
}

/// Keeps the index of tasks that exist.
fn note_task(index: &mut BTreeMap<TaskId, ServiceName>, service: &ServiceName, fact: &Fact) {
    match fact {
        Fact::TaskCreated { task, .. } => drop(index.insert(task.clone(), service.clone())),
        Fact::TaskStopped { task, .. } => drop(index.remove(task)),
        _ => {}
    }
}

fn forget_deadline(state: &mut EnvironmentState, name: &str) {
    if let Some(deadline) = state.services.get(name).and_then(ServiceState::deadline) {
        state.deadlines.remove(&(deadline, name.into()));
    }
}

/// A service of this name that comes later goes on counting: numbers are never used again.
fn keep_numbers(state: &mut EnvironmentState, service: &ServiceState) {
    let counters = RetiredNumbers {
        next_revision: service.next_revision,
        next_task: service.next_task,
    };
    state.forgotten.insert(service.name.clone(), counters);
    if state.forgotten.len() > FORGOTTEN_KEPT {
        state.forgotten.pop_first();
    }
}

/// Applies an entry about a service to it.
pub(super) fn apply_to_service(service: &mut ServiceState, entry: &JournalEntry) {
    let at = entry.at;
    match &entry.fact {
        Fact::RevisionRegistered {
            revision,
            definition,
        } => {
            let registered = Revision {
                definition: definition.clone(),
                status: RevisionStatus::Candidate,
                created_at: at,
            };
            service.revisions.insert(*revision, registered);
            service.next_revision = revision.next();
            service.removal = Removal::Kept;
            drop_old_revisions(service, *revision);
        }
        Fact::DesiredChanged { desired } => service.desired = *desired,
        Fact::ScaleBoundsChanged { bounds } => service.scale_bounds = Some(*bounds),
        Fact::ServiceAdopted { adopted } => adopted.apply_to(service, at),
        Fact::CapacityChanged { change, .. } => {
            change.apply_to(&mut service.capacity);
            apply_to_release(service, entry);
        }
        Fact::RemovalStarted => {
            service.removal = Removal::Leaving;
            service.desired = 0;
            service.scale_bounds = None;
            service.backoffs.clear();
            service.release = None;
        }
        Fact::StartsDelayed { .. } | Fact::StartsResumed { .. } | Fact::BackoffEnded { .. } => {
            apply_to_backoff(service, &entry.fact);
        }
        Fact::RevisionFailed { revision } => {
            service.backoffs.remove(revision);
            if let Some(found) = service.revisions.get_mut(revision) {
                found.status = RevisionStatus::Failed;
            }
        }
        Fact::EnvironmentStarted | Fact::EnvironmentStopped | Fact::ServiceForgotten => {}
        _ => {
            apply_to_release(service, entry);
            apply_to_task(service, entry);
        }
    }
}

/// Keeps the newest revisions and every one that is in use.
fn drop_old_revisions(service: &mut ServiceState, new: RevisionNumber) {
    let mut used = vec![new, service.primary, service.stable.unwrap_or_default()];
    used.extend(
        service
            .release
            .iter()
            .flat_map(|release| [release.from, release.to]),
    );
    used.extend(service.tasks.values().map(|task| task.revision));
    let newest: Vec<RevisionNumber> = service
        .revisions
        .keys()
        .rev()
        .take(REVISIONS_KEPT)
        .copied()
        .collect();
    service
        .revisions
        .retain(|number, _| newest.contains(number) || used.contains(number));
    let revisions = &service.revisions;
    service
        .backoffs
        .retain(|number, _| revisions.contains_key(number));
}

fn apply_to_release(service: &mut ServiceState, entry: &JournalEntry) {
    match &entry.fact {
        Fact::ReleaseStarted {
            release,
            kind,
            to,
            from,
            deadline,
        } => {
            service.primary = from.unwrap_or(service.primary);
            service.release = Some(Release {
                id: *release,
                kind: *kind,
                from: service.primary,
                to: *to,
                stage: ReleaseStage::Pending,
                stage_deadline: *deadline,
                started_at: entry.at,
                hooks_done: 0,
                hook: None,
                hook_runs: 0,
                stopped_hook: None,
                failures: 0,
                reason: String::new(),
                evidence: Vec::new(),
                step: 0,
                weight: 0,
                bake_until: None,
                step_since: None,
                guards: BTreeMap::new(),
                split: SplitCheck::Unmeasured,
                gate: Promotion::Closed,
                cut: 0,
                story: Vec::new(),
            });
            service.backoffs.clear();
        }
        Fact::ReleaseFinished {
            outcome,
            reason,
            serving,
            ..
        } => {
            finish_release(service, *outcome, reason, *serving, entry.at);
        }
        _ => {
            let delegated = service.capacity.is_delegated();
            if matches!(entry.fact, Fact::StageEntered { .. }) {
                service.capacity.enter_stage();
            }
            if let Some(release) = &mut service.release {
                apply_in_release(release, &mut service.primary, &entry.fact, entry.at);
                if entry.fact.is_told(delegated) {
                    release.record(entry.at, entry.describe());
                }
            }
        }
    }
}

fn apply_in_release(
    release: &mut Release,
    service_primary: &mut RevisionNumber,
    fact: &Fact,
    at: Timestamp,
) {
    match fact {
        Fact::StageEntered {
            stage,
            primary,
            deadline,
            reason,
            ..
        } => {
            if *stage != release.stage {
                release.hooks_done = 0;
            }
            if matches!(stage, ReleaseStage::ScaleUp | ReleaseStage::RollingBack) {
                forget_step(release);
            }
            if *stage == ReleaseStage::RollingBack {
                // From here on those of the revision are counted that the release goes back to.
                release.failures = 0;
            }
            release.stage = *stage;
            release.stage_deadline = *deadline;
            *service_primary = *primary;
            if !reason.is_empty() {
                reason.clone_into(&mut release.reason);
            }
        }
        Fact::StepTaken { .. } => take_step(release, fact, at),
        Fact::BakeEnded { .. } => release.bake_until = None,
        Fact::GuardJudged {
            guard,
            verdict,
            reason,
            ..
        } => {
            release.guards.insert(guard.clone(), *verdict);
            if *verdict == GuardVerdict::Fired {
                evidence::keep(release, format!("guard {guard}: {reason}"), &[]);
            }
        }
        Fact::SplitMeasured { split, .. } => release.split = *split,
        Fact::GateMoved { gate, .. } => release.gate = *gate,
        Fact::FailureCounted {
            task,
            count,
            reason,
            last_lines,
            ..
        } => {
            release.failures = *count;
            evidence::keep_failed_task(release, task, reason, last_lines);
        }
        Fact::FailuresForgotten { .. } => release.failures = 0,
        Fact::CapacityChanged { change, .. } => evidence::keep_change(release, change),
        _ => apply_to_hook(release, fact),
    }
}

fn take_step(release: &mut Release, fact: &Fact, at: Timestamp) {
    let Fact::StepTaken {
        step,
        weight,
        bake_until,
        deadline,
        stage,
        ..
    } = fact
    else {
        return;
    };
    let gate = release.gate;
    forget_step(release);
    release.hooks_done = 0;
    release.step = *step;
    release.weight = *weight;
    release.bake_until = Some(*bake_until);
    release.step_since = Some(at);
    release.stage = *stage;
    release.stage_deadline = *deadline;
    if gate == Promotion::PromotedFully {
        release.gate = gate;
    }
}

/// Words and measurements of a step do not count for another one.
fn forget_step(release: &mut Release) {
    release.step = 0;
    release.weight = 0;
    release.bake_until = None;
    release.step_since = None;
    release.guards.clear();
    release.split = SplitCheck::Unmeasured;
    release.gate = Promotion::Closed;
}

fn apply_to_hook(release: &mut Release, fact: &Fact) {
    match fact {
        Fact::HookStarted {
            job, run, deadline, ..
        } => {
            release.hook_runs = *run;
            release.hook = Some(HookRun {
                job: job.clone(),
                run: *run,
                deadline: *deadline,
            });
        }
        Fact::HookSucceeded { .. } => {
            release.hook = None;
            release.hooks_done += 1;
        }
        Fact::HookFailed {
            job,
            reason,
            last_lines,
            ..
        } => {
            release.stopped_hook = release.hook.take();
            // A list goes on behind a job that failed: only what goes back does not end there.
            release.hooks_done += 1;
            evidence::keep(release, format!("job {job}: {reason}"), last_lines);
        }
        _ => {}
    }
}

fn finish_release(
    service: &mut ServiceState,
    outcome: ReleaseOutcome,
    reason: &str,
    serving: RevisionNumber,
    at: Timestamp,
) {
    let Some(release) = service.release.take() else {
        return;
    };
    if outcome == ReleaseOutcome::Done {
        service.stable = Some(release.to);
        if let Some(revision) = service.revisions.get_mut(&release.to) {
            revision.status = RevisionStatus::Stable;
        }
    }
    if let Some(serving) = serving.unless_none() {
        service.primary = serving;
    }
    let mut release = release;
    release.record(at, format!("{}: {reason}", outcome.name()));
    service.history.push_back(Arc::new(FinishedRelease {
        id: release.id,
        kind: release.kind,
        from: release.from,
        to: release.to,
        outcome,
        reason: reason.to_owned(),
        started_at: release.started_at,
        ended_at: at,
        steps: release.step,
        evidence: release.evidence_lines(),
        story: release.story,
    }));
    if service.history.len() > HISTORY_KEPT {
        service.history.pop_front();
    }
}

fn apply_to_task(service: &mut ServiceState, entry: &JournalEntry) {
    let at = entry.at;
    match &entry.fact {
        Fact::TaskCreated { task, revision } => {
            let made = Task::created(task.clone(), service.next_task, *revision, at);
            service.next_task += 1;
            service.tasks.insert(task.clone(), made);
        }
        Fact::TaskStopped { task, .. } => {
            service.tasks.remove(task);
        }
        Fact::TaskStopRequested { task, cut, .. } => {
            if let Some(release) = &mut service.release {
                release.cut += cut;
            }
            if let Some(found) = service.tasks.get_mut(task) {
                apply_in_task(found, &entry.fact, at);
            }
        }
        Fact::TaskRan { task }
        | Fact::TaskHealthChanged { task, .. }
        | Fact::TaskDeactivated { task, .. }
        | Fact::TaskKilled { task, .. }
        | Fact::FailureCounted { task, .. } => {
            if let Some(found) = service.tasks.get_mut(task) {
                let revision = found.revision;
                if apply_in_task(found, &entry.fact, at) {
                    service.backoffs.remove(&revision);
                }
            }
        }
        _ => {}
    }
}

/// Whether the task just became healthy.
fn apply_in_task(task: &mut Task, fact: &Fact, at: Timestamp) -> bool {
    match fact {
        Fact::TaskRan { .. } => {
            task.lifecycle = TaskLifecycle::Running { since: at };
            task.ran_at = Some(at);
        }
        Fact::TaskHealthChanged {
            health,
            reason,
            grace_until,
            last_lines,
            ..
        } => {
            task.health = *health;
            task.last_lines.clone_from(last_lines);
            task.health_reason.clone_from(reason);
            task.grace_until = *grace_until;
            if *health == TaskHealth::Healthy {
                if task.record == TaskHistory::New {
                    task.record = TaskHistory::Proven;
                }
                return true;
            }
        }
        Fact::TaskDeactivated { deadline, .. } => {
            task.lifecycle = TaskLifecycle::Deactivating {
                since: at,
                deadline: *deadline,
            };
        }
        Fact::TaskStopRequested { deadline, .. } => {
            task.lifecycle = TaskLifecycle::Stopping {
                since: at,
                deadline: *deadline,
            };
        }
        Fact::TaskKilled { deadline, .. } => {
            if let TaskLifecycle::Stopping {
                deadline: until, ..
            } = &mut task.lifecycle
            {
                *until = *deadline;
            }
        }
        Fact::FailureCounted { .. } => task.record = TaskHistory::Counted,
        _ => {}
    }
    false
}
