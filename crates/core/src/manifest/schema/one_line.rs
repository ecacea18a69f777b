//! Texts of one line: paths, and what is shown or becomes a part of a line.
//!
//! Invariant: none holds a control character, so none ends a line early, wherever it is written.

use super::TextFormat;
use super::text_rules::{TextRuleViolation, longest, printable};
use crate::routing::site::is_hidden;

/// Text that is shown in one line, or is part of one.
pub(super) static LINE: TextFormat = TextFormat {
    what: "a text of one line",
    example: "one line",
    pattern: "^[^\\x00-\\x1f\\x7f-\\x9f]{1,4096}$",
    check: |text| {
        longest(text, 4096)?;
        printable(text)
    },
};

pub(super) static FOLDER: TextFormat = TextFormat {
    what: "a path in the manifest's folder",
    example: "frontend",
    pattern: "^[^/\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$",
    check: inside,
};

/// A file in the folder of a static site: one that is served.
pub(super) static FILE: TextFormat = TextFormat {
    what: "a file of the site",
    example: "index.html",
    pattern: "^[^/\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$",
    check: |text| {
        inside(text)?;
        let mut parts = text.split('/').enumerate();
        match parts.find(|(i, part)| part.is_empty() || is_hidden(part, *i == 0)) {
            Some((_, "" | "." | "..")) => Err(TextRuleViolation::Form(
                "it is a name in the site's folder: no `..`, `.` or `//` in it",
            )),
            Some((_, part)) => Err(TextRuleViolation::HiddenFile(part.to_owned())),
            None => Ok(()),
        }
    },
};

pub(super) static FILE_NAME: TextFormat = TextFormat {
    what: "a file name",
    example: "index.html",
    pattern: "^[^/\\x00-\\x1f\\x7f-\\x9f]+$",
    check: |text| match text.contains('/') {
        true => Err(TextRuleViolation::Form(
            "it is the name of a file in every folder: no `/` in it",
        )),
        false => (FILE.check)(text),
    },
};

fn inside(text: &str) -> Result<(), TextRuleViolation> {
    longest(text, 4096)?;
    if text.starts_with('/') {
        return Err(TextRuleViolation::Form("it is relative: no `/` first"));
    }
    printable(text)
}
