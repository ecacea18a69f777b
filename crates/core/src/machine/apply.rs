//! Applies a persisted entry to the state: the only way that the state changes, live and in replay.
//!
//! Invariant: total and deterministic. An entry about something that does not exist changes
//! nothing; `decide` never makes one.

use super::entry::{Entry, Fact};
use super::state::{
    Counters, EVIDENCE_KEPT, FORGOTTEN_KEPT, FinishedRelease, HISTORY_KEPT, Health, HookRun,
    Lifecycle, Outcome, Phase, REVISIONS_KEPT, Record, Release, Removal, Revision, RevisionStatus,
    ServiceState, Stage, State, Task,
};
use crate::time::Timestamp;

/// Applies one entry.
pub fn apply(state: &mut State, entry: &Entry) {
    match &entry.fact {
        Fact::EnvironmentStarted => state.phase = Phase::Up,
        Fact::EnvironmentStopped => state.phase = Phase::Down,
        Fact::ServiceForgotten => {
            forget_deadline(state, &entry.service);
            if let Some(service) = state.services.remove(&entry.service) {
                keep_numbers(state, &service);
            }
        }
        fact => {
            if let Fact::ReleaseStarted { release, .. } = fact {
                state.next_release = release + 1;
            }
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

fn forget_deadline(state: &mut State, name: &str) {
    if let Some(deadline) = state.services.get(name).and_then(ServiceState::deadline) {
        state.deadlines.remove(&(deadline, name.to_owned()));
    }
}

/// A service of this name that comes later goes on counting: numbers are never used again.
fn keep_numbers(state: &mut State, service: &ServiceState) {
    let counters = Counters {
        next_revision: service.next_revision,
        next_task: service.next_task,
    };
    state.forgotten.insert(service.name.clone(), counters);
    if state.forgotten.len() > FORGOTTEN_KEPT {
        state.forgotten.pop_first();
    }
}

/// Applies an entry about a service to it.
pub(super) fn apply_to_service(service: &mut ServiceState, entry: &Entry) {
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
            service.next_revision = revision + 1;
            service.removal = Removal::Kept;
            drop_old_revisions(service, *revision);
        }
        Fact::DesiredChanged { desired } => service.desired = *desired,
        Fact::RemovalStarted => {
            service.removal = Removal::Leaving;
            service.desired = 0;
            service.release = None;
        }
        Fact::StartsDelayed { failures, until } => {
            service.start_failures = *failures;
            service.starts_delayed_until = Some(*until);
        }
        Fact::StartsResumed => service.starts_delayed_until = None,
        Fact::RevisionFailed { revision } => {
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
fn drop_old_revisions(service: &mut ServiceState, new: u32) {
    let mut used = vec![new, service.primary, service.stable.unwrap_or(0)];
    used.extend(
        service
            .release
            .iter()
            .flat_map(|release| [release.from, release.to]),
    );
    used.extend(service.tasks.values().map(|task| task.revision));
    let newest: Vec<u32> = service
        .revisions
        .keys()
        .rev()
        .take(REVISIONS_KEPT)
        .copied()
        .collect();
    service
        .revisions
        .retain(|number, _| newest.contains(number) || used.contains(number));
}

fn apply_to_release(service: &mut ServiceState, entry: &Entry) {
    match &entry.fact {
        Fact::ReleaseStarted {
            release,
            kind,
            to,
            deadline,
        } => {
            service.release = Some(Release {
                id: *release,
                kind: *kind,
                from: service.primary,
                to: *to,
                stage: Stage::Pending,
                stage_deadline: *deadline,
                started_at: entry.at,
                hooks_done: 0,
                hook: None,
                failures: 0,
                reason: String::new(),
                evidence: Vec::new(),
            });
            service.start_failures = 0;
            service.starts_delayed_until = None;
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
            let before = service.primary;
            if let Some(release) = &mut service.release {
                apply_in_release(release, &mut service.primary, &entry.fact);
            }
            if service.primary != before {
                // ECS: the throttle belongs to the revision whose tasks failed to start.
                service.start_failures = 0;
                service.starts_delayed_until = None;
            }
        }
    }
}

fn apply_in_release(release: &mut Release, service_primary: &mut u32, fact: &Fact) {
    match fact {
        Fact::StageEntered {
            stage,
            primary,
            deadline,
            reason,
            ..
        } => {
            release.stage = *stage;
            release.stage_deadline = *deadline;
            *service_primary = *primary;
            if !reason.is_empty() {
                reason.clone_into(&mut release.reason);
            }
        }
        Fact::HookStarted { job, deadline, .. } => {
            release.hook = Some(HookRun {
                job: job.clone(),
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
            release.hook = None;
            keep_evidence(release, &format!("job {job}: {reason}"), last_lines);
        }
        Fact::FailureCounted {
            task,
            count,
            reason,
            last_lines,
            ..
        } => {
            release.failures = *count;
            keep_evidence(release, &format!("task {task}: {reason}"), last_lines);
        }
        Fact::FailuresForgotten { .. } => release.failures = 0,
        _ => {}
    }
}

fn keep_evidence(release: &mut Release, headline: &str, lines: &[String]) {
    let lines = &lines[lines.len().saturating_sub(EVIDENCE_KEPT - 1)..];
    release.evidence.push(headline.to_owned());
    release
        .evidence
        .extend(lines.iter().map(|line| format!("  {line}")));
    let surplus = release.evidence.len().saturating_sub(EVIDENCE_KEPT);
    release.evidence.drain(..surplus);
}

fn finish_release(
    service: &mut ServiceState,
    outcome: Outcome,
    reason: &str,
    serving: u32,
    at: Timestamp,
) {
    let Some(release) = service.release.take() else {
        return;
    };
    if outcome == Outcome::Done {
        service.stable = Some(release.to);
        if let Some(revision) = service.revisions.get_mut(&release.to) {
            revision.status = RevisionStatus::Stable;
        }
    }
    if serving != 0 {
        service.primary = serving;
    }
    service.history.push_back(FinishedRelease {
        id: release.id,
        kind: release.kind,
        from: release.from,
        to: release.to,
        outcome,
        reason: reason.to_owned(),
        started_at: release.started_at,
        ended_at: at,
    });
    if service.history.len() > HISTORY_KEPT {
        service.history.pop_front();
    }
}

fn apply_to_task(service: &mut ServiceState, entry: &Entry) {
    let at = entry.at;
    match &entry.fact {
        Fact::TaskCreated { task, revision } => {
            service.next_task += 1;
            service
                .tasks
                .insert(task.clone(), new_task(task, *revision, at));
        }
        Fact::TaskStopped { task, .. } => {
            service.tasks.remove(task);
        }
        Fact::TaskRan { task }
        | Fact::TaskHealthChanged { task, .. }
        | Fact::TaskDeactivated { task, .. }
        | Fact::TaskStopRequested { task, .. }
        | Fact::TaskKilled { task, .. }
        | Fact::FailureCounted { task, .. } => {
            if let Some(found) = service.tasks.get_mut(task) {
                let healthy = apply_in_task(found, &entry.fact, at);
                if healthy {
                    service.start_failures = 0;
                }
            }
        }
        _ => {}
    }
}

fn new_task(id: &str, revision: u32, at: Timestamp) -> Task {
    Task {
        id: id.to_owned(),
        revision,
        lifecycle: Lifecycle::Pending { since: at },
        health: Health::Unknown,
        health_reason: String::new(),
        grace_until: None,
        ran_at: None,
        record: Record::New,
    }
}

/// Whether the task just became healthy.
fn apply_in_task(task: &mut Task, fact: &Fact, at: Timestamp) -> bool {
    match fact {
        Fact::TaskRan { .. } => {
            task.lifecycle = Lifecycle::Running { since: at };
            task.ran_at = Some(at);
        }
        Fact::TaskHealthChanged {
            health,
            reason,
            grace_until,
            ..
        } => {
            task.health = *health;
            reason.clone_into(&mut task.health_reason);
            task.grace_until = *grace_until;
            if *health == Health::Healthy {
                if task.record == Record::New {
                    task.record = Record::Proven;
                }
                return true;
            }
        }
        Fact::TaskDeactivated { deadline, .. } => {
            task.lifecycle = Lifecycle::Deactivating {
                since: at,
                deadline: *deadline,
            };
        }
        Fact::TaskStopRequested { deadline, .. } => {
            task.lifecycle = Lifecycle::Stopping {
                since: at,
                deadline: *deadline,
            };
        }
        Fact::TaskKilled { deadline, .. } => {
            if let Lifecycle::Stopping {
                deadline: until, ..
            } = &mut task.lifecycle
            {
                *until = *deadline;
            }
        }
        Fact::FailureCounted { .. } => task.record = Record::Counted,
        _ => {}
    }
    false
}
