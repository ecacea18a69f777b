//! ECS's arithmetic: floor and ceiling of a rolling release, the breaker's threshold; back-off.

use std::time::Duration;

use crate::backoff;
use crate::model::{Breaker, ReleasePolicy, Threshold};

/// Tasks that one service may have near.
pub const MOST_TASKS: u32 = 500;

/// The wait after the first failed start. ECS's law is unpublished, and it waits up to 27 minutes,
/// which outlives most causes; near's is that of everything that is tried again.
const FIRST_DELAY: Duration = Duration::from_secs(1);

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

/// Delay before the next start of a revision's tasks after this many failed starts in a row.
#[must_use]
pub fn start_delay(failures: u32) -> Duration {
    backoff::delay(FIRST_DELAY, failures)
}
