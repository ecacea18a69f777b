//! The ledger: the state, its journal, and the one way from an event to actions.
//!
//! Proposals are decided in the order in which they come, as many at once as wait, and ordered to
//! be written as one transaction. The journal's thread writes; the loop goes on meanwhile.
//!
//! Invariant: the state is what is on the disk, and actions leave only after their entries are
//! there. What happened and cannot be written (a full disk) waits here, in order, until it can;
//! what was asked is given back.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use neargate_core::machine::{
    self, Action, Decision, EnvironmentState, Event, JournalEntry, Refusal,
};
use neargate_core::time::Timestamp;
use tokio::sync::watch;

use super::follow_up::FollowUp;
use super::journal_writer::{JournalOrder, JournalReport, JournalWriter, WriteReceipt};
use crate::clock::EngineClock;
use crate::input_channel::InputSender;
use crate::journal::{Journal, JournalError, Recorded};

/// Where the timeline is, in the journal's meta table.
const CLOCK: &str = "clock";
/// A snapshot replaces this many entries.
const ENTRIES_PER_SNAPSHOT: u64 = 2_000;
/// Proposals that are decided at once: deciding takes up to 0.1 ms for each, and the loop waits.
const MOST_AT_ONCE: usize = 64;
/// Proposals that may wait; then the loop takes no further input until some are written.
const MOST_WAITING: usize = 1024;

impl Recorded for JournalEntry {
    fn kind(&self) -> &str {
        JournalEntry::kind(self)
    }
}

/// Something to decide and to write down.
pub(super) struct Proposal {
    /// Happenings or requests; each may be refused for itself.
    pub events: Vec<Event>,
    /// Facts that are no entries, by their key.
    pub facts: Vec<(String, String)>,
    /// Waits until it can be written, instead of being given up.
    pub lasting: bool,
    /// Work that follows once it is settled.
    pub sequel: FollowUp,
}

/// A proposal that was written, refused or given up.
pub(super) struct SettledProposal {
    /// Work that follows, as the proposal named it.
    pub sequel: FollowUp,
    /// The decision; an error: nothing could be written.
    pub outcome: Result<RecordedDecision, Arc<JournalError>>,
}

/// A decision that is written.
#[derive(Default)]
pub(super) struct RecordedDecision {
    /// Number of the last entry before.
    pub after: u64,
    /// Entries that were written.
    pub entries: Vec<JournalEntry>,
    /// Actions that are to be done now.
    pub actions: Vec<Action>,
    /// Why some of it was not decided.
    pub refusals: Vec<Refusal>,
}

/// A proposal that is being written.
struct PendingProposal {
    proposal: Proposal,
    steps: Vec<Decision>,
    refusals: Vec<Refusal>,
}

/// State of the journal's thread.
enum WriterState {
    Nothing,
    Drafts(Vec<PendingProposal>),
    Snapshot(u64),
}

/// The state and its journal.
pub(super) struct Ledger {
    state: EnvironmentState,
    writer: JournalWriter,
    writing: WriterState,
    waiting: VecDeque<Proposal>,
    /// The last write failed: those that wait are tried again later.
    failed: bool,
    clock: EngineClock,
    clock_unwritten: bool,
    facts: BTreeMap<String, String>,
    last: u64,
    seq: watch::Sender<u64>,
    snapshot_at: u64,
}

/// The replayed content of a journal.
pub(super) struct ReplayedJournal {
    journal: Journal,
    state: EnvironmentState,
    clock: EngineClock,
    clock_unwritten: bool,
    facts: BTreeMap<String, String>,
    snapshot_at: u64,
}

impl ReplayedJournal {
    /// Replays a journal.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub(super) fn of(mut journal: Journal) -> Result<Self, JournalError> {
        let loaded = journal.load::<EnvironmentState, JournalEntry>()?;
        let (snapshot_at, mut state) = loaded.snapshot.unwrap_or_default();
        for stored in &loaded.entries {
            machine::apply(&mut state, &stored.entry);
        }
        let facts = journal.all_meta()?;
        // One that cannot be read is as good as none: the timeline goes on by the wall clock.
        let anchor = facts.get(CLOCK);
        let anchor = anchor.and_then(|text| serde_json::from_str(text).ok());
        let clock = EngineClock::after(anchor.as_ref(), journal.latest()?);
        // On a full disk it is written later.
        let clock_unwritten = journal.put_meta(CLOCK, &anchor_of(&clock)).is_err();
        Ok(Self {
            journal,
            state,
            clock,
            clock_unwritten,
            facts,
            snapshot_at,
        })
    }
}

fn anchor_of(clock: &EngineClock) -> String {
    serde_json::to_string(clock.anchor()).unwrap_or_default()
}

