//! What the last health check of a task found, in words, before its health changes by it.
//!
//! Invariant: it is shown and nothing more; what is decided follows from changes of health.

use neargate_core::health_reason::HealthReason;

/// Result of the last check of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastCheck {
    pub reason: HealthReason,
    /// Failures in a row.
    failures: u32,
    /// How many of them make the task unhealthy; 0: unknown.
    threshold: u32,
}

impl LastCheck {
    /// The result that a router told.
    #[must_use]
    pub(super) fn of(reason: HealthReason, failures: u32, threshold: u32) -> Self {
        Self {
            reason,
            failures,
            threshold,
        }
    }

    /// Whether it failed.
    #[must_use]
    pub(super) fn failed(&self) -> bool {
        !self.reason.is_empty()
    }

    /// It for people: `500 (1 of 2)`.
    #[must_use]
    pub(super) fn describe(&self) -> String {
        let found = self.reason.finding.details();
        let words = match self.threshold {
            0 => found,
            threshold => format!("{found} ({} of {threshold})", self.failures),
        };
        match &self.reason.wrong_port {
            Some(wrong) => format!("{words}; {wrong}"),
            None => words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_core::health_reason::{HealthFinding, WrongPort};

    #[test]
    fn a_check_is_said_with_what_it_found_and_how_many_failures_it_takes() {
        let elsewhere = WrongPort {
            listens: vec![23077],
            port: 22500,
        };
        let refused = "Connection refused (os error 111)";
        let older = "by an older router";
        for (finding, failures, threshold, wrong_port, words) in [
            (
                HealthFinding::Status(500),
                1,
                2,
                None,
                "500 (1 of 2)".into(),
            ),
            (
                HealthFinding::Failed(refused.to_owned()),
                0,
                2,
                Some(elsewhere.clone()),
                format!("{refused} (0 of 2); {elsewhere}"),
            ),
            (HealthFinding::Other(older.into()), 0, 0, None, older.into()),
        ] {
            let reason = HealthReason {
                finding,
                wrong_port,
            };
            let check = LastCheck::of(reason, failures, threshold);
            assert!(check.failed());
            assert_eq!(check.describe(), words);
        }
        assert!(!LastCheck::of(HealthReason::default(), 0, 2).failed());
    }
}
