//! The one function that decides.

use super::adopted_service::AdoptedService;
use super::capacity_requests;
use super::circuit_breaker;
use super::commands;
use super::decision::Decision;
use super::entry::{Fact, JournalEntry};
use super::event::Event;
use super::evidence;
use super::release;
use super::settle::{draft_of, settle};
use super::start_backoff::Obstacle;
use super::start_delay::{self, A_PERSON_ASKED};
use super::state::{
    EnvironmentPhase, EnvironmentState, ProcessExit, Task, TaskHealth, TaskHistory, TaskLifecycle,
};
use super::task_failure::TaskFailure;
use super::traffic_shift;
use super::transaction::Transaction;
use crate::health_reason::{HealthFinding, HealthReason};
use crate::ids::{ReleaseId, ServiceName};
use crate::time::Timestamp;

/// Decides what an event means. Total: an event that means nothing gives an empty step.
pub fn decide(state: &EnvironmentState, now: Timestamp, event: &Event) -> Decision {
    match event {
        Event::UpRequested => change_phase(state, now, EnvironmentPhase::Up),
        Event::DownRequested => change_phase(state, now, EnvironmentPhase::Down),
        Event::TimePassed => time_passed(state, now),
        Event::HostRestarted => host_restarted(state, now),
        Event::ObstacleRemoved { obstacle } => each_service(state, now, |draft| {
            start_delay::end_by_obstacle(draft, obstacle);
        }),
        Event::DeployRequested { service, .. }
        | Event::NewRevisionForced { service, .. }
        | Event::RemovalRequested { service }
        | Event::ScaleRequested { service, .. }
        | Event::RollbackRequested { service, .. }
        | Event::ReleaseSteered { service, .. } => {
            match commands::handle_command(state, now, service, event) {
                Ok(entries) => Decision::new(entries),
                Err(refusal) => Decision::refused(refusal),
            }
        }
        Event::ServiceAdopted { service, adopted } => adopt(state, now, service, adopted),
        Event::CapacityObserved {
            service,
            observation,
        } => {
            let Some(service) = state.services.get(service) else {
                return Decision::new(Vec::new());
            };
            let mut draft = draft_of(state, service.clone(), now);
            capacity_requests::observed(&mut draft, observation);
            Decision::new(settle(draft))
        }
        Event::HookFinished { release, .. }
        | Event::GuardJudged { release, .. }
        | Event::SplitMeasured { release, .. } => {
            let owner = state
                .services
                .values()
                .find(|service| service.release.as_ref().is_some_and(|r| r.id == *release));
            let decided = owner.map(|service| {
                let mut draft = draft_of(state, service.clone(), now);
                release_event(&mut draft, event);
                settle(draft)
            });
            Decision::new(decided.unwrap_or_default())
        }
        Event::TaskStarted { task }
        | Event::TaskStartFailed { task, .. }
        | Event::TaskExited { task, .. }
        | Event::TaskHealthChanged { task, .. }
        | Event::TaskDrained { task, .. } => {
            let Some((service, found)) = state.task(task) else {
                return Decision::new(Vec::new());
            };
            let mut draft = draft_of(state, service.clone(), now);
            task_event(&mut draft, &found.clone(), event);
            Decision::new(settle(draft))
        }
    }
}

/// A service that is known already keeps its own record.
fn adopt(
    state: &EnvironmentState,
    now: Timestamp,
    name: &str,
    adopted: &AdoptedService,
) -> Decision {
    if state.services.contains_key(name) {
        return Decision::new(Vec::new());
    }
    let fact = Fact::ServiceAdopted {
        adopted: Box::new(adopted.clone()),
    };
    Decision::new(vec![JournalEntry {
        at: now,
        service: name.into(),
        fact,
    }])
}

fn release_event(draft: &mut Transaction, event: &Event) {
    match event {
        Event::HookFinished {
            release,
            run,
            exit,
            last_lines,
        } => release::hook_finished(draft, *release, *run, exit, last_lines),
        Event::GuardJudged {
            step,
            guard,
            verdict,
            reason,
            ..
        } => traffic_shift::judged(draft, *step, guard, *verdict, reason),
        Event::SplitMeasured {
            step,
            split,
            share,
            requests,
            ..
        } => traffic_shift::measured(draft, *step, *split, *share, *requests),
        _ => {}
    }
}

