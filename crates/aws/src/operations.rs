//! What people ask for besides a deploy: rollback, one-off commands, numbers of tasks.

use std::collections::BTreeMap;

use neargate_core::alarm::AlarmState;
use neargate_core::ids::RevisionNumber;
use neargate_core::machine::{
    Event, Refusal, ReleaseControl, ReleaseKind, ReleaseStage, ScaleBounds,
};
use neargate_core::model::{Job, JobWork, Service};
use neargate_core::release_report::ReleaseResult;
use neargate_core::status_words::StrategyName;

use super::definition::number;
use super::environment::{Driver, now};
use super::error::DriverError;
use super::record::LeaseHold;
use super::release_journal::{Answer, ReleaseJournal, refused};
use super::release_start::ReleaseRequest;

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
        to: Option<RevisionNumber>,
    ) -> Result<ReleaseResult, DriverError> {
        let mut stored = self.read(service).await?;
        if let Some(open) = &stored.record.open {
            if to.is_some() {
                return Err(DriverError::Refused {
                    what: format!("release {} of `{service}` is in progress", open.id),
                    help: format!("end it first: neargate abort {service}; then roll back"),
                });
            }
            return self.abort_release(service).await;
        }
        if self.is_site(service)? {
            return self.rollback_site(service, to, stored).await;
        }
        let seen = self.service_state(service).await?;
        let target = stored.record.rollback_target(&seen.definition, to)?;
        let target = target.task_definition.clone();
        let words = format!("rolls back to revision {}", number(&target));
        self.say(service, &words);
        let kind = ReleaseKind::Rollback;
        let request = ReleaseRequest {
            kind,
            capacity: self.capacity(service, &seen.definition, kind).await?,
            desired: seen.desired.max(1),
            from: seen.definition,
            to: target,
            strategy: StrategyName::Rolling,
        };
        self.begin(service, &mut stored, request).await?;
        self.drive(service, stored, None).await
    }

    /// Ends the release in progress: back to what served before it.
    ///
    /// # Errors
    /// There is none, or it could not be followed.
    pub async fn abort_release(&self, service: &str) -> Result<ReleaseResult, DriverError> {
        self.spec(service)?;
        let stored = self.read(service).await?;
        let journal = ReleaseJournal::new(self, service, stored, LeaseHold::Bystander);
        let known = journal.service_state().and_then(|it| it.release.as_ref());
        let goes_back = known.is_some_and(|release| release.stage == ReleaseStage::RollingBack);
        let ended = journal.finished().is_some();
        if !goes_back && !ended {
            self.steer(service, ReleaseControl::Abort).await?;
        }
        self.follow_open(service).await
    }

    /// Says something about a release that anybody drives.
    ///
    /// # Errors
    /// There is none, or it cannot do this now.
    pub async fn steer(&self, service: &str, steer: ReleaseControl) -> Result<(), DriverError> {
        let event = Event::ReleaseSteered {
            service: service.into(),
            steer,
            by: self.asker.user.clone(),
        };
        loop {
            let stored = self.read(service).await?;
            if stored.record.open.is_none() {
                let refusal = Refusal::NoRelease(service.into());
                return Err(refused(&refusal));
            }
            let hold = LeaseHold::Bystander;
            let mut journal = ReleaseJournal::new(self, service, stored, hold);
            match journal.ask(&event).await? {
                Answer::ReadAgain => {}
                Answer::Nothing | Answer::Decided(_) => return Ok(()),
            }
        }
    }

    /// Follows the open release: as its driver when nobody is, by the record otherwise.
    async fn follow_open(&self, service: &str) -> Result<ReleaseResult, DriverError> {
        loop {
            let mut stored = self.read(service).await?;
            if stored.record.open.is_none() {
                return self.last_end(service).await;
            }
            if self.take_lease(&mut stored.record).is_ok() {
                self.write(service, &mut stored).await?;
                return self.drive(service, stored, None).await;
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

    /// Guards that fire now, with CloudWatch's reason.
    pub(super) async fn firing_guards(
        &self,
        spec: &Service,
    ) -> Result<Vec<(String, String)>, DriverError> {
        let states = self.guard_states(spec).await?;
        let firing = states
            .into_iter()
            .filter(|(_, (state, _))| *state == AlarmState::Alarm);
        Ok(firing.map(|(name, (_, reason))| (name, reason)).collect())
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
        let mut firing = self.firing_guards(spec).await?.into_iter();
        if let Some((alarm, reason)) = firing.next() {
            let service = spec.name.as_str().into();
            return Err(refused(&Refusal::GuardFiring {
                service,
                alarm,
                reason,
            }));
        }
        Ok(())
    }
}
