//! Tasks that do not start: when the next one may, and what ends the wait.
//!
//! One rule for all of them, whether they could not be started or ended before they were healthy
//! once, per revision: the wait doubles from 1 to 30 s ([`crate::backoff`]). A person's word, a
//! healthy task and an obstacle that is gone end it, failures included.

use super::entry::Fact;
use super::limits;
use super::start_backoff::{Obstacle, StartBackoff};
use super::state::{RevisionDefinition, ServiceState, Task};
use super::transaction::Transaction;
use crate::ids::RevisionNumber;
use crate::model::UsedResource;
use crate::time::Timestamp;

/// Whether tasks of a revision may need that an obstacle is gone.
fn stands_before(obstacle: &Obstacle, definition: &RevisionDefinition) -> bool {
    let uses = &definition.service.uses;
    match obstacle {
        Obstacle::Database(name) => uses.contains(&UsedResource::Database(name.clone())),
        Obstacle::Cache(name) => uses.contains(&UsedResource::Cache(name.clone())),
        Obstacle::DiskFull | Obstacle::Descriptors | Obstacle::PortTaken(_) => true,
    }
}

impl ServiceState {
    /// The moment before which no task of a revision is started.
    #[must_use]
    pub fn starts_delayed_until(&self, revision: RevisionNumber) -> Option<Timestamp> {
        self.backoffs.get(&revision)?.until
    }
}

/// Why a back-off ended, in words.
pub(super) const A_PERSON_ASKED: &str = "a person asked";

/// A task failed to start: the next one of its revision waits. Those that were started together
/// and fail together are one failed start.
pub(super) fn delay_starts(
    draft: &mut Transaction,
    task: &Task,
    reason: &str,
    obstacle: Option<Obstacle>,
) {
    let before = draft.service.backoffs.get(&task.revision);
    let failures = match before {
        Some(backoff) if backoff.until.is_some() => backoff.failures.max(1),
        Some(backoff) => backoff.failures.saturating_add(1),
        None => 1,
    };
    let present = before.and_then(|backoff| backoff.until);
    let until = draft.now.after(limits::start_delay(failures));
    draft.record(Fact::StartsDelayed {
        revision: task.revision,
        failures,
        until: present.map_or(until, |present| present.max(until)),
        reason: reason.to_owned(),
        obstacle,
    });
}

/// Delays that are over.
pub(super) fn expire(draft: &mut Transaction) {
    let now = draft.now;
    for revision in revisions(draft, |backoff| backoff.until.is_some_and(|at| at <= now)) {
        draft.record(Fact::StartsResumed { revision });
    }
}

/// Whatever failed before is tried at once.
pub(super) fn end_all(draft: &mut Transaction, reason: &str) {
    end(draft, |_, _| true, reason);
}

/// Starts go on: the obstacle in their way is gone.
pub(super) fn end_by_obstacle(draft: &mut Transaction, gone: &Obstacle) {
    let ends = |backoff: &StartBackoff, definition: Option<&RevisionDefinition>| {
        backoff.obstacle.as_ref() == Some(gone)
            || definition.is_some_and(|definition| stands_before(gone, definition))
    };
    end(draft, ends, &gone.to_string());
}

fn end(
    draft: &mut Transaction,
    ends: impl Fn(&StartBackoff, Option<&RevisionDefinition>) -> bool,
    reason: &str,
) {
    let service = &draft.service;
    let ended: Vec<RevisionNumber> = service
        .backoffs
        .iter()
        // A revision that failed gets no task: of it there is nothing to say.
        .filter(|(revision, _)| !service.failed(**revision))
        .filter(|(revision, backoff)| ends(backoff, service.definition(**revision)))
        .map(|(revision, _)| *revision)
        .collect();
    for revision in ended {
        draft.record(Fact::BackoffEnded {
            revision,
            reason: reason.to_owned(),
        });
    }
}

fn revisions(draft: &Transaction, matches: impl Fn(&StartBackoff) -> bool) -> Vec<RevisionNumber> {
    let backoffs = draft.service.backoffs.iter();
    backoffs
        .filter(|(_, backoff)| matches(backoff))
        .map(|(revision, _)| *revision)
        .collect()
}
