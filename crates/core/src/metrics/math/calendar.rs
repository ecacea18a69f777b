//! UTC dates of points in time.
//!
//! Invariant: the proleptic Gregorian calendar, without leap seconds.

/// Year, month (1..=12), day of the month (1..=31) of a number of days since 1970-01-01.
pub(super) fn date(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day is the last of its year, in 400-year eras.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, of_month)
}

/// Day of the week, 1 = Monday to 7 = Sunday.
pub(super) fn weekday(days: u64) -> u64 {
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
            assert_eq!((date(days), weekday(days)), (expected, day), "{days}");
        }
    }
}
