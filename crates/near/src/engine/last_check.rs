//! What the last health check of a task found, in words, before its health changes by it.
//!
//! Invariant: it is shown and nothing more; what is decided follows from changes of health.

/// Result of the last check of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastCheck {
    /// ALB's reason code and details; empty: it passed.
    pub reason: String,
    /// Failures in a row.
    failures: u32,
    /// How many of them make the task unhealthy; 0: unknown.
    threshold: u32,
    /// The ports at which the task listens, when its own is not one of them.
    pub listens: Option<String>,
}

impl LastCheck {
    /// The result that a router told.
    #[must_use]
    pub(super) fn of(reason: String, failures: u32, threshold: u32) -> Self {
        Self {
            reason,
            failures,
            threshold,
            listens: None,
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
        let found = bare(&self.reason);
        let mut words = match self.threshold {
            0 => found.to_owned(),
            threshold => format!("{found} ({} of {threshold})", self.failures),
        };
        if let Some(listens) = &self.listens {
            words.push_str(&format!("; {listens}"));
        }
        words
    }
}

/// A reason without ALB's code.
fn bare(reason: &str) -> &str {
    match reason.split_once(": ") {
        Some((code, details)) if code.starts_with("Target.") => details,
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_said_with_what_it_found_and_how_many_failures_it_takes() {
        let elsewhere = "the task listens at 23077, and not at its PORT, 22500";
        for (reason, failures, threshold, listens, words) in [
            (
                "Target.ResponseCodeMismatch: 500",
                1,
                2,
                None,
                "500 (1 of 2)".to_owned(),
            ),
            (
                "Target.FailedHealthChecks: Connection refused (os error 111)",
                0,
                2,
                Some(elsewhere.to_owned()),
                format!("Connection refused (os error 111) (0 of 2); {elsewhere}"),
            ),
            (
                "by an older router",
                0,
                0,
                None,
                "by an older router".into(),
            ),
        ] {
            let mut check = LastCheck::of(reason.to_owned(), failures, threshold);
            check.listens = listens;
            assert!(check.failed());
            assert_eq!(check.describe(), words);
        }
        assert!(!LastCheck::of(String::new(), 0, 2).failed());
    }
}
