//! The clocks of near: the wall clock for people and records, the timeline for waits and samples.
//!
//! Invariant: whatever is waited for, judged or journaled goes by the engine's [`EngineClock`]; what
//! people are shown of it passes through [`EngineClock::wall_time`].

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use neargate_core::time::Timestamp;
use neargate_core::timeline::{Anchor, ClockReading};
use rustix::time::{ClockId, clock_gettime};

const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Time of the wall clock.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The engine's timeline.
#[derive(Debug, Clone)]
pub struct EngineClock {
    boot: String,
    anchor: Anchor,
}

impl EngineClock {
    /// Goes on where the engine before left off. `last` is the latest moment that it wrote down.
    #[must_use]
    pub fn after(before: Option<&Anchor>, last: Timestamp) -> Self {
        // Without a name, every start is taken for one of another boot.
        let boot = fs::read_to_string(BOOT).unwrap_or_default();
        let boot = boot.trim().to_owned();
        let before = before.filter(|_| !boot.is_empty());
        let anchor = Anchor::after(before, last, &reading(&boot));
        Self { boot, anchor }
    }

    /// To be written down for the next engine.
    #[must_use]
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.anchor.at(monotonic())
    }

    /// The moment of a router's clock, milliseconds.
    #[must_use]
    pub fn at(&self, monotonic: u64) -> Timestamp {
        self.anchor.at(monotonic)
    }

    /// Time of the router's clock at a moment, milliseconds.
    #[must_use]
    pub fn monotonic(&self, at: Timestamp) -> u64 {
        self.anchor.monotonic(at)
    }

    /// A moment as people see it: the time by the wall clock as it is set now.
    #[must_use]
    pub fn wall_time(&self, at: Timestamp) -> Timestamp {
        self.anchor.wall_time(at, &reading(&self.boot))
    }

    /// Whether the wall clock was set: then the anchor is to be written down.
    pub fn was_set(&mut self) -> bool {
        let changed = self.anchor.changed(&reading(&self.boot));
        let was_set = changed.is_some();
        self.anchor = changed.unwrap_or_else(|| self.anchor.clone());
        was_set
    }
}

fn reading(boot: &str) -> ClockReading {
    ClockReading {
        boot: boot.to_owned(),
        monotonic: monotonic(),
        wall: now(),
    }
}

fn monotonic() -> u64 {
    let since = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
