//! The manifest's text as a tree of values with places; layers merge here.
//!
//! Invariant: every node knows where it was written. A value that was found wrong stays as
//! [`Value::Wrong`], so it is neither used nor reported as missing.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::diagnostic::{At, Diagnostic, Diagnostics};

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where the value is written.
    pub at: At,
    /// The value.
    pub value: Value,
}

/// A value of TOML.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// An integer.
    Whole(i64),
    /// A float.
    Number(f64),
    /// A boolean.
    Flag(bool),
    /// A date or time, as written.
    Date(String),
    /// An array.
    List(Vec<Node>),
    /// A table.
    Table(Table),
    /// Reported as wrong already.
    Wrong,
}

/// Keys to values, in the order of the keys.
pub type Table = BTreeMap<String, Entry>;

/// A key's place and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where the key is written.
    pub key: At,
    /// Its value.
    pub node: Node,
}

impl Value {
    /// What it is, with its article.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Whole(_) => "a whole number",
            Self::Number(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Date(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Wrong => "wrong",
        }
    }
}

/// Parses one text; all syntax errors are reported, and what could be read is handed back.
pub fn parse(source: usize, text: &str, out: &mut Diagnostics) -> Table {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let at = At {
            source,
            start: span.start,
            end: span.end,
        };
        out.push(Diagnostic::error("syntax", at, error.message().to_owned()));
    }
    table(source, document.get_ref(), out)
}

fn table(source: usize, from: &DeTable<'_>, out: &mut Diagnostics) -> Table {
    let mut entries = Table::new();
    for (key, value) in from {
        let key_at = place(source, &key.span());
        let node = Node {
            at: place(source, &value.span()),
            value: convert(source, value, out),
        };
        entries.insert(key.get_ref().to_string(), Entry { key: key_at, node });
    }
    entries
}

fn convert(source: usize, from: &toml::Spanned<DeValue<'_>>, out: &mut Diagnostics) -> Value {
    match from.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(whole) => match i64::from_str_radix(whole.as_str(), whole.radix()) {
            Ok(whole) => Value::Whole(whole),
            Err(_) => {
                let at = place(source, &from.span());
                out.push(Diagnostic::error("syntax", at, "this number is too large"));
                Value::Wrong
            }
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::Wrong,
        },
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(list) => {
            let nodes = list.iter().map(|item| Node {
                at: place(source, &item.span()),
                value: convert(source, item, out),
            });
            Value::List(nodes.collect())
        }
        DeValue::Table(inner) => Value::Table(table(source, inner, out)),
    }
}

fn place(source: usize, span: &std::ops::Range<usize>) -> At {
    At {
        source,
        start: span.start,
        end: span.end,
    }
}

/// Lays `over` on `base`: tables merge key by key, everything else is replaced.
pub fn merge(base: &mut Table, over: Table) {
    for (name, entry) in over {
        match (base.get_mut(&name), entry) {
            (
                Some(Entry {
                    node:
                        Node {
                            value: Value::Table(below),
                            ..
                        },
                    ..
                }),
                Entry {
                    node:
                        Node {
                            value: Value::Table(above),
                            ..
                        },
                    ..
                },
            ) => merge(below, above),
            (_, entry) => {
                base.insert(name, entry);
            }
        }
    }
}

/// The value at a path of keys and list positions.
#[must_use]
pub fn find<'a>(root: &'a Table, path: &[&str]) -> Option<&'a Node> {
    let (first, rest) = path.split_first()?;
    let mut node = &root.get(*first)?.node;
    for step in rest {
        node = match &node.value {
            Value::Table(table) => &table.get(*step)?.node,
            Value::List(list) => list.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(node)
}

/// The place of the value at a path, or of the nearest thing above it that is written. A
/// table is pointed at by its key.
#[must_use]
pub fn place_of(root: &Table, path: &[&str]) -> At {
    let mut best = At::default();
    let mut table = root;
    let mut rest = path;
    while let Some((step, tail)) = rest.split_first() {
        let Some(entry) = table.get(*step) else {
            return best;
        };
        rest = tail;
        match &entry.node.value {
            Value::Table(inner) => {
                best = entry.key;
                table = inner;
            }
            Value::List(list) => return place_in_list(list, entry.node.at, rest),
            _ => return entry.node.at,
        }
    }
    best
}

fn place_in_list(list: &[Node], whole: At, rest: &[&str]) -> At {
    let Some((step, tail)) = rest.split_first() else {
        return whole;
    };
    let Some(item) = step.parse::<usize>().ok().and_then(|i| list.get(i)) else {
        return whole;
    };
    match &item.value {
        Value::Table(inner) if !tail.is_empty() && inner.contains_key(tail[0]) => {
            place_of(inner, tail)
        }
        _ => item.at,
    }
}
