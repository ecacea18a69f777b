//! How many tasks a service should have: what a person scaled to, within what the manifest gives.

use super::entry::Fact;
use super::scale_bounds::ScaleBounds;
use super::state::{Removal, RevisionDefinition, ServiceState};
use super::transaction::Transaction;

impl ServiceState {
    /// The bounds that the desired count is within; `None` while it was never decided.
    #[must_use]
    pub fn bounds_in_force(&self) -> Option<ScaleBounds> {
        self.scale_bounds.or_else(|| {
            // A state of before the bounds were kept.
            let counts = self.removal == Removal::Kept && self.desired > 0;
            let primary = self.definition(self.primary).filter(|_| counts)?;
            Some(ScaleBounds::of(&primary.service.scale))
        })
    }

    /// A note when the number of tasks is not within the manifest's bounds; as on ECS, a number
    /// that is asked for holds. Nothing within the bounds.
    #[must_use]
    pub fn outside_bounds(&self) -> Option<String> {
        let until = "as on ECS it stays so until `scale` is changed in the manifest";
        self.bounds_in_force()?
            .outside(&self.name, self.desired, until)
    }
}

/// Brings the desired count to what a definition asks for. A static site keeps the number for the
/// day that the service has tasks again.
pub(super) fn keep_within_bounds(draft: &mut Transaction, definition: &RevisionDefinition) {
    if !definition.has_tasks() {
        return;
    }
    let bounds = ScaleBounds::of(&definition.service.scale);
    let desired = bounds.desired(draft.service.bounds_in_force(), draft.service.desired);
    if draft.service.scale_bounds != Some(bounds) {
        draft.record(Fact::ScaleBoundsChanged { bounds });
    }
    if desired != draft.service.desired {
        draft.record(Fact::DesiredChanged { desired });
    }
}
