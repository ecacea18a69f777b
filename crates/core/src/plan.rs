//! Checked manifest and what runs now, to an ordered list of operations.
//!
//! Invariant: the order leaves the executor no choices — secrets, data services, services,
//! then removals, each by name; a plan for what runs already is empty; data is never removed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

mod words;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::machine::ScaleBounds;
use crate::manifest::model::{Cache, Database, Manifest, Runs, Service};

/// What runs now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Services by name.
    pub services: BTreeMap<String, ObservedService>,
    /// Databases as they were last set up, by name.
    pub databases: BTreeMap<String, Database>,
    /// Caches as they were last set up, by name.
    pub caches: BTreeMap<String, Cache>,
    /// Names of the secrets that exist.
    pub secrets: BTreeSet<String>,
}

/// The serving revision of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedService {
    /// The definition in the revision, with the scale that is in force: a change of scale alone
    /// makes no revision.
    pub definition: Service,
    /// The artifact's digest in the revision; empty: no artifact.
    pub digest: String,
    /// Wanted number of tasks now.
    pub desired: u32,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Dotted, inside the service, database or cache.
    pub path: String,
    /// As it is; null: absent.
    pub from: Value,
    /// As it will be; null: absent.
    pub to: Value,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "operation")]
pub enum Operation {
    /// Generate a secret that does not exist.
    CreateSecret { name: String },
    /// Set up and start.
    CreateDatabase { name: String },
    /// Bring to the new definition; data stays.
    UpdateDatabase { name: String, changes: Vec<Change> },
    /// Set up and start.
    CreateCache { name: String },
    /// Bring to the new definition.
    UpdateCache { name: String, changes: Vec<Change> },
    /// First revision, at this many tasks; a static site has none.
    CreateService {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        desired: Option<u32>,
    },
    /// A new revision. `from` and `to`: the number of tasks, which differ when it changes too.
    ReleaseService {
        name: String,
        from: u32,
        to: u32,
        changes: Vec<Change>,
    },
    /// Only the number of tasks or its limits; no new revision.
    ScaleService {
        name: String,
        from: u32,
        to: u32,
        changes: Vec<Change>,
    },
    /// Drain and stop.
    RemoveService { name: String },
    /// Stop; the data stays.
    RemoveDatabase { name: String },
    /// Stop.
    RemoveCache { name: String },
}

/// Operations in the order in which they are done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// First to last.
    pub operations: Vec<Operation>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }
}

/// Compares what is wanted with what runs. `digests` holds each service's artifact digest;
/// a service without one is taken to have none.
#[must_use]
pub fn plan(wanted: &Manifest, digests: &BTreeMap<String, String>, observed: &Observed) -> Plan {
    let mut operations = Vec::new();
    for (name, secret) in &wanted.secrets {
        if secret.generate.is_some() && !observed.secrets.contains(name) {
            operations.push(Operation::CreateSecret { name: name.clone() });
        }
    }
    data(wanted, observed, &mut operations);
    for service in wanted.services.values() {
        let digest = digests.get(&service.name).map_or("", String::as_str);
        operations.extend(one(service, digest, observed.services.get(&service.name)));
    }
    removals(wanted, observed, &mut operations);
    Plan { operations }
}

fn data(wanted: &Manifest, observed: &Observed, operations: &mut Vec<Operation>) {
    for (name, database) in &wanted.databases {
        let name = name.clone();
        match observed.databases.get(&name) {
            None => operations.push(Operation::CreateDatabase { name }),
            Some(now) if now != database => {
                let changes = changes(now, database);
                operations.push(Operation::UpdateDatabase { name, changes });
            }
            Some(_) => {}
        }
    }
    for (name, cache) in &wanted.caches {
        let name = name.clone();
        match observed.caches.get(&name) {
            None => operations.push(Operation::CreateCache { name }),
            Some(now) if now != cache => {
                let changes = changes(now, cache);
                operations.push(Operation::UpdateCache { name, changes });
            }
            Some(_) => {}
        }
    }
}

