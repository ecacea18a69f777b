//! The time that waits go by, kept apart from the wall clock, which people and programs set.
//!
//! Invariant: it never goes back, not over a restart of the engine nor over a reboot. During one
//! boot it runs with the machine's monotonic clock, whatever the wall clock does. After a reboot
//! it goes on by what the wall clock says has passed since, and by nothing when that clock was set
//! back: so no wait is longer than it was, and none ends early by more than the time that the
//! machine was off. Begins with the wall clock's time, for the sake of those who read a journal.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The timeline is a whole number of seconds away from the monotonic clock, so that a second of
/// one is a second of the other.
const SECOND: i64 = 1000;
/// The wall clock's distance is written down again when it changed by this much, milliseconds.
const NOTICED: i64 = 1000;

/// Readings of the clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockReading {
    /// Names the boot; another one begins a new monotonic clock.
    pub boot: String,
    /// Milliseconds of the monotonic clock, which stands still while the machine sleeps.
    pub monotonic: u64,
    /// The wall clock.
    pub wall: Timestamp,
}

/// Where the timeline is in one boot; written down for the next engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    boot: String,
    /// Timeline minus monotonic clock, milliseconds.
    offset: i64,
    /// Wall clock minus timeline, milliseconds.
    ahead: i64,
}

impl Anchor {
    /// Where the timeline goes on, for an engine that starts. `last` is the latest moment that
    /// was written down.
    #[must_use]
    pub fn after(before: Option<&Self>, last: Timestamp, now: &ClockReading) -> Self {
        let same_boot = before.filter(|before| before.boot == now.boot);
        let offset = same_boot.map_or_else(
            || {
                let (monotonic, last) = (signed(now.monotonic), signed(last.0));
                let ahead = before.map_or(0, |before| before.ahead);
                let by_wall = signed(now.wall.0).saturating_sub(ahead);
                let whole = |time: i64| time.saturating_sub(monotonic).div_euclid(SECOND) * SECOND;
                let offset = whole(by_wall);
                match offset + monotonic < last {
                    true => whole(last + SECOND - 1),
                    false => offset,
                }
            },
            |before| before.offset,
        );
        let anchor = Self {
            boot: now.boot.clone(),
            offset,
            ahead: same_boot.map_or(0, |before| before.ahead),
        };
        match same_boot {
            Some(_) => anchor.changed(now).unwrap_or(anchor),
            None => Self {
                ahead: anchor.ahead(now),
                ..anchor
            },
        }
    }

    /// The moment of a monotonic clock's milliseconds.
    #[must_use]
    pub fn at(&self, monotonic: u64) -> Timestamp {
        let at = signed(monotonic).saturating_add(self.offset);
        Timestamp(u64::try_from(at).unwrap_or(0))
    }

    /// The monotonic clock's milliseconds at a moment; 0 when it is before the boot.
    #[must_use]
    pub fn monotonic(&self, at: Timestamp) -> u64 {
        u64::try_from(signed(at.0).saturating_sub(self.offset)).unwrap_or(0)
    }

    /// Time of the wall clock, as it is set now, at a moment.
    #[must_use]
    pub fn wall_time(&self, at: Timestamp, now: &ClockReading) -> Timestamp {
        // Not by each reading: two looks at one moment are shown the same.
        let ahead = self.changed(now).map_or(self.ahead, |set| set.ahead);
        let shown = signed(at.0).saturating_add(ahead);
        Timestamp(u64::try_from(shown).unwrap_or(0))
    }

    /// The anchor to write down, when the wall clock was set since this one was made.
    #[must_use]
    pub fn changed(&self, now: &ClockReading) -> Option<Self> {
        let ahead = self.ahead(now);
        ((ahead - self.ahead).abs() >= NOTICED).then(|| Self {
            ahead,
            ..self.clone()
        })
    }

    fn ahead(&self, now: &ClockReading) -> i64 {
        signed(now.wall.0).saturating_sub(signed(self.at(now.monotonic).0))
    }
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}
