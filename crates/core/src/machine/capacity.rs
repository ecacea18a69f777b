//! Who runs the revisions of a service, and what was last seen of them: the data of the port between a release and
//! its capacity. `capacity_queries` has the questions that a release asks.
//!
//! - [`Capacity::Scheduler`]: near, the tasks of this state, started and stopped by the scheduler.
//! - [`Capacity::Services`]: two ECS services, between which the driver shifts the listener's weights.
//! - [`Capacity::Deployment`]: ECS's own deployment, which shifts by itself and is followed to its end.
//! - [`Capacity::Files`]: the objects of a static site, which are copied.
//!
//! Invariant: a capacity that was not observed yet has nothing.

use serde::{Deserialize, Serialize};

use crate::ids::RevisionNumber;
use crate::time::Timestamp;

/// Platform that runs the revisions of a service, and the last observation of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capacity {
    /// The scheduler, by the tasks of this state.
    #[default]
    Scheduler,
    /// Two ECS services and the weights of a listener.
    Services(ObservedServices),
    /// Deployments of one ECS service.
    Deployment(DeploymentCapacity),
    /// The objects of a static site.
    Files(FilesCapacity),
}

/// Two ECS services, as they were seen last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedServices {
    /// Revisions and numbers of tasks.
    pub services: ServicesCapacity,
    /// Whether they were seen since the release entered its stage. What was seen before may lack what a
    /// call of the stage before has made.
    pub in_stage: bool,
}

/// Two ECS services: the one that stays, and the one that runs the new revision while traffic shifts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicesCapacity {
    /// The service itself.
    pub main: RevisionCapacity,
    /// The service of the new revision, while there is one.
    pub visitor: Option<RevisionCapacity>,
    /// The share of the visitor's target group in the listener's rules, tenths of a percent.
    pub weight: u32,
}

/// Revision and tasks of an ECS service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionCapacity {
    /// Number of its task definition.
    pub revision: RevisionNumber,
    /// ECS's `desiredCount` of the service.
    pub desired: u32,
    /// Healthy targets; running tasks when no load balancer asks.
    pub healthy: u32,
    /// Tasks that ECS counts as failed in the present deployment (`failedTasks`).
    pub failed: u32,
    /// Whether all its tasks are of its task definition and run.
    pub steady: bool,
}

/// One ECS service that is moved by its own deployments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentCapacity {
    /// ARN of its newest service deployment; empty: it has none.
    pub newest: String,
    /// The deployment that the release asked for last.
    pub requested: Option<RequestedDeployment>,
}

/// A deployment that a release asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedDeployment {
    /// The revision that it is to.
    pub revision: RevisionNumber,
    /// ARN of the newest deployment before it: a newer one is this one.
    pub after: String,
    /// Its own ARN; empty until ECS lists it.
    pub arn: String,
    /// How far it is.
    pub progress: DeploymentProgress,
    /// ECS's words about it.
    pub words: String,
    /// ECS lists it by then, or never took it.
    pub deadline: Timestamp,
}

/// How far a deployment of ECS is (ECS API reference, ServiceDeployment `status`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentProgress {
    /// UpdateService may not have been called.
    #[default]
    Requested,
    /// ECS moves the service to the revision.
    InProgress,
    /// ECS is to be asked to go back.
    RollbackRequested,
    /// ECS moves the service back to where it came from.
    RollingBack,
    /// The revision serves.
    Succeeded,
    /// The revision before it serves again.
    RolledBack,
    /// Neither: it was stopped, or could not go back.
    Failed,
}

impl DeploymentProgress {
    /// Whether ECS has ended it.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::RolledBack | Self::Failed)
    }
}

/// The objects of a static site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesCapacity {
    /// The revision whose copy was asked for last; 0: none.
    pub requested: RevisionNumber,
    /// Whether every object of it is in place.
    pub copied: bool,
    /// How many files were copied and deleted.
    pub words: String,
}

impl Capacity {
    /// The scheduler of this machine: what a state holds that says nothing else.
    #[must_use]
    pub fn is_scheduler(&self) -> bool {
        *self == Self::Scheduler
    }

    /// Whether somebody else moves the service from one revision to the other as a whole: there are
    /// no steps, and no alarm is judged here.
    #[must_use]
    pub fn is_delegated(&self) -> bool {
        matches!(self, Self::Deployment(_) | Self::Files(_))
    }

    /// The release enters another stage.
    pub(super) fn enter_stage(&mut self) {
        if let Self::Services(known) = self {
            known.in_stage = false;
        }
    }

    /// When something must be decided about it, whatever is observed.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let Self::Deployment(known) = self else {
            return None;
        };
        let requested = known.requested.as_ref()?;
        (requested.progress == DeploymentProgress::Requested).then_some(requested.deadline)
    }
}

impl DeploymentCapacity {
    /// Whether the service runs this revision; `untouched`: it ran it when the release began.
    pub(super) fn runs(&self, revision: RevisionNumber, untouched: bool) -> bool {
        match &self.requested {
            None => untouched,
            Some(requested) => match requested.progress {
                DeploymentProgress::Succeeded => requested.revision == revision,
                DeploymentProgress::RolledBack => requested.revision != revision,
                _ => false,
            },
        }
    }
}
