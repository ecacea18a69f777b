//! A release by listener weights, driven by core's machine to its end.
//!
//! Each round: look at AWS, ask the machine, write its entries to the record, and only then make
//! the one call that comes next. A client that goes on replays the journal and looks.
//! Invariant: nothing is called that the written journal does not ask for.

use std::collections::BTreeMap;

use neargate_core::machine::{
    EnvironmentState, Event, JournalEntry, ProcessExit, ReleaseControl, ReleaseKind,
    ReleaseOutcome, RevisionDefinition, ServiceState, apply, decide, next_deadline, waiting_for,
    weight,
};
use neargate_core::model::Service;

use super::aws::{GreenServiceRequest, JobRequest, ReleaseWanted, RuleWeights, StoredRecord};
use super::deploy::run_name;
use super::environment::{Driver, ReleaseEnd, WriteOutcome, now};
use super::error::DriverError;
use super::jobs::last_lines;
use super::record::{ENTRIES_MOST, OpenRelease, RecordedEnd, ReleasePhase};
use super::terraform_outputs::ServiceFacts;
use super::weighted_plan::{
    self, AwsChange, ReleaseTaskDefinitions, ServiceObservation, ServicesObserved,
};

/// The target groups and the rules that a release moves.
struct ShiftedGroups {
    main: String,
    visitor: String,
    rules: Vec<String>,
    port: u16,
}

impl Driver {
    /// The journal's head: the old revision serves, the release has begun.
    pub(super) async fn seeded(
        &self,
        service: &str,
        open: &OpenRelease,
    ) -> Result<ReleasePhase, DriverError> {
        let (spec, _) = self.service(service)?;
        let seen = self.service_state(service).await?;
        let definition = RevisionDefinition {
            service: spec.clone(),
            jobs: self.manifest.jobs.clone(),
            guards: self.guards(spec),
            artifact: None,
            root: String::new(),
            secrets: BTreeMap::new(),
            overrides: open.overrides.clone(),
            user: open.user.clone(),
            git: open.git.clone(),
        };
        let of = |arn: &str| {
            let number = super::definition::number(arn);
            (number, weighted_plan::of(&definition, arn))
        };
        let ((old_number, old), (new_number, new)) = (of(&open.from), of(&open.to));
        let desired = seen.desired.max(1);
        let (old, new) = ((old_number, &old), (new_number, &new));
        let (state, journal) = weighted_plan::seed(service, old, new, desired, now());
        let begun = state.services.get(service);
        if begun.is_none_or(|it| it.release.is_none()) {
            return Err(DriverError::Failed(
                "the release machine did not begin the release".to_owned(),
            ));
        }
        Ok(ReleasePhase::Weights { journal })
    }

    fn guards(&self, spec: &Service) -> BTreeMap<String, neargate_core::model::Alarm> {
        let known = |name: &String| Some((name.clone(), self.manifest.alarms.get(name)?.clone()));
        spec.release.guard.iter().filter_map(known).collect()
    }

    /// Drives the machine until its release has ended.
    pub(super) async fn follow_weights(
        &self,
        service: &str,
        stored: &mut StoredRecord,
    ) -> Result<RecordedEnd, DriverError> {
        let mut last = String::new();
        loop {
            let (journal, ends) = parts(stored)?;
            let ways = self.ways(service).await?;
            let observed = self.observed(service, &ways).await?;
            let mut state = weighted_plan::replay(&journal);
            let mut fresh = self.decided(service, &mut state, &journal, &observed);
            fresh.extend(self.job_round(service, stored, &mut state).await?);
            for entry in &fresh {
                self.tell_entry(service, stored, entry);
            }
            let late = self.lease_is_old(&stored.record);
            add(stored, &fresh)?;
            if (!fresh.is_empty() || late)
                && self.write(service, stored).await? == WriteOutcome::ReadAgain
            {
                continue;
            }
            let Some(known) = state.services.get(service) else {
                return Err(DriverError::Failed(
                    "the journal knows no such service".to_owned(),
                ));
            };
            let Some(goal) = weighted_plan::goal(known, &ends, &observed) else {
                return Ok(ended(known));
            };
            match weighted_plan::next_call(&goal, &observed) {
                Some(call) => self.make(service, &ways, &call).await?,
                None => {
                    let words = waiting(known);
                    if words != last {
                        self.say(service, &words);
                        last = words;
                    }
                    self.wait().await;
                    self.read_again(service, stored).await?;
                }
            }
        }
    }

