//! Samples on their way to the store.

use super::dimensions::Dimensions;
use super::window::Window;
use crate::ids::{RevisionNumber, TaskId};

/// Samples of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Name of the metric.
    pub metric: &'static str,
    /// Where they come from.
    pub from: Dimensions,
    /// Count, sum and distribution of the samples.
    pub window: Window,
}

impl Sample {
    /// One value of one task.
    #[must_use]
    pub fn of_task(
        metric: &'static str,
        (service, revision): (&str, RevisionNumber),
        task: &TaskId,
        value: f64,
    ) -> Self {
        let from = Dimensions {
            target: Some(task.to_string()),
            ..Dimensions::revision(service, revision)
        };
        Self {
            metric,
            from,
            window: Window::of(value, 1),
        }
    }
}
