//! Why a target has the health that it has: ALB's reason code with its details, and near's own findings.
//!
//! Invariant: what is decided follows from the variant; the words are for people. Source: Elastic Load
//! Balancing API reference, `TargetHealth`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Finding of the last health check.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "StoredReason")]
pub struct HealthReason {
    pub finding: HealthFinding,
    /// The task listens elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong_port: Option<WrongPort>,
}

/// Finding of a check itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthFinding {
    /// The answer that is asked for; or there was no check.
    #[default]
    Passed,
    /// `Target.ResponseCodeMismatch`: another status.
    Status(u16),
    /// `Target.Timeout`, with its details.
    Timeout(String),
    /// `Target.FailedHealthChecks`, with its details.
    Failed(String),
    /// `Target.PortTaken`, near's own, with its details: another program listens there.
    PortTaken(String),
    /// Without a code.
    Other(String),
}

/// A task that does not listen at the port that it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongPort {
    /// Where it listens, ascending.
    pub listens: Vec<u16>,
    pub port: u16,
}

impl HealthFinding {
    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Status(_) => Some("Target.ResponseCodeMismatch"),
            Self::Timeout(_) => Some("Target.Timeout"),
            Self::Failed(_) => Some("Target.FailedHealthChecks"),
            Self::PortTaken(_) => Some("Target.PortTaken"),
            Self::Passed | Self::Other(_) => None,
        }
    }

    /// Without the code: `503`, `no answer in 2s`.
    #[must_use]
    pub fn details(&self) -> String {
        match self {
            Self::Passed => String::new(),
            Self::Status(status) => status.to_string(),
            Self::Timeout(words)
            | Self::Failed(words)
            | Self::PortTaken(words)
            | Self::Other(words) => words.clone(),
        }
    }
}

impl fmt::Display for HealthFinding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.code() {
            write!(out, "{code}: ")?;
        }
        out.write_str(&self.details())
    }
}

impl HealthReason {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<HealthFinding> for HealthReason {
    fn from(finding: HealthFinding) -> Self {
        Self {
            finding,
            wrong_port: None,
        }
    }
}

impl fmt::Display for WrongPort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listens: Vec<String> = self.listens.iter().map(ToString::to_string).collect();
        let (listens, port) = (listens.join(", "), self.port);
        write!(
            out,
            "the task listens at {listens}, and not at its PORT, {port}"
        )
    }
}

impl fmt::Display for HealthReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.finding)?;
        match &self.wrong_port {
            Some(wrong) => write!(out, "; {wrong}"),
            None => Ok(()),
        }
    }
}

/// It in a journal, and as a router tells it.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredReason {
    /// Of a version that kept the words.
    Words(String),
    Typed {
        finding: HealthFinding,
        #[serde(default)]
        wrong_port: Option<WrongPort>,
    },
}

impl From<StoredReason> for HealthReason {
    fn from(stored: StoredReason) -> Self {
        let words = match stored {
            StoredReason::Typed {
                finding,
                wrong_port,
            } => {
                return Self {
                    finding,
                    wrong_port,
                };
            }
            StoredReason::Words(words) => words,
        };
        let finding = match words.split_once(": ") {
            Some(("Target.ResponseCodeMismatch", status)) => status.parse().map_or_else(
                |_| HealthFinding::Other(words.clone()),
                HealthFinding::Status,
            ),
            Some(("Target.Timeout", details)) => HealthFinding::Timeout(details.to_owned()),
            Some(("Target.FailedHealthChecks", details)) => {
                HealthFinding::Failed(details.to_owned())
            }
            Some(("Target.PortTaken", details)) => HealthFinding::PortTaken(details.to_owned()),
            _ if words.is_empty() => HealthFinding::Passed,
            _ => HealthFinding::Other(words),
        };
        finding.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_as_this_and_as_an_earlier_version_wrote_it() {
        for (finding, words) in [
            (HealthFinding::Passed, ""),
            (
                HealthFinding::Status(503),
                "Target.ResponseCodeMismatch: 503",
            ),
            (
                HealthFinding::Timeout("no answer in 2s".to_owned()),
                "Target.Timeout: no answer in 2s",
            ),
            (
                HealthFinding::Failed("Connection refused (os error 111)".to_owned()),
                "Target.FailedHealthChecks: Connection refused (os error 111)",
            ),
            (
                HealthFinding::PortTaken("port 80 is held".to_owned()),
                "Target.PortTaken: port 80 is held",
            ),
            (
                HealthFinding::Other("it ran for 40 seconds".to_owned()),
                "it ran for 40 seconds",
            ),
        ] {
            let reason = HealthReason::from(finding);
            assert_eq!(reason.to_string(), words);
            assert_eq!(reason.is_empty(), words.is_empty());
            let now = serde_json::to_string(&reason).expect("JSON");
            let earlier = serde_json::to_string(words).expect("JSON");
            for stored in [now, earlier] {
                let read: HealthReason = serde_json::from_str(&stored).expect(&stored);
                assert_eq!(read, reason);
            }
        }
    }

    #[test]
    fn a_port_that_is_not_the_tasks_is_kept_beside_what_the_check_found() {
        let reason = HealthReason {
            finding: HealthFinding::Failed("no HTTP answer".to_owned()),
            wrong_port: Some(WrongPort {
                listens: vec![80, 8080],
                port: 9,
            }),
        };
        let words = "Target.FailedHealthChecks: no HTTP answer; \
                     the task listens at 80, 8080, and not at its PORT, 9";
        assert_eq!(reason.to_string(), words);
        let stored = serde_json::to_string(&reason).expect("JSON");
        let read: HealthReason = serde_json::from_str(&stored).expect("it again");
        assert_eq!(read, reason);
    }
}
