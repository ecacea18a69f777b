//! What follows when something is written, or cannot be.
//!
//! Invariant: whatever is answered, told or removed because of a decision comes here, and so after
//! the decision is on the disk.

use std::sync::Arc;

use neargate_core::alarm::Transition;
use neargate_core::machine::{Entry, Event, Fact};

use super::journal_writer::Report;
use super::ledger::{Decided, Outcome, Proposal, Settled, TurnError};
use super::notes::Cause;
use super::preparation::{Lease, Request};
use super::provide::Addresses;
use super::routers::Connected;
use super::{Engine, calls, log, reply, tasks};
use crate::api::server::Reply;
use crate::api::wire::{Accepted, Problem, StartedRelease};
use crate::arrivals::Receiver;
use crate::journal::JournalError;

/// What follows a proposal.
pub(super) enum Sequel {
    /// Nothing but its actions.
    Nothing,
    /// The place of the timeline is written, or must be tried again.
    ClockNoted,
    /// A person gets the answer.
    Answer(Reply<Accepted>),
    /// A service has another number of tasks: a person is told.
    Scaled(String, Reply<Accepted>),
    /// The app goes down.
    Down(Reply<Accepted>),
    /// The definition of an `up` is taken; perhaps a router was started for it.
    DefinitionTaken(Box<Request>, (Option<Connected>, Addresses)),
    /// The app is up: an `up` goes on with its snapshots.
    UpBegun(Box<Request>),
    /// The releases of an `up` or a `deploy` have begun; their snapshots are held until then.
    ReleasesBegun(Box<Request>, Lease),
    /// What is left of a task goes.
    TaskEnded(String),
    /// What is left of a job goes.
    JobEnded(String),
    /// Alarms enter their states and are told.
    AlarmsChanged(Vec<(String, Transition)>),
    /// A verdict of a guard is known.
    Judged,
}

impl Engine {
    /// An event of the world: decided now, or kept until it can be written.
    pub(super) fn happened(&mut self, event: Event) {
        self.happened_then(event, Sequel::Nothing);
    }

    /// As [`Engine::happened`], and what follows it.
    pub(super) fn happened_then(&mut self, event: Event, sequel: Sequel) {
        self.propose(Proposal {
            events: vec![event],
            facts: Vec::new(),
            lasting: true,
            sequel,
        });
    }

    /// What a person asks: decided and written, or refused.
    pub(super) fn ask(&mut self, events: Vec<Event>, sequel: Sequel) {
        if let Err(error) = self.ledger.refuse_without_room() {
            let outcome = Err(Arc::new(error));
            return self.settle(Settled { sequel, outcome });
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
    pub(super) fn reported(&mut self, report: Report) {
        let (settled, outcome) = self.ledger.reported(report);
        settled.into_iter().for_each(|one| self.settle(one));
        match outcome {
            Outcome::Written(None) => {
                self.note_journal(Cause::JournalUnwritable, None);
                self.advance();
                self.ledger.compact();
            }
            // Those that wait are tried again after a while.
            Outcome::Written(Some(error)) if self.ledger.behind() => {
                self.note_journal(Cause::JournalUnwritable, Some(&error));
            }
            Outcome::Written(Some(_)) => {}
            Outcome::Compacted(error) => {
                self.note_journal(Cause::JournalGrows, error.as_ref());
                self.advance();
            }
        }
    }

    /// Before the loop begins: waits until all that was proposed is written, or cannot be.
    pub(super) async fn written(&mut self, reports: &mut Receiver<Report>) {
        while self.ledger.is_writing() {
            let Some(report) = reports.recv().await else {
                return;
            };
            self.reported(report.input);
        }
    }

    /// Does and tells what was decided, and what follows.
    fn settle(&mut self, settled: Settled) {
        let Settled { sequel, outcome } = settled;
        let outcome = outcome.map(|mut decided| {
            self.act_all(std::mem::take(&mut decided.actions));
            self.tell(&decided.entries);
            decided
        });
        match sequel {
            Sequel::Nothing => {}
            Sequel::ClockNoted if outcome.is_err() => self.ledger.clock_unwritten(),
            Sequel::ClockNoted => {}
            Sequel::Answer(to) => {
                let accepted = self.accepted(outcome);
                reply(to, accepted);
            }
            Sequel::Scaled(service, to) => {
                let accepted = self.accepted(outcome);
                reply(to, accepted.map(|accepted| self.scaled(&service, accepted)));
            }
            Sequel::Down(to) => {
                let accepted = self.accepted(outcome);
                self.down_decided(accepted, to);
            }
            Sequel::DefinitionTaken(request, listening) => {
                let taken = outcome
                    .map(drop)
                    .map_err(|error| calls::problem(&*error, 1));
                self.definition_taken(*request, listening, taken);
            }
            Sequel::UpBegun(request) => {
                let begun = self.accepted(outcome);
                self.up_begun(*request, begun.map(drop));
            }
            Sequel::ReleasesBegun(request, lease) => {
                let accepted = self.accepted(outcome);
                self.releases_begun(*request, lease, accepted);
            }
            Sequel::TaskEnded(id) => self.clear_away(id),
            Sequel::JobEnded(id) => self.forget_job(id),
            Sequel::AlarmsChanged(changes) => {
                let error = outcome.err();
                self.alarms_changed(changes, error.as_deref());
            }
            Sequel::Judged => self.judging -= 1,
        }
    }

    /// What a request set in motion, or why not.
    fn accepted(&self, outcome: Result<Decided, Arc<JournalError>>) -> Result<Accepted, Problem> {
        let mut decided = outcome.map_err(|error| calls::refused(&TurnError::Journal(error)))?;
        if let Some(refusal) = decided.refusals.pop() {
            return Err(calls::refused(&TurnError::Refused(refusal)));
        }
        Ok(Accepted {
            after: decided.after,
            releases: started(&decided.entries),
            in_progress: Default::default(),
            notes: self.notes.texts(),
        })
    }

    /// Notes what the journal cannot do now, and takes it back when it can.
    pub(super) fn note_journal(&mut self, cause: Cause, error: Option<&JournalError>) {
        let text = error.map(|error| format!("{}: {}", cause.words(), tasks::chain(error)));
        if self.notes.set(cause, text.as_slice()) {
            text.iter().for_each(|text| log(text));
        }
    }
}

fn started(entries: &[Entry]) -> std::collections::BTreeMap<String, StartedRelease> {
    let started = |entry: &Entry| match &entry.fact {
        Fact::ReleaseStarted { release, to, .. } => {
            let (id, revision) = (*release, *to);
            Some((entry.service.clone(), StartedRelease { id, revision }))
        }
        _ => None,
    };
    entries.iter().filter_map(started).collect()
}
