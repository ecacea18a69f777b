//! Errors are types: a text cannot be matched, and it has no source.

use super::repository::Finding;
use super::shape::line_of;
use super::source::{code_only, identifiers};

/// Results of the crates whose error is a text.
pub(crate) fn text_errors(path: &str, text: &str) -> Vec<Finding> {
    let of_crate = path.starts_with("crates/") && path.contains("/src/");
    if !of_crate {
        return Vec::new();
    }
    let code = code_only(text);
    let found = identifiers(&code).filter(|(at, word)| {
        *word == "Result" && error_type(&code[at + word.len()..]).is_some_and(is_text)
    });
    found
        .map(|(at, _)| {
            let words = "the error of this Result is a text: give it a type (one thiserror enum \
                         per module) and make the words where they are shown";
            Finding::at(path, line_of(&code, at), words)
        })
        .collect()
}

/// The last of two arguments in the angle brackets that begin here.
fn error_type(code: &str) -> Option<&str> {
    let code = code.strip_prefix('<')?;
    let (mut depth, mut comma, mut before) = (0_usize, None, ' ');
    for (at, c) in code.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            // The arrow of a function type is no bracket.
            '>' if before == '-' => {}
            '>' if depth == 0 => return Some(code[comma?..at].trim()),
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 && !code[at + 1..].trim_start().starts_with('>') => {
                comma = Some(at + 1);
            }
            _ => {}
        }
        before = c;
    }
    None
}

fn is_text(name: &str) -> bool {
    let name = name.trim_end_matches(',').trim_end();
    name.rsplit("::").next() == Some("String")
}
