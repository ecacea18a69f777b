//! Up to when everything that was counted is known.
//!
//! Invariant: nobody judges a stretch of time of which a router that answers has not told
//! everything, however late the engine reads it. Who tells nothing holds the others up for
//! [`PATIENCE`] looks, not for a time: an engine that was stopped has not looked.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Timestamp;

/// Looks without news after which it is judged without them.
const PATIENCE: u32 = 40;

/// Stretches that each router has told.
#[derive(Debug, Default)]
pub struct Completeness {
    /// By number of the router; `None`: nothing yet.
    told: BTreeMap<u64, Option<Timestamp>>,
    looks: u32,
    judged: Timestamp,
}

impl Completeness {
    /// A router answers, and may have a history to tell.
    pub fn joined(&mut self, router: u64) {
        self.told.entry(router).or_default();
        self.looks = 0;
    }

    /// A router has told everything of before a moment.
    pub fn complete_through(&mut self, router: u64, through: Timestamp) {
        self.told.insert(router, Some(through));
        self.looks = 0;
    }

    /// A router ended: it tells nothing more.
    pub fn left(&mut self, router: u64) {
        self.told.remove(&router);
    }

    /// The moment as of which alarms and guards are judged at `now`, when samples need `settle` to
    /// arrive; it never goes back. `None`: a router answers and has not told anything yet.
    pub fn judged_at(&mut self, now: Timestamp, settle: Duration) -> Option<Timestamp> {
        let slowest = self.told.values().min().copied();
        let known = slowest.map(|told| told.map(|told| told.after(settle)));
        let at = match known {
            Some(known) if known.is_none_or(|known| known < now) && self.looks < PATIENCE => {
                self.looks += 1;
                known?
            }
            _ => now,
        };
        self.judged = self.judged.max(at);
        Some(self.judged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    #[test]
    fn what_the_slowest_router_has_not_told_is_not_judged() {
        let mut known = Completeness::default();
        let judged = |known: &mut Completeness, now| known.judged_at(at(now), SETTLE);
        assert_eq!(judged(&mut known, 90), Some(at(90)), "no router");
        known.joined(1);
        assert_eq!(judged(&mut known, 100), None, "nothing was told");
        known.complete_through(1, at(99));
        assert_eq!(judged(&mut known, 100), Some(at(100)));
        // The engine was stopped for a minute.
        assert_eq!(judged(&mut known, 160), Some(at(100)));
        known.complete_through(1, at(159));
        known.complete_through(2, at(140));
        assert_eq!(judged(&mut known, 160), Some(at(141)));
        known.left(2);
        assert_eq!(judged(&mut known, 160), Some(at(160)));
        known.complete_through(3, at(120));
        assert_eq!(judged(&mut known, 160), Some(at(160)), "never back");
    }

    #[test]
    fn a_router_that_tells_nothing_does_not_hold_the_others_up_for_ever() {
        let mut known = Completeness::default();
        known.joined(1);
        let judged = (0..=PATIENCE).map(|_| known.judged_at(at(50), SETTLE));
        assert_eq!(judged.last(), Some(Some(at(50))));
    }
}
