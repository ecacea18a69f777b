//! The story of a release: what `neargate releases show` tells.
//!
//! Kept with the release, in words, so that it survives the compaction of the journal. Bounded:
//! the first moments and the newest ones are kept.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::release_stage::{ReleaseKind, ReleaseOutcome};
use crate::ids::{ReleaseId, RevisionNumber};
use crate::time::Timestamp;

/// Moments kept of one release.
pub const MOMENTS_KEPT: usize = 200;

/// Something that happened in a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    pub at: Timestamp,
    /// The event, in words.
    pub text: String,
}

/// A release that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinishedRelease {
    pub id: ReleaseId,
    /// Why it began.
    pub kind: ReleaseKind,
    /// From this revision.
    pub from: RevisionNumber,
    /// To this revision.
    pub to: RevisionNumber,
    /// How it ended.
    pub outcome: ReleaseOutcome,
    /// Cause of the outcome, in words.
    pub reason: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Traffic steps that were taken.
    #[serde(default)]
    pub steps: u32,
    /// Log lines, exits, data points.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// Its timeline, oldest first, at most [`MOMENTS_KEPT`] events.
    #[serde(default)]
    pub story: Vec<Arc<TimelineEvent>>,
}
