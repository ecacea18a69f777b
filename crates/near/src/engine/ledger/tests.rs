//! The ledger with its thread and a real file, which another program holds or breaks.

use std::path::Path;

use neargate_core::machine::EnvironmentPhase;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::input_channel::{InputReceiver, queue};

struct TestWorld {
    folder: TempDir,
    ledger: Ledger,
    reports: InputReceiver<JournalReport>,
}

impl TestWorld {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let replayed = replayed(folder.path());
        let (reports, receiver) = queue(1);
        Self {
            folder,
            ledger: Ledger::open(replayed, reports).expect("a thread"),
            reports: receiver,
        }
    }

    /// Another program's connection.
    fn other(&self) -> Connection {
        Connection::open(self.folder.path().join("state.db")).expect("it opens")
    }

    fn propose(&mut self, events: &[Event], lasting: bool) {
        self.ledger.propose(Proposal {
            events: events.to_vec(),
            facts: Vec::new(),
            lasting,
            sequel: FollowUp::Nothing,
        });
    }

    /// Waits for the thread.
    fn report(&mut self) -> (Vec<SettledProposal>, JournalOutcome) {
        let report = self.reports.blocking_recv().expect("the thread lives");
        self.ledger.reported(report.input)
    }

    fn phase(&self) -> EnvironmentPhase {
        self.ledger.state().phase
    }
}

fn replayed(folder: &Path) -> ReplayedJournal {
    let journal = Journal::open(&folder.join("state.db")).expect("a journal");
    ReplayedJournal::of(journal).expect("it is read")
}

#[test]
fn the_loop_goes_on_while_the_disk_is_slow_and_nothing_holds_before_it_is_written() {
    let mut world = TestWorld::new();
    let other = world.other();
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    world.propose(&[Event::UpRequested], false);
    // As long as the lock is held, nothing can be written: whoever waited for it here would get an
    // error.
    assert!(world.ledger.advance().is_empty());
    assert!(world.ledger.is_writing());
    world.propose(&[Event::DownRequested], true);
    assert!(world.ledger.advance().is_empty());
    assert_eq!(
        (world.phase(), world.ledger.last()),
        (EnvironmentPhase::Down, 0)
    );
    other.execute_batch("COMMIT").expect("the lock goes");
    let (settled, outcome) = world.report();
    assert!(matches!(outcome, JournalOutcome::Written(None)));
    assert_eq!(settled.len(), 1, "the second waits for its turn");
    assert_eq!(
        (world.phase(), world.ledger.last()),
        (EnvironmentPhase::Up, 1)
    );
    assert!(world.ledger.advance().is_empty());
    world.report();
    assert_eq!(
        (world.phase(), world.ledger.last()),
        (EnvironmentPhase::Down, 2)
    );
    let state = world.ledger.state().clone();
    let folder = world.folder;
    world.ledger.close().expect("it closes");
    assert_eq!(replayed(folder.path()).state, state);
}

#[test]
fn what_waits_together_is_decided_in_its_order_and_written_at_once() {
    let mut world = TestWorld::new();
    world.propose(&[Event::UpRequested], true);
    world.propose(&[Event::DownRequested, Event::UpRequested], true);
    world.propose(&[Event::DownRequested], true);
    assert!(world.ledger.advance().is_empty());
    let (settled, _) = world.report();
    let after: Vec<u64> = settled
        .into_iter()
        .map(|one| one.outcome.map_or(99, |decided| decided.after))
        .collect();
    assert_eq!(after, [0, 1, 3]);
    assert_eq!(
        (world.phase(), world.ledger.last()),
        (EnvironmentPhase::Down, 4)
    );
}

#[test]
fn when_nothing_can_be_written_what_happened_waits_and_what_was_asked_is_given_back() {
    let mut world = TestWorld::new();
    let other = world.other();
    let broken = "ALTER TABLE journal RENAME TO aside";
    other.execute_batch(broken).expect("no table");
    world.propose(&[Event::UpRequested], true);
    world.propose(&[Event::DownRequested], false);
    assert!(world.ledger.advance().is_empty());
    let (settled, outcome) = world.report();
    assert!(matches!(outcome, JournalOutcome::Written(Some(_))));
    assert_eq!(settled.len(), 1, "the request");
    assert!(settled.iter().all(|one| one.outcome.is_err()));
    assert!(world.ledger.behind());
    assert_eq!(
        (world.phase(), world.ledger.last()),
        (EnvironmentPhase::Down, 0)
    );
    let mended = "ALTER TABLE aside RENAME TO journal";
    other.execute_batch(mended).expect("a table");
    assert!(world.ledger.advance().is_empty());
    world.report();
    assert!(!world.ledger.behind());
    assert_eq!(
        (world.phase(), world.ledger.last()),
        (EnvironmentPhase::Up, 1)
    );
}

#[test]
fn a_disk_that_does_not_keep_up_is_asked_for_nothing_more() {
    let mut world = TestWorld::new();
    for _ in 0..MOST_WAITING {
        assert!(world.ledger.refuse_without_room().is_ok());
        world.propose(&[Event::TimePassed], true);
    }
    let refused = world.ledger.refuse_without_room().expect_err("no room");
    assert!(refused.to_string().contains("1024"), "{refused}");
}

#[test]
fn a_fact_that_is_noted_holds_at_once_and_is_written_before_what_comes_after_it() {
    let mut world = TestWorld::new();
    world.ledger.note("port.api", "20001");
    world.propose(&[Event::UpRequested], true);
    assert_eq!(world.ledger.fact("port.api"), Some("20001"));
    world.ledger.advance();
    world.report();
    let read = crate::journal::read_meta(&world.folder.path().join("state.db"), "port.api");
    assert_eq!(read.as_deref(), Some("20001"));
    assert_eq!(world.phase(), EnvironmentPhase::Up);
}
