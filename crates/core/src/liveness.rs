//! Whether a process or a thread that should report regularly is hung, and when one that ends
//! again and again is started next.
//!
//! Invariant: nothing is called hung that is only slow. Time counts only as the watcher itself
//! has seen it pass: of a late look (a machine that was suspended, or so busy that the watcher
//! had to wait) nothing counts. Whoever uses the processor, waits for it or for a disk gets
//! [`BUSY`], not [`IDLE`]. One that is stopped (SIGSTOP) is woken; found stopped again soon, it is
//! replaced.

use std::time::Duration;

/// How often the watched reports, and the watcher looks.
pub const PERIOD: Duration = Duration::from_millis(250);
/// Silence of somebody who does nothing at all: hung.
pub const IDLE: Duration = Duration::from_millis(3250);
/// Silence of somebody who works all the time: hung as well.
pub const BUSY: Duration = Duration::from_secs(60);
/// Looks in a row that find somebody stopped before it is woken.
const STOPPED: u32 = 2;
/// One that is stopped again so soon after it was woken is not woken a second time.
const AGAIN: Duration = Duration::from_secs(10);
/// A look that comes later than this after the one before says nothing about the watched.
const LATE: Duration = Duration::from_secs(1);

/// Activity of the watched process between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It used the processor, waits for it, or for a disk; or it is under a debugger.
    Works,
    /// It did nothing: it waits for something else.
    Nothing,
    /// It was stopped by a signal.
    Stopped,
}

/// Why somebody is taken for hung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hang {
    /// Silent without doing anything.
    Idle,
    /// Silent while working.
    Busy,
    /// Stopped, and stopped again after it was woken.
    Stopped,
}

/// Step against a process that is stopped or hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It is stopped: SIGCONT.
    Wake,
    /// It hangs: another one takes its place.
    Replace(Hang),
}

/// State of a process that must not stay stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StopTracker {
    found: u32,
    since_woken: Option<Duration>,
}

impl StopTracker {
    /// Takes in one look: time since the look before, and whether it is stopped now.
    pub fn observe(&mut self, since: Duration, stopped: bool) -> Option<Remedy> {
        self.since_woken = self
            .since_woken
            .map(|before| before + since)
            .filter(|before| *before <= AGAIN);
        self.found = if stopped { self.found + 1 } else { 0 };
        if self.found < STOPPED {
            return None;
        }
        self.found = 0;
        match self.since_woken.replace(Duration::ZERO) {
            None => Some(Remedy::Wake),
            Some(_) => Some(Remedy::Replace(Hang::Stopped)),
        }
    }
}

/// State of a process that should report every [`PERIOD`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Liveness {
    idle: Duration,
    silent: Duration,
    stops: StopTracker,
}

impl Liveness {
    /// Takes in one look: time since the look before, whether there was a report in it, and what
    /// the watched was doing.
    pub fn observe(
        &mut self,
        since: Duration,
        reported: bool,
        activity: Activity,
    ) -> Option<Remedy> {
        let remedy = self.stops.observe(since, activity == Activity::Stopped);
        if reported {
            (self.idle, self.silent) = Default::default();
        }
        if remedy.is_some() || reported || since > LATE {
            return remedy;
        }
        self.silent += since;
        match activity {
            Activity::Works => self.idle = Duration::ZERO,
            Activity::Nothing | Activity::Stopped => self.idle += since,
        }
        if self.idle >= IDLE {
            Some(Remedy::Replace(Hang::Idle))
        } else if self.silent >= BUSY {
            Some(Remedy::Replace(Hang::Busy))
        } else {
            None
        }
    }
}

/// One that lived this long after it was ready is not in a loop of crashes.
const STEADY: Duration = Duration::from_secs(10);
/// One that was killed sooner than this is started again after [`SHORT_WAIT`].
const SHORT: Duration = Duration::from_secs(1);
const SHORT_WAIT: Duration = Duration::from_millis(200);
/// Waits after crashes in a row; the last one for all further.
const WAITS: [Duration; 7] = [
    Duration::ZERO,
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// How one life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessDeath {
    /// Somebody killed it (SIGKILL, SIGTERM, or its watcher), after it had been ready.
    Killed,
    /// It ended by itself, or before it was ready.
    Crashed,
}

