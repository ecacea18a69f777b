//! What a release asks of a capacity that others provide, and what was seen of it: facts of the journal.

use serde::{Deserialize, Serialize};

use super::capacity::{
    Capacity, DeploymentCapacity, DeploymentProgress, RequestedDeployment, ServicesCapacity,
};
use crate::ids::RevisionNumber;
use crate::time::Timestamp;

/// A fact about the capacity of a service that the scheduler does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum CapacityChange {
    /// ECS and the load balancer show other numbers.
    ServicesObserved {
        /// All of them.
        services: ServicesCapacity,
    },
    /// Tasks of the new revision failed.
    TasksFailed {
        /// Failures of the release so far.
        count: u32,
        /// The release fails at so many; 0: the circuit breaker is off.
        threshold: u32,
        /// ECS's newest event, or how many tasks are healthy.
        reason: String,
    },
    /// ECS is to deploy a revision: UpdateService.
    DeploymentRequested {
        revision: RevisionNumber,
        /// ARN of the newest service deployment before it; empty: there was none.
        after: String,
        /// ECS lists the new deployment by then.
        deadline: Timestamp,
    },
    /// ECS is to stop the deployment and go back: StopServiceDeployment.
    DeploymentRollbackRequested,
    /// ECS says something else about the deployment that was asked for.
    DeploymentObserved {
        arn: String,
        /// How far it is.
        progress: DeploymentProgress,
        /// The step that it waits for, or how it ended, in words.
        words: String,
        /// Alarms that fired and the service's newest event, when it did not succeed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<String>,
    },
    /// The files of a site's revision are to be copied.
    CopyRequested { revision: RevisionNumber },
    /// The files of a site's revision are in place.
    FilesCopied {
        revision: RevisionNumber,
        /// How many were copied and deleted.
        words: String,
    },
    /// Files of a site's revision are not in place after the copy.
    FilesMissing {
        revision: RevisionNumber,
        /// How many, and where.
        words: String,
        /// The first of their paths.
        missing: Vec<String>,
    },
}

impl CapacityChange {
    /// Brings a capacity to what this says.
    pub(super) fn apply_to(&self, capacity: &mut Capacity) {
        match (capacity, self) {
            (Capacity::Services(known), Self::ServicesObserved { services }) => {
                known.services.clone_from(services);
                known.in_stage = true;
            }
            (Capacity::Deployment(known), _) => self.apply_to_deployment(known),
            (Capacity::Files(known), Self::CopyRequested { revision }) => {
                known.requested = *revision;
                known.copied = false;
            }
            (Capacity::Files(known), Self::FilesCopied { revision, words }) => {
                known.copied = known.requested == *revision;
                known.words.clone_from(words);
            }
            _ => {}
        }
    }

    fn apply_to_deployment(&self, known: &mut DeploymentCapacity) {
        match self {
            Self::DeploymentRequested {
                revision,
                after,
                deadline,
            } => {
                known.requested = Some(RequestedDeployment {
                    revision: *revision,
                    after: after.clone(),
                    arn: String::new(),
                    progress: DeploymentProgress::Requested,
                    words: String::new(),
                    deadline: *deadline,
                });
            }
            Self::DeploymentObserved {
                arn,
                progress,
                words,
                ..
            } => {
                known.newest.clone_from(arn);
                if let Some(requested) = &mut known.requested {
                    requested.arn.clone_from(arn);
                    requested.progress = *progress;
                    requested.words.clone_from(words);
                }
            }
            Self::DeploymentRollbackRequested => {
                if let Some(requested) = &mut known.requested {
                    requested.progress = DeploymentProgress::RollbackRequested;
                }
            }
            _ => {}
        }
    }

    /// One line for people; empty: nothing to tell.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::ServicesObserved { .. } => String::new(),
            Self::TasksFailed {
                count,
                threshold: 0,
                reason,
            } => format!("tasks failed ({count}, the breaker is off): {reason}"),
            Self::TasksFailed {
                count,
                threshold,
                reason,
            } => format!("tasks failed ({count} of {threshold}): {reason}"),
            Self::DeploymentRequested { revision, .. } => {
                format!("asks ECS to deploy revision {revision}")
            }
            Self::DeploymentRollbackRequested => "asks ECS to roll the deployment back".to_owned(),
            Self::DeploymentObserved { words, .. } | Self::FilesCopied { words, .. } => {
                words.clone()
            }
            Self::CopyRequested { revision } => format!("copies the files of revision {revision}"),
            Self::FilesMissing { words, .. } => words.clone(),
        }
    }
}

/// Observation of a capacity that others provide. Repeated ones are harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CapacityObservation {
    /// Two ECS services.
    Services {
        /// Revisions and numbers of tasks.
        services: ServicesCapacity,
        /// ECS's newest event about the visitor.
        said: String,
    },
    /// The newest deployment of an ECS service.
    Deployment {
        /// Its ARN; empty: there is none.
        arn: String,
        /// How far it is.
        progress: DeploymentProgress,
        /// The step that it waits for, or how it ended, in words.
        words: String,
        /// Alarms that fired, events.
        evidence: Vec<String>,
        /// Number of the service's task definition.
        serving: RevisionNumber,
    },
    /// The copy of a site's files has ended.
    Files {
        revision: RevisionNumber,
        /// How many were copied, or are missing.
        words: String,
        /// Paths that are not in place.
        missing: Vec<String>,
    },
}
