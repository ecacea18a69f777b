//! ECS's arithmetic: floor and ceiling of a rolling release, the breaker's threshold, back-off.

use std::time::Duration;

use crate::manifest::model::{Breaker, ReleasePolicy, Threshold};

/// First delay after a task that failed to start (the growth law of ECS is unpublished).
const FIRST_DELAY: Duration = Duration::from_secs(10);
/// ECS service throttle: delays grow up to 27 minutes.
const LONGEST_DELAY: Duration = Duration::from_secs(27 * 60);
/// Near's own bound: a service whose tasks end right after their start gets one a second.
pub const CRASH_DELAY: Duration = Duration::from_secs(1);

/// Fewest healthy tasks during a release: `ceil(desired × minimum percent)`.
#[must_use]
pub fn floor(desired: u32, policy: &ReleasePolicy) -> u32 {
    percent(desired, policy.minimum_percent)
        .div_ceil(100)
        .try_into()
        .unwrap_or(u32::MAX)
}

/// Most pending and running tasks during a release: `floor(desired × maximum percent)`.
#[must_use]
pub fn ceiling(desired: u32, policy: &ReleasePolicy) -> u32 {
    (percent(desired, policy.maximum_percent) / 100)
        .try_into()
        .unwrap_or(u32::MAX)
}

fn percent(desired: u32, percent: u32) -> u64 {
    u64::from(desired) * u64::from(percent)
}

/// Failed tasks at which a release fails (ECS `thresholdConfiguration`).
#[must_use]
pub fn threshold(breaker: &Breaker, desired: u32) -> u32 {
    let share = u32::try_from(percent(desired, breaker.value).div_ceil(100)).unwrap_or(u32::MAX);
    match breaker.threshold {
        Threshold::BoundedPercent => share.clamp(3, 200),
        Threshold::UnboundedPercent => share.max(1),
        Threshold::Count => breaker.value.max(1),
    }
}

/// Delay before the next start after this many failed starts in a row.
#[must_use]
pub fn start_delay(failures: u32) -> Duration {
    FIRST_DELAY
        .saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)))
        .min(LONGEST_DELAY)
}