    /// Somebody may have promoted, paused or aborted meanwhile.
    async fn read_again(
        &self,
        service: &str,
        stored: &mut StoredRecord,
    ) -> Result<(), DriverError> {
        let mut fresh = self.read(service).await?;
        self.take_lease(&mut fresh.record)?;
        fresh.record.lease.clone_from(&stored.record.lease);
        *stored = fresh;
        Ok(())
    }

    /// What the machine makes of an observation; the state takes it in.
    fn decided(
        &self,
        service: &str,
        state: &mut EnvironmentState,
        journal: &[JournalEntry],
        observed: &ServicesObserved,
    ) -> Vec<JournalEntry> {
        let Some(known) = state.services.get(service) else {
            return Vec::new();
        };
        let to = known.release.as_ref().map_or(0, |release| release.to);
        let ended = weighted_plan::ended(journal, to);
        let mut fresh = Vec::new();
        for event in weighted_plan::events(known, observed, ended, now()) {
            if event == Event::TimePassed && next_deadline(state).is_none_or(|at| at > now()) {
                continue;
            }
            fresh.extend(told(state, &event));
        }
        fresh
    }

    /// The machine's jobs: started, or looked at; never waited for, so that guards are seen.
    async fn job_round(
        &self,
        service: &str,
        stored: &mut StoredRecord,
        state: &mut EnvironmentState,
    ) -> Result<Vec<JournalEntry>, DriverError> {
        let (_, facts) = self.service(service)?;
        let release = state
            .services
            .get(service)
            .and_then(|it| it.release.as_ref());
        let Some((release, hook)) = release.and_then(|it| Some((it, it.hook.as_ref()?))) else {
            return Ok(Vec::new());
        };
        let (id, run) = (release.id, hook.run);
        let Some(job) = self.manifest.jobs.get(&hook.job) else {
            return Err(DriverError::Usage(format!(
                "the manifest has no job `{}`",
                hook.job
            )));
        };
        let Some(open) = stored.record.open.clone() else {
            return Ok(Vec::new());
        };
        // Only a job that is in the written journal is started.
        let (journal, _) = parts(stored)?;
        let written = weighted_plan::replay(&journal);
        let known = written
            .services
            .get(service)
            .and_then(|it| it.release.as_ref());
        let known = known.and_then(|it| it.hook.as_ref());
        if known.is_none_or(|known| known.run != run) {
            return Ok(Vec::new());
        }
        let name = run_name(service, open.id, "step", run as usize);
        let wanted = JobRequest {
            definition: &open.to,
            command: job.command(),
            run: &name,
        };
        let cluster = &self.facts.cluster;
        let task = self.aws.start_job(cluster, facts, &wanted).await?;
        let seen = self.aws.job(cluster, &task, &facts.container).await?;
        if seen.status != "STOPPED" {
            return Ok(Vec::new());
        }
        let lines = self.job_lines(service, &task, open.started_at).await?;
        let event = Event::HookFinished {
            release: id,
            run,
            exit: seen
                .exit
                .map_or(ProcessExit::NotStarted(seen.reason), ProcessExit::Code),
            last_lines: last_lines(&lines),
        };
        Ok(told(state, &event))
    }

    fn tell_entry(&self, service: &str, stored: &mut StoredRecord, entry: &JournalEntry) {
        let text = entry.describe();
        if !text.is_empty() {
            self.say(service, &text);
            stored.record.add_event(entry.at, &text);
        }
    }

