//! Durations as the manifest writes them: `250ms`, `30s`, `5m`, `1h30m`, `7d`.
//!
//! Use `#[serde(with = "crate::duration")]` on a [`Duration`] field: the wire form is the
//! manifest's own form, so a unit is always visible.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text is empty.
    #[error("a duration is missing")]
    Empty,
    /// A number has no unit after it.
    #[error("`{0}` has no unit; write for example `{0}s`")]
    MissingUnit(String),
    /// A unit that is not one of ms, s, m, h, d.
    #[error("`{0}` is not a unit; use ms, s, m, h or d")]
    UnknownUnit(String),
    /// Not a whole number before the unit.
    #[error("`{0}` is not a duration; write for example `30s`, `5m` or `1h30m`")]
    NotANumber(String),
    /// More than 10,000 years.
    #[error("`{0}` is too long")]
    TooLong(String),
}

const MAX_MS: u64 = 10_000 * 365 * 86_400 * 1000;

/// Parses `250ms`, `30s`, `5m`, `1h30m`, `7d`.
///
/// # Errors
/// [`DurationError`] says which part is wrong.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        if number.is_empty() {
            return Err(DurationError::NotANumber(text.to_owned()));
        }
        let unit_len = tail.len() - tail.trim_start_matches(|c: char| c.is_alphabetic()).len();
        let (unit, next) = tail.split_at(unit_len);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(number.to_owned()));
        }
        let factor: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            other => return Err(DurationError::UnknownUnit(other.to_owned())),
        };
        let count: u64 = number
            .parse()
            .map_err(|_| DurationError::TooLong(text.to_owned()))?;
        total = count
            .checked_mul(factor)
            .and_then(|ms| total.checked_add(ms))
            .filter(|ms| *ms <= MAX_MS)
            .ok_or_else(|| DurationError::TooLong(text.to_owned()))?;
        rest = next;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration in the manifest's form, largest units first; whole milliseconds.
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ] {
        if ms >= size {
            text.push_str(&format!("{}{unit}", ms / size));
            ms %= size;
        }
    }
    text
}

/// Writes a duration for people: its two largest units, rounded: `1m 3s`, `2.5s`, `120ms`, `3d 4h`.
#[must_use]
pub fn rounded(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms < 1000 {
        return format!("{ms}ms");
    }
    if ms < 9_950 {
        let tenths = (ms + 50) / 100;
        return match tenths % 10 {
            0 => format!("{}s", tenths / 10),
            rest => format!("{}.{rest}s", tenths / 10),
        };
    }
    let seconds = ms.saturating_add(500) / 1000;
    // The smaller of the two units that are shown.
    let step = match seconds {
        0..3600 => 1,
        3600..86_400 => 60,
        _ => 3600,
    };
    let seconds = (seconds + step / 2) / step * step;
    let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, size) in units {
        if rest >= size {
            parts.push(format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    parts.join(" ")
}

/// For `#[serde(with = "crate::duration")]`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// For `#[serde(with = "crate::duration")]`.
///
/// # Errors
/// The text is not a duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write_the_same_text() {
        for text in ["250ms", "30s", "5m", "1h30m", "7d", "1d2h3m4s5ms", "0s"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn people_read_two_units() {
        for (ms, text) in [
            (0, "0ms"),
            (321, "321ms"),
            (1_321, "1.3s"),
            (2_000, "2s"),
            (9_960, "10s"),
            (63_400, "1m 3s"),
            (60_000, "1m"),
            (3_599_600, "1h"),
            (5_430_000, "1h 31m"),
            (86_390_000, "1d"),
            (273_600_000, "3d 4h"),
        ] {
            assert_eq!(rounded(Duration::from_millis(ms)), text, "{ms}");
        }
    }

    #[test]
    fn a_wrong_duration_says_what_is_wrong() {
        for (text, error) in [
            ("", DurationError::Empty),
            ("30", DurationError::MissingUnit("30".into())),
            ("30sec", DurationError::UnknownUnit("sec".into())),
            ("soon", DurationError::NotANumber("soon".into())),
            (
                "99999999999999999999s",
                DurationError::TooLong("99999999999999999999s".into()),
            ),
        ] {
            assert_eq!(parse(text), Err(error));
        }
    }
}
