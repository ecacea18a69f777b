//! One layer of the manifest against the shape: unknown keys, kinds, ranges, syntaxes.
//!
//! Invariant: afterwards every value that is not `Wrong` has the kind that the shape gives it;
//! shorthands are written out, single values are lists where lists may stand. Says nothing of
//! missing keys: another layer may hold them.

use super::text_rules::{TextRuleViolation, longest};
use super::{TableSchema, TextFormat, ValueKind, suggest};
use crate::manifest::diagnostic::{Diagnostic, Diagnostics};
use crate::manifest::toml_tree::{TableEntry, TomlNode, TomlTable, TomlValue};
use crate::names::nearest;

/// Checks and normalises a table.
pub(crate) fn conform(
    table: &mut TomlTable,
    shape: &TableSchema,
    place: &str,
    out: &mut Diagnostics,
) {
    table.retain(|name, _| !name.starts_with("x-"));
    let mut meant = Vec::new();
    table.retain(|name, entry| {
        let known = shape.field(name).is_some();
        if !known {
            let (found, near) = suggest::unknown(name, entry.key, shape, place);
            out.push(found);
            meant.extend(near.map(|near| (near, entry.key)));
        }
        known
    });
    // What was probably meant is there, though wrong: it is not reported as missing too.
    for (name, key) in meant {
        let node = TomlNode {
            at: key,
            value: TomlValue::Wrong,
        };
        table
            .entry(name.to_owned())
            .or_insert(TableEntry { key, node });
    }
    for (name, entry) in table {
        if let Some(field) = shape.field(name) {
            let place = join(place, name);
            let before = out.len();
            value(&mut entry.node, field.kind, &place, out);
            if let Some(unit) = field.unit {
                out.add_to_help(before, &format!(" ({unit})"));
            }
        }
    }
}

fn join(place: &str, name: &str) -> String {
    if place.is_empty() {
        name.to_owned()
    } else {
        format!("{place}.{name}")
    }
}

fn value(node: &mut TomlNode, kind: ValueKind, place: &str, out: &mut Diagnostics) {
    if node.value == TomlValue::Wrong {
        return;
    }
    let result = match kind {
        ValueKind::Table(shape) => return table(node, shape, place, out),
        ValueKind::Short(key, shape) => return short(node, key, shape, place, out),
        ValueKind::Named(form, of) => return named(node, form, *of, place, out),
        ValueKind::List(of, least, most) => return list(node, *of, (least, most), place, out),
        ValueKind::Many(of, most) => return many(node, *of, most, place, out),
        ValueKind::Text => text(node, |text| {
            longest(text, 4096)?;
            match text.contains('\0') {
                true => Err(TextRuleViolation::Form(
                    "it holds a zero byte, which no argument can",
                )),
                false => Ok(()),
            }
        })
        .map_err(|problem| problem.or_help("write at most 4096 characters without a zero byte")),
        ValueKind::Plain => plain(node),
        ValueKind::Choice(words) => choice(node, words),
        ValueKind::Form(form) => {
            let checked = text(node, form.check);
            checked.map_err(|problem| problem.like(form, &node.value))
        }
        ValueKind::Flag => flag(node),
        ValueKind::Whole(low, high) => whole(node, low, high),
        ValueKind::Number(low, high) => number(node, low, high),
        ValueKind::Seconds(low, high) => seconds(node, low, high),
    };
    if let Err(problem) = result {
        let mut found = Diagnostic::error(
            problem.code,
            node.at,
            format!("`{place}` {}", problem.message),
        );
        found.label = problem.label;
        found.help = problem.help;
        out.push(found);
        node.value = TomlValue::Wrong;
    }
}

struct SchemaProblem {
    code: &'static str,
    message: String,
    label: String,
    help: Option<String>,
}

impl SchemaProblem {
    fn kind(wanted: &str, found: &TomlValue) -> Self {
        Self {
            code: "wrong-kind",
            message: format!("is {wanted}, not {}", found.kind()),
            label: format!("this is {}", found.kind()),
            help: None,
        }
    }

