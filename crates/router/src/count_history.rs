//! The counts of the last minutes, second by second, for whichever engine asks.
//!
//! Invariant: a second is told only when every worker has told all of it, so nothing is added to
//! what was told. What was told stays: an engine that begins anew reads it again. Bounded by
//! [`LONGEST`] and [`MOST_BYTES`]; the oldest seconds go first, and [`CountHistory::horizon`] says up to
//! where they are gone.

use std::collections::{BTreeMap, VecDeque};

use neargate_core::routing::control::{RequestCount, SecondCount};

use crate::counters::add;

/// Seconds that are kept.
const LONGEST: u64 = 15 * 60;
/// Bytes that they may take, by [`size`].
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Seconds that are told at once.
const MOST_TOLD: u64 = 60;
/// Entries that are told at once, unless one second alone has more: an engine takes them in its
/// loop.
const MOST_ENTRIES: usize = 500;

/// Counts of a worker since its last report.
#[derive(Debug)]
pub(crate) struct WorkerReport {
    /// Which of the workers.
    pub(crate) worker: usize,
    /// It will tell nothing more of before this moment, milliseconds; `None`: nothing at all.
    pub(crate) through: Option<u64>,
    /// In the order of time.
    pub(crate) seconds: Vec<SecondCount>,
}

/// A stretch of the history: everything that was counted from here to there.
#[derive(Debug, PartialEq)]
pub(crate) struct HistorySpan {
    pub(crate) from: u64,
    pub(crate) through: u64,
    pub(crate) seconds: Vec<SecondCount>,
}

#[derive(Debug)]
pub(crate) struct CountHistory {
    /// Until when each worker has told everything.
    through: Vec<u64>,
    /// The latest of it.
    latest: u64,
    /// By second and version.
    open: BTreeMap<(u64, u64), SecondCount>,
    closed: VecDeque<SecondCount>,
    bytes: usize,
    horizon: u64,
}

impl CountHistory {
    /// Of so many workers, from a moment on.
    pub(crate) fn new(workers: usize, start: u64) -> Self {
        let start = start - start % 1000;
        Self {
            through: vec![start; workers],
            latest: start,
            open: BTreeMap::new(),
            closed: VecDeque::new(),
            bytes: 0,
            horizon: start,
        }
    }

    pub(crate) fn record(&mut self, report: WorkerReport) {
        for second in report.seconds {
            let at = (second.second, second.version);
            match self.open.get_mut(&at) {
                Some(found) => {
                    found.in_force = found.in_force.min(second.in_force);
                    add(&mut found.requests, second.requests);
                }
                None => {
                    self.open.insert(at, second);
                }
            }
        }
        if let Some(through) = self.through.get_mut(report.worker) {
            *through = report.through.unwrap_or(u64::MAX);
            self.latest = self.latest.max(report.through.unwrap_or(0));
        }
        self.close(self.through() / 1000);
    }

    /// Whole seconds of before this moment are complete, milliseconds.
    pub(crate) fn through(&self) -> u64 {
        let slowest = self.through.iter().copied().fold(self.latest, u64::min);
        slowest - slowest % 1000
    }

    /// Everything before this is forgotten.
    pub(crate) fn horizon(&self) -> u64 {
        self.horizon
    }

    /// Closes all seconds: no worker counts any more.
    pub(crate) fn end(&mut self, now: u64) {
        self.latest = now - now % 1000 + 1000;
        self.through.fill(self.latest);
        self.close(u64::MAX);
    }

    fn close(&mut self, before: u64) {
        let open = self.open.split_off(&(before, 0));
        for second in std::mem::replace(&mut self.open, open).into_values() {
            self.bytes += size(&second);
            self.closed.push_back(second);
        }
        let oldest = (self.through() / 1000).saturating_sub(LONGEST);
        let late = |first: &SecondCount, bytes| first.second < oldest || bytes > MOST_BYTES;
        while let Some(first) = self.closed.pop_front_if(|first| late(first, self.bytes)) {
            self.bytes -= size(&first);
            self.horizon = self.horizon.max((first.second + 1) * 1000);
        }
        self.horizon = self.horizon.max(oldest * 1000);
    }

