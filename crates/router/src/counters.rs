//! Counters per service, revision and target, with a latency histogram.
//!
//! Invariant: bounded: one entry per target seen in an interval, [`MOST`] at most, and a fixed
//! number of buckets. Buckets are log-linear: eight per doubling, so at most 12.5 % wide.

use std::collections::BTreeMap;

use neargate_core::routing::control::RequestCount;

use crate::session::Routed;

/// Most entries that are kept while no engine takes them.
pub(crate) const MOST: usize = 4096;

/// Requests since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct Counters(BTreeMap<(String, u32, String), Count>);

#[derive(Debug, Default)]
struct Count {
    target: BTreeMap<u16, u64>,
    router: BTreeMap<u16, u64>,
    latency: BTreeMap<u64, u64>,
    kept: u64,
}

/// Who gave the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answerer {
    Target,
    Router,
}

impl Counters {
    pub(crate) fn count(
        &mut self,
        (service, revision, task): (&str, u32, &str),
        (answerer, routed): (Answerer, Routed),
        status: u16,
        micros: u64,
    ) {
        let count = self
            .0
            .entry((service.to_owned(), revision, task.to_owned()))
            .or_default();
        let by_status = match answerer {
            Answerer::Target => &mut count.target,
            Answerer::Router => &mut count.router,
        };
        *by_status.entry(status).or_default() += 1;
        count.kept += u64::from(routed == Routed::ByCookie);
        *count.latency.entry(bucket(micros)).or_default() += 1;
    }

    pub(crate) fn take(&mut self) -> Vec<RequestCount> {
        let taken = std::mem::take(&mut self.0).into_iter();
        taken
            .map(|((service, revision, task), count)| RequestCount {
                service,
                revision,
                task,
                target_status: count.target,
                router_status: count.router,
                latency: count.latency.into_iter().collect(),
                kept: count.kept,
            })
            .collect()
    }

    pub(crate) fn add(&mut self, counts: Vec<RequestCount>) {
        for from in counts {
            if self.0.len() >= MOST {
                return;
            }
            let to = self
                .0
                .entry((from.service, from.revision, from.task))
                .or_default();
            for (status, n) in from.target_status {
                *to.target.entry(status).or_default() += n;
            }
            for (status, n) in from.router_status {
                *to.router.entry(status).or_default() += n;
            }
            to.kept += from.kept;
            for (bound, n) in from.latency {
                *to.latency.entry(bound).or_default() += n;
            }
        }
    }
}

/// Upper bound of the bucket of a latency.
fn bucket(micros: u64) -> u64 {
    if micros < 16 {
        return micros;
    }
    let shift = 63 - micros.leading_zeros() - 3;
    (((micros >> shift) + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_their_values_and_are_narrow() {
        for micros in (0..100_000).chain([u64::from(u32::MAX)]) {
            let bound = bucket(micros);
            assert!(
                bound >= micros && bound - micros <= micros / 8,
                "{micros} {bound}"
            );
        }
    }

    #[test]
    fn counts_add_up() {
        let mut a = Counters::default();
        let who = ("api", 1, "t");
        a.count(who, (Answerer::Target, Routed::ByCookie), 200, 100);
        let mut b = Counters::default();
        b.count(who, (Answerer::Target, Routed::ByWeight), 200, 100);
        b.add(a.take());
        let sum = b.take().remove(0);
        assert_eq!((sum.target_status[&200], sum.kept), (2, 1));
    }
}
