//! Names of the metrics that alarms may watch, and how they are recorded.
//!
//! Invariant: a metric that counts is recorded as the value 1 per event, so that both its sum and
//! its sample count are the number of events.

use super::statistic::Statistic;

/// One sample of 1 per request.
pub const REQUESTS: &str = "requests";
/// One sample of 1 per request whose target group a cookie chose, and not the weights. Alarms
/// cannot watch it: it only tells which requests show the split of a release.
pub const KEPT: &str = "kept_requests";
/// One sample of 1 per request that was answered with 5xx.
pub const ERRORS: &str = "errors";
/// One sample per request: 100 when it was not answered with 5xx, 0 when it was. The average is
/// the success rate in percent, the sample count the number of requests.
pub const SUCCESS_RATE: &str = "success_rate";
/// One sample per request: milliseconds.
pub const LATENCY: &str = "latency";
/// Percent of the reservation that a task uses.
pub const CPU: &str = "cpu";
/// Percent of the reservation that a task uses.
pub const MEMORY: &str = "memory";
/// One sample of 1 per task that ended and was not asked to.
pub const RESTARTS: &str = "restarts";

/// Metrics that alarms may watch.
pub const WATCHED: [&str; 7] = [
    REQUESTS,
    ERRORS,
    SUCCESS_RATE,
    LATENCY,
    CPU,
    MEMORY,
    RESTARTS,
];

/// The statistic of an alarm that names none: the sum of what is counted, the average otherwise.
#[must_use]
pub fn natural(metric: &str) -> Statistic {
    match metric {
        REQUESTS | ERRORS | RESTARTS => Statistic::Sum,
        _ => Statistic::Average,
    }
}
