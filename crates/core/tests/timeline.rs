//! Waits over steps of the wall clock, restarts of the engine, sleep and reboots.

use neargate_core::time::Timestamp;
use neargate_core::timeline::{Anchor, ClockReading};
use proptest::prelude::*;

/// Smaller changes of the wall clock's distance are drift, milliseconds.
const NOTICED: u64 = 1000;

#[derive(Debug, Clone)]
enum Event {
    /// Time passes, in milliseconds.
    Runs(u64),
    /// Somebody sets the wall clock.
    Stepped(i64),
    /// Another engine begins.
    Restarted,
    /// The machine sleeps: the monotonic clock stands still.
    Slept(u64),
    /// The machine is off for a while.
    Rebooted(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let hours = 1..10_000_000u64;
    prop_oneof![
        4 => (1..100_000u64).prop_map(Event::Runs),
        2 => (-100_000_000..100_000_000i64).prop_map(Event::Stepped),
        2 => Just(Event::Restarted),
        1 => hours.clone().prop_map(Event::Slept),
        1 => hours.prop_map(Event::Rebooted),
    ]
}

/// A machine and its engine.
struct Machine {
    now: ClockReading,
    anchor: Anchor,
    written: Timestamp,
}

impl Machine {
    fn new(wall: u64) -> Self {
        let now = ClockReading {
            boot: "0".into(),
            monotonic: 12_345,
            wall: Timestamp(wall),
        };
        let anchor = Anchor::after(None, Timestamp(0), &now);
        let written = anchor.at(now.monotonic);
        Self {
            now,
            anchor,
            written,
        }
    }

    fn time(&self) -> Timestamp {
        self.anchor.at(self.now.monotonic)
    }

    fn wall(&mut self, by: i64) {
        self.now.wall = Timestamp(self.now.wall.0.saturating_add_signed(by));
    }

    /// The engine's note, once a second.
    fn note(&mut self) {
        self.written = self.time();
        if let Some(changed) = self.anchor.changed(&self.now) {
            self.anchor = changed;
        }
    }

    fn restart(&mut self) {
        self.anchor = Anchor::after(Some(&self.anchor), self.written, &self.now);
    }

    /// How much an event lets a wait go on, at least and at most.
    fn happens(&mut self, event: &Event) -> (u64, u64) {
        match *event {
            Event::Runs(time) => {
                self.now.monotonic += time;
                self.wall(time as i64);
                self.note();
                (time, time)
            }
            Event::Stepped(by) => {
                self.wall(by);
                self.note();
                (0, 0)
            }
            Event::Restarted => {
                self.restart();
                (0, 0)
            }
            Event::Slept(time) => {
                self.wall(time as i64);
                self.note();
                (0, 0)
            }
            Event::Rebooted(off) => {
                self.now.boot.push('1');
                self.now.monotonic = 7_001;
                self.wall(off as i64);
                self.restart();
                // Whole seconds, either way.
                (off.saturating_sub(1000), off + 2000)
            }
        }
    }
}

proptest! {
    #[test]
    fn a_wait_goes_on_by_what_passed_whatever_the_wall_clock_does(
        wall in 100_000_000_000..2_000_000_000_000u64,
        events in proptest::collection::vec(event(), 1..40),
    ) {
        let mut machine = Machine::new(wall);
        for event in &events {
            let before = machine.time();
            let (least, most) = machine.happens(event);
            let after = machine.time();
            prop_assert!(after >= before, "{event:?} goes back");
            let passed = after.since(before).as_millis() as u64;
            prop_assert!((least..=most).contains(&passed), "{event:?}: {passed}");
            let shown = machine.anchor.wall_time(after, &machine.now);
            // The wall clock drifts by itself: smaller steps are not taken for somebody's.
            prop_assert!(shown.0.abs_diff(machine.now.wall.0) < NOTICED, "{event:?}: {shown:?}");
            prop_assert_eq!(machine.anchor.monotonic(after), machine.now.monotonic);
        }
    }
}

#[test]
fn a_clock_that_was_set_back_while_the_machine_was_off_does_not_make_a_wait_longer() {
    let mut machine = Machine::new(1_700_000_000_000);
    machine.happens(&Event::Runs(60_000));
    let bake_until = Timestamp(machine.time().0 + 30_000);
    machine.wall(-3_600_000);
    machine.now.boot = "next".into();
    machine.now.monotonic = 5_000;
    machine.restart();
    let left = bake_until.since(machine.time()).as_millis();
    assert!((29_000..=30_000).contains(&left), "{left}");
}

#[test]
fn a_machine_without_a_battery_that_begins_in_1970_does_not_end_a_bake_when_it_learns_the_date() {
    let mut machine = Machine::new(60_000);
    let bake_until = Timestamp(machine.time().0 + 600_000);
    machine.happens(&Event::Stepped(1_700_000_000_000));
    machine.happens(&Event::Rebooted(20_000));
    let left = bake_until.since(machine.time()).as_millis();
    assert!((578_000..=581_000).contains(&left), "{left}");
}
