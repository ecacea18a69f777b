//! What follows from a state: counts, verdicts, deadlines. Nothing here changes it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::capacity::Capacity;
use super::release_stage::{ReleaseKind, ReleaseOutcome, ReleaseStage};
use super::state::{
    EnvironmentState, Removal, RevisionDefinition, RevisionStatus, START_TIMEOUT, STEADY_AFTER,
    ServiceState, Task, TaskHealth, TaskHistory, TaskLifecycle,
};
use crate::health_reason::HealthReason;
use crate::ids::{ReleaseId, RevisionNumber, TaskId};
use crate::model::Probe;
use crate::time::Timestamp;

impl EnvironmentState {
    /// A task that exists, with its service.
    #[must_use]
    pub fn task(&self, id: &TaskId) -> Option<(&ServiceState, &Task)> {
        let service = self.services.get(self.task_services.get(id)?)?;
        Some((service, service.tasks.get(id)?))
    }

    /// A service that was just heard of; its numbers go on where one of its name ended.
    pub(super) fn new_service(&self, name: &str) -> ServiceState {
        let mut service = ServiceState::new(name);
        if let Some(counters) = self.forgotten.get(name) {
            service.next_revision = counters.next_revision;
            service.next_task = counters.next_task;
        }
        service
    }
}

impl Task {
    /// A task that is asked to start.
    pub(super) fn created(
        id: TaskId,
        ordinal: u64,
        revision: RevisionNumber,
        at: Timestamp,
    ) -> Self {
        Self {
            id,
            ordinal,
            revision,
            lifecycle: TaskLifecycle::Pending { since: at },
            health: TaskHealth::Unknown,
            health_reason: HealthReason::default(),
            grace_until: None,
            last_lines: Vec::new(),
            ran_at: None,
            record: TaskHistory::New,
        }
    }

    /// Pending or running: it counts towards the ceiling.
    #[must_use]
    pub fn active(&self) -> bool {
        matches!(
            self.lifecycle,
            TaskLifecycle::Pending { .. } | TaskLifecycle::Running { .. }
        )
    }

    /// Running and healthy: it counts towards the floor.
    #[must_use]
    pub fn healthy(&self) -> bool {
        matches!(self.lifecycle, TaskLifecycle::Running { .. })
            && self.health == TaskHealth::Healthy
    }

    /// Running with a verdict that stands.
    #[must_use]
    pub fn unhealthy(&self) -> bool {
        matches!(self.lifecycle, TaskLifecycle::Running { .. })
            && self.health == TaskHealth::Unhealthy
            && self.grace_until.is_none()
    }
}

