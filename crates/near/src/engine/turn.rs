//! One turn of the loop: decide, persist, apply, act.

use std::collections::{BTreeMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use neargate_core::machine::{self, Entry, Event, Refusal, State};
use neargate_core::time::Timestamp;
use tokio::sync::watch;

use crate::journal::{Journal, JournalError};

/// A snapshot replaces this many entries.
const ENTRIES_PER_SNAPSHOT: u64 = 2_000;

/// Why a turn did not happen. The state is as it was.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The machine says no.
    #[error("{0}")]
    Refused(Refusal),
    /// The entries could not be written.
    #[error("the decision could not be written to the journal")]
    Journal(#[from] JournalError),
}

/// The state and its journal: what only the loop may touch.
pub struct Ledger {
    state: State,
    journal: Journal,
    seq: watch::Sender<u64>,
    snapshot_at: u64,
    deferred: VecDeque<Event>,
}

/// The clock of the engine.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
