//! The journal of an open release, in the record of its service.
//!
//! Invariant: the state takes in only what S3 holds: a decision is written on the condition that nobody wrote the
//! record meanwhile, and given up otherwise. So two clients never decide the same release twice.

use neargate_core::machine::{
    Action, CapacityOrder, Event, FinishedRelease, JournalEntry, JournaledState, Refusal,
    RemoteEntryLog, ServiceState,
};

use super::api::StoredRecord;
use super::environment::{Driver, WriteOutcome, now};
use super::error::DriverError;
use super::record::{ENTRIES_MOST, LeaseHold, OpenRelease, PastRelease};

/// Result of a question to the machine.
#[derive(Debug)]
pub(super) enum Answer {
    /// It means nothing to the release.
    Nothing,
    /// It was decided and written; this is to be done once.
    Decided(Vec<Action>),
    /// Somebody wrote the record before: it was read again, and what was decided is forgotten.
    ReadAgain,
}

/// A release that is open, or was when it was read.
pub(super) struct ReleaseJournal<'a> {
    driver: &'a Driver,
    service: &'a str,
    hold: LeaseHold,
    stored: StoredRecord,
    state: JournaledState,
}

/// Writes entries into the record.
struct RecordLog<'a> {
    driver: &'a Driver,
    service: &'a str,
    hold: LeaseHold,
    stored: &'a mut StoredRecord,
}

/// Why entries were not written.
enum NotWritten {
    /// Somebody wrote before; the record was read again.
    ReadAgain,
    /// AWS refused the write, or the journal is full.
    Failed(DriverError),
}

impl RemoteEntryLog for RecordLog<'_> {
    type Error = NotWritten;

    async fn append(&mut self, entries: &[JournalEntry]) -> Result<(), NotWritten> {
        let Some(open) = self.stored.record.open.as_mut() else {
            return Err(NotWritten::ReadAgain);
        };
        if open.journal.len() + entries.len() > ENTRIES_MOST {
            let words =
                format!("the release has more than {ENTRIES_MOST} journal entries; roll it back");
            return Err(NotWritten::Failed(DriverError::Failed(words)));
        }
        open.journal.extend_from_slice(entries);
        let written = self
            .driver
            .write_record(self.service, self.stored, self.hold);
        match written.await {
            Ok(WriteOutcome::Yes) => Ok(()),
            Ok(WriteOutcome::ReadAgain) => Err(NotWritten::ReadAgain),
            Err(error) => Err(NotWritten::Failed(error)),
        }
    }
}

impl<'a> ReleaseJournal<'a> {
    pub(super) fn new(
        driver: &'a Driver,
        service: &'a str,
        stored: StoredRecord,
        hold: LeaseHold,
    ) -> Self {
        let state = replay(&stored);
        Self {
            driver,
            service,
            hold,
            stored,
            state,
        }
    }

    /// The release as it was written; `None`: another client ended it.
    pub(super) fn open_release(&self) -> Option<&OpenRelease> {
        self.stored.record.open.as_ref()
    }

    /// Releases before it that ended, oldest first.
    pub(super) fn past(&self) -> &[PastRelease] {
        &self.stored.record.past
    }

    /// The service's state, from the journal.
    pub(super) fn service_state(&self) -> Option<&ServiceState> {
        self.state.state().services.get(self.service)
    }

    /// How the release ended, once it has.
    pub(super) fn finished(&self) -> Option<&FinishedRelease> {
        let service = self.service_state()?;
        let newest = service.history.back()?;
        service.release.is_none().then_some(newest.as_ref())
    }

    /// The one call that comes next.
    pub(super) fn capacity_order(&self) -> Option<CapacityOrder> {
        self.state.capacity_order(self.service)
    }

    /// Actions that were decided before and may not have been done.
    pub(super) fn outstanding(&self) -> Vec<Action> {
        self.state.outstanding()
    }

    /// Whether a deadline of the release has passed.
    pub(super) fn is_due(&self) -> bool {
        neargate_core::machine::next_deadline(self.state.state()).is_some_and(|at| at <= now())
    }

    /// Decides what an event means to the release, writes that down, and takes it in.
    ///
    /// # Errors
    /// It is refused, or cannot be written.
    pub(super) async fn ask(&mut self, event: &Event) -> Result<Answer, DriverError> {
        let decision = self.state.decide(now(), event);
        if let Some(refusal) = decision.refusal() {
            return Err(refused(refusal));
        }
        if decision.entries().is_empty() {
            return Ok(Answer::Nothing);
        }
        let mut log = RecordLog {
            driver: self.driver,
            service: self.service,
            hold: self.hold,
            stored: &mut self.stored,
        };
        match decision.persist_remotely(&mut log).await {
            Ok(persisted) => {
                self.tell(persisted.entries());
                Ok(Answer::Decided(self.state.take_in(persisted)))
            }
            Err(NotWritten::ReadAgain) => {
                self.state = replay(&self.stored);
                Ok(Answer::ReadAgain)
            }
            Err(NotWritten::Failed(error)) => Err(error),
        }
    }

    fn tell(&self, entries: &[JournalEntry]) {
        let delegated = self
            .service_state()
            .is_some_and(|service| service.capacity.is_delegated());
        for entry in entries.iter().filter(|entry| entry.fact.is_told(delegated)) {
            let text = entry.describe();
            if !text.is_empty() {
                self.driver.say(self.service, &text);
            }
        }
    }

    /// Renews the lease when it is old; somebody may have written meanwhile.
    ///
    /// # Errors
    /// Another client drives, or the call failed.
    pub(super) async fn renew(&mut self) -> Result<(), DriverError> {
        if self.driver.lease_is_old(&self.stored.record) {
            let written = self
                .driver
                .write_record(self.service, &mut self.stored, self.hold);
            if written.await? == WriteOutcome::ReadAgain {
                self.state = replay(&self.stored);
            }
        }
        Ok(())
    }

    /// Somebody may have promoted, paused or aborted meanwhile.
    ///
    /// # Errors
    /// Another client drives, or the call failed.
    pub(super) async fn read_again(&mut self) -> Result<(), DriverError> {
        let mut fresh = self.driver.read(self.service).await?;
        if fresh.tag == self.stored.tag {
            return Ok(());
        }
        self.driver.take_lease(&mut fresh.record)?;
        fresh.record.lease.clone_from(&self.stored.record.lease);
        self.stored = fresh;
        self.state = replay(&self.stored);
        Ok(())
    }

    /// The record, to end the release in it.
    pub(super) fn into_stored(self) -> StoredRecord {
        self.stored
    }
}

fn replay(stored: &StoredRecord) -> JournaledState {
    let open = stored.record.open.as_ref();
    JournaledState::replay(open.map_or(&[], |open| &open.journal))
}

/// Why the release machine does not do what was asked.
pub(super) fn refused(refusal: &Refusal) -> DriverError {
    match refusal {
        Refusal::GuardFiring { .. } => DriverError::Refused {
            what: refusal.to_string(),
            help: "see why: neargate alarms; a release waits until it is quiet".to_owned(),
        },
        wrong if wrong.is_wrong_request() => DriverError::Usage(wrong.to_string()),
        other => DriverError::Machine(other.clone()),
    }
}
