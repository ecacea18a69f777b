//! One layer of the manifest against the shape: unknown keys, kinds, ranges, syntaxes.
//!
//! Invariant: afterwards every value that is not `Wrong` has the kind that the shape gives it;
//! shorthands are written out, single values are lists where lists may stand. Says nothing of
//! missing keys: another layer may hold them.

use super::suggest::{self, nearest};
use super::{Form, Kind, Shape};
use crate::manifest::diagnostic::{Diagnostic, Diagnostics};
use crate::manifest::tree::{Entry, Node, Table, Value};

/// Checks and normalises a table.
pub(crate) fn conform(table: &mut Table, shape: &Shape, place: &str, out: &mut Diagnostics) {
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
        let node = Node {
            at: key,
            value: Value::Wrong,
        };
        table.entry(name.to_owned()).or_insert(Entry { key, node });
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

fn value(node: &mut Node, kind: Kind, place: &str, out: &mut Diagnostics) {
    if node.value == Value::Wrong {
        return;
    }
    let result = match kind {
        Kind::Table(shape) => return table(node, shape, place, out),
        Kind::Short(key, shape) => return short(node, key, shape, place, out),
        Kind::Named(form, of) => return named(node, form, *of, place, out),
        Kind::List(of, least, most) => return list(node, *of, (least, most), place, out),
        Kind::Many(of, most) => return many(node, *of, most, place, out),
        Kind::Text => text(node, |text| {
            super::forms::longest(text, 4096)?;
            match text.contains('\0') {
                true => Err("it holds a zero byte, which no argument can".into()),
                false => Ok(()),
            }
        })
        .map_err(|problem| problem.or_help("write at most 4096 characters without a zero byte")),
        Kind::Plain => plain(node),
        Kind::Choice(words) => choice(node, words),
        Kind::Form(form) => {
            let checked = text(node, form.check);
            checked.map_err(|problem| problem.like(form, &node.value))
        }
        Kind::Flag => flag(node),
        Kind::Whole(low, high) => whole(node, low, high),
        Kind::Number(low, high) => number(node, low, high),
        Kind::Seconds(low, high) => seconds(node, low, high),
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
        node.value = Value::Wrong;
    }
}

struct Problem {
    code: &'static str,
    message: String,
    label: String,
    help: Option<String>,
}

impl Problem {
    fn kind(wanted: &str, found: &Value) -> Self {
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

    fn like(mut self, form: &Form, found: &Value) -> Self {
        if self.code == "wrong-kind" {
            self.message = self.message.replacen("a text", form.what, 1);
        } else {
            self.message = format!("is not {}", form.what);
        }
        let mended = match found {
            Value::Text(text) => suggest::text(text, form),
            _ => None,
        };
        self.help.get_or_insert_with(|| match mended {
            Some(text) => format!("write \"{text}\""),
            None => format!("write for example \"{}\"", form.example),
        });
        self
    }
}

/// What a scalar looks like in a text; for `--set` and for help.
fn raw(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Date(text) => Some(text.clone()),
        Value::Whole(whole) => Some(whole.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Flag(flag) => Some(flag.to_string()),
        Value::List(_) | Value::Table(_) | Value::Wrong => None,
    }
}

fn text(node: &mut Node, check: impl Fn(&str) -> Result<(), String>) -> Result<(), Problem> {
    if node.at.source > 0
        && let Some(raw) = raw(&node.value)
    {
        node.value = Value::Text(raw);
    }
    let Value::Text(text) = &node.value else {
        let problem = Problem::kind("a text", &node.value);
        return Err(match raw(&node.value) {
            Some(raw) => problem.help(format!("write it in quotes: \"{raw}\"")),
            None => problem,
        });
    };
    check(text).map_err(|why| Problem {
        code: "wrong-form",
        message: "is not right".into(),
        label: why,
        help: None,
    })
}

fn plain(node: &mut Node) -> Result<(), Problem> {
    match &node.value {
        Value::Text(text) if text.contains('\0') => Err(Problem::range(
            "holds a zero byte, which no environment can".into(),
        )),
        Value::Text(_) => Ok(()),
        Value::Whole(_) | Value::Flag(_) => {
            node.value = Value::Text(raw(&node.value).unwrap_or_default());
            Ok(())
        }
        other => {
            let raw = raw(other);
            let problem = Problem::kind("a text", other);
            Err(match raw {
                Some(raw) => problem.help(format!("write it in quotes: \"{raw}\"")),
                None => problem.help("a variable holds one text, for example \"a,b\""),
            })
        }
    }
}

fn choice(node: &mut Node, words: &[&str]) -> Result<(), Problem> {
    text(node, |_| Ok(())).map_err(|p| p.help(format!("write one of {}", words.join(", "))))?;
    let Value::Text(text) = &node.value else {
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
    Err(Problem {
        code: "unknown-value",
        message: format!("cannot be `{}`", text.escape_debug()),
        label: "unknown value".into(),
        help: Some(help),
    })
}

fn flag(node: &Node) -> Result<(), Problem> {
    match &node.value {
        Value::Flag(_) => Ok(()),
        Value::Text(text) if text == "true" || text == "false" => {
            Err(Problem::kind("true or false", &node.value)
                .help(format!("write {text} without quotes")))
        }
        other => Err(Problem::kind("true or false", other).help("write true or false")),
    }
}

fn whole(node: &Node, low: i64, high: i64) -> Result<(), Problem> {
    let range = format!("write a whole number from {low} to {high}");
    match &node.value {
        Value::Whole(n) if (low..=high).contains(n) => Ok(()),
        Value::Whole(n) => Err(Problem::range(format!("cannot be {n}")).help(range)),
        Value::Text(text) if text.parse::<i64>().is_ok() => {
            Err(Problem::kind("a whole number", &node.value)
                .help(format!("write {text} without quotes")))
        }
        other => Err(Problem::kind("a whole number", other).help(range)),
    }
}

fn number(node: &mut Node, low: f64, high: f64) -> Result<(), Problem> {
    if let Value::Whole(n) = node.value
        && let Ok(n) = i32::try_from(n)
    {
        node.value = Value::Number(f64::from(n));
    }
    let range = format!("write a number from {low} to {high}");
    match &node.value {
        Value::Number(n) if (low..=high).contains(n) => Ok(()),
        Value::Number(n) => Err(Problem::range(format!("cannot be {n}")).help(range)),
        Value::Whole(n) => Err(Problem::range(format!("cannot be {n}")).help(range)),
        other => Err(Problem::kind("a number", other).help(range)),
    }
}

fn seconds(node: &Node, low: u64, high: u64) -> Result<(), Problem> {
    let span = |s: u64| crate::duration::format(std::time::Duration::from_secs(s));
    match &node.value {
        Value::Text(text) => {
            let duration = crate::duration::parse(text).map_err(|error| Problem {
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
                return Err(Problem::range(format!("cannot be {text}")).help(format!(
                    "write a duration from {} to {}",
                    span(low),
                    span(high)
                )));
            }
            Ok(())
        }
        Value::Whole(n) => Err(Problem::kind("a duration", &node.value)
            .help(format!("write it with its unit: \"{n}s\""))),
        other => {
            let days = (86_400 * 7..=86_400 * 1000).contains(&high);
            let example = if days { "7d" } else { "30s" };
            Err(Problem::kind("a duration", other).help(format!("write for example \"{example}\"")))
        }
    }
}

fn refuse(node: &mut Node, place: &str, wanted: &str, help: Option<String>, out: &mut Diagnostics) {
    let problem = Problem::kind(wanted, &node.value);
    let message = format!("`{place}` {}", problem.message);
    let mut found = Diagnostic::error(problem.code, node.at, message).label(problem.label);
    found.help = help;
    out.push(found);
    node.value = Value::Wrong;
}

fn table(node: &mut Node, shape: &'static Shape, place: &str, out: &mut Diagnostics) {
    if let Value::Table(inner) = &mut node.value {
        return conform(inner, shape, place, out);
    }
    let keys: Vec<&str> = shape.fields().map(|f| f.name).take(4).collect();
    let help = format!("it is a table with keys such as {}", keys.join(", "));
    refuse(node, place, "a table", Some(help), out);
}

fn short(
    node: &mut Node,
    key: &'static str,
    shape: &'static Shape,
    place: &str,
    out: &mut Diagnostics,
) {
    if let Value::Table(inner) = &mut node.value {
        return conform(inner, shape, place, out);
    }
    let Some(field) = shape.field(key) else {
        return;
    };
    value(node, field.kind, place, out);
    if node.value == Value::Wrong {
        return;
    }
    let inner = Node {
        at: node.at,
        value: std::mem::replace(&mut node.value, Value::Wrong),
    };
    let entry = Entry {
        key: node.at,
        node: inner,
    };
    node.value = Value::Table(Table::from([(key.to_owned(), entry)]));
}

fn named(node: &mut Node, form: &Form, of: Kind, place: &str, out: &mut Diagnostics) {
    let Value::Table(entries) = &mut node.value else {
        let help = match of {
            Kind::Table(_) | Kind::Short(..) => format!("write [{place}.NAME]"),
            _ => format!("write for example {{ {} = … }}", form.example),
        };
        return refuse(node, place, "a table", Some(help), out);
    };
    // A header's name may well start with `x-`; a name or a variable is then not meant for us.
    let names_may_be_x = (form.check)("x-y").is_ok() && form.what != super::forms::NAME.what;
    entries.retain(|name, _| names_may_be_x || !name.starts_with("x-"));
    for (name, entry) in entries {
        if let Err(why) = (form.check)(name) {
            let message = format!("`{}` is not {}", name.escape_debug(), form.what);
            let found = Diagnostic::error("wrong-name", entry.key, message).label(why);
            let mended = suggest::key(name, form);
            let help = mended.map(|name| format!("write `{name}`"));
            out.push(found.help(help.unwrap_or(format!("write for example `{}`", form.example))));
        }
        value(&mut entry.node, of, &join(place, name), out);
    }
}

fn list(
    node: &mut Node,
    of: Kind,
    (least, most): (usize, usize),
    place: &str,
    out: &mut Diagnostics,
) {
    let Value::List(items) = &mut node.value else {
        let help = match &node.value {
            Value::Text(text) => {
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
        node.value = Value::Wrong;
        return;
    }
    for item in items {
        value(item, of, place, out);
    }
}

fn many(node: &mut Node, of: Kind, most: usize, place: &str, out: &mut Diagnostics) {
    if !matches!(node.value, Value::List(_)) {
        let item = Node {
            at: node.at,
            value: std::mem::replace(&mut node.value, Value::Wrong),
        };
        node.value = Value::List(vec![item]);
    }
    list(node, of, (0, most), place, out);
}
