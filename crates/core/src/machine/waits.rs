//! What a release waits for, in plain words.
//!
//! Invariant: every wait has a name, and what is named is what the release lacks.

use super::capacity::Capacity;
use super::display::{percent, seconds};
use super::promotion::{GuardVerdict, Promotion, SplitCheck};
use super::release_stage::ReleaseStage;
use super::state::{Release, STEADY_AFTER, ServiceState, Task, TaskHealth, TaskLifecycle};
use crate::ids::{RevisionNumber, TaskId};
use crate::time::Timestamp;

/// Condition that a release waits for, in words; empty when there is none.
#[must_use]
pub fn waiting_for(service: &ServiceState, now: Timestamp) -> String {
    let Some(release) = &service.release else {
        return String::new();
    };
    if let Some(hook) = &release.hook {
        let left = seconds(hook.deadline.since(now));
        return format!("job {} (at most {left} more)", hook.job);
    }
    if let Some(words) = waiting_for_others(service, release) {
        return words;
    }
    let mut words = match release.stage {
        ReleaseStage::Pending if !service.strays().is_empty() => waiting_for_tasks(service, now),
        ReleaseStage::Pending | ReleaseStage::BeforeHooks => "the first stage".to_owned(),
        ReleaseStage::ScaleUp if service.shifts(release) => waiting_for_fleets(service, release),
        ReleaseStage::ScaleUp | ReleaseStage::CleaningUp | ReleaseStage::RollingBack => {
            waiting_for_tasks(service, now)
        }
        ReleaseStage::TestTraffic | ReleaseStage::Shifting | ReleaseStage::Baking => {
            waiting_for_step(service, release, now)
        }
    };
    for (revision, backoff) in &service.backoffs {
        if let Some(until) = backoff.until {
            words.push_str(&format!(
                "; the next start of revision {revision} is in {}",
                seconds(until.since(now))
            ));
        }
    }
    words
}

/// Those who run the revisions in place of the scheduler.
fn waiting_for_others(service: &ServiceState, release: &Release) -> Option<String> {
    let moves = release.stage.waits_for_capacity();
    match &service.capacity {
        _ if !moves => None,
        Capacity::Deployment(known) => {
            let requested = known.requested.as_ref();
            let words = requested.map(|requested| requested.words.clone());
            let words = words.filter(|words| !words.is_empty());
            Some(words.unwrap_or_else(|| "ECS to begin the deployment".to_owned()))
        }
        Capacity::Files(_) => Some("the copy of its files".to_owned()),
        Capacity::Services(_) if release.stage != ReleaseStage::ScaleUp => Some(format!(
            "the service itself to run revision {} alone",
            service.primary
        )),
        Capacity::Services(_) | Capacity::Scheduler => None,
    }
}

/// The tasks of both revisions to be healthy: a shift takes no step before.
fn waiting_for_fleets(service: &ServiceState, release: &Release) -> String {
    let lacking = service.lacking_fleets(release);
    let words: Vec<String> = lacking
        .iter()
        .map(|revision| waiting_for_fleet(service, *revision))
        .collect();
    let mut words = words.join(", ");
    if lacking.is_empty() {
        return waiting_for_fleet(service, release.to);
    }
    if !lacking.contains(&release.to) {
        let name = &service.name;
        words.push_str(&format!(
            "; all traffic to revision {} without them: `neargate promote {name} --full`",
            release.to
        ));
    }
    words
}

/// One revision's tasks to be healthy, beside the other's.
fn waiting_for_fleet(service: &ServiceState, revision: RevisionNumber) -> String {
    let words = healthy_words(service, revision);
    match slowest(service, revision) {
        Some(task) => format!("{words} ({task})"),
        None => words,
    }
}

fn healthy_words(service: &ServiceState, revision: RevisionNumber) -> String {
    let (healthy, wanted) = (service.healthy_of(revision), service.desired_tasks());
    format!("{healthy} of {wanted} tasks of revision {revision} healthy")
}

/// The task of a revision that is worst off, and why.
fn slowest(service: &ServiceState, revision: RevisionNumber) -> Option<String> {
    let own = || {
        let tasks = service.tasks.values();
        tasks.filter(move |task| task.revision == revision)
    };
    if let Some(worst) = own().rfind(|task| task.unhealthy()) {
        return Some(format!("task {}: {}", worst.id, worst.health_reason));
    }
    let next = own().find(|task| !task.healthy())?;
    Some(format!("task {} {}", next.id, doing(service, next)))
}

