//! How far a release is, why it began and how it ended.

use serde::{Deserialize, Serialize};

/// Stage of a release in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseStage {
    /// Accepted, and not begun.
    Pending,
    /// Jobs in the new revision, before any of its tasks.
    BeforeHooks,
    /// New tasks come up. Rolling: old ones leave within the limits; otherwise they all stay.
    ScaleUp,
    /// The new revision is reached by its test header only; smoke jobs run.
    TestTraffic,
    /// A share of the requests goes to the new revision; step k of n.
    Shifting,
    /// All requests go to the new revision; the old one can still take them back.
    Baking,
    /// The old tasks leave.
    CleaningUp,
    /// Back to the stable revision.
    RollingBack,
}

impl ReleaseStage {
    /// The name in `status --json` and in scripts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::BeforeHooks => "before-hooks",
            Self::ScaleUp => "scale-up",
            Self::TestTraffic => "test-traffic",
            Self::Shifting => "shifting",
            Self::Baking => "baking",
            Self::CleaningUp => "cleaning-up",
            Self::RollingBack => "rolling-back",
        }
    }
}

impl ReleaseStage {
    /// Whether a release that shifts traffic runs both revisions in full.
    #[must_use]
    pub fn runs_both(self) -> bool {
        matches!(
            self,
            Self::ScaleUp | Self::TestTraffic | Self::Shifting | Self::Baking
        )
    }

    /// Whether the new revision has tasks that may fail it.
    #[must_use]
    pub fn judges_new_tasks(self) -> bool {
        self.runs_both() || self == Self::CleaningUp
    }

    /// Whether the release waits for who runs its revisions to bring tasks up, or to take them away.
    #[must_use]
    pub fn waits_for_capacity(self) -> bool {
        matches!(self, Self::ScaleUp | Self::CleaningUp | Self::RollingBack)
    }
}

/// Why a release began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseKind {
    /// To a new revision.
    Deploy,
    /// To one that ran before, by request. Its hooks do not run again.
    Rollback,
}

/// How a release ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseOutcome {
    /// The new revision serves and is stable.
    Done,
    /// The stable revision serves again.
    RolledBack,
    /// Neither: it failed where it was.
    Failed,
}

impl ReleaseOutcome {
    /// The name that people and scripts see.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::RolledBack => "rolled-back",
            Self::Failed => "failed",
        }
    }
}
