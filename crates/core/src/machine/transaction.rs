//! A decision in the making: one service as it would be, and the entries that make it so.
//!
//! Recording an entry applies it to the draft at once with the function that replay uses, so
//! a decision of several entries sees its own effects and cannot disagree with the replay.

use std::time::Duration;

use super::apply::apply_to_service;
use super::entry::{Fact, JournalEntry};
use super::state::{EnvironmentPhase, RevisionDefinition, ServiceState, Task, TaskLifecycle};
use crate::ids::{ReleaseId, TaskId};
use crate::time::Timestamp;

/// ECS: a stage lasts at most 24 hours.
pub(super) const STAGE_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// Beyond the deregistration delay, for the router to say that it is over.
const DRAIN_SLACK: Duration = Duration::from_secs(5);
/// Beyond the stop timeout, for the shim to do its work.
const STOP_SLACK: Duration = Duration::from_secs(10);
/// `neargate down` waits no longer than this for requests in flight.
const DOWN_DRAIN: Duration = Duration::from_secs(5);

/// One service as it would be.
pub(super) struct Transaction {
    /// The service with all recorded entries applied.
    pub service: ServiceState,
    /// Whether the environment should run.
    pub phase: EnvironmentPhase,
    /// Id for a release that begins now.
    pub next_release: ReleaseId,
    /// The moment of the decision.
    pub now: Timestamp,
    entries: Vec<JournalEntry>,
    forgotten: bool,
}

impl Transaction {
    /// A draft that starts from the present state of a service.
    pub(super) fn new(
        service: ServiceState,
        phase: EnvironmentPhase,
        next_release: ReleaseId,
        now: Timestamp,
    ) -> Self {
        Self {
            service,
            phase,
            next_release,
            now,
            entries: Vec::new(),
            forgotten: false,
        }
    }

    /// Records a fact and applies it to the draft.
    pub(super) fn record(&mut self, fact: Fact) {
        self.forgotten |= fact == Fact::ServiceForgotten;
        let entry = JournalEntry {
            at: self.now,
            service: self.service.name.clone(),
            fact,
        };
        apply_to_service(&mut self.service, &entry);
        self.entries.push(entry);
    }

    /// Number of entries so far.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the service is gone.
    pub(super) fn forgotten(&self) -> bool {
        self.forgotten
    }

    pub(super) fn into_entries(self) -> Vec<JournalEntry> {
        self.entries
    }

    /// The definition that new tasks are of.
    pub(super) fn primary(&self) -> Option<&RevisionDefinition> {
        self.service.definition(self.service.primary)
    }

    /// Takes a task out: drains it when it serves requests, stops it otherwise.
    pub(super) fn retire(&mut self, task: &Task, reason: &str) {
        let serves = matches!(task.lifecycle, TaskLifecycle::Running { .. })
            && self
                .service
                .definition(task.revision)
                .is_some_and(|definition| definition.service.port.is_some());
        if !serves {
            self.stop(task, reason);
            return;
        }
        let drain = self
            .service
            .definition(task.revision)
            .map_or(DOWN_DRAIN, |found| found.service.drain);
        let drain = if self.phase == EnvironmentPhase::Down {
            drain.min(DOWN_DRAIN)
        } else {
            drain
        };
        self.record(Fact::TaskDeactivated {
            task: task.id.clone(),
            reason: reason.to_owned(),
            deadline: self.now.after(drain + DRAIN_SLACK),
        });
    }

    /// The environment goes down: what drains already drains no longer than the rest.
    pub(super) fn hurry_drains(&mut self) {
        let latest = self.now.after(DOWN_DRAIN + DRAIN_SLACK);
        let slow: Vec<TaskId> = self
            .service
            .tasks
            .values()
            .filter(|task| {
                matches!(task.lifecycle, TaskLifecycle::Deactivating { deadline, .. } if deadline > latest)
            })
            .map(|task| task.id.clone())
            .collect();
        for task in slow {
            self.record(Fact::TaskDeactivated {
                task,
                reason: "the environment goes down".to_owned(),
                deadline: latest,
            });
        }
    }

    /// Tells a task to stop.
    pub(super) fn stop(&mut self, task: &Task, reason: &str) {
        self.stop_drained(task, reason, 0);
    }

    /// Tells a task to stop that was drained, of which so many requests or connections were cut off.
    pub(super) fn stop_drained(&mut self, task: &Task, reason: &str, cut: u64) {
        self.record(Fact::TaskStopRequested {
            task: task.id.clone(),
            reason: reason.to_owned(),
            deadline: self.stop_deadline(task),
            cut,
        });
    }

    /// When a task that was told to stop now is killed.
    pub(super) fn stop_deadline(&self, task: &Task) -> Timestamp {
        let timeout = self
            .service
            .definition(task.revision)
            .map_or(Duration::ZERO, |found| found.service.stop_timeout);
        self.now.after(timeout + STOP_SLACK)
    }
}
