//! What lets a release go on to its next step: its guards, the measured split, people.

use serde::{Deserialize, Serialize};

/// Verdict of a guard about the new revision in the present step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardVerdict {
    /// Its evaluation is not complete.
    #[default]
    Pending,
    /// It was judged and does not breach.
    Quiet,
    /// Too few requests to judge.
    TooLittle,
    /// The alarm breaches: the release goes back.
    Fired,
}

/// Whether the router's measured split is the one that was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitCheck {
    /// Too few requests to tell.
    #[default]
    Unmeasured,
    /// The measured share is near the weight that was set.
    Verified,
    /// The measured share is too far from that weight.
    Off,
}

/// A person's last word about the steps of a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promotion {
    /// No word: steps that need approval wait.
    #[default]
    Closed,
    /// The next step may be taken.
    Promoted,
    /// All steps at once.
    PromotedFully,
    /// Nothing goes on until `neargate resume`.
    Paused,
}
