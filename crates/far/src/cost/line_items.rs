//! A stack as lines of a bill. One file for each group of parts.

mod data;
mod ingress;
mod network;
mod observability;
mod run;

use super::bill::BillBuilder;
use super::usage::Usage;
use crate::stack::Stack;

pub(super) fn bill(stack: &Stack, usage: &Usage) -> BillBuilder {
    let mut bill = BillBuilder::default();
    run::tasks(stack, usage, &mut bill);
    ingress::front(stack, usage, &mut bill);
    network::network(stack, usage, &mut bill);
    data::databases(stack, &mut bill);
    data::caches(stack, &mut bill);
    data::secrets(stack, &mut bill);
    observability::watching(stack, usage, &mut bill);
    bill
}

/// `1 zone`, `2 zones`.
fn count(n: u32, what: &str) -> String {
    let plural = match (n, what.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{n} {what}{plural}")
}

/// A length as a factor; nothing here has 2^32 parts.
fn number(length: usize) -> f64 {
    f64::from(u32::try_from(length).unwrap_or(u32::MAX))
}

/// A number of gigabytes or units without needless digits.
fn brief(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
