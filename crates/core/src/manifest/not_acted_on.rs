//! What a manifest may ask for and its environment does not do: near not yet, or AWS not at all.
//!
//! Invariant: only what the file really writes is listed. What near leaves out is said here, and
//! what AWS leaves out in the shape, and nowhere else; `docs/parity.md` is made from both. A
//! feature that near gains loses its line here, and nothing else changes.

#[cfg(test)]
mod tests;

use super::model::Place;
use super::shape::{FILE, Far, Kind, Shape};
use super::tree::{Table, Value};

/// A path of keys (`*` is any name), a value that makes it matter, and the sentence; `{}` is
/// the path as written.
struct Gap {
    path: &'static [&'static str],
    only: Only,
    sentence: &'static str,
}

enum Only {
    Always,
    Flag(bool),
    Not(&'static str),
    /// A table that is not switched off by `enabled = false`.
    On,
}

const fn gap(path: &'static [&'static str], sentence: &'static str) -> Gap {
    Gap {
        path,
        only: Only::Always,
        sentence,
    }
}

const fn when(path: &'static [&'static str], only: Only, sentence: &'static str) -> Gap {
    Gap {
        path,
        only,
        sentence,
    }
}

static GAPS: &[Gap] = &[
    gap(
        &["service", "*", "scale", "max"],
        "{}: near keeps the number of tasks where `min` or `neargate scale` puts it",
    ),
    gap(
        &["service", "*", "scale", "cpu"],
        "{}: near does not scale by CPU",
    ),
    gap(
        &["service", "*", "scale", "memory"],
        "{}: near does not scale by memory",
    ),
    gap(
        &["service", "*", "scale", "requests"],
        "{}: near does not scale by requests",
    ),
    gap(
        &["service", "*", "scale", "in-cooldown"],
        "{}: near does not scale by itself",
    ),
    gap(
        &["service", "*", "scale", "out-cooldown"],
        "{}: near does not scale by itself",
    ),
    gap(
        &["service", "*", "health", "command"],
        "{}: near does not run health commands",
    ),
    gap(
        &["service", "*", "image"],
        "{}: near does not run container images",
    ),
    gap(
        &["service", "*", "build", "dockerfile"],
        "{}: near does not build container images",
    ),
    gap(
        &["job", "*", "schedule"],
        "{}: near does not run jobs on a schedule",
    ),
    gap(
        &["database", "*", "backup"],
        "{}: near does not make backups",
    ),
    gap(
        &["database", "*", "size"],
        "{}: only far has instance classes",
    ),
    when(
        &["database", "*", "multi-az"],
        Only::Flag(true),
        "{}: near has one machine, so no standby",
    ),
    gap(
        &["database", "*", "storage"],
        "{}: near does not limit the storage of a database",
    ),
    when(
        &["database", "*", "protect"],
        Only::Flag(true),
        "{}: near has no deletion protection",
    ),
    gap(
        &["database", "*", "maintenance"],
        "{}: near has no maintenance window",
    ),
    gap(&["cache", "*", "size"], "{}: only far has node types"),
    gap(
        &["cache", "*", "replicas"],
        "{}: near has one machine, so no replicas",
    ),
    when(
        &["cache", "*", "snapshots"],
        Only::Not("0d"),
        "{}: near does not snapshot caches",
    ),
    gap(
        &["secret", "*", "rotate"],
        "{}: near does not rotate secrets",
    ),
    when(
        &["secret", "*", "required"],
        Only::Flag(false),
        "{}: near starts no service that uses a secret without a value",
    ),
    gap(&["slo", "*"], "{}: near does not measure objectives"),
    when(
        &["edge", "https"],
        Only::Flag(true),
        "{}: near serves plain HTTP",
    ),
    gap(&["edge", "domains"], "{}: near answers for every host name"),
    when(
        &["edge", "waf"],
        Only::On,
        "{}: near has no web application firewall",
    ),
    gap(&["region"], "{}: only far has regions"),
];

/// What the environment that was chosen leaves out.
pub(super) fn list(written: &Table, target: &Place) -> Vec<String> {
    match target {
        Place::Near => near(written),
        Place::Aws { .. } => {
            let mut sentences = Vec::new();
            far(written, &FILE, "", &mut sentences);
            sentences
        }
    }
}

/// One sentence for each thing that is written and not acted on, in the order of the table.
fn near(written: &Table) -> Vec<String> {
    let mut sentences = Vec::new();
    for gap in GAPS {
        walk(written, gap.path, "", gap, &mut sentences);
    }
    sentences
}

fn walk(table: &Table, path: &[&str], so_far: &str, gap: &Gap, out: &mut Vec<String>) {
    let Some((step, rest)) = path.split_first() else {
        return;
    };
    for (name, entry) in table {
        if *step != "*" && step != name {
            continue;
        }
        let here = if so_far.is_empty() {
            name.clone()
        } else {
            format!("{so_far}.{name}")
        };
        match &entry.node.value {
            value if rest.is_empty() => {
                let sentence = || gap.sentence.replacen("{}", &here, 1);
                out.extend(matters(value, &gap.only).then(sentence));
            }
            Value::Table(inner) => walk(inner, rest, &here, gap, out),
            _ => {}
        }
    }
}

fn matters(value: &Value, only: &Only) -> bool {
    match (value, only) {
        (Value::List(items), _) => !items.is_empty(),
        (Value::Flag(flag), Only::Flag(wanted)) => flag == wanted,
        (Value::Text(text), Only::Not(other)) => text != other,
        (Value::Table(table), Only::On) => table
            .get("enabled")
            .is_none_or(|entry| entry.node.value != Value::Flag(false)),
        _ => true,
    }
}

/// One sentence for each key that is written and has no meaning on AWS, in the file's order.
fn far(written: &Table, shape: &Shape, so_far: &str, out: &mut Vec<String>) {
    for (name, entry) in written {
        let Some(field) = shape.field(name) else {
            continue;
        };
        let here = format!("{so_far}{name}");
        if let Far::Nothing(why) = field.far {
            out.push(format!("{here}: {why}"));
        }
        below(&entry.node.value, field.kind, &here, out);
    }
}

fn below(value: &Value, kind: Kind, here: &str, out: &mut Vec<String>) {
    match (value, kind) {
        (Value::Table(table), Kind::Table(shape) | Kind::Short(_, shape)) => {
            far(table, shape, &format!("{here}."), out);
        }
        (Value::Table(table), Kind::Named(_, of)) => {
            for (name, entry) in table {
                below(&entry.node.value, *of, &format!("{here}.{name}"), out);
            }
        }
        (Value::List(items), Kind::Many(of, _) | Kind::List(of, ..)) => {
            items
                .iter()
                .for_each(|item| below(&item.value, *of, here, out));
        }
        _ => {}
    }
}

/// What near says of a key, `service.*.scale.max`, that it does not act on; for `docs/parity.md`.
#[cfg(test)]
pub(super) fn near_gap(key: &str) -> Option<&'static str> {
    let gap = GAPS.iter().find(|gap| {
        let path = gap.path.join(".");
        key == path || key.starts_with(&format!("{path}."))
    })?;
    Some(gap.sentence.trim_start_matches("{}: "))
}