impl ServiceState {
    /// A service that was just heard of.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            desired: 0,
            revisions: BTreeMap::new(),
            next_revision: RevisionNumber::FIRST,
            primary: RevisionNumber::NONE,
            stable: None,
            release: None,
            tasks: BTreeMap::new(),
            next_task: 1,
            backoffs: BTreeMap::new(),
            scale_bounds: None,
            capacity: Capacity::Scheduler,
            history: VecDeque::new(),
            removal: Removal::Kept,
        }
    }

    /// Tasks that there should be: `desired`, or none while the primary revision is a static site.
    #[must_use]
    pub fn desired_tasks(&self) -> u32 {
        let has_tasks = self
            .definition(self.primary)
            .is_some_and(RevisionDefinition::has_tasks);
        if has_tasks { self.desired } else { 0 }
    }

    /// Whether tasks of a revision do not come up, or are found unhealthy.
    pub(super) fn tasks_fail(&self, revision: RevisionNumber) -> bool {
        let mut own = self.tasks.values().filter(|task| task.revision == revision);
        self.backoffs.contains_key(&revision) || own.any(Task::unhealthy)
    }

    /// The definition of a revision.
    #[must_use]
    pub fn definition(&self, revision: RevisionNumber) -> Option<&RevisionDefinition> {
        self.revisions
            .get(&revision)
            .map(|revision| revision.definition.as_ref())
    }

    /// A note about a return to a revision that holds no snapshot of the code that its tasks run.
    #[must_use]
    pub fn unseen_code(&self, revision: RevisionNumber) -> Option<String> {
        let definition = self.definition(revision)?;
        let unseen = definition.artifact.is_none() && definition.has_tasks();
        unseen.then(|| {
            format!("revision {revision} has no artifact: its tasks run the folder's present files")
        })
    }

    /// The same of the revision that a release went back to, by people's wish or because it failed.
    #[must_use]
    pub fn unseen_code_after(&self, release: ReleaseId) -> Option<String> {
        let ended = self.history.iter().find(|ended| ended.id == release)?;
        match (ended.outcome, ended.kind) {
            (ReleaseOutcome::RolledBack, _) => self.unseen_code(ended.from),
            (ReleaseOutcome::Done, ReleaseKind::Rollback) => self.unseen_code(ended.to),
            _ => None,
        }
    }

    /// Where a rollback goes that names no revision: the newest stable revision older than the
    /// one that serves, but none that people have rolled back from since it last arrived.
    #[must_use]
    pub fn rollback_target(&self) -> Option<RevisionNumber> {
        let left = self.left_by_rollback();
        self.revisions
            .range(..self.primary)
            .rev()
            .find(|(number, revision)| {
                revision.status == RevisionStatus::Stable && !left.contains(number)
            })
            .map(|(number, _)| *number)
    }

    /// Revisions that people have rolled back from and have not returned to. The history that is
    /// kept is longer than the list of revisions that are.
    fn left_by_rollback(&self) -> BTreeSet<RevisionNumber> {
        let mut left = BTreeSet::new();
        for release in &self.history {
            if release.kind == ReleaseKind::Rollback && release.outcome == ReleaseOutcome::Done {
                left.insert(release.from);
                left.remove(&release.to);
            }
        }
        left
    }

    /// Tasks of neither the primary revision nor the one that a release is to: what a superseded
    /// release left.
    #[must_use]
    pub fn strays(&self) -> Vec<&Task> {
        let to = self.release.as_ref().map(|release| release.to);
        self.tasks
            .values()
            .filter(|task| task.active() && task.revision != self.primary)
            .filter(|task| Some(task.revision) != to)
            .collect()
    }

    /// The stable revision whose tasks keep the capacity floor while those of another one come up:
    /// the one that a rolling release replaces, or that a release without a way back left. `None`
    /// when the primary revision is the one that keeps it.
    #[must_use]
    pub fn floor_keeper(&self) -> Option<RevisionNumber> {
        let candidates = match &self.release {
            Some(release) if release.stage == ReleaseStage::RollingBack => return None,
            Some(release) => [Some(release.from), self.stable],
            None if self.failed(self.primary) => [self.stable, None],
            None => return None,
        };
        let keeps = |revision: &RevisionNumber| {
            *revision != self.primary
                && self.revisions.get(revision).is_some_and(|found| {
                    found.status == RevisionStatus::Stable && found.definition.has_tasks()
                })
        };
        let serves = self
            .revisions
            .get(&self.primary)
            .is_some_and(|primary| primary.status == RevisionStatus::Stable);
        // Before its first stage a release is to a revision that has no task yet.
        let begun = self
            .release
            .as_ref()
            .is_none_or(|release| release.to == self.primary);
        if serves && !begun {
            return None;
        }
        candidates.into_iter().flatten().find(keeps)
    }

    pub(super) fn failed(&self, revision: RevisionNumber) -> bool {
        self.revisions
            .get(&revision)
            .is_some_and(|found| found.status == RevisionStatus::Failed)
    }

    /// The nearest moment at which something must be decided.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let tasks = self
            .tasks
            .values()
            .filter_map(|task| self.task_deadline(task));
        let release = self.release.as_ref().map(|release| match &release.hook {
            Some(hook) => hook.deadline.min(release.stage_deadline),
            None => release.stage_deadline,
        });
        let bake = self.release.as_ref().and_then(|release| release.bake_until);
        tasks
            .chain(release)
            .chain(bake)
            .chain(self.capacity.deadline())
            .chain(self.backoffs.values().filter_map(|backoff| backoff.until))
            .min()
    }

    /// When a task needs a decision.
    #[must_use]
    pub fn task_deadline(&self, task: &Task) -> Option<Timestamp> {
        match task.lifecycle {
            TaskLifecycle::Pending { since } => Some(since.after(START_TIMEOUT)),
            TaskLifecycle::Running { since } => match task.health {
                TaskHealth::Unhealthy => task.grace_until,
                TaskHealth::Unknown if self.unchecked(task.revision) => {
                    Some(since.after(STEADY_AFTER))
                }
                TaskHealth::Unknown | TaskHealth::Healthy => None,
            },
            TaskLifecycle::Deactivating { deadline, .. }
            | TaskLifecycle::Stopping { deadline, .. } => Some(deadline),
        }
    }

    /// When a task that leaves is told to stop at the latest, or, once it was, when its `stop-timeout`
    /// is over and its shim kills it. The machine itself decides later, by [`Self::task_deadline`].
    #[must_use]
    pub fn leaves_by(&self, task: &Task) -> Option<Timestamp> {
        match task.lifecycle {
            TaskLifecycle::Pending { .. } | TaskLifecycle::Running { .. } => None,
            TaskLifecycle::Deactivating { deadline, .. } => Some(deadline),
            TaskLifecycle::Stopping { since, .. } => {
                let definition = self.definition(task.revision)?;
                Some(since.after(definition.service.stop_timeout))
            }
        }
    }

    /// Whether tasks of a revision have no health check.
    #[must_use]
    pub fn unchecked(&self, revision: RevisionNumber) -> bool {
        self.definition(revision).is_some_and(|definition| {
            let probe = definition
                .service
                .health
                .as_ref()
                .map(|health| &health.probe);
            matches!(probe, None | Some(Probe::Command(_)))
        })
    }
}
