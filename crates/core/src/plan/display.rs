//! A change in the manifest's own words: its keys, and values as a file would have them.
//!
//! Invariant: what a change shows can be found in the manifest; the model's own names stay in JSON.

use std::fmt;

use serde_json::Value;

use super::{FieldChange, Operation, Plan};

/// The model's path and the manifest's key; the longest that fits is taken.
const KEYS: [(&str, &str); 13] = [
    ("breach", ""),
    ("to", ""),
    ("release.strategy.kind", "release.strategy"),
    ("release.strategy", "release"),
    ("routes", "route"),
    ("runs.command", "command"),
    ("runs.image.image", "image"),
    ("runs.image.dockerfile", "build.dockerfile"),
    ("runs.image", ""),
    ("runs.static", "static"),
    ("health.probe.http", "health"),
    ("health.probe.command", "health.command"),
    ("health.probe", "health"),
];

/// The key of the manifest.
fn key(path: &str) -> String {
    let fitting = KEYS.iter().filter_map(|(model, key)| {
        let rest = path.strip_prefix(model)?;
        (rest.is_empty() || rest.starts_with('.')).then_some((*key, rest, model.len()))
    });
    let Some((key, rest, _)) = fitting.max_by_key(|(_, _, length)| *length) else {
        return of_file(path);
    };
    of_file(format!("{key}{rest}").trim_start_matches('.'))
}

/// Names of variables are as they are.
fn of_file(path: &str) -> String {
    match path.starts_with("env.") {
        true => path.to_owned(),
        false => path.replace('_', "-"),
    }
}

/// As TOML would have it in one line; what is empty is not written.
fn value(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(table) => {
            let written = table.iter().filter(|(_, value)| !is_empty(value));
            let written: Vec<String> = written
                .map(|(name, value)| format!("{} = {}", of_file(name), self::value(value)))
                .collect();
            format!("{{ {} }}", written.join(", "))
        }
        other => other.to_string(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(table) => table.is_empty(),
        _ => false,
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (value(&self.from), value(&self.to));
        write!(f, "{}: {from} → {to}", key(&self.path))
    }
}

/// Why there is a new revision, when it is for secrets alone; the changes say the rest.
fn release_words(changes: &[FieldChange]) -> String {
    let secret = |change: &FieldChange| {
        let name = change.path.strip_prefix("secret.")?;
        Some(name.strip_suffix(".version")?.to_owned())
    };
    let secrets: Option<Vec<String>> = changes.iter().map(secret).collect();
    match secrets.filter(|names| !names.is_empty()) {
        Some(names) => format!(
            "new version of secret {}: release a new revision",
            names.join(", ")
        ),
        None => "release a new revision".to_owned(),
    }
}

fn tasks_words(desired: Option<u32>) -> String {
    desired.map_or_else(String::new, |count| {
        format!(", {count} task{}", if count == 1 { "" } else { "s" })
    })
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "Nothing to do.");
        }
        self.operations
            .iter()
            .try_for_each(|operation| write!(f, "{operation}"))
    }
}

impl Operation {
    /// Differences of a thing that gets another definition.
    fn changes(&self) -> &[FieldChange] {
        match self {
            Self::UpdateEdge { changes }
            | Self::UpdateDatabase { changes, .. }
            | Self::UpdateCache { changes, .. }
            | Self::ReleaseService { changes, .. }
            | Self::ScaleService { changes, .. }
            | Self::UpdateWatch { changes, .. } => changes,
            _ => &[],
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MoveEdge { from, to } => writeln!(f, "~ edge: moves from {from} to {to}"),
            Self::UpdateEdge { .. } => writeln!(f, "~ edge: update"),
            Self::CreateSecret { name } => writeln!(f, "+ secret.{name}: generate"),
            Self::StartDatabase { name } => {
                writeln!(f, "> database.{name}: starts again with its data")
            }
            Self::CreateDatabase { name } => writeln!(f, "+ database.{name}: create"),
            Self::UpdateDatabase { name, .. } => {
                writeln!(f, "~ database.{name}: update, data kept")
            }
            Self::StartCache { name } => writeln!(f, "> cache.{name}: starts again, empty"),
            Self::CreateCache { name } => writeln!(f, "+ cache.{name}: create"),
            Self::UpdateCache { name, .. } => writeln!(f, "~ cache.{name}: update"),
            Self::StartService {
                name,
                revision,
                desired,
            } => {
                let tasks = tasks_words(*desired);
                writeln!(
                    f,
                    "> service.{name}: starts again, revision {revision}{tasks}"
                )
            }
            Self::CreateService { name, desired } => {
                let tasks = tasks_words(*desired);
                writeln!(f, "+ service.{name}: create{tasks}")
            }
            Self::ReleaseService {
                name,
                from,
                to,
                changes,
            } => {
                write!(f, "~ service.{name}: {}", release_words(changes))?;
                if from != to {
                    write!(f, ", scale {from} → {to}")?;
                }
                writeln!(f)
            }
            Self::ScaleService { name, from, to, .. } if from == to => {
                writeln!(f, "~ service.{name}: limits of its scale")
            }
            Self::ScaleService { name, from, to, .. } => {
                writeln!(f, "~ service.{name}: scale {from} → {to}")
            }
            Self::CreateWatch { name } => writeln!(f, "+ {name}: create"),
            Self::UpdateWatch { name, .. } => writeln!(f, "~ {name}: update"),
            Self::RemoveService { name } => writeln!(f, "- service.{name}: drain and stop"),
            Self::RemoveDatabase { name } => writeln!(f, "- database.{name}: stop, data kept"),
            Self::RemoveCache { name } => writeln!(f, "- cache.{name}: stop"),
            Self::RemoveWatch { name } => writeln!(f, "- {name}: remove"),
        }?;
        let mut changes = self.changes().iter();
        changes.try_for_each(|change| writeln!(f, "    {change}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_shown_by_the_manifests_own_keys() {
        for (path, from, to, shown) in [
            (
                "release.strategy.kind",
                json!("rolling"),
                json!("canary"),
                "release.strategy: \"rolling\" → \"canary\"",
            ),
            (
                "release.strategy.steps",
                json!(null),
                json!([5.0, 100.0]),
                "release.steps: nothing → [5.0, 100.0]",
            ),
            (
                "routes",
                json!([]),
                json!([{ "header": {}, "host": [], "path": ["/a"], "priority": 10 }]),
                "route: [] → [{ path = [\"/a\"], priority = 10 }]",
            ),
            (
                "runs.command",
                json!(["a"]),
                json!(["b"]),
                "command: [\"a\"] → [\"b\"]",
            ),
            (
                "runs.static.not_found",
                json!(null),
                json!("404.html"),
                "static.not-found: nothing → \"404.html\"",
            ),
            (
                "health.probe.http.path",
                json!("/"),
                json!("/up"),
                "health.path: \"/\" → \"/up\"",
            ),
            (
                "stop_timeout",
                json!("30s"),
                json!("5s"),
                "stop-timeout: \"30s\" → \"5s\"",
            ),
            (
                "env.LOG_LEVEL",
                json!("a"),
                json!("b"),
                "env.LOG_LEVEL: \"a\" → \"b\"",
            ),
        ] {
            let path = path.to_owned();
            assert_eq!(FieldChange { path, from, to }.to_string(), shown);
        }
    }
}
