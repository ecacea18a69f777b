//! The changes of the manifest that would save most.
//!
//! Invariant: what a change saves is never computed from prices here: the manifest with the change
//! gives another stack, and that another estimate. A change that the manifest's checks refuse is
//! not offered. Each names what it gives up.

mod candidates;

use serde::Serialize;

use super::bill::{Cents, Estimate};
use super::{Usage, estimate};
use crate::stack::Stack;

/// How many are offered.
const OFFERED: usize = 3;

/// A change that would save.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Saving {
    /// The change, in a few words.
    pub what: &'static str,
    /// Lines for the environment's table in the manifest.
    pub lines: Vec<String>,
    /// The same as `PATH=VALUE`, for `--what-if`.
    pub overrides: Vec<String>,
    /// The quality that it gives up.
    pub risk: &'static str,
    /// US dollars a month less.
    pub monthly: Cents,
}

/// Subject of a change. Of changes about the same only the one that saves most is offered, because
/// each of the others would be in its way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SavingSubject {
    Nat,
    Endpoints,
    Zones,
    Entry,
    WebAcl,
    Insights,
    Key,
    Processor,
    Tasks(String),
    Database(String),
    Cache(String),
}

/// A change that may save.
#[derive(Debug, Clone)]
struct SavingCandidate {
    about: SavingSubject,
    what: &'static str,
    /// Path and value, as TOML.
    changes: Vec<(String, String)>,
    risk: &'static str,
}

/// The changes that would save most, the greatest first. `with` is the stack of the manifest with
/// overrides (`PATH=VALUE`) laid over it, or nothing when its checks refuse them.
pub fn savings(
    stack: &Stack,
    usage: &Usage,
    with: impl Fn(&[String]) -> Option<Stack>,
) -> Vec<Saving> {
    let now = estimate(stack, usage);
    let mut all: Vec<(SavingSubject, Saving)> = candidates::of(stack)
        .into_iter()
        .filter_map(|idea| tried(idea, &now, usage, &with))
        .collect();
    all.sort_by_key(|(_, saving)| std::cmp::Reverse(saving.monthly));
    let mut best: Vec<(SavingSubject, Saving)> = Vec::new();
    for (about, saving) in all {
        if best.len() < OFFERED && !best.iter().any(|(other, _)| *other == about) {
            best.push((about, saving));
        }
    }
    best.into_iter().map(|(_, saving)| saving).collect()
}

fn tried(
    idea: SavingCandidate,
    now: &Estimate,
    usage: &Usage,
    with: &impl Fn(&[String]) -> Option<Stack>,
) -> Option<(SavingSubject, Saving)> {
    let changes = idea.changes.iter();
    let overrides: Vec<String> = changes
        .map(|(path, value)| format!("{path}={value}"))
        .collect();
    let then = estimate(&with(&overrides)?, usage);
    // What has no price would look like a saving.
    let monthly = now.total() - then.total();
    let comparable = then.unpriced == now.unpriced && monthly > Cents(0);
    comparable.then(|| {
        let changes = idea.changes.iter();
        let lines = changes.map(|(path, value)| format!("{path} = {value}"));
        let saving = Saving {
            what: idea.what,
            lines: lines.collect(),
            overrides,
            risk: idea.risk,
            monthly,
        };
        (idea.about, saving)
    })
}
