//! What `up` does about the environment itself: its edge, its alarms and its webhooks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::{FieldChange, Operation, RunningEnvironment, changes};
use crate::model::{Edge, Manifest};

/// Operations on the edge. Domains, HTTPS and the firewall are far's alone.
pub(super) fn edge(wanted: &Edge, now: Option<&Edge>, operations: &mut Vec<Operation>) {
    let Some(now) = now else {
        return;
    };
    let (from, to) = (now.url(), wanted.url());
    if from != to {
        operations.push(Operation::MoveEdge { from, to });
    }
    let keys = |edge: &Edge| -> [(&str, Value); 2] {
        [
            ("edge.expose", edge.expose.into()),
            ("edge.trusted", json!(edge.trusted)),
        ]
    };
    let pairs = keys(now).into_iter().zip(keys(wanted));
    let changed = pairs.filter(|((_, from), (_, to))| from != to);
    let changes: Vec<FieldChange> = changed
        .map(|((path, from), (_, to))| FieldChange {
            path: path.to_owned(),
            from,
            to,
        })
        .collect();
    if !changes.is_empty() {
        operations.push(Operation::UpdateEdge { changes });
    }
}

/// Operations on alarms and webhooks, each by name.
pub(super) fn watches(wanted: &Manifest, observed: &RunningEnvironment) -> Vec<Operation> {
    let mut operations = compared("alarm", &wanted.alarms, &observed.alarms);
    operations.extend(compared("notify", &wanted.notify, &observed.notify));
    operations
}

fn compared<T: Serialize + PartialEq>(
    table: &str,
    wanted: &BTreeMap<String, T>,
    observed: &BTreeMap<String, T>,
) -> Vec<Operation> {
    let names: BTreeSet<&String> = wanted.keys().chain(observed.keys()).collect();
    let names = names.into_iter();
    let operation = |key: &String| {
        let name = format!("{table}.{key}");
        match (observed.get(key), wanted.get(key)) {
            (None, Some(_)) => Some(Operation::CreateWatch { name }),
            (Some(_), None) => Some(Operation::RemoveWatch { name }),
            (Some(now), Some(wanted)) if now != wanted => Some(Operation::UpdateWatch {
                name,
                changes: changes(now, wanted),
            }),
            _ => None,
        }
    };
    names.filter_map(operation).collect()
}
