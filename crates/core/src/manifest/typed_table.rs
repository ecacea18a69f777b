//! Typed reading of a table that conforms to the shape.
//!
//! Invariant: never fails. What is absent or `Wrong` reads as nothing, or as a neutral value;
//! a manifest with a wrong value is never handed out, because its error was reported.

use std::time::Duration;

use super::toml_tree::{TomlNode, TomlTable, TomlValue};

/// A table, read.
#[derive(Clone, Copy)]
pub(super) struct TypedTable<'a>(pub(super) &'a TomlTable);

impl<'a> TypedTable<'a> {
    pub(super) fn node(self, key: &str) -> Option<&'a TomlNode> {
        self.0.get(key).map(|entry| &entry.node)
    }

    /// Whether the key is written, right or wrong.
    pub(super) fn has(self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn text(self, key: &str) -> Option<String> {
        match &self.node(key)?.value {
            TomlValue::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn text_or_empty(self, key: &str) -> String {
        self.text(key).unwrap_or_default()
    }

    pub(super) fn flag(self, key: &str) -> Option<bool> {
        match self.node(key)?.value {
            TomlValue::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    pub(super) fn whole(self, key: &str) -> Option<u32> {
        match self.node(key)?.value {
            TomlValue::Whole(whole) => u32::try_from(whole).ok(),
            _ => None,
        }
    }

    pub(super) fn port(self, key: &str) -> Option<u16> {
        self.whole(key).and_then(|port| u16::try_from(port).ok())
    }

    pub(super) fn number(self, key: &str) -> Option<f64> {
        match self.node(key)?.value {
            TomlValue::Number(number) => Some(number),
            TomlValue::Whole(whole) => i32::try_from(whole).ok().map(f64::from),
            _ => None,
        }
    }

    pub(super) fn numbers(self, key: &str) -> Option<Vec<f64>> {
        let TomlValue::List(items) = &self.node(key)?.value else {
            return None;
        };
        let number = |item: &TomlNode| match item.value {
            TomlValue::Number(number) => Some(number),
            _ => None,
        };
        Some(items.iter().filter_map(number).collect())
    }

    pub(super) fn duration(self, key: &str) -> Option<Duration> {
        crate::duration::parse(&self.text(key)?).ok()
    }

    pub(super) fn duration_or_zero(self, key: &str) -> Duration {
        self.duration(key).unwrap_or_default()
    }

    pub(super) fn texts(self, key: &str) -> Option<Vec<String>> {
        let TomlValue::List(items) = &self.node(key)?.value else {
            return None;
        };
        let text = |item: &TomlNode| match &item.value {
            TomlValue::Text(text) => Some(text.clone()),
            _ => None,
        };
        Some(items.iter().filter_map(text).collect())
    }

    pub(super) fn texts_or_none(self, key: &str) -> Vec<String> {
        self.texts(key).unwrap_or_default()
    }

    pub(super) fn table(self, key: &str) -> Option<Self> {
        match &self.node(key)?.value {
            TomlValue::Table(table) => Some(Self(table)),
            _ => None,
        }
    }

    /// The tables of a list.
    pub(super) fn tables(self, key: &str) -> Vec<Self> {
        let Some(TomlValue::List(items)) = self.node(key).map(|node| &node.value) else {
            return Vec::new();
        };
        let table = |item: &'a TomlNode| match &item.value {
            TomlValue::Table(table) => Some(Self(table)),
            _ => None,
        };
        items.iter().filter_map(table).collect()
    }

    /// The named tables of a table, in the order of their names.
    pub(super) fn named(self, key: &str) -> Vec<(&'a str, Self)> {
        let Some(TomlValue::Table(table)) = self.node(key).map(|node| &node.value) else {
            return Vec::new();
        };
        let inner =
            |(name, entry): (&'a String, &'a super::toml_tree::TableEntry)| match &entry.node.value
            {
                TomlValue::Table(table) => Some((name.as_str(), Self(table))),
                _ => None,
            };
        table.iter().filter_map(inner).collect()
    }

    /// The keys of a table, in order.
    pub(super) fn keys(self) -> impl Iterator<Item = &'a str> {
        self.0.keys().map(String::as_str)
    }
}
