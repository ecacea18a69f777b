//! Watches a router for hangs: its control thread by its beats, each worker by its rounds. One that
//! is stopped is woken.
//!
//! Invariant: a router is killed only when it is this engine's, by its number and command line,
//! and only after silence that is not slowness ([`neargate_core::liveness`]). Its connection ends
//! with it, and the loop starts another on the same listening sockets.

use std::collections::BTreeMap;
use std::time::Instant;

use neargate_core::liveness::{Liveness, Remedy};
use neargate_core::routing::control::RouterLoad;
use tokio::sync::watch;

use super::log;
use crate::own_processes;
use crate::process_identity::ProcessIdentity;
use crate::process_signal;
use crate::watchdog::ActivityMeter;

/// Signs of life of one router.
#[derive(Debug)]
pub(super) struct RouterVigil {
    process: Option<ProcessIdentity>,
    looked: Instant,
    control: WatchedRouter,
    workers: BTreeMap<u32, WatchedRouter>,
    /// One that sends no beats is not judged: it is of an older version.
    beats: bool,
    load: watch::Sender<RouterLoad>,
}

#[derive(Debug)]
struct WatchedRouter {
    liveness: Liveness,
    meter: ActivityMeter,
    rounds: u64,
    reported: bool,
}

impl WatchedRouter {
    fn new(pid: u32, thread: u32) -> Self {
        Self {
            liveness: Liveness::default(),
            meter: ActivityMeter::of(pid, thread),
            rounds: 0,
            reported: true,
        }
    }
}

impl RouterVigil {
    /// For the router with this number and pid; whether it said that it beats.
    #[must_use]
    pub(super) fn new(number: u64, pid: u32, beats: bool) -> Self {
        Self {
            process: ProcessIdentity::of(pid).filter(|_| is_router(pid, number)),
            looked: Instant::now(),
            control: WatchedRouter::new(pid, pid),
            workers: BTreeMap::new(),
            beats,
            load: watch::Sender::default(),
        }
    }

    /// Its load, as it tells it.
    pub(super) fn load(&self) -> watch::Receiver<RouterLoad> {
        self.load.subscribe()
    }

    /// The router beat: its control thread lives, and these are the rounds of its workers.
    pub(super) fn beat(&mut self, workers: &[(u32, u64)], load: RouterLoad) {
        self.load.send_replace(load);
        let Some(process) = self.process else { return };
        self.control.reported = true;
        self.workers
            .retain(|thread, _| workers.iter().any(|(known, _)| known == thread));
        for (thread, rounds) in workers {
            let watched = self
                .workers
                .entry(*thread)
                .or_insert_with(|| WatchedRouter::new(process.pid, *thread));
            watched.reported |= watched.rounds != *rounds;
            watched.rounds = *rounds;
        }
    }

    /// Looks at all threads; a router of which one hangs is killed.
    pub(super) fn check_routers(&mut self) {
        let since = self.looked.elapsed();
        self.looked = Instant::now();
        let Some(process) = self.process.filter(|_| self.beats) else {
            return;
        };
        let all = std::iter::once(&mut self.control).chain(self.workers.values_mut());
        let mut remedies = Vec::new();
        for watched in all {
            let reported = std::mem::take(&mut watched.reported);
            let activity = watched.meter.read();
            remedies.extend(watched.liveness.observe(since, reported, activity));
        }
        let hung = remedies.iter().any(|remedy| *remedy != Remedy::Wake);
        if let Some(remedy) = remedies.iter().max_by_key(|one| **one != Remedy::Wake) {
            remedy_of(process, *remedy);
        }
        self.beats &= !hung;
    }
}

/// Wakes a router or ends it at once, and tells it.
pub(super) fn remedy_of(process: ProcessIdentity, remedy: Remedy) {
    let words = match remedy {
        Remedy::Wake => "is stopped: it is woken",
        Remedy::Replace(_) => "hangs: it is replaced",
    };
    log(&format!("the router (pid {}) {words}", process.pid));
    process_signal::send(process, process_signal::signal_for(remedy));
}

/// Whether a process is the router with this number: a pid that it told is no proof.
pub(super) fn is_router(pid: u32, number: u64) -> bool {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut arguments = arguments.split(|byte| *byte == 0).skip(1);
    let socket = format!("/router-{number}.sock");
    arguments.next() == Some(b"router") && arguments.any(|one| one.ends_with(socket.as_bytes()))
}

/// The running router with this number of the state directory that this engine stands in.
pub(super) fn find(number: u64) -> Option<ProcessIdentity> {
    let own = std::env::current_dir().ok()?;
    own_processes::of(&own)
        .into_iter()
        .map(|one| one.process)
        .find(|process| is_router(process.pid, number))
}
