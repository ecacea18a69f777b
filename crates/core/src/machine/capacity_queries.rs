//! What a release asks of whoever runs its revisions: whether a revision has [arrived](ServiceState::arrived) (all
//! that is wanted of it is up), and whether it is [alone](ServiceState::alone) (nothing of another one is left).

use super::capacity::{Capacity, ObservedServices};
use super::state::ServiceState;
use super::strategy::WHOLE;
use crate::ids::RevisionNumber;

impl ServiceState {
    /// Healthy tasks of a revision.
    #[must_use]
    pub fn healthy_of(&self, revision: RevisionNumber) -> usize {
        match &self.capacity {
            Capacity::Scheduler => {
                let healthy = self.tasks.values().filter(|task| task.healthy());
                healthy.filter(|task| task.revision == revision).count()
            }
            Capacity::Services(ObservedServices { services, .. }) => {
                [Some(&services.main), services.visitor.as_ref()]
                    .into_iter()
                    .flatten()
                    .filter(|one| one.revision == revision)
                    .map(|one| one.healthy as usize)
                    .sum()
            }
            Capacity::Deployment(_) | Capacity::Files(_) => 0,
        }
    }

    /// All that is wanted of a revision is up.
    #[must_use]
    pub fn arrived(&self, revision: RevisionNumber) -> bool {
        // What a release goes back to runs unless the release has asked for anything else.
        let untouched = self
            .release
            .as_ref()
            .is_none_or(|release| release.to != revision);
        match &self.capacity {
            Capacity::Scheduler | Capacity::Services(_) => {
                self.healthy_of(revision) >= self.desired_tasks() as usize
            }
            Capacity::Deployment(known) => known.runs(revision, untouched),
            Capacity::Files(known) if known.requested == RevisionNumber::NONE => untouched,
            Capacity::Files(known) => known.requested == revision && known.copied,
        }
    }

    /// Arrived, and nothing of any other revision is left.
    #[must_use]
    pub fn alone(&self, revision: RevisionNumber) -> bool {
        let others_gone = match &self.capacity {
            Capacity::Scheduler => self.tasks.values().all(|task| task.revision == revision),
            Capacity::Services(ObservedServices { services, in_stage }) => {
                *in_stage
                    && services.main.revision == revision
                    && services.main.steady
                    && services.visitor.is_none()
                    && services.weight == 0
            }
            Capacity::Deployment(_) | Capacity::Files(_) => true,
        };
        others_gone && self.arrived(revision)
    }

    /// Share of the requests that the listener is to give the second service, tenths of a percent.
    pub(super) fn wanted_weight(&self) -> u32 {
        self.release
            .as_ref()
            .map_or(0, |release| release.weight.min(WHOLE))
    }
}
