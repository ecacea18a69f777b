//! The service scheduler: which tasks to start and which to stop, within floor and ceiling.
//!
//! The limits are ECS's: healthy tasks never fall below `ceil(desired × minimum percent)` by
//! our own doing, pending and running ones never exceed `floor(desired × maximum percent)`. When
//! tasks are gone that we did not stop, those of the stable revision come back first, up to the
//! floor: ECS replaces a task within its own revision.

use super::entry::Fact;
use super::limits;
use super::release_stage::ReleaseStage;
use super::state::{EnvironmentPhase, Removal, RevisionStatus, Task, TaskHealth, TaskLifecycle};
use super::transaction::Transaction;
use crate::ids::{RevisionNumber, TaskId};

/// One pass; call it until it records nothing more.
pub(super) fn reconcile(draft: &mut Transaction) {
    if draft.phase == EnvironmentPhase::Down {
        retire_all(draft, "the environment goes down");
    } else if draft.service.removal == Removal::Leaving {
        retire_all(draft, "the service is removed");
        if draft.service.tasks.is_empty() && !draft.forgotten() {
            draft.record(Fact::ServiceForgotten);
        }
    } else if draft.primary().is_some() {
        let fleets = draft.service.fleets();
        if let Some(keeper) = draft.service.floor_keeper() {
            keep_floor(draft, keeper);
        }
        for fleet in &fleets {
            if let Some(limits) = TaskLimits::of(draft, *fleet, &fleets) {
                start(draft, &limits);
                replace_unhealthy(draft, &limits);
                stop_surplus(draft, &limits);
            }
        }
        if let Some(limits) = TaskLimits::of(draft, draft.service.primary, &fleets) {
            stop_others(draft, &limits, &fleets);
        }
    }
}

/// Numbers of tasks that one revision may have.
struct TaskLimits {
    fleet: RevisionNumber,
    /// The revision that runs in full beside this one while a release shifts. Its tasks do not
    /// count towards this one's ceiling; those of any other revision count towards the new one's.
    beside: Option<RevisionNumber>,
    /// Whether it is the primary revision.
    primary: bool,
    desired: u32,
    floor: usize,
    ceiling: usize,
}

impl TaskLimits {
    /// None for a failed revision that nothing replaced: it gets no new tasks, and what runs is
    /// left alone.
    fn of(draft: &Transaction, fleet: RevisionNumber, fleets: &[RevisionNumber]) -> Option<Self> {
        let revision = draft.service.revisions.get(&fleet)?;
        if revision.status == RevisionStatus::Failed {
            return None;
        }
        let policy = &revision.definition.service.release;
        let desired = draft.service.desired_tasks();
        Some(Self {
            fleet,
            beside: fleets.iter().copied().find(|other| *other != fleet),
            primary: fleet == draft.service.primary,
            desired,
            floor: limits::floor(desired, policy) as usize,
            ceiling: limits::ceiling(desired, policy) as usize,
        })
    }

    fn counts(&self, task: &Task) -> bool {
        match self.beside {
            None => true,
            Some(_) if self.primary => task.revision == self.fleet,
            Some(other) => task.revision != other,
        }
    }
}

fn retire_all(draft: &mut Transaction, reason: &str) {
    let active: Vec<Task> = draft
        .service
        .tasks
        .values()
        .filter(|task| task.active())
        .cloned()
        .collect();
    for task in active {
        draft.retire(&task, reason);
    }
}

fn count(draft: &Transaction, matches: impl Fn(&Task) -> bool) -> usize {
    draft
        .service
        .tasks
        .values()
        .filter(|task| matches(task))
        .count()
}

/// The tasks that match, those that serve least first, newest first among equals.
fn candidates(draft: &Transaction, matches: impl Fn(&Task) -> bool) -> Vec<Task> {
    let mut tasks: Vec<Task> = draft
        .service
        .tasks
        .values()
        .filter(|task| task.active() && matches(task))
        .cloned()
        .collect();
    tasks.sort_by_key(|task| (usefulness(task), std::cmp::Reverse(task.ordinal)));
    tasks
}

fn usefulness(task: &Task) -> u8 {
    match (task.lifecycle, task.health) {
        (TaskLifecycle::Pending { .. }, _) => 0,
        (_, TaskHealth::Unhealthy) => 1,
        (_, TaskHealth::Unknown) => 2,
        (_, TaskHealth::Healthy) => 3,
    }
}

/// Tasks of the revision that keeps the floor which are needed beside the healthy ones of others.
fn needed(draft: &Transaction, keeper: RevisionNumber) -> usize {
    let floor = draft.primary().map_or(0, |primary| {
        limits::floor(draft.service.desired_tasks(), &primary.service.release)
    });
    let others = count(draft, |task| task.revision != keeper && task.healthy());
    (floor as usize).saturating_sub(others)
}

