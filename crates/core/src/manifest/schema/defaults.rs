//! The whole manifest against the shape: what must be there, and the defaults of what is not.
//!
//! Invariant: after [`fill`] every key with a default holds a value.

use super::{AbsentKey, TableSchema, ValueKind};
use crate::manifest::diagnostic::{Diagnostic, Diagnostics, SourceSpan};
use crate::manifest::toml_tree::{self, TableEntry, TomlNode, TomlTable, TomlValue};

/// Reports required keys that no layer holds.
pub(crate) fn require(
    table: &TomlTable,
    shape: &TableSchema,
    owner: (&str, SourceSpan),
    out: &mut Diagnostics,
) {
    for field in shape.fields() {
        match table.get(field.name) {
            None if matches!(field.absent, AbsentKey::Refused) => {
                let (place, at) = owner;
                let place = match place {
                    "" => "the file".to_owned(),
                    place => format!("`{place}`"),
                };
                let message = format!("{place} needs `{}`", field.name);
                let help = format!("add {} = {}", field.name, sample(&field.kind));
                out.push(Diagnostic::error("missing-key", at, message).help(help));
            }
            None => {}
            Some(entry) => {
                let place = match owner.0 {
                    "" => field.name.to_owned(),
                    place => format!("{place}.{}", field.name),
                };
                require_below(&entry.node, &field.kind, (&place, entry.key), out);
            }
        }
    }
}

/// Another name that differs by a typing error; an overlay may have misspelt it.
pub(crate) fn another<'a>(name: &str, all: &[&'a str]) -> Option<&'a str> {
    let others: Vec<&str> = all.iter().copied().filter(|other| *other != name).collect();
    crate::names::nearest(name, &others)
}

fn require_below(
    node: &TomlNode,
    kind: &ValueKind,
    owner: (&str, SourceSpan),
    out: &mut Diagnostics,
) {
    match (kind, &node.value) {
        (ValueKind::Table(shape) | ValueKind::Short(_, shape), TomlValue::Table(table)) => {
            require(table, shape, owner, out);
        }
        (ValueKind::Many(of, _) | ValueKind::List(of, ..), TomlValue::List(items)) => {
            for item in items {
                require_below(item, of, (owner.0, item.at), out);
            }
        }
        (ValueKind::Named(_, of), TomlValue::Table(table)) if owner.0 != "env" => {
            for (name, entry) in table {
                let place = format!("{}.{name}", owner.0);
                let before = out.len();
                require_below(&entry.node, of, (&place, entry.key), out);
                let others: Vec<&str> = table.keys().map(String::as_str).collect();
                if let Some(near) = another(name, &others) {
                    let words = format!(" (or did you mean `{}.{near}`?)", owner.0);
                    out.add_to_help(before, &words);
                }
            }
        }
        _ => {}
    }
}

/// A value of this kind, as TOML.
fn sample(kind: &ValueKind) -> String {
    match kind {
        ValueKind::Text | ValueKind::Plain => "\"…\"".into(),
        ValueKind::Choice(words) => format!("\"{}\"", words.first().unwrap_or(&"")),
        ValueKind::Form(form) => format!("\"{}\"", form.example),
        ValueKind::Flag => "true".into(),
        ValueKind::Whole(low, _) => low.to_string(),
        ValueKind::Number(_, high) => high.to_string(),
        ValueKind::Seconds(..) => "\"30s\"".into(),
        ValueKind::List(of, ..) => format!("[{}]", sample(of)),
        ValueKind::Many(of, _) => sample(of),
        ValueKind::Table(_) | ValueKind::Short(..) | ValueKind::Named(..) => "{ … }".into(),
    }
}

/// Writes the defaults into a table. They get the place of what they are in.
pub(crate) fn fill(table: &mut TomlTable, shape: &TableSchema, at: SourceSpan) {
    for field in shape.fields() {
        if !table.contains_key(field.name)
            && let Some(value) = default(&field.absent)
        {
            let node = TomlNode { at, value };
            table.insert(field.name.to_owned(), TableEntry { key: at, node });
        }
        if let Some(entry) = table.get_mut(field.name) {
            fill_below(&mut entry.node, &field.kind, entry.key);
        }
    }
}

fn fill_below(node: &mut TomlNode, kind: &ValueKind, at: SourceSpan) {
    match (kind, &mut node.value) {
        (ValueKind::Table(shape) | ValueKind::Short(_, shape), TomlValue::Table(table)) => {
            fill(table, shape, at);
        }
        (ValueKind::Many(of, _) | ValueKind::List(of, ..), TomlValue::List(items)) => {
            for item in items {
                let at = item.at;
                fill_below(item, of, at);
            }
        }
        (ValueKind::Named(_, of), TomlValue::Table(table)) => {
            for entry in table.values_mut() {
                fill_below(&mut entry.node, of, entry.key);
            }
        }
        _ => {}
    }
}

fn default(absent: &AbsentKey) -> Option<TomlValue> {
    match absent {
        AbsentKey::Refused | AbsentKey::Nothing => None,
        AbsentKey::Table => Some(TomlValue::Table(TomlTable::new())),
        AbsentKey::Default(text) => {
            let mut ignored = Diagnostics::default();
            let mut parsed = toml_tree::parse(0, &format!("v = {text}"), &mut ignored);
            parsed.remove("v").map(|entry| entry.node.value)
        }
    }
}
