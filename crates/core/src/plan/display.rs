//! A change in the manifest's own words: its keys, and values as a file would have them.
//!
//! Invariant: what a change shows can be found in the manifest; the model's own names stay in JSON.

use std::fmt;

use serde_json::Value;

use super::FieldChange;

/// The model's path and the manifest's key; the longest that fits is taken.
const KEYS: [(&str, &str); 11] = [
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
