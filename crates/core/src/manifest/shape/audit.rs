//! What `neargate audit` finds and the app lives with.
//!
//! Invariant: every accepted rule has its reason. Which rules there are is not known here: they
//! belong to the crate that judges.

use super::forms::NAME_OF_RULE;
use super::{Field, Kind, Shape};

pub(super) static AUDIT: Shape = Shape {
    title: "[audit]",
    doc: "What `neargate audit` is told.",
    also: None,
    fields: &[Field::new(
        "accept",
        Kind::Named(&NAME_OF_RULE, &Kind::Text),
        "Rules whose findings are accepted, each with its reason: `{ no-budget = \"the account \
         has one\" }`. `docs/audit.md` lists the rules.",
    )],
};