    async fn ways(&self, service: &str) -> Result<ShiftedGroups, DriverError> {
        let (spec, facts) = self.service(service)?;
        let seen = self.service_state(service).await?;
        let missing = |what: &str| DriverError::Missing {
            what: format!("a release by weights needs {what} of `{service}`"),
            help: "apply the infrastructure again: neargate infra apply".to_owned(),
        };
        let blue = facts.target_groups.get("blue").map(|it| it.arn.clone());
        let main = seen
            .group
            .or(blue)
            .ok_or_else(|| missing("a target group"))?;
        let mut groups = facts.target_groups.values().map(|it| it.arn.clone());
        let visitor = groups.find(|arn| *arn != main);
        Ok(ShiftedGroups {
            visitor: visitor.ok_or_else(|| missing("a second target group"))?,
            rules: facts.rules.values().cloned().collect(),
            port: spec.port.ok_or_else(|| missing("the port"))?,
            main,
        })
    }

    async fn observed(
        &self,
        service: &str,
        ways: &ShiftedGroups,
    ) -> Result<ServicesObserved, DriverError> {
        let (spec, facts) = self.service(service)?;
        let cluster = &self.facts.cluster;
        let main = self.service_state(service).await?;
        let visitor = self.aws.service(cluster, &visitor_of(facts)).await?;
        let mut weight = 0;
        for rule in &ways.rules {
            weight = weight.max(self.aws.weight(rule, &ways.visitor).await?);
        }
        let healthy = match &visitor {
            Some(_) => self.aws.healthy_targets(&ways.visitor).await?,
            None => 0,
        };
        let fleet = |seen: super::aws::EcsServiceState, healthy| ServiceObservation {
            definition: seen.definition,
            desired: seen.desired,
            healthy,
            failed: seen.failed,
            steady: seen.settled,
            said: seen.said,
        };
        let running = main.running;
        Ok(ServicesObserved {
            main: fleet(main, running),
            visitor: visitor.map(|seen| fleet(seen, healthy)),
            weight,
            alarms: self.guard_states(spec).await?,
        })
    }

    async fn make(
        &self,
        service: &str,
        ways: &ShiftedGroups,
        call: &AwsChange,
    ) -> Result<(), DriverError> {
        let (spec, facts) = self.service(service)?;
        let (cluster, visitor) = (&self.facts.cluster, visitor_of(facts));
        match call {
            AwsChange::CreateVisitor { definition, count } => {
                let wanted = GreenServiceRequest {
                    name: &visitor,
                    definition,
                    count: *count,
                    group: &ways.visitor,
                    port: ways.port,
                };
                self.aws.create_visitor(cluster, facts, &wanted).await
            }
            AwsChange::UpdateVisitor { definition, count } => {
                let definition = Some(definition.as_str());
                self.aws
                    .set_service(cluster, &visitor, definition, Some(*count))
                    .await
            }
            AwsChange::UpdateMain { definition } => {
                let number = super::definition::number(definition);
                self.say(service, &format!("the service moves to revision {number}"));
                // Told to roll: its last release may have been a shift by ECS.
                let native = self.native(spec, facts, definition, ReleaseKind::Rollback);
                let wanted = ReleaseWanted {
                    definition,
                    tasks: None,
                    native: &native,
                    group: None,
                    port: Some(ways.port),
                };
                self.aws.release(cluster, facts, &wanted).await
            }
            AwsChange::SetWeight { weight } => {
                for rule in &ways.rules {
                    let shares = RuleWeights {
                        main: ways.main.clone(),
                        visitor: ways.visitor.clone(),
                        weight: *weight,
                    };
                    self.aws.set_weight(rule, &shares).await?;
                }
                Ok(())
            }
            AwsChange::DeleteVisitor => self.aws.delete_service(cluster, &visitor).await,
        }
    }

