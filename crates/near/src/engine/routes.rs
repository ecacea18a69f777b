//! From what runs to the routing table.
//!
//! The rules of a service are those of the revision that it is moving to (or serving); the
//! targets are its tasks of every revision, so a rolling release is one target group whose
//! members change. Each service that listens also has an internal listener of its own.

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
}

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
        let action = action(&exposed);
        edge.extend(service.routes.iter().map(|route| Rule {
            route: route.clone(),
            action: action.clone(),
        }));
        if service.port.is_some() {
            let any = Route {
                priority: 1,
                path: vec!["*".to_owned()],
                ..Route::default()
            };
            listeners.insert(
                internal(&service.name),
                Listener {
                    rules: vec![Rule { route: any, action }],
                },
            );
            groups.insert(service.name.clone(), group(exposed));
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

fn action(exposed: &Exposed<'_>) -> Action {
    let service = exposed.service;
    match &service.runs {
        Runs::Static(site) => Action::Static(StaticSite {
            service: service.name.clone(),
            revision: exposed.revision,
            directory: exposed.directory.display().to_string(),
            site: site.clone(),
        }),
        Runs::Command(_) | Runs::Image { .. } => Action::Forward(vec![WeightedGroup {
            group: service.name.clone(),
            weight: 1,
        }]),
    }
}

fn group(exposed: Exposed<'_>) -> TargetGroup {
    let service = exposed.service;
    TargetGroup {
        service: service.name.clone(),
        balance: service.balance,
        health: service.health.clone(),
        slow_start: service.slow_start,
        sticky: service.sticky.clone(),
        idle_timeout: service.idle_timeout,
        targets: exposed.targets,
    }
}
