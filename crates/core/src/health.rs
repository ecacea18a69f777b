//! ALB's target health: thresholds, the first check, and near's rule for new targets.
//!
//! A new target is `initial`; one success makes it healthy. Afterwards only consecutive
//! results count: `healthy` successes to come back, `unhealthy` failures to go.
//!
//! Near's own rule: ALB asks once per interval, which would make every start on a laptop take
//! that long. While a target is `initial` it is asked with growing gaps that begin at 100 ms and
//! end at the interval. Failures that come sooner than the interval count towards the
//! unhealthy threshold only when the target took the TCP connection: a process that has not
//! opened its port yet is starting, not sick. A port that somebody else holds makes its target
//! unhealthy at once: no threshold waits while a stranger gets requests. A check that could not
//! be made changes nothing.

use std::time::Duration;

use crate::model::HealthCheck;
use crate::routing::table::TargetHealth;
use crate::time::Timestamp;

/// First gap between two checks of a target that is `initial`.
pub const FIRST_GAP: Duration = Duration::from_millis(100);

/// Result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A status that the matcher accepts.
    Passed,
    /// Another status, a broken answer, or none in time, over an open connection.
    Failed,
    /// No connection to the target.
    Unreachable,
    /// Somebody else listens there.
    Stranger,
    /// It could not be made: whoever checks lacks descriptors, memory or time. Says nothing about
    /// the target.
    NotMade,
}

/// Health of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetCheck {
    state: TargetHealth,
    run: u32,
    gap: Duration,
    last_counted: Option<Timestamp>,
}

impl TargetCheck {
    /// Begins in the state that is known already.
    #[must_use]
    pub fn new(known: TargetHealth) -> Self {
        Self {
            state: known,
            run: 0,
            gap: FIRST_GAP,
            last_counted: None,
        }
    }

    /// The state now.
    #[must_use]
    pub fn state(&self) -> TargetHealth {
        self.state
    }

    /// Failures in a row that count towards the unhealthy threshold.
    #[must_use]
    pub fn failures(&self) -> u32 {
        match self.state {
            TargetHealth::Unhealthy => 0,
            TargetHealth::Initial | TargetHealth::Healthy => self.run,
        }
    }

    /// Takes in a check that began at `now`; the new state when it changed.
    pub fn observe(
        &mut self,
        now: Timestamp,
        outcome: Outcome,
        rule: &HealthCheck,
    ) -> Option<TargetHealth> {
        let next = match (self.state, outcome) {
            (_, Outcome::NotMade) => None,
            (TargetHealth::Initial, Outcome::Passed) => Some(TargetHealth::Healthy),
            (TargetHealth::Initial | TargetHealth::Healthy, Outcome::Stranger) => {
                Some(TargetHealth::Unhealthy)
            }
            (TargetHealth::Initial, _) if !self.counts(now, outcome, rule) => None,
            (TargetHealth::Unhealthy, Outcome::Passed) => {
                self.threshold(rule.healthy, TargetHealth::Healthy)
            }
            (TargetHealth::Healthy, Outcome::Passed) | (TargetHealth::Unhealthy, _) => {
                self.run = 0;
                None
            }
            (TargetHealth::Initial | TargetHealth::Healthy, _) => {
                self.threshold(rule.unhealthy, TargetHealth::Unhealthy)
            }
        };
        if let Some(state) = next {
            self.state = state;
            self.run = 0;
        }
        next
    }

    /// How long after the start of the last check the next one begins.
    pub fn next_gap(&mut self, rule: &HealthCheck) -> Duration {
        if self.state != TargetHealth::Initial {
            return rule.interval;
        }
        let gap = self.gap.min(rule.interval);
        self.gap = gap.saturating_mul(3) / 2;
        gap
    }

    fn threshold(&mut self, needed: u32, state: TargetHealth) -> Option<TargetHealth> {
        self.run += 1;
        (self.run >= needed).then_some(state)
    }

