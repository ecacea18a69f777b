//! Which environments a file has, and which of them are on AWS.
//!
//! Invariant: read from the file before a layer is laid over it, so the answer is the same
//! whichever environment was chosen.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::toml_tree::{TomlTable, TomlValue, find};
use crate::names::nearest;

/// The environments whose target is AWS, by name.
pub(super) fn on_aws(file: &TomlTable) -> Vec<String> {
    let everywhere = is_aws(file);
    let Some(TomlValue::Table(environments)) = find(file, &["env"]).map(|node| &node.value) else {
        return Vec::new();
    };
    let there = environments
        .iter()
        .filter(|(_, entry)| match &entry.node.value {
            TomlValue::Table(overlay) => is_aws(overlay).unwrap_or(everywhere == Some(true)),
            _ => false,
        });
    there.map(|(name, _)| name.clone()).collect()
}

fn is_aws(layer: &TomlTable) -> Option<bool> {
    let target = find(layer, &["target"])?;
    Some(target.value == TomlValue::Text("aws".to_owned()))
}

/// Reports environments of the pipeline that it cannot release, or would release twice.
pub(super) fn check(file: &TomlTable, on_aws: &[String], out: &mut Diagnostics) {
    let written = find(file, &["pipeline", "environments"]);
    let Some(TomlValue::List(items)) = written.map(|node| &node.value) else {
        return;
    };
    let mut seen: Vec<&str> = Vec::new();
    for item in items {
        let TomlValue::Text(name) = &item.value else {
            continue;
        };
        if !on_aws.contains(name) {
            let message = format!("there is no environment `{name}` on AWS");
            let found = Diagnostic::error("unknown-environment", item.at, message);
            let names: Vec<&str> = on_aws.iter().map(String::as_str).collect();
            out.push(found.help(match (nearest(name, &names), names.is_empty()) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, true) => format!("add [env.{name}] with target = \"aws\""),
                (None, false) => format!("the environments on AWS are {}", names.join(", ")),
            }));
        } else if seen.contains(&name.as_str()) {
            let message = format!("`{name}` is released twice");
            let found = Diagnostic::error("contradiction", item.at, message);
            out.push(found.help("write each environment once"));
        }
        seen.push(name);
    }
}
