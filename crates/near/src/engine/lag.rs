//! How long inputs wait for the loop.
//!
//! Two things count: the time between an input's arrival and its handling, and the time that one
//! handling takes, for an input that arrives at its beginning waits so long.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use neargate_core::status::LoopLag;

/// Seconds of which the longest wait is remembered one by one.
const REMEMBERED: u64 = 60;

/// The longest waits: one for each of the last 60 seconds, and one since the engine began.
#[derive(Debug)]
pub(super) struct LagGauge {
    began: Instant,
    longest: Duration,
    /// When the handling of the present input began.
    handling: Option<Instant>,
    /// Second since `began`, and the longest wait in it; oldest first, at most [`REMEMBERED`].
    seconds: VecDeque<(u64, Duration)>,
}

impl LagGauge {
    /// A gauge that has seen nothing.
    #[must_use]
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            longest: Duration::ZERO,
            handling: None,
            seconds: VecDeque::new(),
        }
    }

    /// The loop takes an input that arrived, or was due, at this instant.
    pub(super) fn handling(&mut self, arrived: Instant) {
        let now = Instant::now();
        self.waited(now.saturating_duration_since(arrived), now);
        self.handling = Some(now);
    }

    /// The loop is done with an input.
    pub(super) fn idle(&mut self, now: Instant) {
        if let Some(began) = self.handling.take() {
            self.waited(now.saturating_duration_since(began), now);
        }
    }

    fn waited(&mut self, wait: Duration, now: Instant) {
        self.longest = self.longest.max(wait);
        let second = now.saturating_duration_since(self.began).as_secs();
        match self.seconds.back_mut() {
            Some((last, longest)) if *last == second => *longest = wait.max(*longest),
            _ => self.seconds.push_back((second, wait)),
        }
        while self.seconds.len() as u64 > REMEMBERED {
            self.seconds.pop_front();
        }
    }

    /// The figures of `status`.
    #[must_use]
    pub(super) fn read(&self, now: Instant) -> LoopLag {
        let second = now.saturating_duration_since(self.began).as_secs();
        let recent = self.seconds.iter();
        let recent = recent.filter(|(at, _)| at + REMEMBERED > second);
        LoopLag {
            last_minute_ms: milliseconds(recent.map(|(_, wait)| *wait).max().unwrap_or_default()),
            longest_ms: milliseconds(self.longest),
        }
    }
}

/// With one decimal.
fn milliseconds(wait: Duration) -> f64 {
    (wait.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_is_held_up_shows_in_the_gauge() {
        let held_up = Duration::from_millis(60);
        let began = Instant::now();
        let mut gauge = LagGauge::new(began);
        gauge.handling(Instant::now());
        gauge.idle(Instant::now());
        let (inputs, mut queue) = crate::input_channel::queue(2);
        inputs.send_blocking(held_up).expect("a queue");
        inputs.send_blocking(Duration::ZERO).expect("a queue");
        let mut read = Vec::new();
        for _ in 0..2 {
            let arrived = queue.blocking_recv().expect("an input");
            gauge.handling(arrived.at);
            // What a handler does that waits for something.
            std::thread::sleep(arrived.input);
            gauge.idle(Instant::now());
            read.push(gauge.read(Instant::now()).longest_ms);
        }
        assert!(read[0] >= 60.0, "the handling counts: {read:?}");
        // So does the wait of one that arrived before.
        let mut gauge = LagGauge::new(began);
        gauge.handling(began);
        assert!(gauge.read(Instant::now()).longest_ms >= 60.0);
    }

    #[test]
    fn the_longest_wait_is_remembered_for_ever_and_that_of_the_last_minute_for_a_minute() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut gauge = LagGauge::new(began);
        for (wait_ms, second, expected) in [
            (3, 0, (3.0, 3.0)),
            (40, 5, (40.0, 40.0)),
            (7, 5, (40.0, 40.0)),
            (9, 64, (40.0, 40.0)),
            (2, 65, (9.0, 40.0)),
            (1, 200, (1.0, 40.0)),
        ] {
            gauge.waited(Duration::from_millis(wait_ms), after(second));
            let read = gauge.read(after(second));
            assert_eq!((read.last_minute_ms, read.longest_ms), expected, "{second}");
        }
        assert_eq!(gauge.read(after(400)).last_minute_ms, 0.0);
    }
}
