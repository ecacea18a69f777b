//! What an environment on AWS costs in a month: from the [`Stack`] and how much it is used.
//!
//! Invariant: what the rendered modules make and AWS takes money for is a line here, or a sentence
//! in [`Estimate::unpriced`]. Pure: the prices are a dated table ([`prices`]). Refuses to guess a
//! price that the table has not. Not in it: taxes, support plans, reserved capacity, traffic
//! between zones, tasks of jobs and of releases in progress, and what is cents at most: buckets,
//! mail, budgets, calls of keys and secrets. Extended support of an old PostgreSQL is not in it either.

mod bill;
mod difference;
mod line_items;
pub mod prices;
mod report;
mod savings;
mod usage;

pub use bill::{BillSection, Cents, CostBasis, Estimate, LineItem};
pub use difference::{CostChange, Difference};
pub use report::{difference_table, savings_table, table};
pub use savings::{Saving, savings};
pub use usage::{FreeTier, Usage};

use crate::stack::Stack;

/// Prices a stack.
#[must_use]
pub fn estimate(stack: &Stack, usage: &Usage) -> Estimate {
    let bill = line_items::bill(stack, usage);
    let mut lines = bill.lines;
    lines.sort_by_key(|line| line.part);
    Estimate {
        env: stack.env.clone(),
        region: stack.region.clone(),
        lines,
        unpriced: bill.unpriced,
    }
}
