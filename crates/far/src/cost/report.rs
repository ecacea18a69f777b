//! Estimates as tables for people. JSON is the values themselves.

use super::bill::{BillSection, Cents, CostBasis, Estimate};
use super::difference::Difference;
use super::prices::{AS_OF, REGION};
use super::savings::Saving;
use super::usage::Usage;

/// The table of an environment: lines by part, their sums, the assumptions.
#[must_use]
pub fn table(estimate: &Estimate, usage: &Usage) -> Vec<String> {
    let env = &estimate.env;
    let mut out = vec![format!(
        "{env} in {}, US dollars a month, at the prices of {REGION} of {AS_OF}",
        estimate.region
    )];
    for part in BillSection::ALL {
        let mut lines = estimate.lines.iter().filter(|l| l.part == part).peekable();
        if lines.peek().is_none() {
            continue;
        }
        out.push(row(part.name(), "", "", estimate.of(part)));
        for line in lines {
            let by_use = if line.basis == CostBasis::Use {
                ", by use"
            } else {
                ""
            };
            let words = format!("{}{by_use}", line.detail);
            let what = format!("  {} {}", line.subject, line.item);
            out.push(row(&what, &words, "", line.monthly));
        }
    }
    out.push(row("total", "", "", estimate.total()));
    out.push(row("  without any traffic", "", "", estimate.fixed_total()));
    out.push(format!("Assumed: {}.", usage.describe()));
    let missing = estimate.unpriced.iter();
    out.extend(missing.map(|words| format!("Not included: {words}.")));
    out
}

/// Table of the lines that change.
#[must_use]
pub fn difference_table(difference: &Difference) -> Vec<String> {
    let mut out: Vec<String> = difference
        .changes
        .iter()
        .map(|change| {
            let words = match (&*change.before, &*change.after) {
                ("", after) => format!("new: {after}"),
                (before, "") => format!("removed: {before}"),
                (before, after) => format!("{before} → {after}"),
            };
            let what = format!("  {} {}", change.subject, change.item);
            row(&what, &words, plus(change.difference), change.difference)
        })
        .collect();
    if out.is_empty() {
        out.push("Nothing changes.".to_owned());
    } else {
        let total = difference.total;
        out.push(row("difference", "", plus(total), total));
    }
    out
}

/// The changes that would save most.
#[must_use]
pub fn savings_table(savings: &[Saving], env: &str) -> Vec<String> {
    let mut out = Vec::new();
    for saving in savings {
        out.push(row(saving.what, "", "-", saving.monthly));
        for line in &saving.lines {
            out.push(format!("    [env.{env}]  {line}"));
        }
        out.push(format!("    risk: {}", saving.risk));
    }
    let title = if out.is_empty() {
        "No known change would save money."
    } else {
        "The largest savings, each on its own:"
    };
    out.insert(0, title.to_owned());
    out
}

fn plus(cents: Cents) -> &'static str {
    if cents > Cents(0) { "+" } else { "" }
}

fn row(what: &str, words: &str, sign: &str, cents: Cents) -> String {
    let money = format!("{sign}{cents}");
    format!("{what:<38} {money:>9}  {words}")
        .trim_end()
        .to_owned()
}
