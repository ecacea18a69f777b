//! A release by ECS, followed to its end.
//!
//! Invariant: UpdateService is called once per release: which deployment was the newest before
//! it is in the record, so a client that goes on sees whether it was called.

use super::aws::{ReleaseWanted, StoredRecord};
use super::definition::number;
use super::deployment_status::{DeploymentObservation, DeploymentVerdict, judge};
use super::environment::{Driver, now};
use super::error::DriverError;
use super::record::{OpenRelease, RecordedEnd, ReleasePhase};

/// Looks without a new deployment before it is taken to have never begun.
const LOOKS_FOR_DEPLOYMENT: u32 = 60;

impl Driver {
    /// Starts the deployment if it was not, and follows it.
    pub(super) async fn follow_native(
        &self,
        service: &str,
        stored: &mut StoredRecord,
    ) -> Result<RecordedEnd, DriverError> {
        let Some(open) = stored.record.open.clone() else {
            return Err(DriverError::Failed(
                "the release has ended already".to_owned(),
            ));
        };
        let ReleasePhase::Native { before, deployment } = &open.drive else {
            return Err(DriverError::Failed(
                "ECS does not move this release".to_owned(),
            ));
        };
        let arn = if deployment.is_empty() {
            let arn = self.start_native(service, &open, before).await?;
            self.change(service, stored, |record| {
                if let Some(open) = &mut record.open {
                    open.drive = ReleasePhase::Native {
                        before: before.clone(),
                        deployment: arn.clone(),
                    };
                }
            })
            .await?;
            arn
        } else {
            deployment.clone()
        };
        let ends = (number(&open.to), number(&open.from));
        self.watch_native(service, stored, ends, &arn).await
    }

    async fn start_native(
        &self,
        service: &str,
        open: &OpenRelease,
        before: &str,
    ) -> Result<String, DriverError> {
        let (spec, facts) = self.service(service)?;
        let seen = self.service_state(service).await?;
        let native = self.native(spec, facts, &open.from, open.kind);
        let wanted = ReleaseWanted {
            definition: &open.to,
            tasks: (seen.desired < spec.scale.min).then_some(spec.scale.min),
            native: &native,
            group: seen.group.as_deref(),
            port: spec.port,
        };
        self.start_deployment(service, &wanted, before).await
    }

    /// Tells ECS, unless a deployment newer than `before` says that it was told; gives its ARN.
    pub(super) async fn start_deployment(
        &self,
        service: &str,
        wanted: &ReleaseWanted<'_>,
        before: &str,
    ) -> Result<String, DriverError> {
        let (_, facts) = self.service(service)?;
        let cluster = &self.facts.cluster;
        let begun = |newest: Option<String>| newest.filter(|arn| arn != before);
        if let Some(arn) = begun(self.aws.newest_deployment(cluster, &facts.name).await?) {
            return Ok(arn);
        }
        self.aws.release(cluster, facts, wanted).await?;
        for _ in 0..LOOKS_FOR_DEPLOYMENT {
            if let Some(arn) = begun(self.aws.newest_deployment(cluster, &facts.name).await?) {
                return Ok(arn);
            }
            self.wait().await;
        }
        Err(DriverError::Failed(format!(
            "ECS took the update of {} but began no deployment; see its events",
            facts.name
        )))
    }

    /// Follows a deployment to its end; `ends` are the revisions to which and from which it goes.
    pub(super) async fn watch_native(
        &self,
        service: &str,
        stored: &mut StoredRecord,
        (to, from): (u32, u32),
        arn: &str,
    ) -> Result<RecordedEnd, DriverError> {
        let mut last = String::new();
        loop {
            let seen = self.service_state(service).await?;
            let Some(found) = self.aws.deployment(arn).await? else {
                return Err(DriverError::Failed(format!(
                    "ECS does not know the deployment {arn}"
                )));
            };
            let word = DeploymentObservation {
                status: &found.status,
                reason: &found.reason,
                stage: &found.stage,
                tasks: found.tasks,
                alarms: &found.alarms,
                said: &seen.said,
            };
            let waiting = match judge(&word, to, from) {
                DeploymentVerdict::Ended(end) => return Ok(end),
                DeploymentVerdict::Waiting(words) => words,
            };
            let news = waiting != last;
            if news {
                self.say(service, &format!("waits for {waiting}"));
                stored.record.add_event(now(), &waiting);
                last = waiting;
            }
            if news || self.lease_is_old(&stored.record) {
                self.write(service, stored).await?;
            }
            self.wait().await;
        }
    }
}
