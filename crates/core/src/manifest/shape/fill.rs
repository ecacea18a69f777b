//! The whole manifest against the shape: what must be there, and the defaults of what is not.
//!
//! Invariant: after [`fill`] every key with a default holds a value.

use super::{Absent, Kind, Shape};
use crate::manifest::diagnostic::{At, Diagnostic, Diagnostics};
use crate::manifest::tree::{self, Entry, Node, Table, Value};

/// Reports required keys that no layer holds.
pub(crate) fn require(table: &Table, shape: &Shape, owner: (&str, At), out: &mut Diagnostics) {
    for field in shape.fields() {
        match table.get(field.name) {
            None if matches!(field.absent, Absent::Refused) => {
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
    super::nearest(name, &others)
}

fn require_below(node: &Node, kind: &Kind, owner: (&str, At), out: &mut Diagnostics) {
    match (kind, &node.value) {
        (Kind::Table(shape) | Kind::Short(_, shape), Value::Table(table)) => {
            require(table, shape, owner, out);
        }
        (Kind::Many(of, _) | Kind::List(of, ..), Value::List(items)) => {
            for item in items {
                require_below(item, of, (owner.0, item.at), out);
            }
        }
        (Kind::Named(_, of), Value::Table(table)) if owner.0 != "env" => {
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
fn sample(kind: &Kind) -> String {
    match kind {
        Kind::Text | Kind::Plain => "\"…\"".into(),
        Kind::Choice(words) => format!("\"{}\"", words.first().unwrap_or(&"")),
        Kind::Form(form) => format!("\"{}\"", form.example),
        Kind::Flag => "true".into(),
        Kind::Whole(low, _) => low.to_string(),
        Kind::Number(_, high) => high.to_string(),
        Kind::Seconds(..) => "\"30s\"".into(),
        Kind::List(of, ..) => format!("[{}]", sample(of)),
        Kind::Many(of, _) => sample(of),
        Kind::Table(_) | Kind::Short(..) | Kind::Named(..) => "{ … }".into(),
    }
}

/// Writes the defaults into a table. They get the place of what they are in.
pub(crate) fn fill(table: &mut Table, shape: &Shape, at: At) {
    for field in shape.fields() {
        if !table.contains_key(field.name)
            && let Some(value) = default(&field.absent)
        {
            let node = Node { at, value };
            table.insert(field.name.to_owned(), Entry { key: at, node });
        }
        if let Some(entry) = table.get_mut(field.name) {
            fill_below(&mut entry.node, &field.kind, entry.key);
        }
    }
}

fn fill_below(node: &mut Node, kind: &Kind, at: At) {
    match (kind, &mut node.value) {
        (Kind::Table(shape) | Kind::Short(_, shape), Value::Table(table)) => {
            fill(table, shape, at);
        }
        (Kind::Many(of, _) | Kind::List(of, ..), Value::List(items)) => {
            for item in items {
                let at = item.at;
                fill_below(item, of, at);
            }
        }
        (Kind::Named(_, of), Value::Table(table)) => {
            for entry in table.values_mut() {
                fill_below(&mut entry.node, of, entry.key);
            }
        }
        _ => {}
    }
}

fn default(absent: &Absent) -> Option<Value> {
    match absent {
        Absent::Refused | Absent::Nothing => None,
        Absent::Table => Some(Value::Table(Table::new())),
        Absent::Default(text) => {
            let mut ignored = Diagnostics::default();
            let mut parsed = tree::parse(0, &format!("v = {text}"), &mut ignored);
            parsed.remove("v").map(|entry| entry.node.value)
        }
    }
}
