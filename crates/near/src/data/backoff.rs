//! When a data service that ended is started again. Pure.
//!
//! Invariant: the wait follows the rule for everything that is tried again, from 200 ms on; a
//! service that was available for 60 s begins at 200 ms again, and so does one for which a person
//! asked or whose port is free again.

use std::time::Duration;

use neargate_core::backoff;

/// The first wait.
pub(super) const FIRST: Duration = Duration::from_millis(200);
/// Available for this long counts as healthy again.
pub(super) const HEALTHY: Duration = Duration::from_secs(60);
/// From this many failures in a row on, the state is `failed`; starts go on.
pub(super) const FAILED_AFTER: u32 = 5;

/// How often in a row it ended or did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Notes an end after having been available for `available`, and says how long to wait.
    pub(super) fn ended(&mut self, available: Duration) -> Duration {
        if available >= HEALTHY {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        backoff::delay(FIRST, self.failures)
    }

    /// Whether it failed so often that "recovering" would be a false hope.
    #[must_use]
    pub(super) fn hopeless(&self) -> bool {
        self.failures >= FAILED_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_doubles_to_its_bound_and_stays_there() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..40).map(|_| backoff.ended(Duration::ZERO)).collect();
        let start: Vec<_> = waits[..9].iter().map(Duration::as_millis).collect();
        assert_eq!(
            start,
            [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000]
        );
        assert!(waits[9..].iter().all(|wait| *wait == backoff::LONGEST));
        assert!(backoff.hopeless());
    }

    #[test]
    fn a_minute_of_health_begins_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..6 {
            backoff.ended(Duration::from_secs(59));
        }
        assert_eq!(backoff.ended(HEALTHY), FIRST);
        assert!(!backoff.hopeless());
    }
}
