//! Watches a router for hangs: its control thread by its beats, each worker by its rounds.
//!
//! Invariant: a router is killed only when it is this engine's, by its number and command line,
//! and only after silence that is not slowness ([`neargate_core::liveness`]). Its connection ends
//! with it, and the loop starts another on the same listening sockets.

use std::collections::BTreeMap;
use std::time::Instant;

use neargate_core::liveness::Liveness;
use neargate_core::routing::control::RouterLoad;
use rustix::process::Signal;
use tokio::sync::watch;

use super::log;
use crate::belongings;
use crate::supervisor::Process;
use crate::watchdog::{ActivityMeter, line};

/// What is known of the life of one router.
#[derive(Debug)]
pub struct RouterVigil {
    process: Option<Process>,
    looked: Instant,
    control: Watched,
    workers: BTreeMap<u32, Watched>,
    /// One that sends no beats is not judged: it is of an older version.
    beats: bool,
    load: watch::Sender<RouterLoad>,
}

#[derive(Debug)]
struct Watched {
    liveness: Liveness,
    meter: ActivityMeter,
    rounds: u64,
    reported: bool,
}

impl Watched {
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
    pub fn new(number: u64, pid: u32, beats: bool) -> Self {
        Self {
            process: Process::of(pid).filter(|_| is_router(pid, number)),
            looked: Instant::now(),
            control: Watched::new(pid, pid),
            workers: BTreeMap::new(),
            beats,
            load: watch::Sender::default(),
        }
    }

    /// What it tells of its load.
    pub fn load(&self) -> watch::Receiver<RouterLoad> {
        self.load.subscribe()
    }

    /// The router beat: its control thread lives, and these are the rounds of its workers.
    pub fn beat(&mut self, workers: &[(u32, u64)], load: RouterLoad) {
        self.load.send_replace(load);
        let Some(process) = self.process else { return };
        self.control.reported = true;
        self.workers
            .retain(|thread, _| workers.iter().any(|(known, _)| known == thread));
        for (thread, rounds) in workers {
            let watched = self
                .workers
                .entry(*thread)
                .or_insert_with(|| Watched::new(process.pid, *thread));
            watched.reported |= watched.rounds != *rounds;
            watched.rounds = *rounds;
        }
    }

    /// Looks at all threads; a router of which one hangs is killed.
    pub fn look(&mut self) {
        let since = self.looked.elapsed();
        self.looked = Instant::now();
        let Some(process) = self.process.filter(|_| self.beats) else {
            return;
        };
        let all = std::iter::once(&mut self.control).chain(self.workers.values_mut());
        let mut hung = false;
        for watched in all {
            let reported = std::mem::take(&mut watched.reported);
            let activity = watched.meter.read();
            hung |= watched.liveness.look(since, reported, activity).is_some();
        }
        if hung {
            log(&format!(
                "the router (pid {}) hangs: it is replaced",
                process.pid
            ));
            kill(process);
            self.beats = false;
        }
    }
}

/// Ends a router at once.
pub fn kill(process: Process) {
    line::signal(process, Signal::KILL);
}

/// Whether a process is the router with this number: a pid that it told is no proof.
pub fn is_router(pid: u32, number: u64) -> bool {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut arguments = arguments.split(|byte| *byte == 0).skip(1);
    let socket = format!("/router-{number}.sock");
    arguments.next() == Some(b"router") && arguments.any(|one| one.ends_with(socket.as_bytes()))
}

/// The running router with this number of the state directory that this engine stands in.
pub fn find(number: u64) -> Option<Process> {
    let own = std::env::current_dir().ok()?;
    belongings::of(&own)
        .into_iter()
        .map(|one| one.process)
        .find(|process| is_router(process.pid, number))
}