/// Tasks of a revision that serve or may soon.
fn good(draft: &Transaction, revision: RevisionNumber) -> usize {
    count(draft, |task| {
        task.active() && task.revision == revision && !task.unhealthy()
    })
}

/// Starts what the floor lacks. Unhealthy tasks of other revisions give way when there is no room.
fn keep_floor(draft: &mut Transaction, keeper: RevisionNumber) {
    let missing = needed(draft, keeper).saturating_sub(good(draft, keeper));
    if missing == 0 || draft.service.starts_delayed_until(keeper).is_some() {
        return;
    }
    let Some(primary) = draft.primary() else {
        return;
    };
    let ceiling = limits::ceiling(draft.service.desired_tasks(), &primary.service.release) as usize;
    let room = |draft: &Transaction| ceiling.saturating_sub(count(draft, Task::active));
    let lacking = missing.saturating_sub(room(draft));
    let unhealthy = candidates(draft, |task| task.revision != keeper && task.unhealthy());
    for task in unhealthy.iter().take(lacking) {
        draft.retire(task, &format!("unhealthy: {}", task.health_reason));
    }
    let starts = missing.min(room(draft));
    create(draft, keeper, starts);
}

fn create(draft: &mut Transaction, revision: RevisionNumber, tasks: usize) {
    for _ in 0..tasks {
        let service = &draft.service;
        let task = TaskId::of(&service.name, revision, service.next_task);
        draft.record(Fact::TaskCreated { task, revision });
    }
}

/// Starts tasks of the primary revision: as many as are missing, as the ceiling allows.
fn start(draft: &mut Transaction, limits: &TaskLimits) {
    if draft.service.starts_delayed_until(limits.fleet).is_some() {
        return;
    }
    let active = count(draft, |task| task.active() && limits.counts(task));
    let missing = (limits.desired as usize).saturating_sub(good(draft, limits.fleet));
    let room = limits.ceiling.saturating_sub(active);
    create(draft, limits.fleet, missing.min(room));
}

/// Takes unhealthy tasks of the primary revision out: when their replacements are healthy, or
/// one by one when there is no room to start a replacement first.
fn replace_unhealthy(draft: &mut Transaction, limits: &TaskLimits) {
    let unhealthy = candidates(draft, |task| {
        task.revision == limits.fleet && task.unhealthy()
    });
    let Some(first) = unhealthy.first() else {
        return;
    };
    let good = good(draft, limits.fleet);
    let healthy = count(draft, |task| {
        task.revision == limits.fleet && task.healthy()
    });
    // One by one: the next only when the last replacement is healthy.
    let active = count(draft, |task| task.active() && limits.counts(task));
    let no_room = active >= limits.ceiling && good < limits.desired as usize && good == healthy;
    if healthy >= limits.desired as usize {
        for task in &unhealthy {
            draft.retire(task, &format!("unhealthy: {}", task.health_reason));
        }
    } else if no_room {
        draft.retire(first, &format!("unhealthy: {}", first.health_reason));
    }
}

/// Takes tasks of other revisions out: those that do not serve at once, unless the floor needs
/// them, healthy ones while the floor holds. During a rollback only those of the failed revision
/// are other.
fn stop_others(draft: &mut Transaction, limits: &TaskLimits, fleets: &[RevisionNumber]) {
    let words = match draft.service.release.as_ref().map(|release| release.stage) {
        Some(ReleaseStage::RollingBack) => "its revision is rolled back",
        _ => "another revision replaces it",
    };
    // Before the first new task is up, an old one that is unhealthy may still be the best there is.
    let relieved = count(draft, |task| {
        task.revision == limits.fleet && task.healthy()
    }) > 0
        || limits.desired == 0;
    let keeper = draft.service.floor_keeper();
    for task in candidates(draft, |task| !fleets.contains(&task.revision)) {
        let healthy = count(draft, Task::healthy);
        let keeps = Some(task.revision) == keeper && !task.unhealthy();
        let frees = if task.healthy() {
            healthy > limits.floor
        } else if keeps {
            good(draft, task.revision) > needed(draft, task.revision)
        } else {
            relieved || healthy > 0 || count(draft, Task::active) >= limits.ceiling
        };
        if frees {
            draft.retire(&task, words);
        }
    }
}

/// Takes surplus tasks of the primary revision out.
fn stop_surplus(draft: &mut Transaction, limits: &TaskLimits) {
    let own = candidates(draft, |task| {
        task.revision == limits.fleet && !task.unhealthy()
    });
    let surplus = own.len().saturating_sub(limits.desired as usize);
    for task in own.iter().take(surplus) {
        if !task.healthy() || count(draft, Task::healthy) > limits.floor {
            draft.retire(task, "the desired count is lower");
        }
    }
}