fn change_phase(state: &EnvironmentState, now: Timestamp, phase: EnvironmentPhase) -> Decision {
    if state.phase == phase {
        return match phase {
            EnvironmentPhase::Up => each_service(state, now, |draft| {
                start_delay::end_all(draft, A_PERSON_ASKED);
            }),
            EnvironmentPhase::Down => Decision::new(Vec::new()),
        };
    }
    let fact = match phase {
        EnvironmentPhase::Up => Fact::EnvironmentStarted,
        EnvironmentPhase::Down => Fact::EnvironmentStopped,
    };
    let mut entries = vec![JournalEntry {
        at: now,
        service: ServiceName::default(),
        fact,
    }];
    for service in state.services.values() {
        let mut draft = Transaction::new(
            service.clone(),
            phase,
            state.next_release.max(ReleaseId::FIRST),
            now,
        );
        match phase {
            EnvironmentPhase::Up => {
                start_delay::end_all(&mut draft, A_PERSON_ASKED);
                release::renew(&mut draft);
            }
            EnvironmentPhase::Down => {
                release::cut_hook(&mut draft);
                draft.hurry_drains();
            }
        }
        entries.extend(settle(draft));
    }
    Decision::new(entries)
}

/// Decides the same for every service; those that it records nothing about are left alone.
fn each_service(
    state: &EnvironmentState,
    now: Timestamp,
    decide: impl Fn(&mut Transaction),
) -> Decision {
    let mut entries = Vec::new();
    for service in state.services.values() {
        let mut draft = draft_of(state, service.clone(), now);
        decide(&mut draft);
        if draft.len() > 0 {
            entries.extend(settle(draft));
        }
    }
    Decision::new(entries)
}

/// Every task is gone, and no revision is to blame: nothing is counted, no start waits, and a
/// release goes through its stage again, as after `down` and `up`.
fn host_restarted(state: &EnvironmentState, now: Timestamp) -> Decision {
    each_service(state, now, |draft| {
        for task in draft.service.tasks.clone().into_values() {
            draft.record(Fact::TaskStopped {
                task: task.id,
                revision: task.revision,
                exit: ProcessExit::HostRestarted,
                last_lines: Vec::new(),
            });
        }
        if draft.phase == EnvironmentPhase::Up {
            start_delay::end_all(draft, "the machine restarted");
            release::renew(draft);
        }
    })
}

fn time_passed(state: &EnvironmentState, now: Timestamp) -> Decision {
    let due: Vec<&ServiceName> = state
        .deadlines
        .iter()
        .take_while(|(deadline, _)| *deadline <= now)
        .map(|(_, name)| name)
        .collect();
    let mut entries = Vec::new();
    for name in due {
        let Some(service) = state.services.get(name) else {
            continue;
        };
        let mut draft = draft_of(state, service.clone(), now);
        expire(&mut draft);
        entries.extend(settle(draft));
    }
    Decision::new(entries)
}

/// Deadlines of a service that have passed.
fn expire(draft: &mut Transaction) {
    release::expire(draft);
    start_delay::expire(draft);
    let due: Vec<Task> = draft
        .service
        .tasks
        .values()
        .filter(|task| {
            draft
                .service
                .task_deadline(task)
                .is_some_and(|deadline| deadline <= draft.now)
        })
        .cloned()
        .collect();
    for task in due {
        match task.lifecycle {
            TaskLifecycle::Pending { .. } => {
                let reason = "it did not start within 2 minutes";
                let failure = TaskFailure::Words(reason.to_owned());
                circuit_breaker::count_failure(draft, &task, failure, &[]);
                start_delay::delay_starts(draft, &task, reason, None);
                draft.stop(&task, reason);
            }
            TaskLifecycle::Running { .. } if task.health == TaskHealth::Unhealthy => {
                judge(
                    draft,
                    &task,
                    TaskHealth::Unhealthy,
                    &task.health_reason,
                    None,
                    &task.last_lines,
                );
            }
            TaskLifecycle::Running { .. } => {
                judge(
                    draft,
                    &task,
                    TaskHealth::Healthy,
                    &HealthFinding::Other("it ran for 40 seconds".to_owned()).into(),
                    None,
                    &[],
                );
            }
            TaskLifecycle::Deactivating { .. } => {
                draft.stop(&task, "its deregistration delay is over");
            }
            TaskLifecycle::Stopping { .. } => {
                let deadline = draft.now.after(std::time::Duration::from_secs(10));
                draft.record(Fact::TaskKilled {
                    task: task.id.clone(),
                    deadline,
                });
            }
        }
    }
}

