//! Makes the calls that the release machine asks for.
//!
//! Invariant: each is made once for what it was asked: AWS may list its effect a while later. A client that goes on
//! looks first, so it makes only those that show no effect.

use neargate_core::machine::{
    CapacityObservation, CapacityOrder, DeploymentOrder, ReleaseKind, ServicesOrder,
};

use super::api::{GreenServiceRequest, ReleaseWanted, RuleWeights};
use super::definition::number;
use super::environment::Driver;
use super::error::DriverError;
use super::record::OpenRelease;
use super::release_journal::ReleaseJournal;
use super::shifted_groups::{ShiftedGroups, visitor_of};
use super::site_revision::SiteRevision;

/// Result of an order.
pub(super) enum Execution {
    /// The call was made; AWS shows its effect.
    Made,
    /// It was made already; AWS does not show its effect yet.
    MadeBefore,
    /// It has ended, with this result.
    Observed(CapacityObservation),
}

/// The calls of one client for one release.
pub(super) struct CapacityExecutor<'a> {
    driver: &'a Driver,
    service: &'a str,
    standing: Option<SiteRevision>,
    deployment: Option<DeploymentOrder>,
}

impl<'a> CapacityExecutor<'a> {
    /// `standing`: the files that are in a site's bucket, when that is known.
    pub(super) fn new(
        driver: &'a Driver,
        service: &'a str,
        standing: Option<SiteRevision>,
    ) -> Self {
        Self {
            driver,
            service,
            standing,
            deployment: None,
        }
    }

    /// Makes a call.
    ///
    /// # Errors
    /// AWS refused it.
    pub(super) async fn execute(
        &mut self,
        journal: &mut ReleaseJournal<'_>,
        order: &CapacityOrder,
    ) -> Result<Execution, DriverError> {
        let Some(open) = journal.open_release().cloned() else {
            return Ok(Execution::MadeBefore);
        };
        match order {
            CapacityOrder::Deployment(order) => {
                if self.deployment.as_ref() == Some(order) {
                    return Ok(Execution::MadeBefore);
                }
                self.deploy(&open, order).await?;
                self.deployment = Some(order.clone());
                Ok(Execution::Made)
            }
            CapacityOrder::CopyFiles { revision } => {
                let standing = self.standing.take();
                let (driver, service) = (self.driver, self.service);
                let name = open.revision_name(*revision)?.to_owned();
                let copied = driver.copy_site(service, journal, &name, standing).await?;
                Ok(copied.map_or(Execution::Made, Execution::Observed))
            }
            CapacityOrder::Services(order) => {
                self.shift(&open, order).await?;
                Ok(Execution::Made)
            }
        }
    }

    async fn deploy(&self, open: &OpenRelease, order: &DeploymentOrder) -> Result<(), DriverError> {
        let driver = self.driver;
        let (spec, facts) = driver.service(self.service)?;
        let revision = match order {
            DeploymentOrder::Start { revision, .. } => *revision,
            DeploymentOrder::RollBack { arn } => {
                return driver.aws.roll_deployment_back(arn).await;
            }
        };
        let seen = driver.service_state(self.service).await?;
        let forward = revision == number(&open.to);
        let kind = match forward {
            true => open.kind,
            false => ReleaseKind::Rollback,
        };
        let native = driver.native(spec, facts, &open.from, kind);
        let wanted = ReleaseWanted {
            definition: open.revision_name(revision)?,
            tasks: (forward && seen.desired < spec.scale.min).then_some(spec.scale.min),
            native: &native,
            group: seen.group.as_deref().filter(|_| forward),
            port: spec.port,
        };
        driver
            .aws
            .release(&driver.facts.cluster, facts, &wanted)
            .await
    }

    async fn shift(&self, open: &OpenRelease, order: &ServicesOrder) -> Result<(), DriverError> {
        let driver = self.driver;
        let (spec, facts) = driver.service(self.service)?;
        let seen = driver.service_state(self.service).await?;
        let groups = ShiftedGroups::of(driver, self.service, &seen)?;
        let (cluster, visitor) = (&driver.facts.cluster, visitor_of(facts));
        let aws = &driver.aws;
        match order {
            ServicesOrder::CreateVisitor { revision, count } => {
                let wanted = GreenServiceRequest {
                    name: &visitor,
                    definition: open.revision_name(*revision)?,
                    count: *count,
                    group: &groups.visitor,
                    port: groups.port,
                };
                aws.create_visitor(cluster, facts, &wanted).await
            }
            ServicesOrder::UpdateVisitor { revision, count } => {
                let definition = Some(open.revision_name(*revision)?);
                aws.set_service(cluster, &visitor, definition, Some(*count))
                    .await
            }
            ServicesOrder::DeleteVisitor => aws.delete_service(cluster, &visitor).await,
            ServicesOrder::SetWeight { weight } => {
                for rule in &groups.rules {
                    let shares = RuleWeights {
                        main: groups.main.clone(),
                        visitor: groups.visitor.clone(),
                        weight: *weight,
                    };
                    aws.set_weight(rule, &shares).await?;
                }
                Ok(())
            }
            ServicesOrder::UpdateMain { revision } => {
                driver.say(
                    self.service,
                    &format!("the service moves to revision {revision}"),
                );
                // Told to roll: its last release may have been a shift by ECS.
                let native = driver.native(spec, facts, &open.from, ReleaseKind::Rollback);
                let wanted = ReleaseWanted {
                    definition: open.revision_name(*revision)?,
                    tasks: None,
                    native: &native,
                    group: None,
                    port: Some(groups.port),
                };
                aws.release(cluster, facts, &wanted).await
            }
        }
    }
}
