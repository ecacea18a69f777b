//! The port between a release and what runs its revisions.
//!
//! The release machine asks two things of a revision: whether it has [arrived](ServiceState::arrived) (all wanted
//! tasks are healthy) and whether it is [alone](ServiceState::alone) (nothing of another revision is left). Who
//! answers is the capacity of the service:
//! - [`Capacity::Scheduler`]: near, the tasks of this state, started and stopped by the scheduler.
//! - [`Capacity::Services`]: two ECS services, between which the driver shifts the listener's weights.
//! - [`Capacity::Deployment`]: ECS's own deployment, which shifts by itself and is followed to its end.
//! - [`Capacity::Files`]: the objects of a static site, which are copied.
//!
//! Invariant: total. A capacity that was not observed yet has nothing.

use serde::{Deserialize, Serialize};

use super::capacity_change::CapacityChange;
use super::state::ServiceState;
use super::strategy::WHOLE;
use crate::time::Timestamp;

/// Who runs the revisions of a service, and what was last seen of them.
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
    /// Their numbers.
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

/// What an ECS service runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionCapacity {
    /// Number of its task definition.
    pub revision: u32,
    /// `desiredCount`
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
    pub revision: u32,
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
    pub requested: u32,
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

    /// Takes in what was observed or asked for.
    pub(super) fn apply(&mut self, change: &CapacityChange) {
        match (self, change) {
            (Self::Services(known), CapacityChange::ServicesObserved { services }) => {
                known.services.clone_from(services);
                known.in_stage = true;
            }
            (Self::Deployment(known), change) => known.apply(change),
            (Self::Files(known), CapacityChange::CopyRequested { revision }) => {
                known.requested = *revision;
                known.copied = false;
            }
            (Self::Files(known), CapacityChange::FilesCopied { revision, words }) => {
                known.copied = known.requested == *revision;
                known.words.clone_from(words);
            }
            _ => {}
        }
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
    fn apply(&mut self, change: &CapacityChange) {
        match change {
            CapacityChange::DeploymentRequested {
                revision,
                after,
                deadline,
            } => {
                self.requested = Some(RequestedDeployment {
                    revision: *revision,
                    after: after.clone(),
                    arn: String::new(),
                    progress: DeploymentProgress::Requested,
                    words: String::new(),
                    deadline: *deadline,
                });
            }
            CapacityChange::DeploymentObserved {
                arn,
                progress,
                words,
                ..
            } => {
                self.newest.clone_from(arn);
                if let Some(requested) = &mut self.requested {
                    requested.arn.clone_from(arn);
                    requested.progress = *progress;
                    requested.words.clone_from(words);
                }
            }
            CapacityChange::DeploymentRollbackRequested => {
                if let Some(requested) = &mut self.requested {
                    requested.progress = DeploymentProgress::RollbackRequested;
                }
            }
            _ => {}
        }
    }

    /// Whether the service runs this revision; `untouched`: it ran it when the release began.
    fn runs(&self, revision: u32, untouched: bool) -> bool {
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

impl ServiceState {
    /// Healthy tasks of a revision.
    #[must_use]
    pub fn healthy_of(&self, revision: u32) -> usize {
        match &self.capacity {
            Capacity::Scheduler => {
                let healthy = self.tasks.values().filter(|task| task.healthy());
                healthy.filter(|task| task.revision == revision).count()
            }
            Capacity::Services(ObservedServices { services, .. }) => {
                [Some(&services.main), services.visitor.as_ref()]
                    .into_iter()
                    .flatten()
                    .filter(|one| one.revision == revision)
                    .map(|one| one.healthy as usize)
                    .sum()
            }
            Capacity::Deployment(_) | Capacity::Files(_) => 0,
        }
    }

    /// All that is wanted of a revision is up.
    #[must_use]
    pub fn arrived(&self, revision: u32) -> bool {
        // What a release goes back to runs unless the release has asked for anything else.
        let untouched = self
            .release
            .as_ref()
            .is_none_or(|release| release.to != revision);
        match &self.capacity {
            Capacity::Scheduler | Capacity::Services(_) => {
                self.healthy_of(revision) >= self.desired_tasks() as usize
            }
            Capacity::Deployment(known) => known.runs(revision, untouched),
            Capacity::Files(known) if known.requested == 0 => untouched,
            Capacity::Files(known) => known.requested == revision && known.copied,
        }
    }

    /// Arrived, and nothing of any other revision is left.
    #[must_use]
    pub fn alone(&self, revision: u32) -> bool {
        let others_gone = match &self.capacity {
            Capacity::Scheduler => self.tasks.values().all(|task| task.revision == revision),
            Capacity::Services(ObservedServices { services, in_stage }) => {
                *in_stage
                    && services.main.revision == revision
                    && services.main.steady
                    && services.visitor.is_none()
                    && services.weight == 0
            }
            Capacity::Deployment(_) | Capacity::Files(_) => true,
        };
        others_gone && self.arrived(revision)
    }

    /// Share of the requests that the listener is to give the second service, tenths of a percent.
    pub(super) fn wanted_weight(&self) -> u32 {
        self.release
            .as_ref()
            .map_or(0, |release| release.weight.min(WHOLE))
    }
}
