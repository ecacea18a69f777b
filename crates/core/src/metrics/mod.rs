//! Metrics that decide: samples in bounded time windows, statistics of them, arithmetic on them.
//!
//! Invariant: everything is bounded by a constant or a [`RetentionLimits`]; nothing reads a clock; a
//! result does not depend on the order of the samples within a second (sums: up to the rounding
//! of floating point). Refuses values that are not finite.
//!
//! - [`Histogram`], [`Window`]: samples of one stretch of time; [`Statistic`]: what is taken of it.
//! - [`MetricsStore`]: all series; [`Dimensions`]: where a sample comes from; [`RetentionLimits`]: how much is kept.
//! - [`Completeness`]: up to when they are all known.
//! - [`report`]: what people are shown of a service and its revisions.
//! - [`names`]: the metrics that near and far both have; [`math`]: expressions over series.

mod completeness;
mod dimensions;
mod histogram;
pub mod math;
pub mod names;
pub mod report;
mod sample;
mod statistic;
mod store;
mod window;

pub use completeness::Completeness;
pub use dimensions::{Dimensions, StatusClass};
pub use histogram::{Histogram, MOST_BUCKETS};
pub use sample::Sample;
pub use statistic::{Statistic, StatisticError, Trim, TrimBound};
pub use store::{
    MOST_SERIES, MOST_WINDOWS, MetricsStore, RESOLUTIONS, RetentionLimits, WindowBoundary,
    resolution,
};
pub use window::Window;
