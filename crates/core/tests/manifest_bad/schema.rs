//! The JSON Schema against right and wrong manifests.
//!
//! A small checker of the keywords that the schema uses; it refuses a schema with any other, so
//! it cannot pass by overlooking one. (A complete validator would bring more crates than core has.)

use std::fs;
use std::path::{Path, PathBuf};

use neargate_core::manifest::{ManifestSource, load};
use regex::Regex;
use serde_json::{Map, Value};

use super::corpus;
use crate::manifest::example::EXAMPLE;

/// Keywords that say nothing of an instance.
const ANNOTATIONS: [&str; 5] = ["$schema", "title", "description", "default", "examples"];

/// Checks a value against a part of the schema.
fn check(schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let rules = schema.as_object().expect("a schema is a table");
    for (word, rule) in rules {
        let held = match word.as_str() {
            word if ANNOTATIONS.contains(&word) => true,
            "type" => is_of(rule, value),
            "enum" => rule.as_array().is_some_and(|all| all.contains(value)),
            "minLength" => value
                .as_str()
                .is_none_or(|t| t.chars().count() >= number(rule) as usize),
            "maxLength" => value
                .as_str()
                .is_none_or(|t| t.chars().count() <= number(rule) as usize),
            "pattern" => value
                .as_str()
                .is_none_or(|text| matches(text, rule.as_str())),
            "minimum" => value.as_f64().is_none_or(|n| n >= number(rule)),
            "maximum" => value.as_f64().is_none_or(|n| n <= number(rule)),
            "minItems" => value
                .as_array()
                .is_none_or(|l| l.len() >= number(rule) as usize),
            "maxItems" => value
                .as_array()
                .is_none_or(|l| l.len() <= number(rule) as usize),
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(rule, item, &format!("{place}[{i}]"))?;
                }
                true
            }
            "anyOf" => {
                let all = rule.as_array().expect("alternatives");
                all.iter().any(|one| check(one, value, place).is_ok())
            }
            "required" => {
                let keys = rule.as_array().into_iter().flatten();
                let mut keys = keys.filter_map(Value::as_str);
                keys.all(|key| value.get(key).is_some() || !value.is_object())
            }
            "properties" | "patternProperties" | "additionalProperties" | "propertyNames" => true,
            other => panic!("the checker does not know `{other}`"),
        };
        if !held {
            return Err(format!("{place}: {value} is refused by {word}: {rule}"));
        }
    }
    value
        .as_object()
        .map_or(Ok(()), |table| properties(rules, table, place))
}

fn properties(
    rules: &Map<String, Value>,
    table: &Map<String, Value>,
    place: &str,
) -> Result<(), String> {
    let group = |word: &str| rules.get(word).and_then(Value::as_object);
    for (key, value) in table {
        let place = format!("{place}.{key}");
        let mut known = false;
        if let Some(of) = group("properties").and_then(|all| all.get(key)) {
            check(of, value, &place)?;
            known = true;
        }
        for (pattern, of) in group("patternProperties").into_iter().flatten() {
            if matches(key, Some(pattern)) {
                check(of, value, &place)?;
                known = true;
            }
        }
        if !known && rules.get("additionalProperties") == Some(&Value::Bool(false)) {
            return Err(format!("{place} is not a key"));
        }
        if let Some(names) = rules.get("propertyNames") {
            check(names, &Value::String(key.clone()), &place)?;
        }
    }
    Ok(())
}

fn number(rule: &Value) -> f64 {
    rule.as_f64().expect("a number")
}

fn matches(text: &str, pattern: Option<&str>) -> bool {
    let pattern = pattern.expect("a pattern");
    Regex::new(pattern)
        .expect("a regular expression")
        .is_match(text)
}

fn is_of(rule: &Value, value: &Value) -> bool {
    let one = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        other => panic!("the checker does not know the type `{other}`"),
    };
    match rule {
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(one),
        name => one(name.as_str().expect("a type")),
    }
}

fn judge(text: &str) -> Result<(), String> {
    let manifest: toml::Table = toml::from_str(text).map_err(|e| e.to_string())?;
    let value = serde_json::to_value(manifest).map_err(|e| e.to_string())?;
    check(&neargate_core::manifest::schema(), &value, "")
}

/// Every manifest of the repository's blueprints.
fn blueprints() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../blueprints");
    let folders = fs::read_dir(folder).expect("the blueprints");
    let manifests = folders.map(|folder| folder.expect("a folder").path().join("neargate.toml"));
    manifests.filter(|path| path.exists()).collect()
}

#[test]
fn the_schema_accepts_the_designs_example_and_every_blueprint() {
    assert_eq!(judge(EXAMPLE), Ok(()));
    let blueprints = blueprints();
    assert!(blueprints.len() >= 3, "{blueprints:?}");
    for path in blueprints {
        let text = fs::read_to_string(&path).expect("a manifest");
        assert_eq!(judge(&text), Ok(()), "{}", path.display());
    }
}

#[test]
fn every_blueprint_loads_for_every_environment_that_it_names() {
    for path in blueprints() {
        let name = path.display().to_string();
        let text = fs::read_to_string(&path).expect("a manifest");
        let table: toml::Table = toml::from_str(&text).expect("TOML");
        let named = table.get("env").and_then(toml::Value::as_table);
        let named = named.into_iter().flat_map(toml::Table::keys);
        for env in named.map(String::as_str).chain(["local"]) {
            let source = ManifestSource {
                name: name.clone(),
                text: text.clone(),
            };
            if let Err(problems) = load(&source, env, &[]) {
                panic!("{env}:\n{}", problems.render(false));
            }
        }
    }
}

/// Manifests of the corpus that are wrong in one value or key by itself.
const STRUCTURAL: &str = "
    absolute-artifact database-ranges empty engines environment-names eviction
    fargate-cpu-in-cores health-path health-ranges job-without-service kind-env-values
    kind-flag-in-quotes kind-list-for-table kind-number-for-duration kind-number-in-quotes
    kind-table-for-text kind-text-for-list kind-text-in-a-list kind-bare-number-for-text names
    nothing-to-run percentages port-range requires-form secret-forms slo-ranges static-paths
    strategy-name unknown-key-data unknown-key-edge unknown-key-env unknown-key-file
    unknown-key-health unknown-key-in-an-environment-that-is-not-chosen unknown-key-release
    unknown-key-route unknown-key-service unknown-key-snake-case unknown-key-watch windows
    schedules use-forms duration-units canary-steps-ranges breaker-ranges scale-ranges
    alarm-windows edge sticky region route-patterns two-problems not-ascii
";

#[test]
fn the_schema_refuses_what_is_structurally_wrong() {
    let corpus = corpus();
    let mut accepted = Vec::new();
    for name in STRUCTURAL.split_whitespace() {
        let bad = corpus.iter().find(|bad| bad.name == name);
        let bad = bad.unwrap_or_else(|| panic!("{name} is not in the corpus"));
        if judge(&bad.text).is_ok() {
            accepted.push(name);
        }
    }
    assert!(accepted.is_empty(), "the schema accepts {accepted:?}");
}