/// When to start again what has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restarts {
    crashes: usize,
}

impl Restarts {
    /// Takes in an end; how long to wait before the next start.
    pub fn ended(&mut self, death: ProcessDeath, lived: Duration) -> Duration {
        match death {
            ProcessDeath::Killed if lived >= SHORT => return Duration::ZERO,
            // The kernel may be the one who kills, for want of memory.
            ProcessDeath::Killed => return SHORT_WAIT,
            ProcessDeath::Crashed if lived >= STEADY => self.crashes = 1,
            ProcessDeath::Crashed => self.crashes += 1,
        }
        WAITS[self.crashes.min(WAITS.len()) - 1]
    }

    /// Crashes in a row.
    #[must_use]
    pub fn crashes(&self) -> usize {
        self.crashes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Activity::{Nothing, Stopped, Works};

    fn silent_for(seconds: u64, activity: Activity) -> Option<Remedy> {
        let mut liveness = Liveness::default();
        let looks = seconds * 4;
        (0..looks).find_map(|_| liveness.observe(PERIOD, false, activity))
    }

    #[test]
    fn silence_without_work_is_a_hang_within_four_seconds_and_with_work_within_a_minute() {
        assert_eq!(silent_for(3, Nothing), None);
        assert_eq!(silent_for(4, Nothing), Some(Remedy::Replace(Hang::Idle)));
        assert_eq!(silent_for(59, Works), None);
        assert_eq!(silent_for(61, Works), Some(Remedy::Replace(Hang::Busy)));
    }

    #[test]
    fn a_report_or_any_work_begins_anew() {
        let mut liveness = Liveness::default();
        for round in 0..100 {
            let (reported, activity) = match round % 8 {
                0 => (true, Nothing),
                4 => (false, Works),
                _ => (false, Nothing),
            };
            assert_eq!(
                liveness.observe(PERIOD, reported, activity),
                None,
                "{round}"
            );
        }
    }

    #[test]
    fn who_is_stopped_is_woken_and_replaced_when_that_does_not_last() {
        // Quarters of a second: stopped (s), reporting (r); then what is done about it, and when.
        let table = [
            ("rsrsrsrs", ""),
            ("rssrrrrr", "wake 2"),
            ("ssrrrrrssr", "wake 1, replace 8"),
            ("ssss", "wake 1, replace 3"),
            (
                "ssrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrss",
                "wake 1, wake 44",
            ),
        ];
        for (looks, expected) in table {
            let mut liveness = Liveness::default();
            let mut done = Vec::new();
            for (number, look) in looks.bytes().enumerate() {
                let activity = if look == b's' { Stopped } else { Works };
                match liveness.observe(PERIOD, look == b'r', activity) {
                    None => {}
                    Some(Remedy::Wake) => done.push(format!("wake {number}")),
                    Some(Remedy::Replace(_)) => done.push(format!("replace {number}")),
                }
            }
            assert_eq!(done.join(", "), expected, "{looks}");
        }
    }

    #[test]
    fn a_watcher_that_slept_itself_blames_nobody() {
        let mut liveness = Liveness::default();
        for late in [2, 60, 86_400] {
            for _ in 0..100 {
                let since = Duration::from_secs(late);
                assert_eq!(liveness.observe(since, false, Nothing), None);
            }
        }
    }

    #[test]
    fn who_is_killed_is_started_at_once_and_who_crashes_waits_longer_each_time() {
        let mut restarts = Restarts::default();
        for _ in 0..50 {
            let wait = restarts.ended(ProcessDeath::Killed, Duration::from_secs(1));
            assert_eq!(wait, Duration::ZERO);
            let wait = restarts.ended(ProcessDeath::Killed, Duration::from_millis(10));
            assert_eq!(wait, Duration::from_millis(200));
        }
        let mut before = Duration::ZERO;
        for _ in 0..20 {
            let wait = restarts.ended(ProcessDeath::Crashed, Duration::from_secs(1));
            assert!(wait >= before);
            before = wait;
        }
        assert_eq!(before, Duration::from_secs(30));
        let steady = restarts.ended(ProcessDeath::Crashed, Duration::from_secs(60));
        assert_eq!((steady, restarts.crashes()), (Duration::ZERO, 1));
    }
}
