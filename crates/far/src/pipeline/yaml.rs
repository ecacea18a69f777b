//! A small writer of YAML: what GitHub's workflows need, and nothing else.
//!
//! Invariant: a text stays a text, whatever it holds. It is plain only when nothing in it means
//! anything to YAML 1.1 or 1.2; otherwise it is quoted as JSON would, which YAML reads alike.
//! Maps keep the order in which they were made, so the same input gives the same bytes.

use std::fmt::Write;

/// A value of a workflow file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum YamlNode {
    /// A text on one line.
    Text(String),
    /// A shell script, line by line.
    Script(String),
    /// An action at a commit, and the version that the commit has for people.
    Action(&'static str, &'static str),
    /// A word of ours, and why it stands there.
    Because(&'static str, &'static str),
    /// A whole number.
    Number(u32),
    /// `true` or `false`.
    Flag(bool),
    List(Vec<YamlNode>),
    /// Keys and values.
    Map(Vec<(String, YamlNode)>),
}

pub(super) fn text(text: impl Into<String>) -> YamlNode {
    YamlNode::Text(text.into())
}

pub(super) fn script(text: impl Into<String>) -> YamlNode {
    YamlNode::Script(text.into())
}

pub(super) fn map<const N: usize>(pairs: [(&str, YamlNode); N]) -> YamlNode {
    let pairs = pairs.map(|(key, value)| (key.to_owned(), value));
    YamlNode::Map(pairs.into())
}

/// A list of texts.
pub(super) fn texts<T: AsRef<str>>(items: &[T]) -> YamlNode {
    YamlNode::List(items.iter().map(|item| text(item.as_ref())).collect())
}

impl YamlNode {
    /// A map with one more pair at its end; anything else stays what it is.
    pub(super) fn with(mut self, key: &str, value: YamlNode) -> Self {
        if let Self::Map(pairs) = &mut self {
            pairs.push((key.to_owned(), value));
        }
        self
    }

