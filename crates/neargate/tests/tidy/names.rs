//! Names that say nothing: a module or type that could hold anything will.

use super::repository::Finding;
use super::source::{code_only, words};

/// Names that are refused, in lower case.
const EMPTY: [&str; 7] = [
    "util", "utils", "common", "manager", "managers", "helper", "helpers",
];
/// Ends of type names that are refused.
const ENDS: [&str; 4] = ["Util", "Utils", "Manager", "Helper"];

/// Modules and types with such a name.
pub fn empty_names(path: &str, text: &str) -> Vec<Finding> {
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
        let tokens: Vec<&str> = words(line).map(|(_, word)| word).collect();
        for pair in tokens.windows(2) {
            let kind = match pair[0] {
                "mod" => "module",
                "struct" | "enum" | "trait" | "type" | "union" => "type",
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
    format!("a {kind} called `{name}` says nothing: name it after what it holds")
}
