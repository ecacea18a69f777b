//! What a manifest may ask for and near does not do yet.
//!
//! Invariant: only what the file really writes is listed. A feature that near gains loses its
//! line here, and nothing else changes.

#[cfg(test)]
mod tests;

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

/// One sentence for each thing that is written and not acted on, in the order of the table.
pub(super) fn list(written: &Table) -> Vec<String> {
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
