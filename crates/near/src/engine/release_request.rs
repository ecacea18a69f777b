//! A request for releases, `up` or `deploy`, on its way, and what is prepared for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use neargate_core::machine::Supersede;
use tokio::sync::OwnedRwLockReadGuard;

use crate::api::server::CallReply;
use crate::api::wire::{Accepted, EnvironmentDefinition};

/// Held while a request needs snapshots that no revision holds yet.
pub(super) type SnapshotLease = OwnedRwLockReadGuard<()>;

/// Goal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RequestGoal {
    /// Everything of the manifest.
    Up,
    /// A release of one service.
    Deploy(String),
}

/// A request on its way.
pub(super) struct PreparedRequest {
    pub(super) definition: Arc<EnvironmentDefinition>,
    pub(super) goal: RequestGoal,
    /// Rule about a release in progress.
    pub(super) supersede: Supersede,
    /// Journal position at its beginning.
    pub(super) after: u64,
    pub(super) reply: CallReply<Accepted>,
}

/// Content of a service's revision beside its definition.
#[derive(Debug, Clone, Default)]
pub(super) struct RevisionContent {
    /// Digest of its artifact's snapshot; `None`: it has no artifact.
    pub(super) digest: Option<String>,
    /// Versions of the secrets that it uses, of now.
    pub(super) secrets: BTreeMap<String, u32>,
}

/// Contents of the revisions of a request, by service.
pub(super) type RevisionContents = BTreeMap<String, RevisionContent>;

/// Snapshots that were prepared for a request, and the lease that keeps them.
pub(super) struct Preparation {
    pub(super) contents: RevisionContents,
    pub(super) lease: SnapshotLease,
}

impl PreparedRequest {
    /// The services of which revisions are made.
    pub(super) fn services(&self) -> Vec<String> {
        match &self.goal {
            RequestGoal::Up => self.definition.manifest.services.keys().cloned().collect(),
            RequestGoal::Deploy(service) => vec![service.clone()],
        }
    }
}
