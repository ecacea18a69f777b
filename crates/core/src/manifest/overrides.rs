//! `--set PATH=VALUE`: one more layer on the manifest.
//!
//! Invariant: VALUE is TOML when it parses as TOML, and a text otherwise. Refuses a PATH that
//! is not dotted keys.

use super::diagnostic::{Diagnostic, Diagnostics, SourceSpan};
use super::toml_tree::{self, TableEntry, TomlNode, TomlTable, TomlValue};

/// The layer of the `source`-th override.
pub(super) fn layer(source: usize, text: &str, out: &mut Diagnostics) -> TomlTable {
    let whole = SourceSpan {
        source,
        start: 0,
        end: text.len(),
    };
    let Some((path, value)) = text.split_once('=') else {
        let found = Diagnostic::error("wrong-override", whole, "`--set` has no `=`");
        out.push(found.help("write --set PATH=VALUE, for example service.api.scale.min=2"));
        return TomlTable::new();
    };
    let key = SourceSpan {
        end: path.len(),
        ..whole
    };
    let Some(steps) = steps(path) else {
        let found = Diagnostic::error("wrong-override", key, "this is not a path of keys");
        out.push(found.help("write keys with `.` between them, for example service.api.scale.min"));
        return TomlTable::new();
    };
    let at = SourceSpan {
        start: path.len() + 1,
        ..whole
    };
    let mut node = TomlNode {
        at,
        value: parse(value),
    };
    relocate(&mut node, at);
    for step in steps.into_iter().rev() {
        let table = TomlTable::from([(step, TableEntry { key, node })]);
        node = TomlNode {
            at: key,
            value: TomlValue::Table(table),
        };
    }
    match node.value {
        TomlValue::Table(table) => table,
        _ => TomlTable::new(),
    }
}

/// The keys of a dotted path, quoted ones too.
fn steps(path: &str) -> Option<Vec<String>> {
    if path.contains(['\n', '#', '[', '=']) {
        return None;
    }
    let mut ignored = Diagnostics::default();
    let mut table = toml_tree::parse(0, &format!("{path}=0"), &mut ignored);
    let mut steps = Vec::new();
    while ignored.is_empty() {
        let (name, entry) = table.pop_first()?;
        steps.push(name);
        match entry.node.value {
            TomlValue::Table(inner) => table = inner,
            _ => return Some(steps),
        }
    }
    None
}

fn parse(text: &str) -> TomlValue {
    let mut problems = Diagnostics::default();
    let mut table = toml_tree::parse(0, &format!("v = {text}"), &mut problems);
    match table.remove("v") {
        Some(entry) if problems.is_empty() && table.is_empty() => entry.node.value,
        _ => TomlValue::Text(text.to_owned()),
    }
}

fn relocate(node: &mut TomlNode, at: SourceSpan) {
    node.at = at;
    match &mut node.value {
        TomlValue::List(items) => items.iter_mut().for_each(|item| relocate(item, at)),
        TomlValue::Table(table) => {
            for entry in table.values_mut() {
                entry.key = at;
                relocate(&mut entry.node, at);
            }
        }
        _ => {}
    }
}
