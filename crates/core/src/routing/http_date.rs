//! Dates as HTTP writes them.

use std::fmt;

use crate::time::{civil, weekday};

/// IMF-fixdate (RFC 9110, 5.6.7) of a moment, in seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpDate(pub u64);

impl fmt::Display for HttpDate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let (days, rest) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = civil(days);
        let weekday = DAYS[usize::try_from(weekday(days) - 1).unwrap_or(0)];
        let month = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        write!(
            formatter,
            "{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT"
        )
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl HttpDate {
    /// Reads any of the three forms that RFC 9110, 5.6.7 has recipients accept; `None` for what is
    /// no date, or one before 1970. `now` is the year by which one of two digits is understood.
    #[must_use]
    pub fn parse(text: &str, now: u64) -> Option<Self> {
        let fields: Vec<&str> = text
            .split([' ', ',', '-'])
            .filter(|f| !f.is_empty())
            .collect();
        let &[_, a, b, c, d, ref zone @ ..] = fields.as_slice() else {
            return None;
        };
        // `Sun Nov  6 08:49:37 1994` (asctime); all others have the day first.
        let (day, month, year, time) = match a.parse::<u64>() {
            Err(_) if zone.is_empty() => (b.parse().ok()?, a, d.parse::<u64>().ok()?, c),
            Ok(day) if zone == ["GMT"] => (day, b, year_of(c, now)?, d),
            _ => return None,
        };
        let month = (1..).zip(MONTHS).find(|(_, name)| *name == month)?.0;
        let mut parts = time.split(':').map(str::parse::<u64>);
        let (hour, minute, second) = (
            parts.next()?.ok()?,
            parts.next()?.ok()?,
            parts.next()?.ok()?,
        );
        let right = hour < 24 && minute < 60 && second <= 60 && (1970..=9999).contains(&year);
        let days = days(year, month, day)?;
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
        (right && parts.next().is_none()).then_some(Self(seconds))
    }
}

/// Four digits, or two: those that seem over 50 years ahead are of the century before.
fn year_of(text: &str, now: u64) -> Option<u64> {
    let year: u64 = text.parse().ok()?;
    if text.len() != 2 {
        return Some(year);
    }
    let year = now / 100 * 100 + year;
    Some(if year > now + 50 { year - 100 } else { year })
}

/// Days since 1970-01-01, found by halving what [`civil`] says.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let wanted = (year, month, day);
    let (mut low, mut high) = (0_u64, 4_000_000_u64);
    while low < high {
        let middle = low.midpoint(high);
        if civil(middle) < wanted {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (civil(low) == wanted).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_the_rfc_says() {
        for (seconds, text) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
        ] {
            assert_eq!(HttpDate(seconds).to_string(), text);
        }
    }
    #[test]
    fn dates_are_read_in_all_three_forms_and_nothing_else_is() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(
                HttpDate::parse(text, 2026),
                Some(HttpDate(784_111_777)),
                "{text}"
            );
        }
        for seconds in [0, 951_782_400, 1_798_761_599] {
            let text = HttpDate(seconds).to_string();
            assert_eq!(
                HttpDate::parse(&text, 2026),
                Some(HttpDate(seconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "yesterday",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1894 08:49:37 GMT",
        ] {
            assert_eq!(HttpDate::parse(text, 2026), None, "{text}");
        }
    }
}