    /// Says something about a release by weights that anybody drives.
    ///
    /// # Errors
    /// There is none, or it cannot do this now.
    pub async fn steer(&self, service: &str, steer: ReleaseControl) -> Result<(), DriverError> {
        loop {
            let mut stored = self.read(service).await?;
            let (journal, _) = parts(&stored)?;
            let mut state = weighted_plan::replay(&journal);
            let event = Event::ReleaseSteered {
                service: service.to_owned(),
                steer,
                by: self.asker.user.clone(),
            };
            let step = decide(&state, now(), &event);
            if let Some(refusal) = step.refusal() {
                return Err(DriverError::Failed(refusal.to_string()));
            }
            add(&mut stored, &told(&mut state, &event))?;
            // The lease stays its holder's: the driver reads the record again.
            let bucket = &self.facts.state_bucket;
            let key = super::record::key(&self.manifest.app, &self.manifest.env, service);
            match self.aws.write_record(bucket, &key, &mut stored).await {
                Err(DriverError::Refused { .. }) => {}
                other => return other,
            }
        }
    }

    /// Goes back from a release by weights that anybody drives; follows when nobody does.
    pub(super) async fn abort(&self, service: &str) -> Result<ReleaseEnd, DriverError> {
        self.steer(service, ReleaseControl::Abort).await?;
        self.follow_open(service).await
    }
}

/// The name of the service that runs the new revision meanwhile.
pub(super) fn visitor_of(facts: &ServiceFacts) -> String {
    format!("{}-next", facts.name)
}

fn told(state: &mut EnvironmentState, event: &Event) -> Vec<JournalEntry> {
    let step = decide(state, now(), event);
    let entries = step.entries().to_vec();
    for entry in &entries {
        apply(state, entry);
    }
    entries
}

/// The journal, and what is released.
fn parts(
    stored: &StoredRecord,
) -> Result<(Vec<JournalEntry>, ReleaseTaskDefinitions), DriverError> {
    let open = stored.record.open.as_ref();
    match open.map(|open| (&open.drive, open)) {
        Some((ReleasePhase::Weights { journal }, open)) => {
            let (from, to) = (open.from.clone(), open.to.clone());
            Ok((journal.clone(), ReleaseTaskDefinitions { from, to }))
        }
        Some((ReleasePhase::Prepared, _)) => Err(DriverError::Failed(
            "the jobs before the release still run".to_owned(),
        )),
        Some((ReleasePhase::Native { .. } | ReleasePhase::Back { .. }, _)) => Err(
            DriverError::Failed("ECS moves this release: it can only be rolled back".to_owned()),
        ),
        Some((ReleasePhase::Files, _)) => Err(DriverError::Failed(
            "a static site's release has no steps: it can only be rolled back".to_owned(),
        )),
        None => Err(DriverError::Failed(
            "there is no release in progress".to_owned(),
        )),
    }
}

fn add(stored: &mut StoredRecord, fresh: &[JournalEntry]) -> Result<(), DriverError> {
    let open = stored.record.open.as_mut();
    if let Some(ReleasePhase::Weights { journal }) = open.map(|open| &mut open.drive) {
        if journal.len() + fresh.len() > ENTRIES_MOST {
            return Err(DriverError::Failed(format!(
                "the release has more than {ENTRIES_MOST} journal entries; roll it back"
            )));
        }
        journal.extend_from_slice(fresh);
    }
    Ok(())
}

fn waiting(service: &ServiceState) -> String {
    let share = weight(service);
    format!("at {share} %: waits for {}", waiting_for(service, now()))
}

fn ended(service: &ServiceState) -> RecordedEnd {
    let Some(finished) = weighted_plan::finished(service) else {
        return RecordedEnd {
            outcome: "failed",
            reason: "the release left no record".to_owned(),
            evidence: Vec::new(),
        };
    };
    let reason = match finished.outcome {
        ReleaseOutcome::Done => format!("revision {} serves", finished.to),
        ReleaseOutcome::RolledBack | ReleaseOutcome::Failed => finished.reason.clone(),
    };
    RecordedEnd {
        outcome: finished.outcome.name(),
        reason,
        evidence: finished.evidence.clone(),
    }
}
