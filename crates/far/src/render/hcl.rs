//! HCL as Terraform's own formatter leaves it.
//!
//! Invariant: every text comes out as a literal, whatever is in it; what is written has been read
//! back by an HCL parser. Refuses nothing else: names of blocks and attributes are ours.

use std::fmt::Write;

/// Values and lists up to this many columns stay on one line.
const WIDTH: usize = 100;

/// A value of a Terraform file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum HclValue {
    /// A literal text.
    Text(String),
    /// An expression, such as `module.network.vpc_id`.
    Expression(String),
    List(Vec<Self>),
    /// Keys and values, in order.
    Table(Vec<(String, Self)>),
}

pub(super) fn text(text: impl Into<String>) -> HclValue {
    HclValue::Text(text.into())
}

/// An expression, which is written without quotes.
pub(super) fn is(expression: impl Into<String>) -> HclValue {
    HclValue::Expression(expression.into())
}

/// A list of texts.
pub(super) fn texts<T: AsRef<str>>(items: &[T]) -> HclValue {
    HclValue::List(items.iter().map(|item| text(item.as_ref())).collect())
}

pub(super) fn table<K: Into<String>>(entries: impl IntoIterator<Item = (K, HclValue)>) -> HclValue {
    let entries = entries.into_iter();
    HclValue::Table(entries.map(|(key, value)| (key.into(), value)).collect())
}

/// A block: its head, such as `module "network"`, and what is in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Block {
    /// Lines before it.
    comment: String,
    /// Type and labels.
    head: String,
    /// Lines first in it.
    remark: String,
    /// Groups of attributes, with an empty line between two.
    groups: Vec<Vec<(String, HclValue)>>,
    /// Blocks in it, after the attributes.
    inner: Vec<Self>,
}

impl Block {
    /// An empty block.
    pub(super) fn new(head: impl Into<String>) -> Self {
        Self {
            head: head.into(),
            groups: vec![Vec::new()],
            ..Self::default()
        }
    }

    /// With words before it.
    pub(super) fn comment(mut self, words: &str) -> Self {
        words.clone_into(&mut self.comment);
        self
    }

    /// With words first in it.
    pub(super) fn remark(mut self, words: &str) -> Self {
        words.clone_into(&mut self.remark);
        self
    }

    /// One more attribute.
    pub(super) fn with(mut self, name: &str, value: HclValue) -> Self {
        if let Some(group) = self.groups.last_mut() {
            group.push((name.to_owned(), value));
        }
        self
    }

    /// One more attribute when there is a value.
    pub(super) fn with_some(self, name: &str, value: Option<HclValue>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// An empty line.
    pub(super) fn gap(mut self) -> Self {
        self.groups.push(Vec::new());
        self
    }

    /// A block in it.
    pub(super) fn holding(mut self, block: Self) -> Self {
        self.inner.push(block);
        self
    }

    fn write(&self, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        for line in self.comment.lines() {
            let _ = writeln!(out, "{pad}# {line}");
        }
        let groups: Vec<_> = self
            .groups
            .iter()
            .filter(|group| !group.is_empty())
            .collect();
        if groups.is_empty() && self.inner.is_empty() {
            let _ = writeln!(out, "{pad}{} {{}}", self.head);
            return;
        }
        let _ = writeln!(out, "{pad}{} {{", self.head);
        for words in self.remark.lines() {
            let _ = writeln!(out, "{pad}  #{words}");
        }
        for (i, group) in groups.iter().enumerate() {
            if i > 0 {
                out.push('\n');
            }
            attributes(group, indent + 2, out);
        }
        for (i, block) in self.inner.iter().enumerate() {
            if i > 0 || !groups.is_empty() {
                out.push('\n');
            }
            block.write(indent + 2, out);
        }
        let _ = writeln!(out, "{pad}}}");
    }
}

/// Blocks as a file's text.
pub(super) fn file(blocks: &[Block]) -> String {
    let mut out = String::new();
    for (i, block) in blocks.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        block.write(0, &mut out);
    }
    out
}

/// Whether a text is HCL.
pub(super) fn is_hcl(text: &str) -> Result<(), hcl_edit::parser::Error> {
    hcl_edit::parser::parse_body(text).map(|_| ())
}

