//! Lets release and scheduler react to what was recorded, until nothing more follows.

use super::capacity_requests;
use super::entry::JournalEntry;
use super::release;
use super::scheduler::reconcile;
use super::state::{EnvironmentPhase, EnvironmentState, ServiceState};
use super::transaction::Transaction;
use crate::ids::ReleaseId;
use crate::time::Timestamp;

/// A draft of a service at this moment.
pub(super) fn draft_of(
    state: &EnvironmentState,
    service: ServiceState,
    now: Timestamp,
) -> Transaction {
    Transaction::new(
        service,
        state.phase,
        state.next_release.max(ReleaseId::FIRST),
        now,
    )
}

/// Lets release and scheduler react until nothing more follows. The scheduler acts for the stage
/// that the release has come to, never for one that it passes in the same decision.
pub(super) fn settle(mut draft: Transaction) -> Vec<JournalEntry> {
    // Each pass records at least one fact about a bounded number of tasks and stages.
    for _ in 0..10_000 {
        let before = draft.len();
        if draft.phase == EnvironmentPhase::Up {
            release::advance(&mut draft);
        }
        if draft.len() > before && !draft.forgotten() {
            continue;
        }
        match draft.service.capacity.is_scheduler() {
            true => reconcile(&mut draft),
            false => capacity_requests::request(&mut draft),
        }
        if draft.len() == before || draft.forgotten() {
            break;
        }
    }
    draft.into_entries()
}
