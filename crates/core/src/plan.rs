//! Checked manifest and what runs now, to an ordered list of operations.
//!
//! Invariant: the order leaves the executor no choices — edge, secrets, data services, services,
//! alarms and webhooks, then removals, each by name; a plan for what runs already is empty; data is never removed.
//! Whether there is a new revision is asked of the machine's own comparison.

use std::collections::{BTreeMap, BTreeSet};

mod display;
mod environment;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::RevisionNumber;
use crate::machine::{RevisionDefinition, ScaleBounds};
use crate::model::{
    Alarm, Cache, Database, Edge, Job, Manifest, Notify, Service, UsedResource, Workload,
};

/// The environment as it runs now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunningEnvironment {
    /// Services by name.
    pub services: BTreeMap<String, ObservedService>,
    /// Databases as they were last set up, by name.
    pub databases: BTreeMap<String, Database>,
    /// Caches as they were last set up, by name.
    pub caches: BTreeMap<String, Cache>,
    /// Names of the secrets that exist.
    pub secrets: BTreeSet<String>,
    /// The version of each secret that a new revision would take.
    #[serde(default)]
    pub versions: BTreeMap<String, u32>,
    /// Whether all of it is stopped: it starts again as it was.
    #[serde(default)]
    pub stopped: bool,
    /// The edge, as `up` was asked for last; `None`: it never was.
    #[serde(default)]
    pub edge: Option<Edge>,
    /// Alarms by name.
    #[serde(default)]
    pub alarms: BTreeMap<String, Alarm>,
    /// Webhooks by name.
    #[serde(default)]
    pub notify: BTreeMap<String, Notify>,
}

/// The newest revision of a service: the one that serves, or that a release is to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedService {
    /// The definition in the revision, with the scale that is in force: a change of scale alone
    /// makes no revision.
    pub definition: Service,
    /// The artifact's digest in the revision; empty: no artifact.
    pub digest: String,
    /// Wanted number of tasks now.
    pub desired: u32,
    /// Number of that revision.
    #[serde(default)]
    pub revision: RevisionNumber,
    /// Whether its release failed: the next one is another revision.
    #[serde(default)]
    pub failed: bool,
    /// The jobs of its releases.
    #[serde(default)]
    pub jobs: BTreeMap<String, Job>,
    /// The manifest's folder when it was made.
    #[serde(default)]
    pub root: String,
    /// The version of each secret in the revision.
    #[serde(default)]
    pub secrets: BTreeMap<String, u32>,
}

/// Facts about the wanted environment that the manifest does not hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlanContext {
    /// Each service's artifact digest; a service without one is taken to have none.
    pub digests: BTreeMap<String, String>,
    /// The manifest's folder.
    pub root: String,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
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
    /// The edge listens elsewhere; both are URLs.
    MoveEdge { from: String, to: String },
    /// The edge answers otherwise where it is.
    UpdateEdge { changes: Vec<FieldChange> },
    /// Generate a secret that does not exist.
    CreateSecret { name: String },
    /// Start what is stopped; its data is there.
    StartDatabase { name: String },
    /// Set up and start.
    CreateDatabase { name: String },
    /// Bring to the new definition; data stays.
    UpdateDatabase {
        name: String,
        changes: Vec<FieldChange>,
    },
    /// Start what is stopped; it begins empty.
    StartCache { name: String },
    /// Set up and start.
    CreateCache { name: String },
    /// Bring to the new definition.
    UpdateCache {
        name: String,
        changes: Vec<FieldChange>,
    },
    /// Start what is stopped: this revision, at this many tasks; a static site has none.
    StartService {
        name: String,
        revision: RevisionNumber,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        desired: Option<u32>,
    },
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
        changes: Vec<FieldChange>,
    },
    /// Only the number of tasks or its limits; no new revision.
    ScaleService {
        name: String,
        from: u32,
        to: u32,
        changes: Vec<FieldChange>,
    },
    /// An alarm or a webhook is added; `name` is its table's, such as `alarm.slow`.
    CreateWatch { name: String },
    /// An alarm or a webhook is another one.
    UpdateWatch {
        name: String,
        changes: Vec<FieldChange>,
    },
    /// Drain and stop.
    RemoveService { name: String },
    /// Stop; the data stays.
    RemoveDatabase { name: String },
    /// Stop its server.
    RemoveCache { name: String },
    /// An alarm or a webhook is no more.
    RemoveWatch { name: String },
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

/// Compares what is wanted with what runs.
#[must_use]
pub fn plan(wanted: &Manifest, surroundings: &PlanContext, observed: &RunningEnvironment) -> Plan {
    let mut operations = Vec::new();
    environment::edge(&wanted.edge, observed.edge.as_ref(), &mut operations);
    for (name, secret) in &wanted.secrets {
        if secret.generate.is_some() && !observed.secrets.contains(name) {
            operations.push(Operation::CreateSecret { name: name.clone() });
        }
    }
    data(wanted, observed, &mut operations);
    for service in wanted.services.values() {
        let Some(now) = observed.services.get(&service.name) else {
            let (name, desired) = (service.name.clone(), tasks(service, service.scale.min));
            operations.push(Operation::CreateService { name, desired });
            continue;
        };
        if observed.stopped {
            operations.push(start(service, now));
        }
        let to = definition(wanted, service, surroundings, observed);
        operations.extend(one(&to, now));
    }
    let watches = environment::watches(wanted, observed);
    let (gone, there): (Vec<_>, Vec<_>) = watches
        .into_iter()
        .partition(|one| matches!(one, Operation::RemoveWatch { .. }));
    operations.extend(there);
    removals(wanted, observed, &mut operations);
    operations.extend(gone);
    Plan { operations }
}

