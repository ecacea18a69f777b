//! Wakes what must not stay stopped (SIGSTOP): shims, and all of a data server.
//!
//! A task is not among them (docs/decisions/0007): somebody may have stopped it to look into it,
//! and its health check says whether it may stay so. When it has to leave it is woken, so that it
//! answers what it has.
//!
//! Invariant: who is found stopped twice is woken; stopped again soon after that, it is killed,
//! and whoever keeps it starts another one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::time::{Duration, Instant};

use neargate_core::liveness::{Remedy, StopTracker};
use rustix::process::Signal;

use crate::engine_log::log;
use crate::process_identity::ProcessIdentity;
use crate::process_signal;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Processes of one server that are looked at.
const MOST: usize = 4096;

/// Looks after the processes that `found` names, for as long as it is waited for.
pub(super) async fn keep_awake(found: impl Fn() -> Vec<ProcessIdentity>) -> Infallible {
    let mut known: BTreeMap<ProcessIdentity, StopTracker> = BTreeMap::new();
    let mut looked = Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let since = looked.elapsed();
        looked = Instant::now();
        let processes = found();
        known.retain(|process, _| processes.contains(process));
        for process in processes {
            let stops = known.entry(process).or_default();
            let Some(remedy) = stops.observe(since, process.stopped()) else {
                continue;
            };
            let words = match remedy {
                Remedy::Wake => "is stopped: it is woken",
                Remedy::Replace(_) => "is stopped again: it is killed",
            };
            let name = fs::read_to_string(format!("/proc/{}/comm", process.pid));
            let name = name.unwrap_or_default();
            let text = format!("{} (pid {}) {words}", name.trim_end(), process.pid);
            log(&text);
            process_signal::send(process, process_signal::signal_for(remedy));
        }
    }
}

/// A process and all that descends from it.
#[must_use]
pub(super) fn family(first: ProcessIdentity) -> Vec<ProcessIdentity> {
    let mut found = vec![first];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let threads = fs::read_dir(format!("/proc/{}/task", parent.pid));
        for thread in threads.into_iter().flatten().flatten() {
            let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            let children = text.split_whitespace().filter_map(|pid| pid.parse().ok());
            found.extend(children.filter_map(ProcessIdentity::of));
        }
        found.truncate(MOST);
    }
    found
}

/// Wakes a process and all that descends from it, as far as they are stopped.
pub fn wake(first: ProcessIdentity) {
    for process in family(first) {
        if process.stopped() {
            process_signal::send(process, Signal::CONT);
        }
    }
}
