//! A release is driven to its end: look, ask the machine, write, and only then make the one call that comes next.
//!
//! A client that goes on with a release that another one left replays the journal and does the same.
//! Invariant: nothing is called that the written journal does not ask for.

use neargate_core::ids::RevisionNumber;
use neargate_core::machine::{Action, Event, ReleaseKind, ReleaseOutcome, waiting_for, weight};
use neargate_core::release_report::ReleaseResult;
use neargate_core::status_words::OutcomeName;

use super::api::StoredRecord;
use super::capacity_executor::{CapacityExecutor, Execution};
use super::definition::number;
use super::environment::{Driver, WriteOutcome, now};
use super::error::DriverError;
use super::record::LeaseHold;
use super::release_jobs::ReleaseJobs;
use super::release_journal::{Answer, ReleaseJournal};
use super::site_revision::SiteRevision;

impl Driver {
    /// Drives the open release to its end, from wherever it is. With `standing`, only the files of
    /// a site that differ from it are copied.
    pub(super) async fn drive(
        &self,
        service: &str,
        stored: StoredRecord,
        standing: Option<SiteRevision>,
    ) -> Result<ReleaseResult, DriverError> {
        let mut journal = ReleaseJournal::new(self, service, stored, LeaseHold::Driver);
        let mut executor = CapacityExecutor::new(self, service, standing);
        let mut jobs = ReleaseJobs::new(self, service);
        jobs.stop_those_of(&journal.outstanding(), &journal).await?;
        let mut last = String::new();
        loop {
            if journal.open_release().is_none() {
                return self.last_end(service).await;
            }
            if journal.finished().is_some() {
                return self.close(service, journal).await;
            }
            let mut events = self.observed(service, &journal).await?;
            events.extend(jobs.observed(&journal).await?);
            if journal.is_due() {
                events.push(Event::TimePassed);
            }
            if ask_all(&mut journal, &mut jobs, &events).await? {
                continue;
            }
            if let Some(order) = journal.capacity_order() {
                match executor.execute(&mut journal, &order).await? {
                    Execution::Made => continue,
                    Execution::Observed(observation) => {
                        let event = Event::CapacityObserved {
                            service: service.into(),
                            observation,
                        };
                        ask_all(&mut journal, &mut jobs, &[event]).await?;
                        continue;
                    }
                    Execution::MadeBefore => {}
                }
            }
            let words = waiting(&journal);
            if words != last {
                self.say(service, &words);
                last = words;
            }
            journal.renew().await?;
            self.wait().await;
            journal.read_again().await?;
        }
    }

    /// How the release ended that another client drove.
    pub(super) async fn last_end(&self, service: &str) -> Result<ReleaseResult, DriverError> {
        let past = self.read(service).await?.record.past.pop();
        let past = past.map(|past| past.release).ok_or_else(|| {
            DriverError::Failed("the release left no record: neargate releases".to_owned())
        })?;
        Ok(ReleaseResult {
            revision: self
                .serving_revision(service, &past.outcome, past.from, past.to)
                .await?,
            outcome: past.outcome,
            notes: Vec::new(),
            reason: past.reason,
            evidence: past.evidence,
            service: service.to_owned(),
            release: past.id,
        })
    }

    /// Ends the release in the record.
    async fn close(
        &self,
        service: &str,
        journal: ReleaseJournal<'_>,
    ) -> Result<ReleaseResult, DriverError> {
        let Some(finished) = journal.finished().cloned() else {
            return self.last_end(service).await;
        };
        let mut stored = journal.into_stored();
        if self.is_site(service)? && finished.outcome == ReleaseOutcome::Done {
            self.keep_revisions(service, &mut stored).await?;
        }
        loop {
            stored.record.close(service, &finished, now());
            // Not as the driver: the lease is given back with it.
            let written = self.write_record(service, &mut stored, LeaseHold::Bystander);
            if written.await? == WriteOutcome::Yes {
                break;
            }
        }
        let outcome = OutcomeName::from(finished.outcome);
        Ok(ReleaseResult {
            revision: self
                .serving_revision(service, &outcome, finished.from, finished.to)
                .await?,
            outcome,
            notes: Vec::new(),
            reason: finished.reason,
            evidence: finished.evidence,
            service: service.to_owned(),
            release: finished.id,
        })
    }

    /// The revision that serves now: ECS's word; of a site, what the release left.
    async fn serving_revision(
        &self,
        service: &str,
        outcome: &OutcomeName,
        from: RevisionNumber,
        to: RevisionNumber,
    ) -> Result<RevisionNumber, DriverError> {
        if self.is_site(service)? {
            return Ok(if *outcome == OutcomeName::Done {
                to
            } else {
                from
            });
        }
        let (_, facts) = self.service(service)?;
        let seen = self.aws.service(&self.facts.cluster, &facts.name).await?;
        Ok(seen
            .map(|seen| number(&seen.definition))
            .unwrap_or_default())
    }
}

/// Asks the machine about all of them; whether anything was decided, or somebody else decided.
async fn ask_all(
    journal: &mut ReleaseJournal<'_>,
    jobs: &mut ReleaseJobs<'_>,
    events: &[Event],
) -> Result<bool, DriverError> {
    let mut decided = false;
    for event in events {
        match journal.ask(event).await? {
            Answer::Nothing => {}
            Answer::ReadAgain => return Ok(true),
            Answer::Decided(actions) => {
                decided = true;
                let stops: Vec<Action> = actions
                    .into_iter()
                    .filter(|action| matches!(action, Action::StopHook { .. }))
                    .collect();
                jobs.stop_those_of(&stops, journal).await?;
            }
        }
    }
    Ok(decided)
}

/// The condition that the release waits for, with the share of the new revision when it shifts.
fn waiting(journal: &ReleaseJournal<'_>) -> String {
    let Some(service) = journal.service_state() else {
        return String::new();
    };
    let words = waiting_for(service, now());
    match &service.release {
        Some(release) if release.kind == ReleaseKind::Deploy && service.shifts(release) => {
            format!("at {} %: waits for {words}", weight(service))
        }
        _ => format!("waits for {words}"),
    }
}
