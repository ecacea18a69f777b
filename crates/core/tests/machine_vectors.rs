//! ECS's documented arithmetic as tables.
//!
//! Source: ECS reference, "Rolling update" and "Deployment circuit breaker" (API Reference of
//! November 2026 and the developer guide's worked examples).

use std::time::Duration;

use neargate_core::machine::limits::{ceiling, floor, start_delay, threshold};
use neargate_core::model::{Breaker, LowTraffic, ReleasePolicy, Strategy, Threshold};

fn policy(minimum_percent: u32, maximum_percent: u32) -> ReleasePolicy {
    ReleasePolicy {
        strategy: Strategy::Rolling,
        minimum_percent,
        maximum_percent,
        guard: Vec::new(),
        low_traffic: LowTraffic::Hold,
        before: Vec::new(),
        smoke: Vec::new(),
        after: Vec::new(),
        on_rollback: Vec::new(),
        approve: false,
        breaker: None,
    }
}

#[test]
fn floor_and_ceiling_round_as_ecs_does() {
    // desired, min %, max %, lower, upper, can stop before start, can start before stop
    for (desired, minimum, maximum, lower, upper, stop_first, start_first) in [
        (4, 50, 200, 2, 8, 2, 4),
        (2, 75, 200, 2, 4, 0, 2),
        (4, 100, 200, 4, 8, 0, 4),
        (3, 100, 125, 3, 3, 0, 0),
        (1, 100, 200, 1, 2, 0, 1),
        (1, 0, 100, 0, 1, 1, 0),
        (1, 50, 100, 1, 1, 0, 0),
        (2, 50, 100, 1, 2, 1, 0),
        (3, 50, 150, 2, 4, 1, 1),
        (5, 50, 150, 3, 7, 2, 2),
        (10, 100, 110, 10, 11, 0, 1),
        (9, 100, 110, 9, 9, 0, 0),
        (10, 90, 110, 9, 11, 1, 1),
        (7, 66, 133, 5, 9, 2, 2),
        (0, 100, 200, 0, 0, 0, 0),
    ] {
        let policy = policy(minimum, maximum);
        let (low, high) = (floor(desired, &policy), ceiling(desired, &policy));
        assert_eq!(
            (low, high),
            (lower, upper),
            "{desired} tasks, {minimum}..{maximum} %"
        );
        assert_eq!((desired - low, high - desired), (stop_first, start_first));
    }
}

#[test]
fn the_breakers_threshold_is_ecss() {
    use Threshold::{BoundedPercent, Count, UnboundedPercent};
    for (kind, value, desired, expected) in [
        (BoundedPercent, 50, 1, 3),
        (BoundedPercent, 50, 2, 3),
        (BoundedPercent, 50, 6, 3),
        (BoundedPercent, 50, 7, 4),
        (BoundedPercent, 50, 10, 5),
        (BoundedPercent, 50, 25, 13),
        (BoundedPercent, 50, 400, 200),
        (BoundedPercent, 50, 800, 200),
        (UnboundedPercent, 50, 800, 400),
        (UnboundedPercent, 50, 1, 1),
        (Count, 5, 100, 5),
    ] {
        let breaker = Breaker {
            threshold: kind,
            value,
            ..Breaker::default()
        };
        assert_eq!(
            threshold(&breaker, desired),
            expected,
            "{kind:?} {value} of {desired}"
        );
    }
}

#[test]
fn failed_starts_wait_twice_as_long_each_time_up_to_30_seconds() {
    for (failures, seconds) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (1000, 30)] {
        assert_eq!(
            start_delay(failures),
            Duration::from_secs(seconds),
            "{failures}"
        );
    }
}
