//! The one rule for whatever is tried again: the wait doubles from a first one up to [`LONGEST`].
//!
//! Invariant: no wait outlives its cause by more than [`LONGEST`]. Tasks, data services and
//! webhooks differ in their first wait only.

use std::time::Duration;

/// The longest wait between two attempts.
pub const LONGEST: Duration = Duration::from_secs(30);

/// The wait after this many failed attempts in a row; none after 0.
#[must_use]
pub fn delay(first: Duration, failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else {
        return Duration::ZERO;
    };
    first
        .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
        .min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_bound_and_stays_there() {
        let waits = |first| (0..8).map(move |failures| delay(first, failures).as_millis());
        let seconds: Vec<u128> = waits(Duration::from_secs(1)).collect();
        assert_eq!(seconds, [0, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        let fifths: Vec<u128> = waits(Duration::from_millis(200)).collect();
        assert_eq!(fifths, [0, 200, 400, 800, 1600, 3200, 6400, 12800]);
        assert_eq!(delay(Duration::from_secs(1), u32::MAX), LONGEST);
    }
}