    fn range(message: String) -> Self {
        Self {
            code: "out-of-range",
            message,
            label: "out of range".into(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn or_help(mut self, help: &str) -> Self {
        self.help.get_or_insert_with(|| help.to_owned());
        self
    }

    fn like(mut self, form: &TextFormat, found: &TomlValue) -> Self {
        if self.code == "wrong-kind" {
            self.message = self.message.replacen("a text", form.what, 1);
        } else {
            self.message = format!("is not {}", form.what);
        }
        let mended = match found {
            TomlValue::Text(text) => suggest::text(text, form),
            _ => None,
        };
        self.help.get_or_insert_with(|| match mended {
            Some(text) => format!("write \"{text}\""),
            None => format!("write for example \"{}\"", form.example),
        });
        self
    }
}

/// Text of a scalar; for `--set` and for help.
fn raw(value: &TomlValue) -> Option<String> {
    match value {
        TomlValue::Text(text) | TomlValue::Date(text) => Some(text.clone()),
        TomlValue::Whole(whole) => Some(whole.to_string()),
        TomlValue::Number(number) => Some(number.to_string()),
        TomlValue::Flag(flag) => Some(flag.to_string()),
        TomlValue::List(_) | TomlValue::Table(_) | TomlValue::Wrong => None,
    }
}

fn text(
    node: &mut TomlNode,
    check: impl Fn(&str) -> Result<(), TextRuleViolation>,
) -> Result<(), SchemaProblem> {
    if node.at.source > 0
        && let Some(raw) = raw(&node.value)
    {
        node.value = TomlValue::Text(raw);
    }
    let TomlValue::Text(text) = &node.value else {
        let problem = SchemaProblem::kind("a text", &node.value);
        return Err(match raw(&node.value) {
            Some(raw) => problem.help(format!("write it in quotes: \"{raw}\"")),
            None => problem,
        });
    };
    check(text).map_err(|why| SchemaProblem {
        code: "wrong-form",
        message: "is not right".into(),
        label: why.to_string(),
        help: None,
    })
}

fn plain(node: &mut TomlNode) -> Result<(), SchemaProblem> {
    match &node.value {
        TomlValue::Text(text) if text.contains('\0') => Err(SchemaProblem::range(
            "holds a zero byte, which no environment can".into(),
        )),
        TomlValue::Text(_) => Ok(()),
        TomlValue::Whole(_) | TomlValue::Flag(_) => {
            node.value = TomlValue::Text(raw(&node.value).unwrap_or_default());
            Ok(())
        }
        other => {
            let raw = raw(other);
            let problem = SchemaProblem::kind("a text", other);
            Err(match raw {
                Some(raw) => problem.help(format!("write it in quotes: \"{raw}\"")),
                None => problem.help("a variable holds one text, for example \"a,b\""),
            })
        }
    }
}

fn choice(node: &mut TomlNode, words: &[&str]) -> Result<(), SchemaProblem> {
    text(node, |_| Ok(())).map_err(|p| p.help(format!("write one of {}", words.join(", "))))?;
    let TomlValue::Text(text) = &node.value else {
        return Ok(());
    };
    if words.contains(&text.as_str()) {
        return Ok(());
    }
    let help = match nearest(text, words) {
        Some(near) if words.len() == 1 => format!("did you mean \"{near}\"?"),
        Some(near) => format!("did you mean \"{near}\"? It can be {}", words.join(", ")),
        None => format!("it can be {}", words.join(", ")),
    };
    Err(SchemaProblem {
        code: "unknown-value",
        message: format!("cannot be `{}`", text.escape_debug()),
        label: "unknown value".into(),
        help: Some(help),
    })
}

fn flag(node: &TomlNode) -> Result<(), SchemaProblem> {
    match &node.value {
        TomlValue::Flag(_) => Ok(()),
        TomlValue::Text(text) if text == "true" || text == "false" => {
            Err(SchemaProblem::kind("true or false", &node.value)
                .help(format!("write {text} without quotes")))
        }
        other => Err(SchemaProblem::kind("true or false", other).help("write true or false")),
    }
}

fn whole(node: &TomlNode, low: i64, high: i64) -> Result<(), SchemaProblem> {
    let range = format!("write a whole number from {low} to {high}");
    match &node.value {
        TomlValue::Whole(n) if (low..=high).contains(n) => Ok(()),
        TomlValue::Whole(n) => Err(SchemaProblem::range(format!("cannot be {n}")).help(range)),
        TomlValue::Text(text) if text.parse::<i64>().is_ok() => {
            Err(SchemaProblem::kind("a whole number", &node.value)
                .help(format!("write {text} without quotes")))
        }
        other => Err(SchemaProblem::kind("a whole number", other).help(range)),
    }
}

fn number(node: &mut TomlNode, low: f64, high: f64) -> Result<(), SchemaProblem> {
    if let TomlValue::Whole(n) = node.value
        && let Ok(n) = i32::try_from(n)
    {
        node.value = TomlValue::Number(f64::from(n));
    }
    let range = format!("write a number from {low} to {high}");
    match &node.value {
        TomlValue::Number(n) if (low..=high).contains(n) => Ok(()),
        TomlValue::Number(n) => Err(SchemaProblem::range(format!("cannot be {n}")).help(range)),
        TomlValue::Whole(n) => Err(SchemaProblem::range(format!("cannot be {n}")).help(range)),
        other => Err(SchemaProblem::kind("a number", other).help(range)),
    }
}

fn seconds(node: &TomlNode, low: u64, high: u64) -> Result<(), SchemaProblem> {
    let span = |s: u64| crate::duration::format(std::time::Duration::from_secs(s));
    match &node.value {
        TomlValue::Text(text) => {
            let duration = crate::duration::parse(text).map_err(|error| SchemaProblem {
                code: "wrong-form",
                message: "is not a duration".into(),
                label: String::new(),
                help: Some(match text.split_whitespace().count() {
                    0 | 1 => error.to_string(),
                    _ => "write it without spaces, with the units ms, s, m, h and d, for \
                          example \"1m30s\""
                        .to_owned(),
                }),
            })?;
            let least = std::time::Duration::from_secs(low);
            if duration < least || duration > std::time::Duration::from_secs(high) {
                return Err(
                    SchemaProblem::range(format!("cannot be {text}")).help(format!(
                        "write a duration from {} to {}",
                        span(low),
                        span(high)
                    )),
                );
            }
            Ok(())
        }
        TomlValue::Whole(n) => Err(SchemaProblem::kind("a duration", &node.value)
            .help(format!("write it with its unit: \"{n}s\""))),
        other => {
            let days = (86_400 * 7..=86_400 * 1000).contains(&high);
            let example = if days { "7d" } else { "30s" };
            Err(SchemaProblem::kind("a duration", other)
                .help(format!("write for example \"{example}\"")))
        }
    }
}

fn refuse(
    node: &mut TomlNode,
    place: &str,
    wanted: &str,
    help: Option<String>,
    out: &mut Diagnostics,
) {
    let problem = SchemaProblem::kind(wanted, &node.value);
    let message = format!("`{place}` {}", problem.message);
    let mut found = Diagnostic::error(problem.code, node.at, message).label(problem.label);
    found.help = help;
    out.push(found);
    node.value = TomlValue::Wrong;
}

fn table(node: &mut TomlNode, shape: &'static TableSchema, place: &str, out: &mut Diagnostics) {
    if let TomlValue::Table(inner) = &mut node.value {
        return conform(inner, shape, place, out);
    }
    let keys: Vec<&str> = shape.fields().map(|f| f.name).take(4).collect();
    let help = format!("it is a table with keys such as {}", keys.join(", "));
    refuse(node, place, "a table", Some(help), out);
}

fn short(
    node: &mut TomlNode,
    key: &'static str,
    shape: &'static TableSchema,
    place: &str,
    out: &mut Diagnostics,
) {
    if let TomlValue::Table(inner) = &mut node.value {
        return conform(inner, shape, place, out);
    }
    let Some(field) = shape.field(key) else {
        return;
    };
    value(node, field.kind, place, out);
    if node.value == TomlValue::Wrong {
        return;
    }
    let inner = TomlNode {
        at: node.at,
        value: std::mem::replace(&mut node.value, TomlValue::Wrong),
    };
    let entry = TableEntry {
        key: node.at,
        node: inner,
    };
    node.value = TomlValue::Table(TomlTable::from([(key.to_owned(), entry)]));
}

fn named(
    node: &mut TomlNode,
    form: &TextFormat,
    of: ValueKind,
    place: &str,
    out: &mut Diagnostics,
) {
    let TomlValue::Table(entries) = &mut node.value else {
        let help = match of {
            ValueKind::Table(_) | ValueKind::Short(..) => format!("write [{place}.NAME]"),
            _ => format!("write for example {{ {} = … }}", form.example),
        };
        return refuse(node, place, "a table", Some(help), out);
    };
    // A header's name may well start with `x-`; a name or a variable is then not meant for us.
    let names_may_be_x = (form.check)("x-y").is_ok() && form.what != super::text_formats::NAME.what;
    entries.retain(|name, _| names_may_be_x || !name.starts_with("x-"));
    for (name, entry) in entries {
        if let Err(why) = (form.check)(name) {
            let message = format!("`{}` is not {}", name.escape_debug(), form.what);
            let found = Diagnostic::error("wrong-name", entry.key, message).label(why.to_string());
            let mended = suggest::key(name, form);
            let help = mended.map(|name| format!("write `{name}`"));
            out.push(found.help(help.unwrap_or(format!("write for example `{}`", form.example))));
        }
        value(&mut entry.node, of, &join(place, name), out);
    }
}

fn list(
    node: &mut TomlNode,
    of: ValueKind,
    (least, most): (usize, usize),
    place: &str,
    out: &mut Diagnostics,
) {
    let TomlValue::List(items) = &mut node.value else {
        let help = match &node.value {
            TomlValue::Text(text) => {
                let words: Vec<String> =
                    text.split_whitespace().map(|w| format!("{w:?}")).collect();
                Some(format!("write a list: [{}]", words.join(", ")))
            }
            other => raw(other).map(|raw| format!("write a list: [{raw}]")),
        };
        return refuse(node, place, "a list", help, out);
    };
    if items.len() < least || items.len() > most {
        let message = match items.len() {
            0 => format!("`{place}` is empty"),
            n => format!("`{place}` has {n} values"),
        };
        let help = match items.len() {
            0 => "write at least one value".to_owned(),
            _ => format!("write at most {most} values"),
        };
        out.push(Diagnostic::error("out-of-range", node.at, message).help(help));
        node.value = TomlValue::Wrong;
        return;
    }
    for item in items {
        value(item, of, place, out);
    }
}

fn many(node: &mut TomlNode, of: ValueKind, most: usize, place: &str, out: &mut Diagnostics) {
    if !matches!(node.value, TomlValue::List(_)) {
        let item = TomlNode {
            at: node.at,
            value: std::mem::replace(&mut node.value, TomlValue::Wrong),
        };
        node.value = TomlValue::List(vec![item]);
    }
    list(node, of, (0, most), place, out);
}
