//! Slow start as ALB's: a target's share rises in a line from nothing to a full one.
//!
//! Source: Elastic Load Balancing guide, "Target groups, slow start mode". It works with round
//! robin only; the manifest's check refuses it with the other algorithms, as AWS does.
//!
//! Invariant: a target begins only when it becomes healthy, while another one is healthy and
//! takes its full share; so a group always has somebody who can carry the load.

use std::time::Duration;

use super::table::TargetHealth;

/// A full share.
pub const FULL: u32 = 1024;

/// How a target came into its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// Together with all others, into an empty group: it does not use slow start.
    IntoEmpty,
    /// Into a group that had targets.
    Beside,
}

/// Another target of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherTarget {
    pub health: TargetHealth,
    /// Its share now, 0..=[`FULL`].
    pub warmth: u32,
}

/// Whether a target that went from one state to another is in slow start from now on. `duration`
/// is the group's; zero is off.
pub fn begins(
    (from, to): (TargetHealth, TargetHealth),
    duration: Duration,
    registered: Registered,
    mut others: impl Iterator<Item = OtherTarget>,
) -> bool {
    let healed = to == TargetHealth::Healthy && from != TargetHealth::Healthy;
    let first = registered == Registered::IntoEmpty && from == TargetHealth::Initial;
    healed
        && !first
        && !duration.is_zero()
        && others.any(|other| other.health == TargetHealth::Healthy && other.warmth >= FULL)
}

/// Share of a target that has been in slow start for `elapsed`: 0..=[`FULL`].
#[must_use]
pub fn warmth(elapsed: Duration, duration: Duration) -> u32 {
    let (elapsed, whole) = (elapsed.as_micros(), duration.as_micros());
    if elapsed >= whole {
        return FULL;
    }
    u32::try_from(elapsed * u128::from(FULL) / whole).unwrap_or(FULL)
}

/// Whether a target of this share takes its turn; `random` is one number per request, `index`
/// makes another chance of it for each target.
#[must_use]
pub(super) fn takes(warmth: u32, random: u64, index: usize) -> bool {
    let turned = u32::try_from(index % 61).unwrap_or(0) * 11 % 61;
    let chance = random.rotate_left(turned) & u64::from(FULL - 1);
    chance < u64::from(warmth)
}

#[cfg(test)]
mod tests {
    use super::super::balance::{Candidate, pick};
    use super::*;
    use crate::model::Balance;
    use TargetHealth::{Healthy, Initial, Unhealthy};

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_share_rises_in_a_line() {
        for (seconds, expected) in [
            (0, 0),
            (15, 256),
            (30, 512),
            (45, 768),
            (60, FULL),
            (90, FULL),
        ] {
            assert_eq!(warmth(Duration::from_secs(seconds), MINUTE), expected);
        }
        assert_eq!(warmth(Duration::ZERO, Duration::ZERO), FULL);
    }

    fn other(health: TargetHealth, warmth: u32) -> OtherTarget {
        OtherTarget { health, warmth }
    }

    #[test]
    fn a_new_target_begins_beside_one_that_takes_its_full_share() {
        let (warm, cold) = (other(Healthy, FULL), other(Healthy, 100));
        let sick = other(Unhealthy, FULL);
        let (empty, beside) = (Registered::IntoEmpty, Registered::Beside);
        for (duration, registered, others, expected, why) in [
            (MINUTE, beside, vec![warm], true, "a new target"),
            (MINUTE, beside, vec![sick, cold, warm], true, "one is warm"),
            (Duration::ZERO, beside, vec![warm], false, "off"),
            (MINUTE, beside, vec![], false, "alone"),
            (MINUTE, beside, vec![cold], false, "only slow starts"),
            (MINUTE, beside, vec![sick], false, "none is healthy"),
            (MINUTE, empty, vec![warm], false, "registered together"),
        ] {
            let change = (Initial, Healthy);
            let begun = begins(change, duration, registered, others.into_iter());
            assert_eq!(begun, expected, "{why}");
        }
    }

    #[test]
    fn a_target_leaves_with_its_health_and_begins_anew_when_it_is_back() {
        let (empty, beside) = (Registered::IntoEmpty, Registered::Beside);
        for (change, registered, expected) in [
            ((Unhealthy, Healthy), empty, true),
            ((Unhealthy, Healthy), beside, true),
            ((Healthy, Healthy), beside, false),
            ((Healthy, Unhealthy), beside, false),
            ((Initial, Unhealthy), beside, false),
        ] {
            let warm = [other(Healthy, FULL)].into_iter();
            assert_eq!(
                begins(change, MINUTE, registered, warm),
                expected,
                "{change:?}"
            );
        }
    }

    /// Requests of each target out of many.
    fn shares(balance: Balance, warmths: &[u32]) -> Vec<u32> {
        let candidate = |warmth: &u32| Candidate {
            eligible: true,
            health: Healthy,
            in_flight: 0,
            warmth: *warmth,
        };
        let targets: Vec<Candidate> = warmths.iter().map(candidate).collect();
        let (mut turn, mut random) = (0, 1_u64);
        let mut seen = vec![0; warmths.len()];
        for _ in 0..30_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let mixed = (random ^ (random >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
            seen[pick(balance, &targets, &mut turn, mixed ^ (mixed >> 33)).expect("a target")] += 1;
        }
        seen
    }

    #[test]
    fn a_target_in_slow_start_gets_its_share_of_a_full_one() {
        for warmths in [
            vec![FULL, 512],
            vec![FULL, FULL, 256],
            vec![FULL, 0],
            vec![100, FULL, 700],
        ] {
            let seen = shares(Balance::RoundRobin, &warmths);
            let all: u32 = warmths.iter().sum();
            for (seen, warmth) in seen.iter().zip(&warmths) {
                let expected = 30_000 * warmth / all;
                assert!(
                    seen.abs_diff(expected) <= 600,
                    "{seen} of {expected}: {warmths:?}"
                );
            }
        }
    }

    #[test]
    fn the_other_algorithms_know_no_slow_start() {
        let seen = shares(Balance::LeastOutstanding, &[FULL, 0]);
        assert_eq!(seen, [15_000, 15_000]);
        assert!(shares(Balance::WeightedRandom, &[FULL, 0])[1].abs_diff(15_000) < 600);
    }
}