    /// The same, when there is a value.
    pub(super) fn maybe(self, key: &str, value: Option<YamlNode>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

/// A document; a blank line stands before each key of the outermost map but the first.
pub(super) fn document(pairs: &[(String, YamlNode)]) -> String {
    let mut out = String::new();
    for (index, pair) in pairs.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        entries(std::slice::from_ref(pair), 0, &mut out);
    }
    out
}

fn entries(pairs: &[(String, YamlNode)], depth: usize, out: &mut String) {
    for (index, (key, value)) in pairs.iter().enumerate() {
        if index > 0 || !out.ends_with("- ") {
            indent(depth, out);
        }
        out.push_str(&scalar(key));
        out.push(':');
        after_key(value, depth, out);
    }
}

fn after_key(value: &YamlNode, depth: usize, out: &mut String) {
    match value {
        YamlNode::Map(pairs) if pairs.is_empty() => out.push_str(" {}\n"),
        YamlNode::List(items) if items.is_empty() => out.push_str(" []\n"),
        YamlNode::Map(pairs) => {
            out.push('\n');
            entries(pairs, depth + 1, out);
        }
        YamlNode::List(items) if items.iter().all(is_scalar) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            let _ = writeln!(out, " [{}]", items.join(", "));
        }
        YamlNode::List(items) => {
            out.push('\n');
            for item in items {
                indent(depth + 1, out);
                out.push_str("- ");
                match item {
                    YamlNode::Map(pairs) => entries(pairs, depth + 2, out),
                    other => {
                        let _ = writeln!(out, "{}", inline(other));
                    }
                }
            }
        }
        YamlNode::Script(script) => block(script, depth + 1, out),
        other => {
            let _ = writeln!(out, " {}", inline(other));
        }
    }
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// A literal block. One line that is plain stays beside its key.
fn block(script: &str, depth: usize, out: &mut String) {
    let lines: Vec<&str> = script.trim_end().lines().collect();
    if let [line] = lines.as_slice()
        && is_plain(line)
    {
        let _ = writeln!(out, " {line}");
        return;
    }
    let literal = lines
        .first()
        .is_some_and(|line| !line.starts_with([' ', '\t']))
        && script
            .chars()
            .all(|c| c == '\n' || (' '..='~').contains(&c));
    if !literal {
        // Only quotes can say what a block cannot: control characters, a first line that is set in.
        let _ = writeln!(out, " {}", quoted(script));
        return;
    }
    out.push_str(" |\n");
    for line in lines {
        if !line.is_empty() {
            indent(depth, out);
        }
        out.push_str(line);
        out.push('\n');
    }
}

fn is_scalar(node: &YamlNode) -> bool {
    matches!(
        node,
        YamlNode::Text(_) | YamlNode::Number(_) | YamlNode::Flag(_)
    )
}

fn inline(node: &YamlNode) -> String {
    match node {
        YamlNode::Text(text) => scalar(text),
        YamlNode::Script(text) => quoted(text),
        YamlNode::Action(of, why) | YamlNode::Because(of, why) => format!("{of} # {why}"),
        YamlNode::Number(number) => number.to_string(),
        YamlNode::Flag(flag) => flag.to_string(),
        // A collection stands below its key, never here.
        YamlNode::List(_) | YamlNode::Map(_) => String::from("null"),
    }
}

fn scalar(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Words that YAML 1.1 or 1.2 reads as something else than a text.
const MEANING: [&str; 9] = ["true", "false", "null", "yes", "no", "off", "y", "n", "on"];

fn is_plain(text: &str) -> bool {
    let first = text.chars().next();
    let begins = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '$');
    // GitHub reads `on` as a key; nothing else here is called so.
    let meaning = text != "on" && MEANING.contains(&text.to_ascii_lowercase().as_str());
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._/-=$'()|&!<>{}@\"*".contains(c);
    let collection = text.starts_with(['{', '[']) || text.contains([',', '[', ']']);
    begins && !meaning && !collection && !text.ends_with(' ') && text.chars().all(allowed)
}

/// As JSON; a text without a backslash or a quote is the same in YAML's double quotes.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || c > '~' => escape(c, &mut out),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn escape(c: char, out: &mut String) {
    let code = u32::from(c);
    let _ = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::{YamlNode, document, map, script, text, texts};

    fn written(node: YamlNode) -> String {
        document(&[("key".to_owned(), node)])
    }

    #[test]
    fn texts_that_mean_something_to_yaml_are_quoted() {
        for (given, expected) in [
            ("api", "key: api\n"),
            ("true", "key: \"true\"\n"),
            ("No", "key: \"No\"\n"),
            ("3", "key: \"3\"\n"),
            ("", "key: \"\"\n"),
            ("a: b", "key: \"a: b\"\n"),
            ("a #b", "key: \"a #b\"\n"),
            ("- a", "key: \"- a\"\n"),
            ("a\n- b", "key: \"a\\n- b\"\n"),
            ("a\"b\\c:", "key: \"a\\\"b\\\\c:\"\n"),
            ("é", "key: \"\\xe9\"\n"),
            ("\u{2028}", "key: \"\\u2028\"\n"),
            ("*", "key: \"*\"\n"),
        ] {
            assert_eq!(written(text(given)), expected, "{given}");
        }
    }

    #[test]
    fn scripts_are_blocks_and_lists_of_words_stand_on_one_line() {
        let step = map([("run", script("set -x\n\necho hi: there\n"))]);
        let node = map([
            ("none", YamlNode::Map(Vec::new())),
            ("branches", texts(&["main", "true"])),
            (
                "steps",
                YamlNode::List(vec![step, map([("run", script("ls"))])]),
            ),
        ]);
        let expected = "key:\n  none: {}\n  branches: [main, \"true\"]\n  steps:\n    - run: |\n        set -x\n\n        echo hi: there\n    - run: ls\n";
        assert_eq!(written(node), expected);
    }

    #[test]
    fn a_script_that_a_block_would_change_is_quoted() {
        assert_eq!(written(script("  a\nb")), "key: \"  a\\nb\"\n");
        assert_eq!(written(script("a\u{7}b\nc")), "key: \"a\\x07b\\nc\"\n");
    }
}
