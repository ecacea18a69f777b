//! The order of routes whose priority is not written.
//!
//! Invariant: deterministic; more exact routes first; numbers that are written are kept and
//! never given twice.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Route, Service};

/// Numbers the routes that have none: 10, 20, 30, … around those that have one.
pub(in crate::manifest) fn assign(services: &mut BTreeMap<String, Service>) {
    let mut taken: BTreeSet<u32> = BTreeSet::new();
    let mut open: Vec<(RouteSpecificity, String, usize)> = Vec::new();
    for (name, service) in &*services {
        for (index, route) in service.routes.iter().enumerate() {
            if route.priority == 0 {
                open.push((exactness(route), name.clone(), index));
            } else {
                taken.insert(route.priority);
            }
        }
    }
    open.sort();
    let mut next = 10;
    for (_, name, index) in open {
        while taken.contains(&next) {
            next += 1;
        }
        if let Some(service) = services.get_mut(&name) {
            service.routes[index].priority = next;
        }
        next = (next / 10 + 1) * 10;
    }
}

/// Smaller is more exact: a host before none, then the longer literal path, then no wildcard,
/// then more conditions.
type RouteSpecificity = (Reverse<bool>, Reverse<usize>, bool, Reverse<usize>);

fn exactness(route: &Route) -> RouteSpecificity {
    let literal = |pattern: &String| pattern.find(['*', '?']).unwrap_or(pattern.len());
    let shortest = route.path.iter().map(literal).min().unwrap_or(0);
    let wild = route.path.is_empty() || route.path.iter().any(|p| p.contains(['*', '?']));
    let conditions = [
        route.method.len(),
        route.header.len(),
        route.query.len(),
        route.source.len(),
    ];
    let conditions = conditions.iter().filter(|n| **n > 0).count();
    (
        Reverse(!route.host.is_empty()),
        Reverse(shortest),
        wild,
        Reverse(conditions),
    )
}
