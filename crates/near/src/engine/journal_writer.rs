//! The journal's own thread: the loop hands it what is to be written and goes on; the thread tells
//! when that is on the disk, however long the disk takes.
//!
//! Invariant: a [`WriteReceipt`] is made here alone, after a write is durable; actions are had for a
//! receipt alone. One order at a time. When the writer is gone, so is its thread: whoever opens the
//! journal next finds what was ordered, whole or not at all.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;

use neargate_core::machine::{self, EnvironmentState, JournalEntry};
use neargate_core::time::Timestamp;

use crate::input_channel::InputSender;
use crate::journal::{Journal, JournalError};

/// An order for the thread.
pub(super) enum JournalOrder {
    /// Write entries and facts that are no entries, together.
    Write {
        /// When it was decided.
        at: Timestamp,
        /// In the order in which they are numbered.
        entries: Vec<JournalEntry>,
        /// By their key.
        facts: Vec<(String, String)>,
    },
    /// Put a snapshot in the place of the entries up to this one.
    Compact {
        /// Number of the last entry that the state holds.
        seq: u64,
        /// The state after it.
        state: Box<EnvironmentState>,
    },
}

/// How an order ended.
pub(super) enum JournalReport {
    /// All of a write is on the disk, or none of it.
    Written(Result<WriteReceipt, JournalError>),
    /// Old entries were replaced, or all is as it was.
    Compacted(Result<(), JournalError>),
}

impl JournalReport {
    /// Why it failed.
    pub(super) fn error(self) -> Option<JournalError> {
        match self {
            Self::Written(result) => result.err(),
            Self::Compacted(result) => result.err(),
        }
    }
}

/// The proof that what was ordered is on the disk.
pub(super) struct WriteReceipt(());

impl machine::EntryLog for WriteReceipt {
    type Error = Infallible;

    /// They are written: the receipt says so.
    fn append(&mut self, _: &[JournalEntry]) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The loop's end of the thread.
pub(super) struct JournalWriter {
    orders: Option<mpsc::Sender<JournalOrder>>,
    thread: Option<JoinHandle<Journal>>,
}

impl JournalWriter {
    /// Starts the thread; each order is followed by one report.
    ///
    /// # Errors
    /// There can be no more threads.
    pub(super) fn start(journal: Journal, reports: InputSender<JournalReport>) -> io::Result<Self> {
        let (orders, receiver) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || run(journal, &receiver, &reports))?;
        Ok(Self {
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    /// Gives an order. A thread that is gone (it panicked) does nothing, and nothing is acted on.
    pub(super) fn order(&self, order: JournalOrder) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }

    /// Waits for what is ordered, and closes the journal cleanly. Blocks.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(super) fn close(mut self) -> Result<(), JournalError> {
        match self.end() {
            Some(journal) => journal.close(),
            None => Ok(()),
        }
    }

    fn end(&mut self) -> Option<Journal> {
        self.orders = None;
        self.thread.take()?.join().ok()
    }
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        self.end();
    }
}

fn run(
    mut journal: Journal,
    orders: &mpsc::Receiver<JournalOrder>,
    reports: &InputSender<JournalReport>,
) -> Journal {
    while let Ok(order) = orders.recv() {
        let report = match order {
            JournalOrder::Write { at, entries, facts } => {
                let written = journal.write(at, &entries, &facts);
                JournalReport::Written(written.map(|_| WriteReceipt(())))
            }
            JournalOrder::Compact { seq, state } => {
                JournalReport::Compacted(journal.compact(seq, &*state))
            }
        };
        if reports.send_blocking(report).is_err() {
            break;
        }
    }
    journal
}
