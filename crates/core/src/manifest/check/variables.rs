//! The environment variables that a task of a service has.

use std::collections::BTreeSet;

use super::CheckContext;
use crate::manifest::lower::uses;
use crate::model::{Service, UsedResource};

/// Names of the variables that a task of the service has.
pub(super) fn variables(case: &CheckContext<'_>, service: &Service) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = service.env.keys().cloned().collect();
    all.extend(["PORT", "NEARGATE_APP", "NEARGATE_REVISION", "NEARGATE_TASK"].map(str::to_owned));
    let others = case.manifest.services.values();
    let others = others.filter(|other| other.name != service.name && other.port.is_some());
    all.extend(others.map(|other| format!("{}_URL", capitals(&other.name))));
    for (_, text) in case.items(&["service", &service.name, "uses"]) {
        all.extend(uses(&text).iter().flat_map(used_as));
    }
    all
}

/// Variables by which a task gets what it uses.
pub(super) fn used_as(used: &UsedResource) -> Vec<String> {
    match used {
        UsedResource::Database(name) => vec![
            "DATABASE_URL".to_owned(),
            format!("DATABASE_{}_URL", capitals(name)),
        ],
        UsedResource::Cache(name) => vec![
            "REDIS_URL".to_owned(),
            format!("REDIS_{}_URL", capitals(name)),
        ],
        UsedResource::Secret(name) => vec![capitals(name)],
    }
}

/// A name as it is part of a variable.
pub(super) fn capitals(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}
