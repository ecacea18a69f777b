//! Who is told what happens, in the checked model. No value of a secret.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A webhook that is told what happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// The webhook's name.
    pub name: String,
    /// Where it is.
    pub to: WebhookAddress,
    /// The shape of what is posted.
    pub format: WebhookFormat,
    /// Events that it is told.
    pub on: BTreeSet<NotificationEvent>,
    /// Only what is about these services; empty: everything.
    #[serde(default)]
    pub services: Vec<String>,
}

/// Where a webhook is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookAddress {
    /// An `http` or `https` URL.
    Url(String),
    /// The name of a secret whose value is such a URL.
    Secret(String),
}

/// The shape of what is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookFormat {
    /// Neargate's own JSON.
    #[default]
    Json,
    /// A message of Slack's incoming webhooks.
    Slack,
    /// An adaptive card, as Teams' workflows take it.
    Teams,
}

/// Event that a webhook can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotificationEvent {
    /// A release began.
    ReleaseStarted,
    /// A release is done: the new revision serves.
    ReleaseFinished,
    /// A release was rolled back, or failed.
    ReleaseFailed,
    /// A release waits for `neargate promote`.
    WaitsForApproval,
    /// An alarm began or ended.
    Alarm,
}

impl NotificationEvent {
    /// Every event that a webhook can ask for.
    pub const ALL: [Self; 5] = [
        Self::ReleaseStarted,
        Self::ReleaseFinished,
        Self::ReleaseFailed,
        Self::WaitsForApproval,
        Self::Alarm,
    ];

    /// As the manifest writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReleaseStarted => "release-started",
            Self::ReleaseFinished => "release-finished",
            Self::ReleaseFailed => "release-failed",
            Self::WaitsForApproval => "waits-for-approval",
            Self::Alarm => "alarm",
        }
    }

    /// The occasion that the manifest writes so.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|occasion| occasion.name() == name)
    }
}
