//! Syntax errors of TOML in words of a person who writes manifests.
//!
//! Invariant: at most one problem a line, the first; what follows on the same line only follows
//! from it. Every problem says what to write.

use super::diagnostic::{Diagnostic, Diagnostics};

/// Rewords the syntax errors that are there so far, and drops those that follow from others.
pub(super) fn mend(text: &str, out: &mut Diagnostics) {
    let mut lines: Vec<(usize, usize)> = Vec::new();
    for (i, found) in out.iter().enumerate() {
        lines.push((i, out.line(found.at)));
    }
    lines.sort_by_key(|(i, line)| (*line, *i));
    lines.dedup_by_key(|(_, line)| *line);
    let mut index = 0;
    out.retain(|_| {
        let first = lines.iter().any(|(i, _)| *i == index);
        index += 1;
        first
    });
    for found in out.iter_mut() {
        let written = text.get(found.at.start..found.at.end).unwrap_or_default();
        reword(found, written.trim());
    }
}

fn reword(found: &mut Diagnostic, written: &str) {
    let has = |part: &str| found.message.contains(part);
    let (message, help) = if has("must be quoted") || has("invalid float") {
        let help = format!("write it in quotes: \"{written}\"");
        ("a text is written without quotes", help)
    } else if has("duplicate key") {
        let help = "remove one of them, or put what they hold together".to_owned();
        ("this is written twice", help)
    } else if has("basic string") || has("literal string") {
        ("a text is not closed", "end it with a quote".to_owned())
    } else if has("unclosed table") {
        ("a table's name is not closed", "end it with `]`".to_owned())
    } else if has("array elements") || has("unclosed array") || has("in array") {
        let help = "put `,` between its values and end it with `]`, this line or the one before";
        ("a list is not closed, or lacks a comma", help.to_owned())
    } else if has("key with no value") {
        let help = "write `=` between a key and its value; TOML is KEY = VALUE below a [TABLE]";
        let help = help.to_owned();
        ("a key has no `=`", help)
    } else if has("unquoted key") {
        let help = "keys are letters, digits, `-` and `_`, then `=`; others are in quotes";
        ("this is not a key", help.to_owned())
    } else if has("too large") {
        let help = "whole numbers have at most 18 digits".to_owned();
        ("this number is too large", help)
    } else {
        found.help = Some("the manifest is TOML: KEY = VALUE below a [TABLE]".to_owned());
        return;
    };
    found.message = message.to_owned();
    found.help = Some(help);
}