    /// Whether a failure of a new target counts: its quick checks are near's own, so failures
    /// count only an interval apart, and a port that is not open yet not at first.
    fn counts(&mut self, now: Timestamp, outcome: Outcome, rule: &HealthCheck) -> bool {
        let due = match (self.last_counted, outcome) {
            (Some(last), _) => now.since(last) >= rule.interval,
            (None, Outcome::Unreachable) => {
                self.last_counted = Some(now);
                false
            }
            (None, _) => true,
        };
        if due {
            self.last_counted = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Probe;

    fn rule() -> HealthCheck {
        HealthCheck {
            probe: Probe::Http {
                path: "/".into(),
                matcher: vec![(200, 200)],
            },
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            healthy: 3,
            unhealthy: 2,
            grace: Duration::ZERO,
        }
    }

    /// Runs checks 30 s apart; the state after each.
    fn run(begin: TargetHealth, outcomes: &str) -> String {
        let mut check = TargetCheck::new(begin);
        let mut states = String::new();
        for (i, c) in outcomes.chars().enumerate() {
            let outcome = match c {
                '+' => Outcome::Passed,
                '-' => Outcome::Failed,
                '?' => Outcome::NotMade,
                _ => Outcome::Unreachable,
            };
            check.observe(Timestamp(i as u64 * 30_000), outcome, &rule());
            states.push(match check.state() {
                TargetHealth::Initial => 'i',
                TargetHealth::Healthy => 'h',
                TargetHealth::Unhealthy => 'u',
            });
        }
        states
    }

    #[test]
    fn thresholds_are_those_of_the_load_balancer() {
        use TargetHealth::{Healthy, Initial, Unhealthy};
        for (begin, outcomes, states) in [
            (Initial, "+", "h"),
            (Initial, "-+", "ih"),
            (Initial, "--+++", "iuuuh"),
            (Initial, "xxx", "iiu"),
            (Healthy, "-+--", "hhhu"),
            (Healthy, "xx", "hu"),
            (Unhealthy, "++-+++", "uuuuuh"),
            (Initial, "????", "iiii"),
            (Healthy, "????", "hhhh"),
            (Healthy, "-?-", "hhu"),
            (Unhealthy, "++?+", "uuuh"),
        ] {
            assert_eq!(run(begin, outcomes), states, "{begin:?} {outcomes}");
        }
    }

    #[test]
    fn failures_count_up_to_the_threshold_and_from_zero_after_a_pass() {
        let mut check = TargetCheck::new(TargetHealth::Initial);
        let outcomes = [
            (0, Outcome::Unreachable, 0),
            (100, Outcome::Failed, 0),
            (30_000, Outcome::Failed, 1),
            (30_100, Outcome::Passed, 0),
            (60_000, Outcome::Failed, 1),
            (90_000, Outcome::NotMade, 1),
            (120_000, Outcome::Passed, 0),
            (150_000, Outcome::Failed, 1),
            (180_000, Outcome::Failed, 0),
        ];
        for (at, outcome, failures) in outcomes {
            check.observe(Timestamp(at), outcome, &rule());
            assert_eq!(check.failures(), failures, "{at} {outcome:?}");
        }
        assert_eq!(check.state(), TargetHealth::Unhealthy);
    }

    #[test]
    fn a_target_that_opens_no_port_yet_is_asked_often_and_not_called_unhealthy() {
        let mut check = TargetCheck::new(TargetHealth::Initial);
        let mut now = Timestamp(0);
        let mut asked = 0;
        while now < Timestamp(29_000) {
            assert_eq!(check.observe(now, Outcome::Unreachable, &rule()), None);
            now = now.after(check.next_gap(&rule()));
            asked += 1;
        }
        assert!(asked > 10, "{asked}");
        assert_eq!(check.state(), TargetHealth::Initial);
    }

    #[test]
    fn a_target_that_answers_badly_while_it_starts_is_unhealthy_only_an_interval_later() {
        let mut check = TargetCheck::new(TargetHealth::Initial);
        for (at, verdict) in [
            (0, None),
            (100, None),
            (29_999, None),
            (30_000, Some(TargetHealth::Unhealthy)),
        ] {
            assert_eq!(
                check.observe(Timestamp(at), Outcome::Failed, &rule()),
                verdict,
                "{at}"
            );
        }
    }
}
