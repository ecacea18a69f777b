//! The ledger: the state, its journal, and the one way from an event to actions.
//!
//! Invariant: actions leave only after their entries are written. An event of the world that
//! cannot be written (a full disk) waits here, in order, until it can.

use std::collections::VecDeque;

use neargate_core::machine::{self, Action, Entry, Event, Refusal, State};
use neargate_core::time::Timestamp;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::journal::{Journal, JournalError, Recorded, Stored};

/// Where the timeline is, in the journal's meta table.
const CLOCK: &str = "clock";
/// A snapshot replaces this many entries.
const ENTRIES_PER_SNAPSHOT: u64 = 2_000;

/// Why an event had no effect. The state is as it was.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The machine says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The entries could not be written.
    #[error("the decision cannot be written down")]
    Journal(#[from] JournalError),
}

impl Recorded for Entry {
    fn kind(&self) -> &str {
        Entry::kind(self)
    }
}

/// The state and its journal.
pub struct Ledger {
    state: State,
    journal: Journal,
    clock: Clock,
    clock_unwritten: bool,
    seq: watch::Sender<u64>,
    snapshot_at: u64,
    waiting: VecDeque<Event>,
}

/// The journal as the machine sees it.
struct Pen<'a>(&'a mut Journal, Timestamp);

impl machine::Journal for Pen<'_> {
    type Error = JournalError;

    fn append(&mut self, entries: &[Entry]) -> Result<(), JournalError> {
        self.0.append(self.1, entries).map(|_| ())
    }
}

impl Ledger {
    /// Replays a journal.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn replay(journal: Journal) -> Result<Self, JournalError> {
        let loaded = journal.load::<State, Entry>()?;
        let (snapshot_at, mut state) = loaded.snapshot.unwrap_or_default();
        for stored in &loaded.entries {
            machine::apply(&mut state, &stored.entry);
        }
        let (seq, _) = watch::channel(journal.last());
        let text = journal.get_meta(CLOCK)?;
        // One that cannot be read is as good as none: the timeline goes on by the wall clock.
        let anchor = text.and_then(|text| serde_json::from_str(&text).ok());
        let clock = Clock::after(anchor.as_ref(), journal.latest()?);
        let mut ledger = Self {
            state,
            journal,
            clock,
            clock_unwritten: true,
            seq,
            snapshot_at,
            waiting: VecDeque::new(),
        };
        // On a full disk it is written later.
        let _ = ledger.note_clock();
        Ok(ledger)
    }

    /// The timeline.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Writes down where the timeline is, when that is not written or the wall clock was set.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn note_clock(&mut self) -> Result<(), JournalError> {
        self.clock_unwritten |= self.clock.was_set();
        if self.clock_unwritten {
            let text = serde_json::to_string(self.clock.anchor());
            self.journal.put_meta(CLOCK, &text.unwrap_or_default())?;
            self.clock_unwritten = false;
        }
        Ok(())
    }

    /// What is decided.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The last journal position, for those who wait for more.
    #[must_use]
    pub fn seq(&self) -> watch::Receiver<u64> {
        self.seq.subscribe()
    }

    /// Number of the newest entry.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.journal.last()
    }

    /// Entries after a position.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn read(&self, after: u64, limit: u64) -> Result<Vec<Stored<Entry>>, JournalError> {
        self.journal.read(after, limit)
    }

    /// A fact that is no entry.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn put_meta(&mut self, key: &str, value: &str) -> Result<(), JournalError> {
        self.journal.put_meta(key, value)
    }

    /// A fact that is no entry.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn get_meta(&self, key: &str) -> Result<Option<String>, JournalError> {
        self.journal.get_meta(key)
    }

    /// A person's request: decided and persisted now, or refused.
    ///
    /// # Errors
    /// [`TurnError`]; nothing changed.
    pub fn ask(&mut self, event: &Event) -> Result<Vec<Action>, TurnError> {
        let now = self.clock.now();
        let step = machine::decide(&self.state, now, event);
        if let Some(refusal) = step.refusal() {
            return Err(refusal.clone().into());
        }
        let persisted = step.persist(&mut Pen(&mut self.journal, now))?;
        for entry in persisted.entries() {
            machine::apply(&mut self.state, entry);
        }
        if !persisted.entries().is_empty() {
            self.seq.send_replace(self.journal.last());
        }
        Ok(persisted.into_actions())
    }

    /// Something happened: it takes its turn after those that wait, and waits when it cannot
    /// be written; the error says why, once per attempt.
    pub fn happened(&mut self, event: Event) -> (Vec<Action>, Option<JournalError>) {
        self.waiting.push_back(event);
        self.catch_up()
    }

    /// Tries the events that wait.
    pub fn catch_up(&mut self) -> (Vec<Action>, Option<JournalError>) {
        let mut actions = Vec::new();
        while let Some(event) = self.waiting.front().cloned() {
            match self.ask(&event) {
                Ok(more) => actions.extend(more),
                Err(TurnError::Refused(_)) => {}
                Err(TurnError::Journal(error)) => return (actions, Some(error)),
            }
            self.waiting.pop_front();
        }
        (actions, None)
    }

    /// Whether events wait to be written.
    #[must_use]
    pub fn behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Replaces old entries by a snapshot when there are many; a failure leaves all as it is.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn compact(&mut self) -> Result<(), JournalError> {
        let last = self.journal.last();
        if last - self.snapshot_at >= ENTRIES_PER_SNAPSHOT {
            self.journal.compact(last, &self.state)?;
            self.snapshot_at = last;
        }
        Ok(())
    }

    /// Closes the journal cleanly.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn close(self) -> Result<(), JournalError> {
        self.journal.close()
    }
}
