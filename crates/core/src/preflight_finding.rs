//! What `verify` and the checks before a release found.

use serde::Serialize;

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreflightFinding {
    /// The service; empty: the environment.
    pub service: String,
    /// The thing that was checked.
    pub what: String,
    /// Whether it is as a release needs it.
    pub is: FindingState,
    /// The finding, one sentence.
    pub words: String,
}

/// How a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingState {
    /// It is as a release needs it.
    Ok,
    /// A release cannot go.
    Missing,
    /// It could not be looked at.
    Unknown,
}

impl PreflightFinding {
    /// A finding about a service, or about the environment if its name is empty.
    #[must_use]
    pub fn new(service: &str, what: &str, is: FindingState, words: String) -> Self {
        Self {
            service: service.to_owned(),
            what: what.to_owned(),
            is,
            words,
        }
    }
}
