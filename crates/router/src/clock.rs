//! The machine's monotonic clock, which the engine reads too: setting the wall clock does not move it.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Reads the clock: milliseconds.
pub(crate) fn monotonic() -> u64 {
    millis(since_boot())
}

/// The clock, for moments that were read already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CachedClock {
    start: Instant,
    read: Duration,
}

impl CachedClock {
    /// Reads the clock.
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            read: since_boot(),
        }
    }

    /// Milliseconds of the machine's monotonic clock at this instant.
    pub(crate) fn millis(&self, at: Instant) -> u64 {
        millis(self.read + at.saturating_duration_since(self.start))
    }
}

fn since_boot() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
