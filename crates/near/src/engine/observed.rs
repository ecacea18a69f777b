//! What runs, for `plan`: from the engine's state, or from its journal when no engine runs.
//!
//! Invariant: both see the same services, data services and secrets; nothing is written.

use std::collections::BTreeSet;

use neargate_core::command_exit::CommandExit;
use neargate_core::machine::{
    self, EnvironmentPhase, EnvironmentState, JournalEntry, RevisionStatus, ServiceState,
};
use neargate_core::plan::{ObservedService, RunningEnvironment};

use super::queries::answer;
use super::{DEFINITION, Engine};
use crate::api::server::CallReply;
use crate::api::wire::{EnvironmentDefinition, Problem};
use crate::journal::{self, JournalReader};
use crate::locked::locked;
use crate::paths::StateDir;
use crate::secrets::{Secrets, SecretsError, VersionStage};

impl Engine {
    /// Answers with everything that runs now, for `plan`.
    pub(super) fn observed(&self, to: CallReply<RunningEnvironment>) {
        let mut observed = observed_of(self.ledger.state(), self.definition.as_deref());
        let secrets = self.surroundings.secrets.clone();
        answer(to, move || {
            let secrets = locked(&secrets);
            let listed = list(&secrets, &mut observed);
            listed.map_err(|error| Problem::of(&error, CommandExit::Failed))?;
            Ok(observed)
        });
    }
}

/// Content of a state directory without an engine: all of it is stopped.
///
/// # Errors
/// It cannot be read: exit 3.
pub fn observed_at_rest(state: &StateDir) -> Result<RunningEnvironment, Problem> {
    let unread = |error: &dyn std::error::Error| Problem::of(error, CommandExit::Environment);
    let mut observed = RunningEnvironment::default();
    let there = |path: &std::path::Path| path.try_exists().map_err(|error| unread(&error));
    if there(&state.database())? {
        let reader = JournalReader::open(&state.database()).map_err(|error| unread(&error))?;
        let loaded = reader.load::<EnvironmentState, JournalEntry>();
        let loaded = loaded.map_err(|error| unread(&error))?;
        let (_, mut known) = loaded.snapshot.unwrap_or_default();
        for stored in &loaded.entries {
            machine::apply(&mut known, &stored.entry);
        }
        let text = journal::read_meta(&state.database(), DEFINITION);
        let definition: Option<EnvironmentDefinition> =
            text.and_then(|text| serde_json::from_str(&text).ok());
        observed = observed_of(&known, definition.as_ref());
    }
    if there(&state.secrets())? {
        let secrets = Secrets::open(state).map_err(|error| unread(&error))?;
        list(&secrets, &mut observed).map_err(|error| unread(&error))?;
    }
    observed.stopped = true;
    Ok(observed)
}

/// Names of the secrets that have a value; the engine need not run.
///
/// # Errors
/// They cannot be read: exit 3.
pub fn secret_names(state: &StateDir) -> Result<BTreeSet<String>, Problem> {
    if !state.secrets().exists() {
        return Ok(BTreeSet::new());
    }
    let unread = |error: SecretsError| Problem::of(&error, CommandExit::Environment);
    let mut observed = RunningEnvironment::default();
    let secrets = Secrets::open(state).map_err(unread)?;
    list(&secrets, &mut observed).map_err(unread)?;
    Ok(observed.secrets)
}

fn observed_of(
    state: &EnvironmentState,
    definition: Option<&EnvironmentDefinition>,
) -> RunningEnvironment {
    let mut observed = RunningEnvironment {
        stopped: state.phase == EnvironmentPhase::Down,
        ..RunningEnvironment::default()
    };
    if let Some(definition) = definition {
        observed.databases = definition.manifest.databases.clone();
        observed.caches = definition.manifest.caches.clone();
        observed.edge = Some(definition.manifest.edge.clone());
        observed.alarms = definition.manifest.alarms.clone();
        observed.notify = definition.manifest.notify.clone();
    }
    let services = state.services.values();
    let services = services.filter_map(|one| Some((one.name.to_string(), service(one)?)));
    observed.services = services.collect();
    observed
}

fn service(service: &ServiceState) -> Option<ObservedService> {
    let release = service.release.as_ref();
    let newest = release.map_or(service.primary, |release| release.to);
    let revision = service.revisions.get(&newest)?;
    let definition = &revision.definition;
    let mut observed = definition.service.clone();
    if let Some(bounds) = service.bounds_in_force() {
        // A change of scale alone makes no revision.
        observed.scale.min = bounds.min;
        observed.scale.max = bounds.max;
    }
    Some(ObservedService {
        definition: observed,
        digest: definition.artifact.clone().unwrap_or_default(),
        desired: service.desired,
        revision: newest,
        failed: revision.status == RevisionStatus::Failed,
        jobs: definition.jobs.clone(),
        root: definition.root.clone(),
        secrets: definition.secrets.clone(),
    })
}

fn list(secrets: &Secrets, observed: &mut RunningEnvironment) -> Result<(), SecretsError> {
    for version in secrets.list()? {
        if version.stage == VersionStage::Current {
            let (name, number) = (version.name.clone(), version.version);
            observed.versions.insert(name, number);
        }
        observed.secrets.insert(version.name);
    }
    Ok(())
}
