//! What people ask for besides a deploy: rollback, one-off commands, numbers of tasks.

use std::collections::BTreeMap;

use neargate_core::alarm::AlarmState;
use neargate_core::machine::{ReleaseKind, ScaleBounds};
use neargate_core::model::{Job, JobWork, Service};

use super::definition::number;
use super::environment::{Driver, ReleaseEnd, ReleaseRequest, now};
use super::error::DriverError;
use super::record::ReleasePhase;

/// How long a one-off command may run.
const RUN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(6 * 3600);

impl Driver {
    /// Goes back: from the release in progress, or to a revision that was released before.
    ///
    /// # Errors
    /// There is nothing to go back to, or it could not be followed.
    pub async fn rollback(
        &self,
        service: &str,
        to: Option<u32>,
    ) -> Result<ReleaseEnd, DriverError> {
        if self.site(service)?.is_some() {
            return self.rollback_site(service, to).await;
        }
        let mut stored = self.read(service).await?;
        match stored.record.open.as_ref().map(|open| &open.drive) {
            Some(ReleasePhase::Native { deployment, .. }) if !deployment.is_empty() => {
                self.say(service, "tells ECS to roll the deployment back");
                self.aws.roll_deployment_back(deployment).await?;
                return self.follow_open(service).await;
            }
            Some(ReleasePhase::Weights { .. }) => return self.abort(service).await,
            Some(ReleasePhase::Back { .. }) => return self.follow_open(service).await,
            Some(_) => {
                return Err(DriverError::Refused {
                    what: "a release has begun, and no task of it yet".to_owned(),
                    help: "let its jobs end, then roll back".to_owned(),
                });
            }
            None => {}
        }
        let seen = self.service_state(service).await?;
        let target = stored.record.rollback_target(&seen.definition, to)?;
        let wish = ReleaseRequest {
            kind: ReleaseKind::Rollback,
            from: seen.definition.clone(),
            to: target.task_definition.clone(),
            strategy: "rolling".to_owned(),
            drive: ReleasePhase::Prepared,
        };
        let words = format!("rolls back to revision {}", number(&wish.to));
        self.say(service, &words);
        self.begin(service, &mut stored, wish).await?;
        self.drive(service, stored).await
    }

    /// Ends the release in progress: back to what served before it.
    ///
    /// # Errors
    /// There is none, or it could not be followed.
    pub async fn abort_release(&self, service: &str) -> Result<ReleaseEnd, DriverError> {
        self.spec(service)?;
        if self.read(service).await?.record.open.is_none() {
            let words = format!("`{service}` has no release in progress");
            return Err(DriverError::Failed(words));
        }
        self.rollback(service, None).await
    }

    /// Follows the open release: as its driver when nobody is, by the record otherwise.
    pub(super) async fn follow_open(&self, service: &str) -> Result<ReleaseEnd, DriverError> {
        loop {
            let mut stored = self.read(service).await?;
            let Some(_) = &stored.record.open else {
                let past = stored.record.past.last().cloned();
                let seen = self.service_state(service).await?;
                return past
                    .map(|past| ReleaseEnd {
                        outcome: past.outcome,
                        reason: past.reason,
                        evidence: past.evidence,
                        service: service.to_owned(),
                        release: past.id,
                        revision: number(&seen.definition),
                    })
                    .ok_or_else(|| DriverError::Failed("the release left no record".to_owned()));
            };
            if self.take_lease(&mut stored.record).is_ok() {
                self.write(service, &mut stored).await?;
                return self.drive(service, stored).await;
            }
            self.wait().await;
        }
    }

    /// Runs a command as a one-off task in the serving revision; gives its exit code.
    ///
    /// # Errors
    /// It could not be started or watched, or has no exit code.
    pub async fn run(&self, service: &str, command: &[String]) -> Result<i32, DriverError> {
        let seen = self.service_state(service).await?;
        let job = Job {
            name: "run".to_owned(),
            service: service.to_owned(),
            work: JobWork::Command(command.to_vec()),
            timeout: RUN_TIMEOUT,
            schedule: None,
        };
        let run: String = format!("ng-run-{}-{}", now().0, std::process::id());
        let end = self
            .run_to_end(service, &seen.definition, &job, &run)
            .await?;
        end.exit.ok_or_else(|| DriverError::Failed(end.describe()))
    }

    /// Sets the number of tasks; gives what is to be said of fewer than the manifest has. Scaling
    /// policies may change it again within their bounds.
    ///
    /// # Errors
    /// A release is in progress, the number is beyond the manifest's, or the call failed.
    pub async fn scale(&self, service: &str, tasks: u32) -> Result<Option<String>, DriverError> {
        let (spec, facts) = self.service(service)?;
        if tasks > spec.scale.max {
            return Err(DriverError::Usage(format!(
                "`{service}` has at most {} tasks (scale.max)",
                spec.scale.max
            )));
        }
        if let Some(open) = self.read(service).await?.record.open {
            return Err(DriverError::Refused {
                what: format!("release {} of `{service}` is in progress", open.id),
                help: "wait for its end: neargate status".to_owned(),
            });
        }
        self.aws
            .set_service(&self.facts.cluster, &facts.name, None, Some(tasks))
            .await?;
        let until = "it stays so until a deploy, automatic scaling or somebody changes it";
        Ok(ScaleBounds::of(&spec.scale).outside(service, tasks, until))
    }

    /// States of a service's guards, by their name in the manifest.
    pub(super) async fn guard_states(
        &self,
        spec: &Service,
    ) -> Result<BTreeMap<String, (AlarmState, String)>, DriverError> {
        let named = spec.release.guard.iter();
        let named: Vec<(String, String)> = named
            .filter_map(|name| Some((name.clone(), self.facts.alarms.get(name)?.clone())))
            .collect();
        if named.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names: Vec<String> = named.iter().map(|(_, far)| far.clone()).collect();
        let seen = self.aws.alarm_states(&names).await?;
        let state = |(name, far): (String, String)| {
            let (state, reason, _) = seen.get(&far)?.clone();
            Some((name, (state, reason)))
        };
        Ok(named.into_iter().filter_map(state).collect())
    }

    /// A guard that fires already would blame the new revision for what is wrong now.
    pub(super) async fn quiet_guards(&self, spec: &Service) -> Result<(), DriverError> {
        for (name, (state, reason)) in self.guard_states(spec).await? {
            if state == AlarmState::Alarm {
                return Err(DriverError::Refused {
                    what: format!("guard `{name}` of `{}` fires already: {reason}", spec.name),
                    help: "see why: neargate alarms; a release waits until it is quiet".to_owned(),
                });
            }
        }
        Ok(())
    }
}