impl Ledger {
    /// Begins to write; each order is followed by a report, for [`Ledger::reported`].
    ///
    /// # Errors
    /// The journal's thread cannot be started.
    pub(super) fn open(
        replayed: ReplayedJournal,
        reports: InputSender<JournalReport>,
    ) -> io::Result<Self> {
        let last = replayed.journal.last();
        let (seq, _) = watch::channel(last);
        Ok(Self {
            state: replayed.state,
            writer: JournalWriter::start(replayed.journal, reports)?,
            writing: WriterState::Nothing,
            waiting: VecDeque::new(),
            failed: false,
            clock: replayed.clock,
            clock_unwritten: replayed.clock_unwritten,
            facts: replayed.facts,
            last,
            seq,
            snapshot_at: replayed.snapshot_at,
        })
    }

    #[must_use]
    pub(super) fn clock(&self) -> &EngineClock {
        &self.clock
    }

    /// Proposes where the timeline is, when that is not written or the wall clock was set.
    pub(super) fn note_clock(&mut self) {
        let was_set = self.clock.was_set();
        if was_set || std::mem::take(&mut self.clock_unwritten) {
            let fact = (CLOCK.to_owned(), anchor_of(&self.clock));
            self.propose(Proposal {
                events: Vec::new(),
                facts: vec![fact],
                lasting: false,
                sequel: FollowUp::ClockNoted,
            });
        }
    }

    /// The timeline could not be written down.
    pub(super) fn clock_unwritten(&mut self) {
        self.clock_unwritten = true;
    }

    /// State after everything that was decided.
    #[must_use]
    pub(super) fn state(&self) -> &EnvironmentState {
        &self.state
    }

    /// The last journal position, for those who wait for more.
    #[must_use]
    pub(super) fn seq(&self) -> watch::Receiver<u64> {
        self.seq.subscribe()
    }

    /// Number of the newest entry.
    #[must_use]
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// A fact that is no entry.
    #[must_use]
    pub(super) fn fact(&self, key: &str) -> Option<&str> {
        self.facts.get(key).map(String::as_str)
    }

    /// A fact that holds from now on, and is on the disk before whatever is decided after it.
    pub(super) fn note(&mut self, key: &str, value: &str) {
        let fact = (key.to_owned(), value.to_owned());
        self.facts.extend([fact.clone()]);
        self.propose(Proposal {
            events: Vec::new(),
            facts: vec![fact],
            lasting: true,
            sequel: FollowUp::Nothing,
        });
    }

    /// Takes its turn after those that wait; [`Ledger::advance`] decides it.
    pub(super) fn propose(&mut self, proposal: Proposal) {
        self.waiting.push_back(proposal);
    }