fn one(service: &Service, digest: &str, now: Option<&ObservedService>) -> Option<Operation> {
    let name = service.name.clone();
    let Some(now) = now else {
        let site = matches!(service.runs, Runs::Static(_));
        let desired = (!site).then_some(service.scale.min);
        return Some(Operation::CreateService { name, desired });
    };
    let mut changes = changes(&now.definition, service);
    if now.digest != digest {
        changes.push(Change {
            path: "artifact-digest".to_owned(),
            from: Value::from(now.digest.as_str()),
            to: Value::from(digest),
        });
    }
    let (from, to) = (now.desired, desired(now, service));
    let scale = |change: &Change| change.path == "scale" || change.path.starts_with("scale.");
    if !changes.iter().all(scale) {
        return Some(Operation::ReleaseService {
            name,
            from,
            to,
            changes,
        });
    }
    if changes.is_empty() && from == to {
        return None;
    }
    Some(Operation::ScaleService {
        name,
        from,
        to,
        changes,
    })
}

/// The number of tasks that the machine would make of it.
fn desired(now: &ObservedService, service: &Service) -> u32 {
    if matches!(service.runs, Runs::Static(_)) {
        return now.desired;
    }
    let before = ScaleBounds::of(&now.definition.scale);
    ScaleBounds::of(&service.scale).desired(Some(before), now.desired)
}

fn removals(wanted: &Manifest, observed: &Observed, operations: &mut Vec<Operation>) {
    for name in observed
        .services
        .keys()
        .filter(|name| !wanted.services.contains_key(*name))
    {
        operations.push(Operation::RemoveService { name: name.clone() });
    }
    for name in observed
        .caches
        .keys()
        .filter(|name| !wanted.caches.contains_key(*name))
    {
        operations.push(Operation::RemoveCache { name: name.clone() });
    }
    for name in observed
        .databases
        .keys()
        .filter(|name| !wanted.databases.contains_key(*name))
    {
        operations.push(Operation::RemoveDatabase { name: name.clone() });
    }
}

fn changes<T: Serialize>(from: &T, to: &T) -> Vec<Change> {
    let json = |value: &T| serde_json::to_value(value).expect("the model has only text keys");
    let mut changes = Vec::new();
    compare("", json(from), json(to), &mut changes);
    changes
}

fn compare(path: &str, from: Value, to: Value, changes: &mut Vec<Change>) {
    match (from, to) {
        (Value::Object(mut from), Value::Object(mut to)) => {
            let keys: BTreeSet<String> = from.keys().chain(to.keys()).cloned().collect();
            for key in keys {
                let inner = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let from = from.remove(&key).unwrap_or_default();
                compare(&inner, from, to.remove(&key).unwrap_or_default(), changes);
            }
        }
        (from, to) if from != to => changes.push(Change {
            path: path.to_owned(),
            from,
            to,
        }),
        _ => {}
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "Nothing to do.");
        }
        self.operations
            .iter()
            .try_for_each(|operation| write!(f, "{operation}"))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none: &[Change] = &[];
        let changes = match self {
            Self::CreateSecret { name } => writeln!(f, "+ secret.{name}: generate").map(|()| none),
            Self::CreateDatabase { name } => {
                writeln!(f, "+ database.{name}: create").map(|()| none)
            }
            Self::UpdateDatabase { name, changes } => {
                writeln!(f, "~ database.{name}: update, data kept").map(|()| &changes[..])
            }
            Self::CreateCache { name } => writeln!(f, "+ cache.{name}: create").map(|()| none),
            Self::UpdateCache { name, changes } => {
                writeln!(f, "~ cache.{name}: update").map(|()| &changes[..])
            }
            Self::CreateService { name, desired } => {
                let tasks = desired.map_or_else(String::new, |count| {
                    format!(", {count} task{}", if count == 1 { "" } else { "s" })
                });
                writeln!(f, "+ service.{name}: create{tasks}").map(|()| none)
            }
            Self::ReleaseService {
                name,
                from,
                to,
                changes,
            } => {
                write!(f, "~ service.{name}: release a new revision")?;
                if from != to {
                    write!(f, ", scale {from} → {to}")?;
                }
                writeln!(f).map(|()| &changes[..])
            }
            Self::ScaleService {
                name,
                from,
                to,
                changes,
            } => writeln!(f, "~ service.{name}: scale {from} → {to}").map(|()| &changes[..]),
            Self::RemoveService { name } => {
                writeln!(f, "- service.{name}: drain and stop").map(|()| none)
            }
            Self::RemoveDatabase { name } => {
                writeln!(f, "- database.{name}: stop, data kept").map(|()| none)
            }
            Self::RemoveCache { name } => writeln!(f, "- cache.{name}: stop").map(|()| none),
        }?;
        for change in changes {
            writeln!(f, "    {change}")?;
        }
        Ok(())
    }
}
