//! Points in time, as the journal and the wire carry them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch (UTC). The core never asks what time it is: every
/// event carries one, so a simulation and a replay can.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This moment plus a duration, at most the last moment there is.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Year, month and day of a number of days since 1970-01-01 (proleptic Gregorian calendar,
/// counted in eras of 400 years that begin in March).
#[must_use]
pub fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

/// Day of the week of a number of days since 1970-01-01, 1 = Monday to 7 = Sunday.
#[must_use]
pub fn weekday(days: u64) -> u64 {
    // 1970-01-01 was a Thursday.
    (days + 3) % 7 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (days, expected, day) in [
            (0, (1970, 1, 1), 4),
            (58, (1970, 2, 28), 6),
            (11_016, (2000, 2, 29), 2),
            (11_017, (2000, 3, 1), 3),
            (20_778, (2026, 11, 21), 6),
        ] {
            assert_eq!((civil(days), weekday(days)), (expected, day), "{days}");
        }
    }
}
