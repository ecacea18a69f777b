//! The manifest's bounds for the number of a service's tasks, and what is desired within them.

use serde::{Deserialize, Serialize};

use crate::model::Scale;

/// Fewest and most tasks, as a manifest gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleBounds {
    /// The manifest's `scale.min`.
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

    /// A note about a number of tasks that the manifest does not give, and how long it stays so
    /// (`until`). Nothing within the bounds.
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
            "`{name}`: {desired} is {side} than the {gives} tasks that the manifest allows (`scale`); {until}, \
             or: neargate scale {name}={nearest}"
        ))
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
                    "`api`: 1 is fewer than the 2 to 4 tasks that the manifest allows (`scale`); for now, or: neargate scale api=2",
                ),
            ),
            (2, None),
            (4, None),
            (
                5,
                Some(
                    "`api`: 5 is more than the 2 to 4 tasks that the manifest allows (`scale`); for now, or: neargate scale api=4",
                ),
            ),
        ] {
            let said = ScaleBounds { min: 2, max: 4 }.outside("api", desired, "for now");
            assert_eq!(said.as_deref(), expected, "{desired}");
        }
    }
}
