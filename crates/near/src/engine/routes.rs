//! From what runs to the routing table.
//!
//! The rules of a service are those of the revision that it is moving to (or serving); the
//! targets are its tasks of every revision, so a rolling release is one target group whose
//! members change. While a release shifts traffic there are two groups with weights, and a rule
//! by header that reaches the new revision alone. Each service that listens also has an internal listener of its own.

use std::collections::BTreeMap;
use std::path::Path;

use neargate_core::manifest::model::{Route, Runs, Service};
use neargate_core::routing::table::{
    Action, Listener, RoutingTable, Rule, StaticSite, Target, TargetGroup, WeightedGroup,
};

/// Name of the public listener.
pub const EDGE: &str = "edge";

/// One service, as the table needs it.
pub struct Exposed<'a> {
    /// Definition of the revision whose rules apply.
    pub service: &'a Service,
    /// Its number.
    pub revision: u32,
    /// Its snapshot (or the manifest's folder, without an artifact).
    pub directory: &'a Path,
    /// Its tasks that listen.
    pub targets: Vec<Target>,
    /// While a release shifts: the stable and the new revision, with tenths of a percent.
    pub shares: Option<[(u32, u32); 2]>,
}

/// A request with this header and a revision's number reaches that revision (smoke tests, people
/// who look at a new version before others do).
pub const TEST_HEADER: &str = "x-neargate-revision";
/// Weights of a rule are at most this (ALB).
const MOST_WEIGHT: u32 = 999;

/// Name of a service's internal listener.
#[must_use]
pub fn internal(service: &str) -> String {
    format!("service-{service}")
}

/// The table for these services.
#[must_use]
pub fn table(version: u64, expose: bool, services: Vec<Exposed<'_>>) -> RoutingTable {
    let mut edge = Vec::new();
    let mut listeners = BTreeMap::new();
    let mut groups = BTreeMap::new();
    for exposed in services {
        let service = exposed.service;
        let (targets, actions) = split(&exposed);
        let rules = |route: &Route, test: bool| {
            let mut rules = Vec::new();
            for (revision, action) in &actions {
                let mut route = route.clone();
                match revision {
                    Some(revision) if test => {
                        let value = vec![revision.to_string()];
                        route.header.insert(TEST_HEADER.to_owned(), value);
                    }
                    Some(_) => continue,
                    None => {}
                }
                let action = action.clone();
                rules.push(Rule { route, action });
            }
            rules
        };
        edge.extend(service.routes.iter().flat_map(|route| rules(route, expose)));
        if service.port.is_some() {
            let any = Route {
                priority: 1,
                path: vec!["*".to_owned()],
                ..Route::default()
            };
            let rules = rules(&any, true);
            listeners.insert(internal(&service.name), Listener { rules });
            for (name, targets) in targets {
                groups.insert(name, group(service, targets));
            }
        }
    }
    edge.sort_by_key(|rule| rule.route.priority);
    listeners.insert(EDGE.to_owned(), Listener { rules: edge });
    RoutingTable {
        version,
        expose,
        listeners,
        groups,
    }
}

type Groups = Vec<(String, Vec<Target>)>;
type Actions = Vec<(Option<u32>, Action)>;

/// The groups of a service, and what its rules do: first for one revision alone, then for all.
fn split(exposed: &Exposed<'_>) -> (Groups, Actions) {
    let service = exposed.service;
    if let Runs::Static(site) = &service.runs {
        let site = StaticSite {
            service: service.name.clone(),
            revision: exposed.revision,
            directory: exposed.directory.display().to_string(),
            site: site.clone(),
        };
        return (Vec::new(), vec![(None, Action::Static(site))]);
    }
    let forward = |group: &str, weight: u32| WeightedGroup {
        group: group.to_owned(),
        weight: weight.min(MOST_WEIGHT),
    };
    let name = &service.name;
    let Some([(_, stable_share), (new, new_share)]) = exposed.shares else {
        let all = Action::Forward(vec![forward(name, 1)]);
        return (
            vec![(name.clone(), exposed.targets.clone())],
            vec![(None, all)],
        );
    };
    let new_name = format!("{name}@{new}");
    let (new_targets, stable_targets) = exposed
        .targets
        .iter()
        .cloned()
        .partition(|target| target.revision == new);
    let alone = Action::Forward(vec![forward(&new_name, 1)]);
    let shared = Action::Forward(vec![
        forward(name, stable_share),
        forward(&new_name, new_share),
    ]);
    (
        vec![(name.clone(), stable_targets), (new_name, new_targets)],
        vec![(Some(new), alone), (None, shared)],
    )
}

fn group(service: &Service, targets: Vec<Target>) -> TargetGroup {
    TargetGroup {
        service: service.name.clone(),
        balance: service.balance,
        health: service.health.clone(),
        slow_start: service.slow_start,
        sticky: service.sticky.clone(),
        idle_timeout: service.idle_timeout,
        targets,
    }
}
