//! Names by which a stranger finds nothing.
//!
//! A module or type that could hold anything will (`util`). A bare verb or a participle says what
//! happens to something and not to what (`look`, `told`): the name has an object, or the field's
//! own term. One name stands for one type.

use std::collections::BTreeMap;

use super::repository::{Finding, Repository};
use super::source::{code_only, identifiers};

/// Names that are refused for modules, types and public functions, in lower case.
const EMPTY: [&str; 26] = [
    "util", "utils", "common", "manager", "managers", "helper", "helpers", "act", "asked",
    "driven", "gone", "kept", "known", "look", "looks", "place", "seen", "shown", "standing",
    "take", "taken", "tell", "told", "wanted", "way", "words",
];
/// Ends of type names that are refused.
const ENDS: [&str; 4] = ["Util", "Utils", "Manager", "Helper"];

/// Types of the crates that are defined in more than one file. Applications are programs of their own.
pub(crate) fn defined_twice(repository: &Repository) -> Vec<Finding> {
    let mut places: BTreeMap<String, Vec<(&str, usize)>> = BTreeMap::new();
    for (path, text) in &repository.texts {
        if !path.starts_with("crates/") || !path.contains("/src/") || !path.ends_with(".rs") {
            continue;
        }
        for (index, line) in code_only(text).lines().enumerate() {
            if let Some(name) = defined(line) {
                places
                    .entry(name.to_owned())
                    .or_default()
                    .push((path, index + 1));
            }
        }
    }
    let mut found = Vec::new();
    for (name, places) in places.iter().filter(|(_, places)| places.len() > 1) {
        for (path, line) in &places[1..] {
            let (other, at) = places[0];
            let text = format!(
                "`{name}` is also defined in {other}:{at}: one name for one type, so use that one or say which this is"
            );
            found.push(Finding::at(path, *line, text));
        }
    }
    found
}

/// The type that a line at a file's margin defines.
fn defined(line: &str) -> Option<&str> {
    if line.starts_with(' ') {
        return None;
    }
    let tokens: Vec<&str> = identifiers(line).map(|(_, word)| word).collect();
    let kind = |word: &&str| matches!(*word, "struct" | "enum" | "trait" | "type" | "union");
    let at = tokens.iter().take(3).position(kind)?;
    tokens.get(at + 1).copied()
}

/// Modules, types and public functions with a name that says nothing.
pub(crate) fn empty_names(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let part = path
        .trim_end_matches(".rs")
        .split('/')
        .find(|part| EMPTY.contains(part));
    if let Some(part) = part {
        found.push(Finding::at(path, 1, refusal("module", part)));
    }
    let code = code_only(text);
    for (index, line) in code.lines().enumerate() {
        let tokens: Vec<&str> = identifiers(line).map(|(_, word)| word).collect();
        for pair in tokens.windows(2) {
            let kind = match pair[0] {
                "mod" => "module",
                "struct" | "enum" | "trait" | "type" | "union" => "type",
                "fn" if tokens[0] == "pub" => "function",
                _ => continue,
            };
            let empty = EMPTY.contains(&pair[1].to_lowercase().as_str());
            if empty || (kind == "type" && ENDS.iter().any(|end| pair[1].ends_with(end))) {
                found.push(Finding::at(path, index + 1, refusal(kind, pair[1])));
            }
        }
    }
    found
}

fn refusal(kind: &str, name: &str) -> String {
    format!(
        "a {kind} called `{name}` says nothing: name it after what it holds, or by the field's own term"
    )
}
