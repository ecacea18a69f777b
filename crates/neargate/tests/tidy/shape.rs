//! Sizes of functions and files, and the words at the top of every file.

use super::repository::Finding;
use super::source::{code_only, identifiers, is_word};

/// Most lines of a function, signature and braces included.
pub(crate) const LONGEST_FUNCTION: usize = 70;
/// Most lines of a Rust file.
pub(crate) const LONGEST_FILE: usize = 500;

/// Functions that are too long.
pub(crate) fn long_functions(path: &str, text: &str) -> Vec<Finding> {
    let code = code_only(text);
    let mut found = Vec::new();
    for (at, word) in identifiers(&code) {
        if word != "fn" {
            continue;
        }
        let Some((name, end)) = function(&code, at + word.len()) else {
            continue;
        };
        let first = line_of(&code, at);
        let lines = line_of(&code, end) + 1 - first;
        if lines > LONGEST_FUNCTION {
            let text =
                format!("`{name}` has {lines} lines: split it, {LONGEST_FUNCTION} are the most");
            found.push(Finding::at(path, first, text));
        }
    }
    found
}

/// Name of the function whose `fn` ends here, and where its body ends; nothing for a pointer
/// type and for a function without a body.
fn function(code: &str, after: usize) -> Option<(&str, usize)> {
    let start = after + code[after..].find(|c: char| !c.is_whitespace())?;
    let length = code[start..].find(|c| !is_word(c))?;
    let name = code
        .get(start..start + length)
        .filter(|name| !name.is_empty())?;
    let (mut nested, mut braces) = (0_usize, 0_usize);
    for (offset, c) in code[start..].char_indices() {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested = nested.saturating_sub(1),
            ';' if nested == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 && nested == 0 {
                    return Some((name, start + offset));
                }
            }
            _ => {}
        }
    }
    None
}

/// The number of the line that holds this byte, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// A file that is too long.
pub(crate) fn long_file(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().count();
    if lines <= LONGEST_FILE {
        return Vec::new();
    }
    let words =
        format!("the file has {lines} lines: split it by topic, {LONGEST_FILE} are the most");
    vec![Finding::at(path, LONGEST_FILE, words)]
}

/// A file without `//!` at its top.
pub(crate) fn no_module_docs(path: &str, text: &str) -> Vec<Finding> {
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with("#!"));
    if first.is_some_and(|line| line.starts_with("//! ") && line.len() > 4) {
        return Vec::new();
    }
    let words = "no `//!` at the top: say the purpose, the invariant, and what is refused";
    vec![Finding::at(path, 1, words)]
}
