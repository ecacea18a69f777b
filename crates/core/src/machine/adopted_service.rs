//! A service that others run already, as a release finds it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::capacity::Capacity;
use super::scale_bounds::ScaleBounds;
use super::state::{Revision, RevisionDefinition, RevisionStatus, ServiceState};
use crate::ids::{ReleaseId, RevisionNumber};
use crate::time::Timestamp;

/// The revisions that serve when a release begins, as the platform that runs them says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdoptedService {
    /// Platform that runs its revisions during the release.
    pub capacity: Capacity,
    /// Tasks wanted now.
    pub desired: u32,
    /// The manifest's bounds: `desired` is left as it is.
    pub scale_bounds: ScaleBounds,
    /// Revisions whose releases were done; the first one serves. Empty: nothing serves.
    pub stable: Vec<AdoptedRevision>,
    /// The number that the registry has given, or will give, the revision that is registered next.
    pub next_revision: RevisionNumber,
    /// Id of the release that begins next.
    pub next_release: ReleaseId,
}

/// A revision that was released before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdoptedRevision {
    pub number: RevisionNumber,
    /// Service, jobs and alarms of the revision.
    pub definition: Arc<RevisionDefinition>,
}

impl AdoptedService {
    /// Makes a service what was found.
    pub(super) fn apply_to(&self, service: &mut ServiceState, at: Timestamp) {
        service.capacity = self.capacity.clone();
        service.desired = self.desired;
        service.scale_bounds = Some(self.scale_bounds);
        service.next_revision = self.next_revision;
        let serving = self.stable.first().map(|revision| revision.number);
        service.stable = serving;
        service.primary = serving.unwrap_or_default();
        for found in &self.stable {
            let revision = Revision {
                definition: Arc::clone(&found.definition),
                status: RevisionStatus::Stable,
                created_at: at,
            };
            service.revisions.insert(found.number, revision);
        }
    }
}