/// Condition that keeps a release in its step.
fn waiting_for_step(service: &ServiceState, release: &Release, now: Timestamp) -> String {
    let name = &service.name;
    if release.gate == Promotion::Paused {
        return format!("`neargate resume {name}`: it is paused");
    }
    if let Some(until) = release.bake_until {
        return format!("the bake time ({} more)", seconds(until.since(now)));
    }
    let guards = service
        .definition(release.to)
        .map(|to| to.guards.keys())
        .into_iter()
        .flatten();
    let mut unjudged = false;
    let mut waits: Vec<String> = guards
        .filter(|_| release.step > 0)
        .filter_map(
            |guard| match release.guards.get(guard).copied().unwrap_or_default() {
                GuardVerdict::Quiet => None,
                GuardVerdict::TooLittle => {
                    unjudged = true;
                    Some(format!("enough requests to judge guard {guard}"))
                }
                GuardVerdict::Pending | GuardVerdict::Fired => {
                    Some(format!("guard {guard} to be judged"))
                }
            },
        )
        .collect();
    if release.split == SplitCheck::Off {
        let weight = percent(release.weight);
        waits.push(format!("the router to give the new revision {weight} %"));
    }
    if release.stage != ReleaseStage::Baking && !service.lacking_fleets(release).is_empty() {
        waits.push(waiting_for_fleets(service, release));
    }
    if waits.is_empty() {
        return format!("`neargate promote {name}`");
    }
    let waits = waits.join(", ");
    if unjudged {
        let left = seconds(release.stage_deadline.since(now));
        return format!(
            "{waits}; with less traffic use `neargate promote {name}`, or from now on \
             low-traffic = \"go\"; otherwise it rolls back in {left}"
        );
    }
    waits
}

/// New tasks to be healthy first, then old ones to be gone.
fn waiting_for_tasks(service: &ServiceState, now: Timestamp) -> String {
    let primary = service.primary;
    if service.arrived(primary) {
        let others = service.tasks.values();
        let others: Vec<&Task> = others.filter(|task| task.revision != primary).collect();
        return waiting_for_old(service, &others, now);
    }
    let mut words = healthy_words(service, primary);
    let delayed = service
        .backoffs
        .values()
        .any(|backoff| backoff.until.is_some());
    if !delayed && service.tasks.values().all(Task::healthy) {
        // ECS's own words for it are a service event, not an error.
        words.push_str("; minimum-percent and maximum-percent allow no task to stop or start");
    } else if let Some(task) = slowest(service, primary) {
        words.push_str(&format!("; {task}"));
    }
    words
}

/// Tasks that are named one by one.
const NAMED: usize = 5;

/// Old tasks to be gone.
fn waiting_for_old(service: &ServiceState, tasks: &[&Task], now: Timestamp) -> String {
    let named = tasks.iter().take(NAMED).map(|task| {
        let drains = matches!(task.lifecycle, TaskLifecycle::Deactivating { .. });
        match service.leaves_by(task) {
            Some(by) => leaving(&task.id, drains, by, now),
            None => format!("{} to finish and stop", task.id),
        }
    });
    let mut words: Vec<String> = named.collect();
    if tasks.len() > NAMED {
        words.push(format!("{} more tasks", tasks.len() - NAMED));
    }
    words.join(", ")
}

/// Condition that a leaving task, which drains or was told to stop, waits for, and until when.
#[must_use]
pub fn leaving(task: &TaskId, drains: bool, by: Timestamp, now: Timestamp) -> String {
    let left = seconds(by.since(now));
    match drains {
        true => format!("{task} to end its requests (at most {left} more)"),
        false if by <= now => format!("{task} to end (it is killed)"),
        false => format!("{task} to stop (killed in {left})"),
    }
}

/// Present phase of a task that is not healthy yet.
fn doing(service: &ServiceState, task: &Task) -> String {
    match (task.lifecycle, task.health) {
        (TaskLifecycle::Pending { .. }, _) => "starts".into(),
        (TaskLifecycle::Running { .. }, TaskHealth::Unhealthy) => {
            "is unhealthy, within its grace".into()
        }
        (TaskLifecycle::Running { .. }, _) if service.unchecked(task.revision) => format!(
            "has no health check: it counts as healthy once it has run for {} seconds",
            STEADY_AFTER.as_secs()
        ),
        (TaskLifecycle::Running { .. }, _) => "is not healthy yet".into(),
        (TaskLifecycle::Deactivating { .. } | TaskLifecycle::Stopping { .. }, _) => "leaves".into(),
    }
}
