//! What runs now, as `plan` compares it with a manifest.

use std::sync::PoisonError;

use neargate_core::plan::{Observed, ObservedService};

use super::Engine;
use super::calls::problem;
use crate::api::wire::Problem;

impl Engine {
    /// What runs now, for `plan`.
    pub(super) fn observed(&self) -> Result<Observed, Problem> {
        let mut observed = Observed::default();
        if let Some(definition) = &self.definition {
            observed.databases = definition.manifest.databases.clone();
            observed.caches = definition.manifest.caches.clone();
        }
        for service in self.ledger.state().services.values() {
            if let Some(definition) = service.definition(service.primary) {
                let mut observed_definition = definition.service.clone();
                if let Some(bounds) = service.bounds_in_force() {
                    // A change of scale alone makes no revision.
                    observed_definition.scale.min = bounds.min;
                    observed_definition.scale.max = bounds.max;
                }
                let one = ObservedService {
                    definition: observed_definition,
                    digest: definition.artifact.clone().unwrap_or_default(),
                    desired: service.desired,
                };
                observed.services.insert(service.name.clone(), one);
            }
        }
        let secrets = self
            .surroundings
            .secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let versions = secrets.list().map_err(|error| problem(&error, 1))?;
        observed.secrets = versions.into_iter().map(|version| version.name).collect();
        Ok(observed)
    }
}
