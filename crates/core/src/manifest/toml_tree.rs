//! The manifest's text as a tree of values with places; layers merge here.
//!
//! Invariant: every node knows where it was written. A value that was found wrong stays as
//! [`TomlValue::Wrong`], so it is neither used nor reported as missing.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Diagnostics, SourceSpan};

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TomlNode {
    /// Where the value is written.
    pub at: SourceSpan,
    pub value: TomlValue,
}

/// A value of TOML.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TomlValue {
    Text(String),
    Whole(i64),
    Number(f64),
    Flag(bool),
    /// A date or time, as written.
    Date(String),
    List(Vec<TomlNode>),
    Table(TomlTable),
    /// Reported as wrong already.
    Wrong,
}

/// Keys to values, in the order of the keys.
pub(super) type TomlTable = BTreeMap<String, TableEntry>;

/// A key's place and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TableEntry {
    /// Where the key is written.
    pub key: SourceSpan,
    pub node: TomlNode,
}

impl TomlValue {
    /// Kind of the value, with its article.
    #[must_use]
    pub(super) fn kind(&self) -> &'static str {
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
pub(super) fn parse(source: usize, text: &str, out: &mut Diagnostics) -> TomlTable {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let at = SourceSpan {
            source,
            start: span.start,
            end: span.end,
        };
        out.push(Diagnostic::error("syntax", at, error.message().to_owned()));
    }
    table(source, document.get_ref(), out)
}

fn table(source: usize, from: &DeTable<'_>, out: &mut Diagnostics) -> TomlTable {
    let mut entries = TomlTable::new();
    for (key, value) in from {
        let key_at = place(source, &key.span());
        let node = TomlNode {
            at: place(source, &value.span()),
            value: convert(source, value, out),
        };
        entries.insert(key.get_ref().to_string(), TableEntry { key: key_at, node });
    }
    entries
}

fn convert(source: usize, from: &toml::Spanned<DeValue<'_>>, out: &mut Diagnostics) -> TomlValue {
    match from.get_ref() {
        DeValue::String(text) => TomlValue::Text(text.to_string()),
        DeValue::Integer(whole) => match i64::from_str_radix(whole.as_str(), whole.radix()) {
            Ok(whole) => TomlValue::Whole(whole),
            Err(_) => {
                let at = place(source, &from.span());
                out.push(Diagnostic::error("syntax", at, "this number is too large"));
                TomlValue::Wrong
            }
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) => TomlValue::Number(number),
            Err(_) => TomlValue::Wrong,
        },
        DeValue::Boolean(flag) => TomlValue::Flag(*flag),
        DeValue::Datetime(date) => TomlValue::Date(date.to_string()),
        DeValue::Array(list) => {
            let nodes = list.iter().map(|item| TomlNode {
                at: place(source, &item.span()),
                value: convert(source, item, out),
            });
            TomlValue::List(nodes.collect())
        }
        DeValue::Table(inner) => TomlValue::Table(table(source, inner, out)),
    }
}

fn place(source: usize, span: &std::ops::Range<usize>) -> SourceSpan {
    SourceSpan {
        source,
        start: span.start,
        end: span.end,
    }
}

/// Lays `over` on `base`: tables merge key by key, everything else is replaced.
pub(super) fn merge(base: &mut TomlTable, over: TomlTable) {
    for (name, entry) in over {
        match (base.get_mut(&name), entry) {
            (
                Some(TableEntry {
                    node:
                        TomlNode {
                            value: TomlValue::Table(below),
                            ..
                        },
                    ..
                }),
                TableEntry {
                    node:
                        TomlNode {
                            value: TomlValue::Table(above),
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
pub(super) fn find<'a>(root: &'a TomlTable, path: &[&str]) -> Option<&'a TomlNode> {
    let (first, rest) = path.split_first()?;
    let mut node = &root.get(*first)?.node;
    for step in rest {
        node = match &node.value {
            TomlValue::Table(table) => &table.get(*step)?.node,
            TomlValue::List(list) => list.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(node)
}

/// The place of the value at a path, or of the nearest thing above it that is written. A
/// table is pointed at by its key.
#[must_use]
pub(super) fn place_of(root: &TomlTable, path: &[&str]) -> SourceSpan {
    let mut best = SourceSpan::default();
    let mut table = root;
    let mut rest = path;
    while let Some((step, tail)) = rest.split_first() {
        let Some(entry) = table.get(*step) else {
            return best;
        };
        rest = tail;
        match &entry.node.value {
            TomlValue::Table(inner) => {
                best = entry.key;
                table = inner;
            }
            TomlValue::List(list) => return place_in_list(list, entry.node.at, rest),
            _ => return entry.node.at,
        }
    }
    best
}

fn place_in_list(list: &[TomlNode], whole: SourceSpan, rest: &[&str]) -> SourceSpan {
    let Some((step, tail)) = rest.split_first() else {
        return whole;
    };
    let Some(item) = step.parse::<usize>().ok().and_then(|i| list.get(i)) else {
        return whole;
    };
    match &item.value {
        TomlValue::Table(inner) if !tail.is_empty() && inner.contains_key(tail[0]) => {
            place_of(inner, tail)
        }
        _ => item.at,
    }
}
