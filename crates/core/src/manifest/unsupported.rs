//! What a manifest may ask for and its environment does not do: near not yet, or AWS not at all.
//!
//! Invariant: only what the file really writes is listed. What near leaves out is said here, and
//! what AWS leaves out in the shape, and nowhere else; `docs/parity.md` is made from both. A
//! feature that near gains loses its line here, and nothing else changes.

#[cfg(test)]
mod tests;

use super::schema::{FILE, FarEffect, TableSchema, ValueKind};
use super::toml_tree::{TomlTable, TomlValue};
use crate::model::DeploymentTarget;

/// A path of keys (`*` is any name), a value that makes it matter, and the sentence; `{}` is
/// the path as written.
struct UnsupportedKey {
    path: &'static [&'static str],
    only: UnsupportedWhen,
    sentence: &'static str,
}

enum UnsupportedWhen {
    Always,
    Flag(bool),
    Not(&'static str),
    /// A table that is not switched off by `enabled = false`.
    On,
    /// A number that is greater than another one beside it, which is 1 when it is not written.
    MoreThan(&'static str),
}

const fn gap(path: &'static [&'static str], sentence: &'static str) -> UnsupportedKey {
    UnsupportedKey {
        path,
        only: UnsupportedWhen::Always,
        sentence,
    }
}

const fn when(
    path: &'static [&'static str],
    only: UnsupportedWhen,
    sentence: &'static str,
) -> UnsupportedKey {
    UnsupportedKey {
        path,
        only,
        sentence,
    }
}

static GAPS: &[UnsupportedKey] = &[
    when(
        &["service", "*", "scale", "max"],
        UnsupportedWhen::MoreThan("min"),
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
        UnsupportedWhen::Flag(true),
        "{}: near has one machine, so no standby",
    ),
    gap(
        &["database", "*", "storage"],
        "{}: near does not limit the storage of a database",
    ),
    when(
        &["database", "*", "protect"],
        UnsupportedWhen::Flag(true),
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
        UnsupportedWhen::Not("0d"),
        "{}: near does not snapshot caches",
    ),
    gap(
        &["secret", "*", "rotate"],
        "{}: near does not rotate secrets",
    ),
    when(
        &["secret", "*", "required"],
        UnsupportedWhen::Flag(false),
        "{}: near starts no service that uses a secret without a value",
    ),
    gap(&["slo", "*"], "{}: near does not measure objectives"),
    when(
        &["edge", "https"],
        UnsupportedWhen::Flag(true),
        "{}: near serves plain HTTP",
    ),
    gap(&["edge", "domains"], "{}: near answers for every host name"),
    when(
        &["edge", "waf"],
        UnsupportedWhen::On,
        "{}: near has no web application firewall",
    ),
    gap(&["region"], "{}: only far has regions"),
];

/// Written keys that the chosen environment leaves out.
pub(super) fn list(written: &TomlTable, target: &DeploymentTarget) -> Vec<String> {
    match target {
        DeploymentTarget::Near => near(written),
        DeploymentTarget::Aws { .. } => {
            let mut sentences = Vec::new();
            far(written, &FILE, "", &mut sentences);
            sentences
        }
    }
}

/// One sentence for each thing that is written and not acted on, in the order of the table.
fn near(written: &TomlTable) -> Vec<String> {
    let mut sentences = Vec::new();
    for gap in GAPS {
        walk(written, gap.path, "", gap, &mut sentences);
    }
    sentences
}

fn walk(
    table: &TomlTable,
    path: &[&str],
    so_far: &str,
    gap: &UnsupportedKey,
    out: &mut Vec<String>,
) {
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
                out.extend(matters(value, &gap.only, table).then(sentence));
            }
            TomlValue::Table(inner) => walk(inner, rest, &here, gap, out),
            _ => {}
        }
    }
}

fn matters(value: &TomlValue, only: &UnsupportedWhen, beside: &TomlTable) -> bool {
    match (value, only) {
        (TomlValue::List(items), _) => !items.is_empty(),
        (TomlValue::Flag(flag), UnsupportedWhen::Flag(wanted)) => flag == wanted,
        (TomlValue::Text(text), UnsupportedWhen::Not(other)) => text != other,
        (TomlValue::Whole(number), UnsupportedWhen::MoreThan(other)) => {
            let least = beside.get(*other).map(|entry| &entry.node.value);
            !matches!(least, Some(TomlValue::Whole(least)) if least >= number)
                && (least.is_some() || *number > 1)
        }
        (TomlValue::Table(table), UnsupportedWhen::On) => table
            .get("enabled")
            .is_none_or(|entry| entry.node.value != TomlValue::Flag(false)),
        _ => true,
    }
}

/// One sentence for each key that is written and has no meaning on AWS, in the file's order.
fn far(written: &TomlTable, shape: &TableSchema, so_far: &str, out: &mut Vec<String>) {
    for (name, entry) in written {
        let Some(field) = shape.field(name) else {
            continue;
        };
        let here = format!("{so_far}{name}");
        if let FarEffect::Nothing(why) = field.far {
            out.push(format!("{here}: {why}"));
        }
        below(&entry.node.value, field.kind, &here, out);
    }
}

fn below(value: &TomlValue, kind: ValueKind, here: &str, out: &mut Vec<String>) {
    match (value, kind) {
        (TomlValue::Table(table), ValueKind::Table(shape) | ValueKind::Short(_, shape)) => {
            far(table, shape, &format!("{here}."), out);
        }
        (TomlValue::Table(table), ValueKind::Named(_, of)) => {
            for (name, entry) in table {
                below(&entry.node.value, *of, &format!("{here}.{name}"), out);
            }
        }
        (TomlValue::List(items), ValueKind::Many(of, _) | ValueKind::List(of, ..)) => {
            items
                .iter()
                .for_each(|item| below(&item.value, *of, here, out));
        }
        _ => {}
    }
}

/// Near's sentence about a key, `service.*.scale.max`, that it does not act on; for
/// `docs/parity.md`.
#[cfg(test)]
pub(super) fn near_gap(key: &str) -> Option<&'static str> {
    let gap = GAPS.iter().find(|gap| {
        let path = gap.path.join(".");
        key == path || key.starts_with(&format!("{path}."))
    })?;
    Some(gap.sentence.trim_start_matches("{}: "))
}
