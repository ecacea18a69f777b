//! What changes between two estimates, line by line.
//!
//! Invariant: the differences of the lines sum up to the difference of the totals.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bill::{BillSection, Cents, Estimate, LineItem};

/// A line that is not the same in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostChange {
    /// Where it belongs.
    pub part: BillSection,
    /// Whose it is.
    pub subject: String,
    /// The thing that is paid for, such as `storage`.
    pub item: &'static str,
    /// The line before; empty when it was not there.
    pub before: String,
    /// The line after; empty when it is gone.
    pub after: String,
    /// US dollars a month more, or less.
    pub difference: Cents,
}

/// Lines in which two estimates differ, and the sum of the differences.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Lines that are not the same, by part.
    pub changes: Vec<CostChange>,
    /// US dollars a month more, or less.
    pub total: Cents,
}

impl Difference {
    /// From one estimate to another.
    #[must_use]
    pub fn between(before: &Estimate, after: &Estimate) -> Self {
        let (old, new) = (by_key(before), by_key(after));
        let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let pairs = keys.into_iter().map(|key| (old.get(key), new.get(key)));
        let changes = pairs.filter_map(|(a, b)| change(a.copied(), b.copied()));
        Self {
            changes: changes.collect(),
            total: after.total() - before.total(),
        }
    }
}

fn by_key(estimate: &Estimate) -> BTreeMap<(BillSection, &str, &str), &LineItem> {
    let lines = estimate.lines.iter();
    lines
        .map(|line| ((line.part, &*line.subject, line.item), line))
        .collect()
}

fn change(before: Option<&LineItem>, after: Option<&LineItem>) -> Option<CostChange> {
    let line = after.or(before)?;
    let cents = |line: Option<&LineItem>| line.map_or(Cents(0), |line| line.monthly);
    let words = |line: Option<&LineItem>| line.map_or_else(String::new, |line| line.detail.clone());
    let difference = cents(after) - cents(before);
    (difference != Cents(0)).then(|| CostChange {
        part: line.part,
        subject: line.subject.clone(),
        item: line.item,
        before: words(before),
        after: words(after),
        difference,
    })
}
