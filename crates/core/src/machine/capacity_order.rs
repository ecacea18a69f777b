//! The one call that brings a capacity which others provide closer to what the release wants.
//!
//! Pure: it follows from the state, and the state holds only what is persisted, so a client that goes on with a
//! release makes the call that the lost one would have made. Invariant: the second ECS service goes only after the
//! weight is taken from it, and the service's own tasks are replaced only while the second has all requests.

use super::capacity::{Capacity, DeploymentCapacity, DeploymentProgress, ServicesCapacity};
use super::release_stage::ReleaseStage;
use super::state::{Release, ServiceState};
use super::strategy::WHOLE;
use crate::ids::RevisionNumber;

/// One change outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CapacityOrder {
    /// Of two ECS services or the listener's weights.
    Services(ServicesOrder),
    /// Of a deployment of ECS.
    Deployment(DeploymentOrder),
    /// Every object of this revision of a site is put in its place.
    CopyFiles { revision: RevisionNumber },
}

/// One change of two ECS services between which the listener's weights shift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServicesOrder {
    /// CreateService: the second service, of the new revision.
    CreateVisitor {
        revision: RevisionNumber,
        /// Number of tasks.
        count: u32,
    },
    /// UpdateService of the second service.
    UpdateVisitor {
        revision: RevisionNumber,
        /// Number of tasks.
        count: u32,
    },
    /// DeleteService of the second service.
    DeleteVisitor,
    /// ModifyRule: the listener gives the second service this share.
    SetWeight {
        /// Tenths of a percent.
        weight: u32,
    },
    /// UpdateService: the service itself rolls to this revision.
    UpdateMain { revision: RevisionNumber },
}

/// One call about a deployment of ECS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeploymentOrder {
    /// UpdateService: ECS deploys this revision by the release's strategy.
    Start {
        revision: RevisionNumber,
        /// ARN of the newest deployment before it: a newer one says that the call was made.
        after: String,
    },
    /// StopServiceDeployment with `ROLLBACK`.
    RollBack {
        /// ARN of the deployment.
        arn: String,
    },
}

/// The call that comes next; `None`: everything is as it should be, or on its way.
#[must_use]
pub(super) fn capacity_order(service: &ServiceState) -> Option<CapacityOrder> {
    let release = service.release.as_ref()?;
    match &service.capacity {
        Capacity::Scheduler => None,
        Capacity::Services(known) => {
            services_order(service, release, &known.services).map(CapacityOrder::Services)
        }
        Capacity::Deployment(known) => {
            deployment_order(service, known).map(CapacityOrder::Deployment)
        }
        Capacity::Files(known) if known.requested == service.primary && !known.copied => {
            let revision = known.requested.unless_none()?;
            Some(CapacityOrder::CopyFiles { revision })
        }
        Capacity::Files(_) => None,
    }
}

fn deployment_order(service: &ServiceState, known: &DeploymentCapacity) -> Option<DeploymentOrder> {
    let requested = known.requested.as_ref()?;
    match requested.progress {
        DeploymentProgress::Requested if requested.revision == service.primary => {
            Some(DeploymentOrder::Start {
                revision: requested.revision,
                after: requested.after.clone(),
            })
        }
        DeploymentProgress::RollbackRequested => Some(DeploymentOrder::RollBack {
            arn: requested.arn.clone(),
        }),
        _ => None,
    }
}

/// State of two ECS services that a release wants.
struct ServicesGoal {
    /// Revision of the service itself.
    main: RevisionNumber,
    /// Whether the second service runs.
    visitor: bool,
    /// Its share, tenths of a percent.
    weight: u32,
}

impl ServicesGoal {
    fn of(service: &ServiceState, release: &Release, seen: &ServicesCapacity) -> Self {
        let main = service.primary;
        // The weight is taken from the second service first.
        let until_unweighted = seen.visitor.is_some() && seen.weight > 0;
        match release.stage {
            ReleaseStage::Pending | ReleaseStage::BeforeHooks => Self {
                main,
                visitor: false,
                weight: 0,
            },
            ReleaseStage::ScaleUp
            | ReleaseStage::TestTraffic
            | ReleaseStage::Shifting
            | ReleaseStage::Baking => Self {
                main,
                visitor: true,
                weight: service.wanted_weight(),
            },
            ReleaseStage::CleaningUp if !(seen.main.revision == main && seen.main.steady) => Self {
                main,
                visitor: true,
                weight: WHOLE,
            },
            ReleaseStage::CleaningUp | ReleaseStage::RollingBack => Self {
                main,
                visitor: until_unweighted,
                weight: 0,
            },
        }
    }
}

fn services_order(
    service: &ServiceState,
    release: &Release,
    seen: &ServicesCapacity,
) -> Option<ServicesOrder> {
    let goal = ServicesGoal::of(service, release, seen);
    if goal.visitor {
        let (revision, count) = (release.to, service.desired_tasks());
        match &seen.visitor {
            None => return Some(ServicesOrder::CreateVisitor { revision, count }),
            Some(visitor) if visitor.revision != revision || visitor.desired != count => {
                return Some(ServicesOrder::UpdateVisitor { revision, count });
            }
            Some(_) => {}
        }
    }
    // Up before the service is touched, so that the second one has the requests; down likewise.
    if goal.weight != seen.weight {
        let weight = goal.weight;
        return Some(ServicesOrder::SetWeight { weight });
    }
    if goal.main != seen.main.revision
        && let Some(revision) = goal.main.unless_none()
    {
        return Some(ServicesOrder::UpdateMain { revision });
    }
    (!goal.visitor && seen.visitor.is_some()).then_some(ServicesOrder::DeleteVisitor)
}