fn task_event(draft: &mut Transaction, task: &Task, event: &Event) {
    let running = matches!(task.lifecycle, TaskLifecycle::Running { .. });
    match event {
        Event::TaskStarted { .. } => match task.lifecycle {
            TaskLifecycle::Pending { .. } => draft.record(Fact::TaskRan {
                task: task.id.clone(),
            }),
            // It was told to stop before it was up.
            TaskLifecycle::Stopping { .. } => draft.stop(task, "it is no longer needed"),
            _ => {}
        },
        Event::TaskStartFailed {
            reason, obstacle, ..
        } => {
            ended(
                draft,
                task,
                ProcessExit::NotStarted(reason.clone()),
                &[],
                obstacle.clone(),
            );
        }
        Event::TaskExited {
            exit, last_lines, ..
        } => ended(draft, task, exit.clone(), last_lines, None),
        Event::TaskHealthChanged {
            health,
            reason,
            last_lines,
            ..
        } if running && *health != task.health => {
            let grace = grace_until(draft, task)
                .filter(|until| *health == TaskHealth::Unhealthy && *until > draft.now);
            judge(draft, task, *health, reason, grace, last_lines);
        }
        Event::TaskDrained { cut, .. }
            if matches!(task.lifecycle, TaskLifecycle::Deactivating { .. }) =>
        {
            draft.stop_drained(task, &drained(*cut), *cut);
        }
        _ => {}
    }
}

/// Why a task stops that was drained.
fn drained(cut: u64) -> String {
    match cut {
        0 => "no request is in flight".to_owned(),
        1 => "its drain time is over, 1 request or connection was cut off".to_owned(),
        some => format!("its drain time is over, {some} requests or connections were cut off"),
    }
}

fn grace_until(draft: &Transaction, task: &Task) -> Option<Timestamp> {
    let grace = draft
        .service
        .definition(task.revision)?
        .service
        .health
        .as_ref()?
        .grace;
    task.ran_at.map(|ran| ran.after(grace))
}

fn judge(
    draft: &mut Transaction,
    task: &Task,
    health: TaskHealth,
    reason: &HealthReason,
    grace_until: Option<Timestamp>,
    last_lines: &[String],
) {
    draft.record(Fact::TaskHealthChanged {
        task: task.id.clone(),
        health,
        reason: reason.clone(),
        grace_until,
        last_lines: grace_until.map_or_else(Vec::new, |_| last_lines.to_vec()),
    });
    match health {
        TaskHealth::Healthy => circuit_breaker::forget_failures(draft, task),
        TaskHealth::Unhealthy if grace_until.is_none() => {
            let failure = evidence::of_check(&draft.service, task, reason);
            circuit_breaker::count_failure(draft, task, failure, last_lines);
        }
        TaskHealth::Unhealthy | TaskHealth::Unknown => {}
    }
}

/// A task is gone. One that was healthy once is replaced at once, as on ECS.
fn ended(
    draft: &mut Transaction,
    task: &Task,
    exit: ProcessExit,
    last_lines: &[String],
    obstacle: Option<Obstacle>,
) {
    let asked_to = !task.active();
    if !asked_to {
        let reason = exit.to_string();
        let failure = TaskFailure::Words(reason.clone());
        circuit_breaker::count_failure(draft, task, failure, last_lines);
        if task.record != TaskHistory::Proven {
            start_delay::delay_starts(draft, task, &reason, obstacle);
        }
    }
    draft.record(Fact::TaskStopped {
        task: task.id.clone(),
        revision: task.revision,
        exit,
        last_lines: if asked_to {
            Vec::new()
        } else {
            last_lines.to_vec()
        },
    });
}
