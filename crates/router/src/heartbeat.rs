//! Signs of life of a worker, for the engine.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use neargate_core::liveness::PERIOD;

/// Signs of life of a worker.
#[derive(Debug, Default)]
pub(crate) struct WorkerBeat {
    thread: AtomicU32,
    rounds: AtomicU64,
}

impl WorkerBeat {
    /// Beats on the worker's own thread until it is dropped.
    pub(crate) async fn run(&self) {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        self.thread.store(thread.unsigned_abs(), Ordering::Relaxed);
        let mut beats = tokio::time::interval(PERIOD);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            self.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The worker has ended: it is not expected to beat any more.
    pub(crate) fn end(&self) {
        self.thread.store(0, Ordering::Relaxed);
    }

    /// Thread id and rounds; `None` before the first beat and after the end.
    pub(crate) fn read(&self) -> Option<(u32, u64)> {
        match self.thread.load(Ordering::Relaxed) {
            0 => None,
            thread => Some((thread, self.rounds.load(Ordering::Relaxed))),
        }
    }
}
