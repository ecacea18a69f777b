//! How many tasks a service should have: what a person scaled to, within what the manifest gives.

use serde::{Deserialize, Serialize};

use super::draft::Draft;
use super::entry::Fact;
use super::state::{Removal, RevisionDefinition, ServiceState};
use crate::manifest::model::Scale;

/// Fewest and most tasks, as a manifest gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleBounds {
    /// `scale.min`
    pub min: u32,
    /// `scale.max`, at least `min`.
    pub max: u32,
}

impl ScaleBounds {
    /// The bounds of a manifest's `scale`.
    #[must_use]
    pub fn of(scale: &Scale) -> Self {
        Self {
            min: scale.min,
            max: scale.max.max(scale.min),
        }
    }

    /// The desired count under these bounds. As on ECS it stays what it is, whoever set it, until
    /// the bounds change (`before`); `None`: it was never decided.
    #[must_use]
    pub fn desired(self, before: Option<Self>, present: u32) -> u32 {
        match before {
            None => self.min,
            Some(before) if before == self => present,
            Some(_) => present.clamp(self.min, self.max),
        }
    }
}

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
}

impl ServiceState {
    /// What the manifest has to do with a number of tasks that it does not give; as on ECS, who asks
    /// for it gets it. Nothing to say when it is within the bounds.
    #[must_use]
    pub fn outside_bounds(&self) -> Option<String> {
        let ScaleBounds { min, max } = self.bounds_in_force()?;
        let (name, desired) = (&self.name, self.desired);
        if (min..=max).contains(&desired) {
            return None;
        }
        let gives = match min == max {
            true => min.to_string(),
            false => format!("{min} to {max}"),
        };
        let side = if desired > max { "more" } else { "fewer" };
        let nearest = desired.clamp(min, max);
        Some(format!(
            "`{name}`: {desired} is {side} than the {gives} tasks that the manifest gives it (`scale`); as on ECS it stays \
             so until `scale` is changed in the manifest, or: neargate scale {name}={nearest}"
        ))
    }
}

/// Brings the desired count to what a definition asks for. A static site keeps the number for the
/// day that the service has tasks again.
pub fn keep_within_bounds(draft: &mut Draft, definition: &RevisionDefinition) {
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
