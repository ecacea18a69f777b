//! What was answered, by second and routing table, then by service, revision and target.
//!
//! Invariant: a request is counted in the second of its end and under the table then in force, by
//! the worker that answered it; nothing later can move it. Bounded: [`MOST`] targets in all the
//! seconds that the control thread has not taken. In the steady state counting allocates nothing:
//! an entry is made for the first request of a target in a second. A histogram has the core's
//! buckets (0.8 % wide), of which only those that were hit take room, 8 bytes each.

use std::time::Duration;

use neargate_core::ids::RevisionNumber;
use neargate_core::routing::control::{RequestCount, SecondCount};

use crate::stickiness::GroupChoice;

/// Most entries that a worker keeps while nobody takes them; further targets are not counted.
pub(crate) const MOST: usize = 4096;

/// When requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CountPeriod {
    /// Second of the clock.
    pub(crate) second: u64,
    /// Version of the routing table in force.
    pub(crate) version: u64,
    /// Since when it is, milliseconds of the clock.
    pub(crate) in_force: u64,
}

/// Requests since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct RequestCounters {
    seconds: Vec<SecondCount>,
    entries: usize,
}

/// Origin of the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusSource {
    Target,
    Router,
}

impl RequestCounters {
    pub(crate) fn count(
        &mut self,
        stamp: CountPeriod,
        who: (&str, RevisionNumber, &str),
        (answerer, routed): (StatusSource, GroupChoice),
        status: u16,
        took: Duration,
    ) {
        let Some(count) = self.entry(stamp, who) else {
            return;
        };
        let by_status = match answerer {
            StatusSource::Target => &mut count.target_status,
            StatusSource::Router => &mut count.router_status,
        };
        *by_status.entry(status).or_default() += 1;
        count.kept += u64::from(routed == GroupChoice::ByCookie);
        count.latency.record(took.as_secs_f64() * 1000.0, 1);
    }

    fn entry(
        &mut self,
        stamp: CountPeriod,
        who: (&str, RevisionNumber, &str),
    ) -> Option<&mut RequestCount> {
        let now = (stamp.second, stamp.version);
        let newest = self.seconds.last();
        if newest.is_none_or(|newest| (newest.second, newest.version) != now) {
            self.seconds.push(SecondCount {
                second: stamp.second,
                version: stamp.version,
                in_force: stamp.in_force,
                requests: Vec::new(),
            });
        }
        let requests = &mut self.seconds.last_mut()?.requests;
        let at = match requests.binary_search_by(|found| key(found).cmp(&who)) {
            Ok(at) => at,
            Err(_) if self.entries >= MOST => return None,
            Err(at) => {
                self.entries += 1;
                requests.insert(at, entry_of(who));
                at
            }
        };
        requests.get_mut(at)
    }

    pub(crate) fn drain(&mut self) -> Vec<SecondCount> {
        self.entries = 0;
        std::mem::take(&mut self.seconds)
    }
}

fn key(count: &RequestCount) -> (&str, RevisionNumber, &str) {
    (&count.service, count.revision, &count.task)
}

fn entry_of((service, revision, task): (&str, RevisionNumber, &str)) -> RequestCount {
    RequestCount {
        service: service.to_owned(),
        revision,
        task: task.to_owned(),
        ..RequestCount::default()
    }
}

/// Adds what another worker counted in the same second under the same table. Both are in the order
/// of their keys.
pub(crate) fn add(to: &mut Vec<RequestCount>, from: Vec<RequestCount>) {
    for count in from {
        match to.binary_search_by(|found| key(found).cmp(&key(&count))) {
            Ok(at) => add_one(&mut to[at], &count),
            Err(at) => to.insert(at, count),
        }
    }
}

fn add_one(to: &mut RequestCount, from: &RequestCount) {
    for (status, times) in &from.target_status {
        *to.target_status.entry(*status).or_default() += times;
    }
    for (status, times) in &from.router_status {
        *to.router_status.entry(*status).or_default() += times;
    }
    to.kept += from.kept;
    to.latency.merge(&from.latency);
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: CountPeriod = CountPeriod {
        second: 7,
        version: 3,
        in_force: 7_250,
    };

    fn count(counters: &mut RequestCounters, stamp: CountPeriod, task: &str) {
        let how = (StatusSource::Target, GroupChoice::ByCookie);
        let took = Duration::from_millis(20);
        counters.count(stamp, ("api", RevisionNumber(1), task), how, 200, took);
    }

    #[test]
    fn a_second_and_a_table_have_counts_of_their_own() {
        let mut counters = RequestCounters::default();
        let next = CountPeriod {
            version: 4,
            in_force: 7_900,
            ..FIRST
        };
        for stamp in [FIRST, FIRST, next, CountPeriod { second: 8, ..next }] {
            count(&mut counters, stamp, "b");
            count(&mut counters, stamp, "a");
        }
        let taken = counters.drain();
        let seen: Vec<_> = taken
            .iter()
            .map(|it| (it.began(), it.version, it.requests[0].latency.count()))
            .collect();
        assert_eq!(seen, [(7_250, 3, 2), (7_900, 4, 1), (8_000, 4, 1)]);
        assert_eq!(taken[0].requests[1].task, "b");
        assert!(counters.drain().is_empty());
    }

    #[test]
    fn counts_add_up() {
        let (mut a, mut b) = (RequestCounters::default(), RequestCounters::default());
        count(&mut a, FIRST, "t");
        count(&mut a, FIRST, "v");
        count(&mut b, FIRST, "t");
        count(&mut b, FIRST, "u");
        let mut sum = a.drain().remove(0).requests;
        add(&mut sum, b.drain().remove(0).requests);
        let tasks: Vec<_> = sum.iter().map(|it| it.task.as_str()).collect();
        assert_eq!(tasks, ["t", "u", "v"]);
        assert_eq!((sum[0].target_status[&200], sum[0].kept), (2, 2));
        assert_eq!(sum[0].latency.sum(), 40.0);
    }

    #[test]
    fn targets_that_nobody_takes_are_bounded() {
        let mut counters = RequestCounters::default();
        for task in 0..2 * MOST {
            count(&mut counters, FIRST, &task.to_string());
        }
        assert_eq!(counters.drain()[0].requests.len(), MOST);
        count(&mut counters, FIRST, "t");
        assert_eq!(counters.drain()[0].requests.len(), 1);
    }
}