/// `name = value` lines. Neighbours on one line each have their `=` in one column.
fn attributes(entries: &[(String, HclValue)], indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    let lines: Vec<(String, String)> = entries
        .iter()
        .map(|(name, value)| (key(name), value.at(indent, indent + name.len() + 3)))
        .collect();
    let mut from = 0;
    while from < lines.len() {
        let single = |(_, value): &&(String, String)| !value.contains('\n');
        let run = lines[from..].iter().take_while(single).count().max(1);
        let neighbours = &lines[from..from + run];
        let width = neighbours
            .iter()
            .map(|(name, _)| name.chars().count())
            .max();
        let width = width.filter(|_| single(&&neighbours[0])).unwrap_or(0);
        for (name, value) in neighbours {
            let _ = writeln!(out, "{pad}{name:width$} = {value}");
        }
        from += run;
    }
}

fn key(name: &str) -> String {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    // A quoted key may be an expression's text already.
    if (first && name.chars().all(rest)) || name.starts_with('(') {
        name.to_owned()
    } else {
        quoted(name)
    }
}

impl HclValue {
    /// On one line, if it fits beside what stands before it, else on several.
    fn at(&self, indent: usize, column: usize) -> String {
        let line = self.line();
        if column + line.chars().count() <= WIDTH || !self.is_collection() {
            return line;
        }
        let pad = " ".repeat(indent);
        match self {
            Self::List(items) => {
                let deeper = indent + 2;
                let mut out = "[\n".to_owned();
                for item in items {
                    let _ = writeln!(out, "{}{},", " ".repeat(deeper), item.at(deeper, deeper));
                }
                out + &pad + "]"
            }
            Self::Table(entries) => {
                let mut out = "{\n".to_owned();
                attributes(entries, indent + 2, &mut out);
                out + &pad + "}"
            }
            Self::Text(_) | Self::Expression(_) => line,
        }
    }

    fn is_collection(&self) -> bool {
        match self {
            Self::List(items) => !items.is_empty(),
            Self::Table(entries) => !entries.is_empty(),
            Self::Text(_) | Self::Expression(_) => false,
        }
    }

    fn line(&self) -> String {
        let joined = |parts: Vec<String>| parts.join(", ");
        match self {
            Self::Text(text) => quoted(text),
            Self::Expression(text) => text.clone(),
            Self::List(items) => format!("[{}]", joined(items.iter().map(Self::line).collect())),
            Self::Table(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Table(entries) => {
                let pair =
                    |(name, value): &(String, Self)| format!("{} = {}", key(name), value.line());
                format!("{{ {} }}", joined(entries.iter().map(pair).collect()))
            }
        }
    }
}

/// A literal: nothing in it is a template.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' | '%' if chars.peek() == Some(&'{') => {
                out.push(c);
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::{Block, file, is, is_hcl, quoted, table, text, texts};

    #[test]
    fn a_text_is_a_literal_whatever_is_in_it() {
        for (written, wanted) in [
            ("plain", r#""plain""#),
            ("a \"b\" \\", r#""a \"b\" \\""#),
            ("${var.x} %{if} $5 100%", r#""$${var.x} %%{if} $5 100%""#),
            ("two\nlines\t\u{1}", r#""two\nlines\t\u0001""#),
        ] {
            assert_eq!(quoted(written), wanted);
            assert!(is_hcl(&format!("a = {wanted}\n")).is_ok(), "{wanted}");
        }
    }

    #[test]
    fn neighbours_on_one_line_are_aligned_and_long_tables_are_spread() {
        let long = table([
            ("first", texts(&["x".repeat(60).as_str()])),
            ("b", texts(&["y".repeat(60)])),
        ]);
        let block = Block::new("module \"a\"")
            .with("source", text("./a"))
            .gap()
            .with("name", is("local.name"))
            .with("subnet_ids", is("module.network.ids"))
            .with("long", long)
            .with("z", is("1"));
        let wanted = format!(
            "module \"a\" {{\n  source = \"./a\"\n\n  name       = local.name\n  subnet_ids = module.network.ids\n  long = {{\n    first = [\"{}\"]\n    b     = [\"{}\"]\n  }}\n  z = 1\n}}\n",
            "x".repeat(60),
            "y".repeat(60)
        );
        let written = file(&[block]);
        assert_eq!(written, wanted);
        assert!(is_hcl(&written).is_ok());
    }
}
