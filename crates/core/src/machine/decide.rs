//! The one function that decides.

use super::draft::Draft;
use super::entry::{Entry, Fact};
use super::event::Event;
use super::evidence;
use super::release;
use super::requests;
use super::schedule::reconcile;
use super::shift;
use super::start_backoff::{self, Obstacle};
use super::state::{Exit, Health, Lifecycle, Phase, Record, ServiceState, State, Task};
use super::step::Step;
use crate::time::Timestamp;

/// Tasks that one service may have near.
pub const MOST_TASKS: u32 = 500;

/// Why a back-off ended, in words.
pub(super) const A_PERSON_ASKED: &str = "a person asked";

/// Decides what an event means. Total: an event that means nothing gives an empty step.
pub fn decide(state: &State, now: Timestamp, event: &Event) -> Step {
    match event {
        Event::UpRequested => change_phase(state, now, Phase::Up),
        Event::DownRequested => change_phase(state, now, Phase::Down),
        Event::TimePassed => time_passed(state, now),
        Event::HostRestarted => host_restarted(state, now),
        Event::ObstacleRemoved { obstacle } => each_service(state, now, |draft| {
            start_backoff::end_by_obstacle(draft, obstacle);
        }),
        Event::DeployRequested { service, .. }
        | Event::NewRevisionForced { service, .. }
        | Event::RemovalRequested { service }
        | Event::ScaleRequested { service, .. }
        | Event::RollbackRequested { service, .. }
        | Event::ReleaseSteered { service, .. } => {
            match requests::asked(state, now, service, event) {
                Ok(entries) => Step::new(entries),
                Err(refusal) => Step::refused(refusal),
            }
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
            Step::new(decided.unwrap_or_default())
        }
        Event::TaskStarted { task }
        | Event::TaskStartFailed { task, .. }
        | Event::TaskExited { task, .. }
        | Event::TaskHealthChanged { task, .. }
        | Event::TaskDrained { task, .. } => {
            let Some((service, found)) = find_task(state, task) else {
                return Step::new(Vec::new());
            };
            let mut draft = draft_of(state, service.clone(), now);
            task_event(&mut draft, &found.clone(), event);
            Step::new(settle(draft))
        }
    }
}

fn release_event(draft: &mut Draft, event: &Event) {
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
        } => shift::judged(draft, *step, guard, *verdict, reason),
        Event::SplitMeasured {
            step,
            split,
            share,
            requests,
            ..
        } => shift::measured(draft, *step, *split, *share, *requests),
        _ => {}
    }
}

/// The service of a task, whose id begins with its service's name.
fn find_task<'a>(state: &'a State, id: &str) -> Option<(&'a ServiceState, &'a Task)> {
    let (service, _) = id.rsplit_once("-r")?;
    let service = state.services.get(service)?;
    Some((service, service.tasks.get(id)?))
}

pub(super) fn draft_of(state: &State, service: ServiceState, now: Timestamp) -> Draft {
    Draft::new(service, state.phase, state.next_release.max(1), now)
}

/// Lets release and scheduler react until nothing more follows. The scheduler acts for the stage
/// that the release has come to, never for one that it passes in the same decision.
pub(super) fn settle(mut draft: Draft) -> Vec<Entry> {
    // Each pass records at least one fact about a bounded number of tasks and stages.
    for _ in 0..10_000 {
        let before = draft.len();
        if draft.phase == Phase::Up {
            release::advance(&mut draft);
        }
        if draft.len() > before && !draft.forgotten() {
            continue;
        }
        reconcile(&mut draft);
        if draft.len() == before || draft.forgotten() {
            break;
        }
    }
    draft.into_entries()
}

fn change_phase(state: &State, now: Timestamp, phase: Phase) -> Step {
    if state.phase == phase {
        return match phase {
            Phase::Up => each_service(state, now, |draft| {
                start_backoff::end_all(draft, A_PERSON_ASKED);
            }),
            Phase::Down => Step::new(Vec::new()),
        };
    }
    let fact = match phase {
        Phase::Up => Fact::EnvironmentStarted,
        Phase::Down => Fact::EnvironmentStopped,
    };
    let mut entries = vec![Entry {
        at: now,
        service: String::new(),
        fact,
    }];
    for service in state.services.values() {
        let mut draft = Draft::new(service.clone(), phase, state.next_release.max(1), now);
        match phase {
            Phase::Up => {
                start_backoff::end_all(&mut draft, A_PERSON_ASKED);
                release::renew(&mut draft);
            }
            Phase::Down => {
                release::cut_hook(&mut draft);
                draft.hurry_drains();
            }
        }
        entries.extend(settle(draft));
    }
    Step::new(entries)
}

/// Decides the same for every service; those that it records nothing about are left alone.
fn each_service(state: &State, now: Timestamp, decide: impl Fn(&mut Draft)) -> Step {
    let mut entries = Vec::new();
    for service in state.services.values() {
        let mut draft = draft_of(state, service.clone(), now);
        decide(&mut draft);
        if draft.len() > 0 {
            entries.extend(settle(draft));
        }
    }
    Step::new(entries)
}

