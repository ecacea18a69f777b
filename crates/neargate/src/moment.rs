//! Moments that people name as a duration before now, and as they are printed.

use neargate_core::duration;
use neargate_core::time::{Timestamp, civil};
use neargate_near::clock::now;

use crate::failure::Failure;

/// The moment that is this long ago.
pub(crate) fn ago(text: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let duration = duration::parse(text).map_err(|error| Failure::Usage(error.to_string()))?;
    let back = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Ok(Some(Timestamp(now().0.saturating_sub(back))))
}

/// A moment in UTC to the millisecond: `2026-11-21T07:28:09.120Z`.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    let (days, rest) = (at.0 / 86_400_000, at.0 % 86_400_000);
    let (year, month, day) = civil(days);
    let (seconds, ms) = (rest / 1000, rest % 1000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        for (at, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_246_089_120, "2026-11-21T07:28:09.120Z"),
        ] {
            assert_eq!(rfc3339(Timestamp(at)), text);
        }
    }
}
