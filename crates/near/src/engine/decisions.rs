//! From what happened or is asked to its decision, and to what follows when that is written, or
//! cannot be.
//!
//! Invariant: whatever is answered, told or removed because of a decision comes here, and so after
//! the decision is on the disk.

use std::sync::Arc;

use neargate_core::command_exit::CommandExit;
use neargate_core::error_chain::error_chain;
use neargate_core::machine::{Event, Fact, JournalEntry, Refusal};

use super::follow_up::FollowUp;
use super::journal_writer::JournalReport;
use super::ledger::{JournalOutcome, Proposal, RecordedDecision, SettledProposal};
use super::notes::NoteCause;
use super::problems::{TurnError, refused};
use super::{Engine, log, reply};
use crate::api::wire::{Accepted, Problem, StartedRelease};
use crate::input_channel::InputReceiver;
use crate::journal::JournalError;

impl Engine {
    /// An event of the world: decided now, or kept until it can be written.
    pub(super) fn happened(&mut self, event: Event) {
        self.happened_then(event, FollowUp::Nothing);
    }

    /// As [`Engine::happened`], and what follows it.
    pub(super) fn happened_then(&mut self, event: Event, sequel: FollowUp) {
        self.propose(Proposal {
            events: vec![event],
            facts: Vec::new(),
            lasting: true,
            sequel,
        });
    }

    /// A request of a person: decided and written, or refused.
    pub(super) fn ask(&mut self, events: Vec<Event>, sequel: FollowUp) {
        if let Err(error) = self.ledger.refuse_without_room() {
            let outcome = Err(Arc::new(error));
            return self.settle(SettledProposal { sequel, outcome });
        }
        self.propose(Proposal {
            events,
            facts: Vec::new(),
            lasting: false,
            sequel,
        });
    }

    /// Hands something to the ledger.
    pub(super) fn propose(&mut self, proposal: Proposal) {
        self.ledger.propose(proposal);
        self.advance();
    }

    /// Decides what waits, unless something is being written.
    pub(super) fn advance(&mut self) {
        loop {
            let settled = self.ledger.advance();
            if settled.is_empty() {
                return;
            }
            settled.into_iter().for_each(|one| self.settle(one));
        }
    }

    /// The journal's thread has done what it was ordered.
    pub(super) fn reported(&mut self, report: JournalReport) {
        let (settled, outcome) = self.ledger.reported(report);
        settled.into_iter().for_each(|one| self.settle(one));
        match outcome {
            JournalOutcome::Written(None) => {
                self.note_journal(NoteCause::JournalUnwritable, None);
                self.advance();
                self.ledger.compact();
            }
            // Those that wait are tried again after a while.
            JournalOutcome::Written(Some(error)) if self.ledger.behind() => {
                self.note_journal(NoteCause::JournalUnwritable, Some(&error));
            }
            JournalOutcome::Written(Some(_)) => {}
            JournalOutcome::Compacted(error) => {
                self.note_journal(NoteCause::JournalGrows, error.as_ref());
                self.advance();
            }
        }
    }

    /// Before the loop begins: waits until all that was proposed is written, or cannot be.
    pub(super) async fn written(&mut self, reports: &mut InputReceiver<JournalReport>) {
        while self.ledger.is_writing() {
            let Some(report) = reports.recv().await else {
                return;
            };
            self.reported(report.input);
        }
    }

    /// Does and tells what was decided, and what follows.
    fn settle(&mut self, settled: SettledProposal) {
        let SettledProposal { sequel, outcome } = settled;
        let outcome = outcome.map(|mut decided| {
            self.act_all(std::mem::take(&mut decided.actions));
            self.notify_entries(&decided.entries);
            decided
        });
        match sequel {
            FollowUp::Nothing => {}
            FollowUp::ClockNoted if outcome.is_err() => self.ledger.clock_unwritten(),
            FollowUp::ClockNoted => {}
            FollowUp::Answer(to) => {
                let accepted = self.accepted(outcome);
                reply(to, accepted);
            }
            FollowUp::Scaled(service, to) => {
                let accepted = self.accepted(outcome);
                reply(to, accepted.map(|accepted| self.scaled(&service, accepted)));
            }
            FollowUp::WentBack(service, to) => {
                let open = outcome.as_ref().is_ok_and(|decided| {
                    let last = decided.refusals.last();
                    matches!(last, Some(Refusal::ReleaseInProgress { .. }))
                });
                let mut accepted = self.accepted(outcome);
                if let (true, Err(problem)) = (open, &mut accepted) {
                    problem.help =
                        Some(format!("roll that release back: neargate abort {service}"));
                }
                reply(
                    to,
                    accepted.map(|accepted| self.went_back(&service, accepted)),
                );
            }
            FollowUp::Down(to) => {
                let accepted = self.accepted(outcome);
                self.down_decided(accepted, to);
            }
            FollowUp::DefinitionTaken(request, listening) => {
                let taken = outcome
                    .map(drop)
                    .map_err(|error| Problem::of(&*error, CommandExit::Failed));
                self.definition_taken(*request, listening, taken);
            }
            FollowUp::UpBegun(request) => {
                let begun = self.accepted(outcome);
                self.up_begun(*request, begun.map(drop));
            }
            FollowUp::ReleasesBegun(request, lease) => {
                let accepted = self.accepted(outcome);
                self.releases_begun(*request, lease, accepted);
            }
            FollowUp::TaskEnded { task, service } => self.clear_away(task, service),
            FollowUp::JobEnded(run) => self.forget_job(run),
            FollowUp::AlarmsChanged(changes) => {
                let error = outcome.err();
                self.alarms_changed(changes, error.as_deref());
            }
            FollowUp::Judged => self.judging -= 1,
        }
    }

    /// The answer to a request: its effects, or why there are none.
    fn accepted(
        &self,
        outcome: Result<RecordedDecision, Arc<JournalError>>,
    ) -> Result<Accepted, Problem> {
        let mut decided = outcome.map_err(|error| refused(&TurnError::Journal(error)))?;
        if let Some(refusal) = decided.refusals.pop() {
            return Err(refused(&TurnError::Refused(refusal)));
        }
        Ok(Accepted {
            after: decided.after,
            releases: started(&decided.entries),
            in_progress: Default::default(),
            notes: self.notes.texts(),
        })
    }

    /// Notes what the journal cannot do now, and takes it back when it can.
    pub(super) fn note_journal(&mut self, cause: NoteCause, error: Option<&JournalError>) {
        let text = error.map(|error| format!("{}: {}", cause.describe(), error_chain(error)));
        if self.notes.set(cause, text.as_slice()) {
            text.iter().for_each(|text| log(text));
        }
    }
}

fn started(entries: &[JournalEntry]) -> std::collections::BTreeMap<String, StartedRelease> {
    let started = |entry: &JournalEntry| match &entry.fact {
        Fact::ReleaseStarted { release, to, .. } => {
            let (id, revision) = (*release, *to);
            Some((entry.service.to_string(), StartedRelease { id, revision }))
        }
        _ => None,
    };
    entries.iter().filter_map(started).collect()
}
