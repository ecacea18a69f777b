//! Releases as `releases` lists them and `deploy --json` ends: one shape, near and far.

use serde::{Deserialize, Serialize};

use crate::ids::{ReleaseId, RevisionNumber};
use crate::machine::{ReleaseKind, TimelineEvent};
use crate::status_words::{OutcomeName, StrategyName};
use crate::time::Timestamp;

/// A release, for `neargate releases`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// Unique near in the environment, far in the service.
    pub id: ReleaseId,
    pub service: String,
    /// `deploy` or `rollback`.
    pub kind: ReleaseKind,
    /// From this revision; 0: none.
    pub from: RevisionNumber,
    /// To this revision. Far, revisions have the numbers of their task definitions.
    pub to: RevisionNumber,
    /// `rolling`, `canary`, …
    pub strategy: StrategyName,
    /// `in-progress`, `done`, `rolled-back`, `failed`.
    pub outcome: OutcomeName,
    /// Why it ended so, or what it waits for.
    pub reason: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Login name of the person who deployed the revision.
    pub user: String,
    /// Git revision of the manifest's folder, when it is a work tree.
    pub git: Option<String>,
    /// `--set` as written.
    pub overrides: Vec<String>,
    /// Log lines, exits, data points, states of alarms.
    pub evidence: Vec<String>,
    /// The timeline, oldest first.
    pub story: Vec<TimelineEvent>,
}

/// How a release ended: the last object of `deploy --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReleaseResult {
    /// `done`, `rolled-back` or `failed`.
    pub outcome: OutcomeName,
    /// Why, in words.
    pub reason: String,
    /// Log lines, exits, data points, states of alarms.
    pub evidence: Vec<String>,
    pub service: String,
    /// Release id; 0 when none began.
    pub release: ReleaseId,
    /// The revision that serves now; 0: none.
    pub revision: RevisionNumber,
    /// Notes about the revision that a release went back to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl ReleaseResult {
    /// No release began: the manifest asks for the revision that serves.
    #[must_use]
    pub fn nothing_to_release(service: &str, revision: RevisionNumber) -> Self {
        let reason =
            format!("revision {revision} is what the manifest asks for: nothing to release");
        Self {
            outcome: OutcomeName::Done,
            revision,
            ..Self::not_begun(service, reason)
        }
    }

    /// No release began, for this reason. Scripts read the last object, so there is one.
    #[must_use]
    pub fn not_begun(service: &str, reason: String) -> Self {
        Self {
            outcome: OutcomeName::Failed,
            reason,
            evidence: Vec::new(),
            service: service.to_owned(),
            release: ReleaseId::NONE,
            revision: RevisionNumber::NONE,
            notes: Vec::new(),
        }
    }
}