fn start(service: &Service, now: &ObservedService) -> Operation {
    Operation::StartService {
        name: service.name.clone(),
        revision: now.revision,
        desired: tasks(service, now.desired),
    }
}

/// How many tasks it has; a static site has none.
fn tasks(service: &Service, desired: u32) -> Option<u32> {
    (!matches!(service.runs, Workload::Static(_))).then_some(desired)
}

/// The revision that would be made now.
fn definition(
    wanted: &Manifest,
    service: &Service,
    surroundings: &PlanContext,
    observed: &RunningEnvironment,
) -> RevisionDefinition {
    let used = service.uses.iter().filter_map(|used| match used {
        UsedResource::Secret(name) => Some((name.clone(), *observed.versions.get(name)?)),
        _ => None,
    });
    RevisionDefinition {
        artifact: surroundings.digests.get(&service.name).cloned(),
        root: surroundings.root.clone(),
        secrets: used.collect(),
        ..RevisionDefinition::of(wanted, service)
    }
}

fn data(wanted: &Manifest, observed: &RunningEnvironment, operations: &mut Vec<Operation>) {
    for (name, database) in &wanted.databases {
        let name = name.clone();
        let own = database.url.is_none() && observed.databases.contains_key(&name);
        if observed.stopped && own {
            operations.push(Operation::StartDatabase { name: name.clone() });
        }
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
        let own = cache.url.is_none() && observed.caches.contains_key(&name);
        if observed.stopped && own {
            operations.push(Operation::StartCache { name: name.clone() });
        }
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

fn one(wanted: &RevisionDefinition, now: &ObservedService) -> Option<Operation> {
    let name = wanted.service.name.clone();
    let before = RevisionDefinition {
        service: now.definition.clone(),
        jobs: now.jobs.clone(),
        guards: BTreeMap::new(),
        artifact: Some(now.digest.clone()).filter(|digest| !digest.is_empty()),
        root: now.root.clone(),
        secrets: now.secrets.clone(),
        overrides: Vec::new(),
        user: String::new(),
        git: None,
    };
    let mut changes = changes(&now.definition, &wanted.service);
    let (from, to) = (now.desired, desired(now, &wanted.service));
    if now.failed || !before.runs_the_same(wanted) {
        changes.extend(besides(&before, wanted));
        return Some(Operation::ReleaseService {
            name,
            from,
            to,
            changes,
        });
    }
    // What makes no revision and no other count, such as the build step, changes nothing here.
    changes.retain(|change| change.path == "scale" || change.path.starts_with("scale."));
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

/// Differences between two revisions beside the service itself.
fn besides(before: &RevisionDefinition, wanted: &RevisionDefinition) -> Vec<FieldChange> {
    let mut all = Vec::new();
    let change = |path: &str, from: Value, to: Value| FieldChange {
        path: path.to_owned(),
        from,
        to,
    };
    all.extend(
        changes(&before.jobs, &wanted.jobs)
            .into_iter()
            .map(|mut one| {
                one.path = format!("job.{}", one.path);
                one
            }),
    );
    if before.artifact != wanted.artifact {
        let text = |artifact: &Option<String>| Value::from(artifact.as_deref().unwrap_or(""));
        let (from, to) = (text(&before.artifact), text(&wanted.artifact));
        all.push(change("artifact-digest", from, to));
    } else if wanted.artifact.is_none() && before.root != wanted.root {
        let (from, to) = (before.root.as_str(), wanted.root.as_str());
        all.push(change("folder", from.into(), to.into()));
    }
    for (name, version) in &wanted.secrets {
        // One that it did not use is told by `uses`.
        let known = before.secrets.get(name).filter(|known| *known != version);
        all.extend(known.map(|known| {
            let path = format!("secret.{name}.version");
            change(&path, (*known).into(), (*version).into())
        }));
    }
    all
}

/// The number of tasks that the machine would make of it.
fn desired(now: &ObservedService, service: &Service) -> u32 {
    if matches!(service.runs, Workload::Static(_)) {
        return now.desired;
    }
    let before = ScaleBounds::of(&now.definition.scale);
    ScaleBounds::of(&service.scale).desired(Some(before), now.desired)
}

fn removals(wanted: &Manifest, observed: &RunningEnvironment, operations: &mut Vec<Operation>) {
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

fn changes<T: Serialize>(from: &T, to: &T) -> Vec<FieldChange> {
    let json = |value: &T| serde_json::to_value(value).expect("the model has only text keys");
    let mut changes = Vec::new();
    compare("", json(from), json(to), &mut changes);
    changes
}

fn compare(path: &str, from: Value, to: Value, changes: &mut Vec<FieldChange>) {
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
        (from, to) if from != to => changes.push(FieldChange {
            path: path.to_owned(),
            from,
            to,
        }),
        _ => {}
    }
}
