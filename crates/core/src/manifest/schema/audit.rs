//! What `neargate audit` finds and the app lives with.
//!
//! Invariant: every accepted rule has its reason. Which rules there are is not known here: they
//! belong to the crate that judges.

use super::text_formats::LINE;
use super::text_rules::{TextRuleViolation, longest, only};
use super::{KeySchema, TableSchema, TextFormat, ValueKind};

pub(super) static AUDIT: TableSchema = TableSchema {
    title: "[audit]",
    doc: "Settings of `neargate audit`.",
    also: None,
    fields: &[KeySchema::new(
        "accept",
        ValueKind::Named(&RULE, &ValueKind::Form(&LINE)),
        "Rules whose findings are accepted, each with its reason: `{ no-budget = \"the account \
         has one\" }`. `docs/audit.md` lists the rules.",
    )
    .same()],
};

/// The id of a rule of `neargate audit`.
pub(super) static RULE: TextFormat = TextFormat {
    what: "the name of a rule",
    example: "no-budget",
    pattern: "^[a-z][a-z0-9-]{0,63}$",
    check: |text| {
        longest(text, 64)?;
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(TextRuleViolation::Form("it starts with a small letter"));
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        only(text, allowed, "small letters, digits and `-`")
    },
};
