//! `neargate audit` as clap reads it.

use clap::ValueEnum;
use neargate_far::posture::FindingSeverity;

/// From which severity on a finding fails the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Only findings that one mishap is enough for.
    High,
    /// Those that are to be mended or accepted, too.
    Medium,
    /// Every finding fails it.
    Low,
}

impl FailOn {
    /// The least severity that fails.
    pub(crate) fn severity(self) -> FindingSeverity {
        match self {
            Self::High => FindingSeverity::High,
            Self::Medium => FindingSeverity::Medium,
            Self::Low => FindingSeverity::Low,
        }
    }
}
