//! How many tasks a service should have: what a person scaled to, within what the manifest gives.

use serde::{Deserialize, Serialize};

use super::entry::Fact;
use super::state::{Removal, RevisionDefinition, ServiceState};
use super::transaction::Transaction;
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

    /// What is said of a number of tasks that the manifest does not give, and how long it stays
    /// so (`until`). Nothing to say when it is within the bounds.
    #[must_use]
    pub fn outside(self, name: &str, desired: u32, until: &str) -> Option<String> {
        let Self { min, max } = self;
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
            "`{name}`: {desired} is {side} than the {gives} tasks that the manifest gives it (`scale`); {until}, \
             or: neargate scale {name}={nearest}"
        ))
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
        let until = "as on ECS it stays so until `scale` is changed in the manifest";
        self.bounds_in_force()?
            .outside(&self.name, self.desired, until)
    }
}

/// Brings the desired count to what a definition asks for. A static site keeps the number for the
/// day that the service has tasks again.
pub fn keep_within_bounds(draft: &mut Transaction, definition: &RevisionDefinition) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_tasks_outside_the_bounds_is_said_with_the_nearest_that_is_within() {
        for (desired, expected) in [
            (
                1,
                Some(
                    "`api`: 1 is fewer than the 2 to 4 tasks that the manifest gives it (`scale`); for now, or: neargate scale api=2",
                ),
            ),
            (2, None),
            (4, None),
            (
                5,
                Some(
                    "`api`: 5 is more than the 2 to 4 tasks that the manifest gives it (`scale`); for now, or: neargate scale api=4",
                ),
            ),
        ] {
            let said = ScaleBounds { min: 2, max: 4 }.outside("api", desired, "for now");
            assert_eq!(said.as_deref(), expected, "{desired}");
        }
    }
}