    /// Whether there is room for what further inputs bring; without it they wait where they come from.
    #[must_use]
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MOST_WAITING
    }

    /// Nothing is asked of a disk that does not keep up.
    ///
    /// # Errors
    /// [`JournalError::TooSlow`].
    pub(super) fn refuse_without_room(&self) -> Result<(), JournalError> {
        let waiting = self.waiting.len();
        match self.has_room() {
            true => Ok(()),
            false => Err(JournalError::TooSlow { waiting }),
        }
    }

    /// Whether the journal's thread has an order.
    #[must_use]
    pub(super) fn is_writing(&self) -> bool {
        !matches!(self.writing, WriterState::Nothing)
    }

    /// Whether something waits because it could not be written.
    #[must_use]
    pub(super) fn behind(&self) -> bool {
        self.failed && !self.waiting.is_empty()
    }

    /// Decides what waits and orders it to be written, unless the thread has an order. What needs
    /// no writing is settled at once.
    pub(super) fn advance(&mut self) -> Vec<SettledProposal> {
        if self.is_writing() || self.waiting.is_empty() {
            return Vec::new();
        }
        let now = self.clock.now();
        let (drafts, entries) = self.decide(now);
        let facts = drafts.iter().flat_map(|draft| draft.proposal.facts.clone());
        let facts: Vec<(String, String)> = facts.collect();
        if entries.is_empty() && facts.is_empty() {
            let settled = |draft| settled(draft, self.last);
            return drafts.into_iter().map(settled).collect();
        }
        self.writing = WriterState::Drafts(drafts);
        let at = now;
        self.writer
            .order(JournalOrder::Write { at, entries, facts });
        Vec::new()
    }

    /// Decides proposals, each in the state that those before it make.
    fn decide(&mut self, now: Timestamp) -> (Vec<PendingProposal>, Vec<JournalEntry>) {
        let count = self.waiting.len().min(MOST_AT_ONCE);
        let mut ahead = None;
        let (mut entries, mut applied) = (Vec::new(), 0);
        let mut drafts = Vec::new();
        for proposal in self.waiting.drain(..count) {
            let (mut steps, mut refusals) = (Vec::new(), Vec::new());
            for event in &proposal.events {
                if applied < entries.len() {
                    let ahead = ahead.get_or_insert_with(|| self.state.clone());
                    for entry in &entries[applied..] {
                        machine::apply(ahead, entry);
                    }
                    applied = entries.len();
                }
                let step = machine::decide(ahead.as_ref().unwrap_or(&self.state), now, event);
                match step.refusal() {
                    Some(refusal) => refusals.push(refusal.clone()),
                    None => {
                        entries.extend_from_slice(step.entries());
                        steps.push(step);
                    }
                }
            }
            drafts.push(PendingProposal {
                proposal,
                steps,
                refusals,
            });
        }
        (drafts, entries)
    }

    /// Takes in how the thread's order ended.
    pub(super) fn reported(
        &mut self,
        report: JournalReport,
    ) -> (Vec<SettledProposal>, JournalOutcome) {
        let writing = std::mem::replace(&mut self.writing, WriterState::Nothing);
        match (report, writing) {
            (JournalReport::Written(Ok(mut receipt)), WriterState::Drafts(drafts)) => {
                self.failed = false;
                let take = |draft| self.take(draft, &mut receipt);
                let settled = drafts.into_iter().map(take).collect();
                self.seq.send_if_modified(|seq| {
                    let before = std::mem::replace(seq, self.last);
                    before != self.last
                });
                (settled, JournalOutcome::Written(None))
            }
            (JournalReport::Written(Err(error)), WriterState::Drafts(drafts)) => {
                self.failed = true;
                let error = Arc::new(error);
                (
                    self.give_back(drafts, &error),
                    JournalOutcome::Written(Some(error)),
                )
            }
            (JournalReport::Compacted(Ok(())), WriterState::Snapshot(seq)) => {
                self.snapshot_at = seq;
                (Vec::new(), JournalOutcome::Compacted(None))
            }
            (report, _) => (Vec::new(), JournalOutcome::Compacted(report.error())),
        }
    }

    /// A written draft holds, and is acted on.
    fn take(&mut self, draft: PendingProposal, receipt: &mut WriteReceipt) -> SettledProposal {
        let mut decided = RecordedDecision {
            after: self.last,
            refusals: draft.refusals,
            ..RecordedDecision::default()
        };
        for step in draft.steps {
            let Ok(persisted) = step.persist(receipt);
            for entry in persisted.entries() {
                machine::apply(&mut self.state, entry);
                self.last += 1;
            }
            decided.entries.extend_from_slice(persisted.entries());
            decided.actions.extend(persisted.into_actions());
        }
        self.facts.extend(draft.proposal.facts);
        SettledProposal {
            sequel: draft.proposal.sequel,
            outcome: Ok(decided),
        }
    }

    /// Happenings wait again, before all that came meanwhile; requests are given up.
    fn give_back(
        &mut self,
        drafts: Vec<PendingProposal>,
        error: &Arc<JournalError>,
    ) -> Vec<SettledProposal> {
        let mut given_up = Vec::new();
        for draft in drafts.into_iter().rev() {
            if draft.proposal.lasting {
                self.waiting.push_front(draft.proposal);
            } else {
                given_up.push(SettledProposal {
                    sequel: draft.proposal.sequel,
                    outcome: Err(Arc::clone(error)),
                });
            }
        }
        given_up.reverse();
        given_up
    }

    /// Replaces old entries by a snapshot when there are many and nothing is being written.
    pub(super) fn compact(&mut self) {
        if !self.is_writing() && self.last - self.snapshot_at >= ENTRIES_PER_SNAPSHOT {
            let (seq, state) = (self.last, Box::new(self.state.clone()));
            self.writing = WriterState::Snapshot(seq);
            self.writer.order(JournalOrder::Compact { seq, state });
        }
    }

    /// Waits for what is being written, and closes the journal cleanly. Blocks.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(super) fn close(self) -> Result<(), JournalError> {
        self.writer.close()
    }
}

/// How an order of the journal's thread ended, and why it failed.
pub(super) enum JournalOutcome {
    /// Decisions were written, or none of them.
    Written(Option<Arc<JournalError>>),
    /// A snapshot was written, or not.
    Compacted(Option<JournalError>),
}

/// A proposal that needed no writing.
fn settled(draft: PendingProposal, after: u64) -> SettledProposal {
    SettledProposal {
        sequel: draft.proposal.sequel,
        outcome: Ok(RecordedDecision {
            after,
            refusals: draft.refusals,
            ..RecordedDecision::default()
        }),
    }
}

#[cfg(test)]
mod tests;
