//! Who may know whom: core ← router, near, far ← aws ← neargate; applications know none of them.

use super::repository::Finding;
use super::source::{code_only, identifiers};

/// The project's crates as source names them.
const CRATES: [&str; 5] = [
    "neargate_core",
    "neargate_router",
    "neargate_near",
    "neargate_far",
    "neargate_aws",
];

/// Crates that the files of a folder may name; nothing: the folder has no rule.
fn allowed(path: &str) -> Option<(&str, &'static [&'static str])> {
    let mut parts = path.split('/');
    let (group, name) = (parts.next()?, parts.next()?);
    match (group, name) {
        ("crates", "core") => Some(("neargate-core", &["neargate_core"])),
        ("crates", "router") => Some(("neargate-router", &["neargate_core", "neargate_router"])),
        ("crates", "near") => Some(("neargate-near", &["neargate_core", "neargate_near"])),
        ("crates", "far") => Some(("neargate-far", &["neargate_core", "neargate_far"])),
        ("crates", "aws") => Some((
            "neargate-aws",
            &["neargate_core", "neargate_far", "neargate_aws"],
        )),
        ("crates", "neargate") => Some(("neargate", &CRATES)),
        // A new crate needs a decision, and a line here.
        ("crates", _) => Some(("a crate without a rule", &[])),
        ("apps", _) => Some(("an application", &[])),
        _ => None,
    }
}

/// Uses of a crate that source must not know.
pub(crate) fn in_source(path: &str, text: &str) -> Vec<Finding> {
    let Some((owner, may)) = allowed(path) else {
        return Vec::new();
    };
    let code = code_only(text);
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for (_, word) in identifiers(line) {
            if CRATES.contains(&word) && !may.contains(&word) {
                found.push(Finding::at(path, index + 1, refusal(owner, word)));
            }
        }
    }
    found
}

/// Dependencies that a crate must not have, those of its tests included.
pub(crate) fn in_manifest(path: &str, text: &str) -> Vec<Finding> {
    let Some((owner, may)) = allowed(path) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let key = line.split(['.', '=', ' ']).next().unwrap_or_default();
        let name = key.replace('-', "_");
        if CRATES.contains(&name.as_str()) && !may.contains(&name.as_str()) {
            found.push(Finding::at(path, index + 1, refusal(owner, &name)));
        }
    }
    found
}

fn refusal(owner: &str, name: &str) -> String {
    format!("{owner} must not know `{name}`: move what is shared down, or the use of it up")
}
