//! What ECS, the load balancer and CloudWatch say of the capacity of a release, as events of the machine.

use neargate_core::alarm::AlarmState;
use neargate_core::ids::RevisionNumber;
use neargate_core::machine::strategy::evaluation;
use neargate_core::machine::{
    Capacity, CapacityObservation, DeploymentCapacity, DeploymentProgress, Event, GuardVerdict,
    RevisionCapacity, ServicesCapacity,
};

use super::api::EcsServiceState;
use super::definition::number;
use super::deployment_status::{DeploymentObservation, meaning};
use super::environment::{Driver, now};
use super::error::DriverError;
use super::release_journal::ReleaseJournal;
use super::shifted_groups::{ShiftedGroups, visitor_of};

impl Driver {
    /// Events that follow from the release's capacity and guards as they are now.
    pub(super) async fn observed(
        &self,
        service: &str,
        journal: &ReleaseJournal<'_>,
    ) -> Result<Vec<Event>, DriverError> {
        let Some(known) = journal.service_state() else {
            return Ok(Vec::new());
        };
        let Some(release) = &known.release else {
            return Ok(Vec::new());
        };
        let moves = release.stage.waits_for_capacity();
        let observation = match &known.capacity {
            Capacity::Services(_) => {
                let mut events = self.guard_events(service, journal).await?;
                let (services, said) = self.services_seen(service).await?;
                events.push(Event::CapacityObserved {
                    service: service.into(),
                    observation: CapacityObservation::Services { services, said },
                });
                return Ok(events);
            }
            // Before it asks for one, a release has to know the newest: others deploy while its jobs run.
            Capacity::Deployment(deployment) if moves || deployment.requested.is_none() => {
                let (to, from) = (release.to, release.from);
                self.deployment_seen(service, deployment, (to, from))
                    .await?
            }
            _ => return Ok(Vec::new()),
        };
        Ok(vec![Event::CapacityObserved {
            service: service.into(),
            observation,
        }])
    }

    /// Both services and the weights of a release that shifts, and ECS's newest event about the
    /// second one.
    pub(super) async fn services_seen(
        &self,
        service: &str,
    ) -> Result<(ServicesCapacity, String), DriverError> {
        let (_, facts) = self.service(service)?;
        let cluster = &self.facts.cluster;
        let main = self.service_state(service).await?;
        let groups = ShiftedGroups::of(self, service, &main)?;
        let visitor = self.aws.service(cluster, &visitor_of(facts)).await?;
        let mut weight = 0;
        for rule in &groups.rules {
            weight = weight.max(self.aws.weight(rule, &groups.visitor).await?);
        }
        let healthy = match &visitor {
            Some(_) => self.aws.healthy_targets(&groups.visitor).await?,
            None => 0,
        };
        let said = visitor.as_ref().map(|it| it.said.clone());
        let running = main.running;
        let services = ServicesCapacity {
            main: capacity_of(&main, running),
            visitor: visitor.map(|seen| capacity_of(&seen, healthy)),
            weight,
        };
        Ok((services, said.unwrap_or_default()))
    }

    async fn deployment_seen(
        &self,
        service: &str,
        known: &DeploymentCapacity,
        (to, from): (RevisionNumber, RevisionNumber),
    ) -> Result<CapacityObservation, DriverError> {
        let (_, facts) = self.service(service)?;
        let cluster = &self.facts.cluster;
        let seen = self.service_state(service).await?;
        let requested = known.requested.as_ref();
        let newest = match requested.filter(|requested| !requested.arn.is_empty()) {
            Some(requested) => Some(requested.arn.clone()),
            None => self.aws.newest_deployment(cluster, &facts.name).await?,
        };
        let arn = newest.unwrap_or_default();
        let serving = number(&seen.definition);
        let own = requested.filter(|requested| requested.after != arn && !arn.is_empty());
        let Some(own) = own else {
            return Ok(CapacityObservation::Deployment {
                arn,
                progress: DeploymentProgress::Requested,
                words: String::new(),
                evidence: Vec::new(),
                serving,
            });
        };
        let found = self
            .aws
            .deployment(&arn)
            .await?
            .ok_or_else(|| DriverError::DeploymentUnknown { arn: arn.clone() })?;
        let goes_to = own.revision;
        let comes_from = if goes_to == to { from } else { to };
        let said = DeploymentObservation {
            status: &found.status,
            reason: &found.reason,
            stage: &found.stage,
            tasks: found.tasks,
            alarms: &found.alarms,
            said: &seen.said,
        };
        let meaning = meaning(&said, goes_to, comes_from);
        Ok(CapacityObservation::Deployment {
            arn,
            progress: meaning.progress,
            words: meaning.words,
            evidence: meaning.evidence,
            serving,
        })
    }

    /// The guards' verdicts about the present step, as events.
    async fn guard_events(
        &self,
        service: &str,
        journal: &ReleaseJournal<'_>,
    ) -> Result<Vec<Event>, DriverError> {
        let known = journal.service_state();
        let release = known.and_then(|known| known.release.as_ref());
        let (Some(known), Some(release)) = (known, release) else {
            return Ok(Vec::new());
        };
        let (Some(since), Some(to)) = (release.step_since, known.definition(release.to)) else {
            return Ok(Vec::new());
        };
        let states = self.guard_states(self.spec(service)?).await?;
        let event = |(name, alarm): (&String, &neargate_core::model::Alarm)| {
            let (state, words) = states.get(name)?;
            let judged = now().since(since) >= evaluation(alarm);
            Some(Event::GuardJudged {
                release: release.id,
                step: release.step,
                guard: name.clone(),
                verdict: verdict(*state, judged),
                reason: words.clone(),
            })
        };
        Ok(to.guards.iter().filter_map(event).collect())
    }
}

fn capacity_of(seen: &EcsServiceState, healthy: u32) -> RevisionCapacity {
    RevisionCapacity {
        revision: number(&seen.definition),
        desired: seen.desired,
        healthy,
        failed: seen.failed,
        steady: seen.settled,
    }
}

/// Verdict of an alarm's state about a step. An alarm that fires is believed at once; one that is
/// quiet only when all data points that it looks at are of this step (`judged`).
fn verdict(state: AlarmState, judged: bool) -> GuardVerdict {
    match state {
        AlarmState::Alarm => GuardVerdict::Fired,
        _ if !judged => GuardVerdict::Pending,
        AlarmState::Ok => GuardVerdict::Quiet,
        AlarmState::InsufficientData => GuardVerdict::TooLittle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_alarm_is_believed_once_all_its_data_points_are_of_the_step() {
        for (state, judged, expected) in [
            (AlarmState::Alarm, false, GuardVerdict::Fired),
            (AlarmState::Ok, false, GuardVerdict::Pending),
            (AlarmState::Ok, true, GuardVerdict::Quiet),
            (AlarmState::InsufficientData, true, GuardVerdict::TooLittle),
        ] {
            assert_eq!(verdict(state, judged), expected, "{state} {judged}");
        }
    }
}