/// Every task is gone, and no revision is to blame: nothing is counted, no start waits, and a
/// release goes through its stage again, as after `down` and `up`.
fn host_restarted(state: &State, now: Timestamp) -> Step {
    each_service(state, now, |draft| {
        for task in draft.service.tasks.clone().into_values() {
            draft.record(Fact::TaskStopped {
                task: task.id,
                revision: task.revision,
                exit: Exit::HostRestarted,
                last_lines: Vec::new(),
            });
        }
        if draft.phase == Phase::Up {
            start_backoff::end_all(draft, "the machine restarted");
            release::renew(draft);
        }
    })
}

fn time_passed(state: &State, now: Timestamp) -> Step {
    let due: Vec<&String> = state
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
    Step::new(entries)
}

/// Deadlines of a service that have passed.
fn expire(draft: &mut Draft) {
    release::expire(draft);
    start_backoff::expire(draft);
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
            Lifecycle::Pending { .. } => {
                let reason = "it did not start within 2 minutes";
                release::count_failure(draft, &task, reason, &[]);
                start_backoff::delay_starts(draft, &task, reason, None);
                draft.stop(&task, reason);
            }
            Lifecycle::Running { .. } if task.health == Health::Unhealthy => {
                judge(
                    draft,
                    &task,
                    Health::Unhealthy,
                    &task.health_reason,
                    None,
                    &task.last_lines,
                );
            }
            Lifecycle::Running { .. } => {
                judge(
                    draft,
                    &task,
                    Health::Healthy,
                    "it ran for 40 seconds",
                    None,
                    &[],
                );
            }
            Lifecycle::Deactivating { .. } => draft.stop(&task, "its deregistration delay is over"),
            Lifecycle::Stopping { .. } => {
                let deadline = draft.now.after(std::time::Duration::from_secs(10));
                draft.record(Fact::TaskKilled {
                    task: task.id.clone(),
                    deadline,
                });
            }
        }
    }
}

fn task_event(draft: &mut Draft, task: &Task, event: &Event) {
    let running = matches!(task.lifecycle, Lifecycle::Running { .. });
    match event {
        Event::TaskStarted { .. } => match task.lifecycle {
            Lifecycle::Pending { .. } => draft.record(Fact::TaskRan {
                task: task.id.clone(),
            }),
            // It was told to stop before it was up.
            Lifecycle::Stopping { .. } => draft.stop(task, "it is not wanted any more"),
            _ => {}
        },
        Event::TaskStartFailed {
            reason, obstacle, ..
        } => {
            ended(
                draft,
                task,
                Exit::NotStarted(reason.clone()),
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
                .filter(|until| *health == Health::Unhealthy && *until > draft.now);
            judge(draft, task, *health, reason, grace, last_lines);
        }
        Event::TaskDrained { cut, .. }
            if matches!(task.lifecycle, Lifecycle::Deactivating { .. }) =>
        {
            draft.stop(task, &drained(*cut));
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

fn grace_until(draft: &Draft, task: &Task) -> Option<Timestamp> {
    let grace = draft
        .service
        .definition(task.revision)?
        .service
        .health
        .as_ref()?
        .grace;
    task.ran_at.map(|ran| ran.after(grace))
}

/// A task that was never healthy may only be slow.
fn never_healthy(draft: &Draft, task: &Task) -> &'static str {
    let checked = draft
        .service
        .definition(task.revision)
        .is_some_and(|definition| definition.service.health.is_some());
    match task.record {
        Record::New if checked => evidence::NEVER_HEALTHY,
        _ => "",
    }
}

fn judge(
    draft: &mut Draft,
    task: &Task,
    health: Health,
    reason: &str,
    grace_until: Option<Timestamp>,
    last_lines: &[String],
) {
    draft.record(Fact::TaskHealthChanged {
        task: task.id.clone(),
        health,
        reason: reason.to_owned(),
        grace_until,
        last_lines: grace_until.map_or_else(Vec::new, |_| last_lines.to_vec()),
    });
    match health {
        Health::Healthy => release::forget_failures(draft, task),
        Health::Unhealthy if grace_until.is_none() => {
            let reason = format!("unhealthy: {reason}{}", never_healthy(draft, task));
            release::count_failure(draft, task, &reason, last_lines);
        }
        Health::Unhealthy | Health::Unknown => {}
    }
}

/// A task is gone. One that was healthy once is replaced at once, as on ECS.
fn ended(
    draft: &mut Draft,
    task: &Task,
    exit: Exit,
    last_lines: &[String],
    obstacle: Option<Obstacle>,
) {
    let asked_to = !task.active();
    if !asked_to {
        let reason = exit.to_string();
        release::count_failure(draft, task, &reason, last_lines);
        if task.record != Record::Proven {
            start_backoff::delay_starts(draft, task, &reason, obstacle);
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
