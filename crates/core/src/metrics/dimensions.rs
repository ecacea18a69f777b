//! Where a sample comes from.
//!
//! Invariant: a dimension that is not known is absent, never empty.

use serde::{Deserialize, Serialize};

use crate::ids::RevisionNumber;

/// First digit of a status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StatusClass {
    #[serde(rename = "1xx")]
    Informational,
    #[serde(rename = "2xx")]
    Success,
    #[serde(rename = "3xx")]
    Redirection,
    #[serde(rename = "4xx")]
    ClientError,
    #[serde(rename = "5xx")]
    ServerError,
}

impl StatusClass {
    /// The class of a status code; `None` outside 100..=599.
    #[must_use]
    pub fn of(status: u16) -> Option<Self> {
        match status {
            100..=199 => Some(Self::Informational),
            200..=299 => Some(Self::Success),
            300..=399 => Some(Self::Redirection),
            400..=499 => Some(Self::ClientError),
            500..=599 => Some(Self::ServerError),
            _ => None,
        }
    }
}

/// Known origin of a sample.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Dimensions {
    /// Name of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionNumber>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Status class of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<StatusClass>,
}

impl Dimensions {
    /// Of a service.
    #[must_use]
    pub fn service(name: &str) -> Self {
        Self {
            service: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// Of one revision of a service.
    #[must_use]
    pub fn revision(name: &str, revision: RevisionNumber) -> Self {
        Self {
            revision: Some(revision),
            ..Self::service(name)
        }
    }

    /// Whether these dimensions have all that `wanted` names.
    #[must_use]
    pub fn has(&self, wanted: &Self) -> bool {
        fn fits<T: PartialEq>(here: &Option<T>, wanted: &Option<T>) -> bool {
            wanted.is_none() || here == wanted
        }
        fits(&self.service, &wanted.service)
            && fits(&self.revision, &wanted.revision)
            && fits(&self.target, &wanted.target)
            && fits(&self.class, &wanted.class)
    }
}
