//! What lets a release go on to its next step: its guards, the measured split, people.

use serde::{Deserialize, Serialize};

/// What a guard says about the new revision in the present step.
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
    /// It breaches.
    Fired,
}

/// Whether the router's measured split is the one that was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitCheck {
    /// Too few requests to tell.
    #[default]
    Unmeasured,
    /// As asked.
    Verified,
    /// Not as asked.
    Off,
}

/// What people said about going on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promotion {
    /// Nothing.
    #[default]
    Closed,
    /// The next step may be taken.
    Promoted,
    /// All steps at once.
    PromotedFully,
    /// Nothing goes on until `neargate resume`.
    Paused,
}