    /// Counts after a moment, or after the horizon; nothing when nothing more is complete.
    pub(crate) fn after(&self, cursor: u64) -> Option<HistorySpan> {
        let from = cursor.max(self.horizon);
        let mut through = self.through().min(from + MOST_TOLD * 1000);
        let mut entries = 0;
        for second in self.closed.iter().filter(|it| it.second * 1000 >= from) {
            entries += second.requests.len();
            if entries > MOST_ENTRIES {
                through = through.min((second.second * 1000).max(from + 1000));
                break;
            }
        }
        let seconds = self.closed.iter();
        let told = seconds.filter(|it| (from..through).contains(&(it.second * 1000)));
        (through > from).then(|| HistorySpan {
            from,
            through,
            seconds: told.cloned().collect(),
        })
    }
}

/// Bytes that a second takes, about.
fn size(second: &SecondCount) -> usize {
    let of = |count: &RequestCount| {
        let texts = count.service.len() + count.task.len();
        let statuses = 2 * usize::from(!count.target_status.is_empty());
        size_of::<RequestCount>() + texts + statuses * 128 + count.latency.buckets() * 8
    };
    size_of::<SecondCount>() + second.requests.iter().map(of).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: u64, version: u64, task: &str) -> SecondCount {
        SecondCount {
            second,
            version,
            in_force: 500,
            requests: vec![RequestCount {
                service: "api".into(),
                task: task.into(),
                kept: 1,
                ..RequestCount::default()
            }],
        }
    }

    fn report(worker: usize, through: u64, seconds: Vec<SecondCount>) -> WorkerReport {
        WorkerReport {
            worker,
            through: Some(through),
            seconds,
        }
    }

    #[test]
    fn a_second_is_told_when_every_worker_has_told_it_and_only_once() {
        let mut history = CountHistory::new(2, 10_400);
        history.record(report(
            0,
            12_010,
            vec![second(11, 1, "a"), second(12, 1, "a")],
        ));
        assert_eq!(history.after(0), None, "the other worker");
        history.record(report(
            1,
            12_900,
            vec![second(11, 1, "a"), second(11, 2, "a")],
        ));
        let told = history.after(0).expect("a stretch");
        assert_eq!((told.from, told.through), (10_000, 12_000));
        let kept: Vec<_> = told.seconds.iter().map(|it| it.requests[0].kept).collect();
        assert_eq!(kept, [2, 1]);
        assert_eq!(history.after(12_000), None);
        history.record(report(0, 13_010, Vec::new()));
        history.record(report(1, 13_020, Vec::new()));
        let told = history.after(12_000).expect("a stretch");
        assert_eq!((told.seconds.len(), told.through), (1, 13_000));
        // Whoever begins anew reads everything again.
        assert_eq!(history.after(0).expect("a stretch").seconds.len(), 3);
    }

    #[test]
    fn what_is_too_old_or_too_much_is_forgotten_and_the_horizon_says_so() {
        let mut history = CountHistory::new(1, 0);
        for at in 0..LONGEST + 100 {
            history.record(report(0, (at + 1) * 1000, vec![second(at, 1, "a")]));
        }
        assert_eq!(history.horizon(), 100_000);
        let told = history.after(0).expect("a stretch");
        assert_eq!((told.from, told.through), (100_000, 160_000));
        assert_eq!(told.seconds.len(), MOST_TOLD as usize);
        let mut long = second(LONGEST + 100, 1, &"x".repeat(MOST_BYTES - 1000));
        long.in_force = 0;
        history.record(report(0, (LONGEST + 101) * 1000, vec![long]));
        assert!(history.bytes <= MOST_BYTES && history.horizon() > 900_000);
    }

    #[test]
    fn much_is_told_in_parts_of_whole_seconds() {
        let mut history = CountHistory::new(1, 0);
        let many = |at: u64| {
            let mut many = second(at, 1, "a");
            many.requests = vec![RequestCount::default(); 2 * MOST_ENTRIES / 3];
            many
        };
        let later = SecondCount {
            version: 2,
            ..many(1)
        };
        let seconds = vec![many(0), many(1), later, second(2, 1, "a")];
        history.record(report(0, 3_000, seconds));
        let mut told = Vec::new();
        let mut cursor = 0;
        while let Some(stretch) = history.after(cursor) {
            assert_eq!(stretch.from, cursor);
            cursor = stretch.through;
            told.push((cursor, stretch.seconds.len()));
        }
        assert_eq!(told, [(1_000, 1), (2_000, 2), (3_000, 1)]);
    }

    #[test]
    fn the_end_closes_every_second() {
        let mut history = CountHistory::new(2, 0);
        history.record(report(0, 1_500, vec![second(1, 1, "a")]));
        history.end(1_600);
        assert_eq!(history.after(0).expect("a stretch").seconds.len(), 1);
    }
}
