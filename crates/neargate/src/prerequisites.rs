//! What a manifest needs of this machine and its secrets before anything is built or started for it.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use neargate_core::model::{Manifest, Service, UsedResource, Workload};
use neargate_near::api::wire::Problem;
use neargate_near::paths::StateDir;
use neargate_near::{engine, secrets};

use crate::failure::Failure;

/// A secret that nobody set is said before a build of minutes, all of them at once.
pub(crate) fn require_secrets<'a>(
    manifest: &Manifest,
    state: &StateDir,
    services: impl Iterator<Item = &'a Service>,
) -> Result<(), Failure> {
    let there = engine::secret_names(state).map_err(Failure::Engine)?;
    let used = services.flat_map(|service| &service.uses);
    let missing: BTreeSet<&str> = used
        .filter_map(|used| match used {
            UsedResource::Secret(name) => Some(name.as_str()),
            UsedResource::Database(_) | UsedResource::Cache(_) => None,
        })
        .filter(|name| !there.contains(*name))
        .filter(|name| {
            let secret = manifest.secrets.get(*name);
            secret.is_none_or(|secret| secret.generate.is_none())
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = missing
        .iter()
        .map(|name| format!("secret.{name}"))
        .collect();
    let sets: Vec<String> = missing
        .iter()
        .map(|name| format!("neargate secret set {name}"))
        .collect();
    let verb = if names.len() == 1 { "has" } else { "have" };
    let problem = Problem::failed(format!("{} {verb} no value", names.join(", ")));
    let help = format!("set it: {}", sets.join("; "));
    Err(Failure::Engine(problem.with_help(help)))
}

/// A container image is nothing that near starts: said before anything is built or started.
pub(crate) fn require_processes<'a>(
    services: impl Iterator<Item = &'a Service>,
) -> Result<(), Failure> {
    let images: Vec<String> = services
        .filter(|service| matches!(service.runs, Workload::Image { .. }))
        .map(|service| format!("`service.{}`", service.name))
        .collect();
    if images.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "near does not run container images: add `command` and `artifact` to {}",
        images.join(", ")
    )))
}

/// What to do before `up` about secrets that services use, that nobody has set, and that the engine
/// does not make. Nothing when the secrets are not this user's to read.
pub(crate) fn secrets_to_set(state: &StateDir, manifest: &Manifest) -> Vec<String> {
    let readable = std::fs::read_dir(state.path());
    if readable.is_err_and(|error| error.kind() != ErrorKind::NotFound) {
        return Vec::new();
    }
    let Ok(set) = secrets::names(state) else {
        return Vec::new();
    };
    let unset = manifest.secrets.values();
    let unset = unset.filter(|one| one.generate.is_none() && !set.contains(&one.name));
    let notes = unset.filter_map(|secret| {
        let used = UsedResource::Secret(secret.name.clone());
        let mut users = manifest.services.values();
        let user = users.find(|service| service.uses.contains(&used))?;
        let (name, user) = (&secret.name, &user.name);
        Some(format!(
            "secret.{name}, which `{user}` uses, has no value yet: neargate secret set {name}"
        ))
    });
    notes.collect()
}
