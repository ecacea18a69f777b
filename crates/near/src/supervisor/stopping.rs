//! Asks the processes of a task to end, and gives them the time that the task has for it.
//!
//! The task's first process is asked alone: it knows how to end its children. When it has ended
//! and others still work (a shell that does not pass signals on, `npm start`), they are asked
//! too: first those that have a handler for the signal, and when none of these is left the
//! others, which the signal ends at once. So the reader at the end of a pipe outlives the writer,
//! and has a moment for its last lines. A shell that waits for its child before it heeds a signal
//! gets the child asked as well, when that has a handler; one that passes the signal on has a part
//! of the time for that, so that its child is not asked twice.
//!
//! Invariant: from the order to stop, or from the end of the first process when it ends by
//! itself, each process of the task has the whole `stop-timeout`; then it is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::spec::{OrphanPolicy, StopPolicy, StopSignal};
use crate::cgroup::TaskCgroup;
use crate::own_processes;
use crate::process_identity::ProcessIdentity;

/// A shell that has the signal and has not ended in this part of the task's time is taken to
/// wait for its child without having passed the signal on.
const SHELL_PART: u32 = 10;
/// And at least this long.
const SHELL_PATIENCE: Duration = Duration::from_millis(500);
/// Time for a process that reads from an ended worker to end by itself.
const READER_PATIENCE: Duration = Duration::from_millis(500);
/// Programs that start others and pass no signal on.
const SHELLS: [&str; 9] = [
    "ash", "bash", "busybox", "dash", "ksh", "mksh", "rbash", "sh", "zsh",
];

/// The end of one task, from the order on.
pub(super) struct Stopping {
    policy: StopPolicy,
    begun: Option<Instant>,
    asked: BTreeSet<ProcessIdentity>,
    /// Children of a shell that had a handler when they were last seen.
    handled: BTreeSet<ProcessIdentity>,
    /// When a process with a handler was last seen after the first one's end.
    worked: Option<Instant>,
}

impl Stopping {
    /// Nothing is asked yet.
    pub(super) fn new(policy: StopPolicy) -> Self {
        Self {
            policy,
            begun: None,
            asked: BTreeSet::new(),
            handled: BTreeSet::new(),
            worked: None,
        }
    }

    /// When the time for the end is over; `None` before it began.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.begun.map(|begun| begun + self.policy.timeout)
    }

    /// Asks the first process. Later orders change nothing.
    pub(super) fn ask_first(&mut self, first: ProcessIdentity) {
        if self.begun.is_none() {
            self.begun = Some(Instant::now());
            self.ask(first);
        }
    }

    /// While the first process runs and has been asked: its children, when it is a shell that
    /// does not end.
    pub(super) fn ask_children_of_shell(&mut self, first: ProcessIdentity, group: &TaskCgroup) {
        let patience = SHELL_PATIENCE.max(self.policy.timeout / SHELL_PART);
        let waits = self.begun.is_some_and(|begun| begun.elapsed() >= patience);
        if waits && self.policy.children == OrphanPolicy::Asked && is_shell(first.pid) {
            let mut others = tree(group);
            others.remove(&first);
            // One without a handler would be killed in the middle of what the shell waits for. Until it
            // executes its program, a child still has the shell's handlers: it is asked the second time.
            others.retain(|process| handles(process.pid, self.signal()));
            let seen_before = others.intersection(&self.handled).copied().collect();
            self.ask_handlers(&seen_before);
            self.handled = others;
        }
    }

    /// After the first process has ended: whether others still have time, having been asked.
    pub(super) fn continues(&mut self, group: &TaskCgroup) -> bool {
        if self.policy.children == OrphanPolicy::Killed {
            return false;
        }
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let living = tree(group);
        self.ask_all(&living);
        !living.is_empty() && begun.elapsed() < self.policy.timeout
    }

    fn ask_all(&mut self, living: &BTreeSet<ProcessIdentity>) {
        if self.ask_handlers(living) {
            self.worked = Some(Instant::now());
        }
        let reads = |worked: Instant| worked.elapsed() < READER_PATIENCE;
        if !self.worked.is_some_and(reads) {
            for process in living {
                self.ask(*process);
            }
        }
    }

    /// Whether there are any.
    fn ask_handlers(&mut self, living: &BTreeSet<ProcessIdentity>) -> bool {
        let mut found = false;
        for process in living {
            if handles(process.pid, self.signal()) {
                self.ask(*process);
                found = true;
            }
        }
        found
    }

    fn ask(&mut self, process: ProcessIdentity) {
        if self.asked.insert(process)
            && let Some(pid) = raw(process.pid)
        {
            // It may have ended by itself.
            let _ = kill_process(pid, self.signal());
            // One that is stopped would heed it when its time is over.
            if process.stopped() {
                let _ = kill_process(pid, Signal::CONT);
            }
        }
    }

    fn signal(&self) -> Signal {
        match self.policy.signal {
            StopSignal::Terminate => Signal::TERM,
            StopSignal::Interrupt => Signal::INT,
        }
    }
}

/// All processes of the task that run: what descends from the shim, which adopts orphans, and
/// what is in the task's control groups.
pub(super) fn tree(group: &TaskCgroup) -> BTreeSet<ProcessIdentity> {
    let own = std::process::id();
    let mut parents: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for pid in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Some(pid) = pid.file_name().to_str().and_then(|name| name.parse().ok())
            && let Some(parent) = ProcessIdentity::parent(pid)
        {
            parents.entry(parent).or_default().push(pid);
        }
    }
    let mut found: BTreeSet<u32> = group.pids().into_iter().collect();
    let mut open = vec![own];
    while let Some(parent) = open.pop() {
        let mut children = parents.remove(&parent).unwrap_or_default();
        // A watchdog that this shim started is its child, and none of the task's.
        children.retain(|pid| !own_processes::is_ours(*pid));
        found.extend(&children);
        open.extend(children);
    }
    found.into_iter().filter_map(ProcessIdentity::of).collect()
}

/// Kills every process of the task that runs now.
pub(super) fn kill(group: &TaskCgroup) {
    for pid in tree(group).iter().filter_map(|process| raw(process.pid)) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Whether the process has a handler of its own for the signal.
fn handles(pid: u32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & (1 << (signal.as_raw() - 1)) != 0)
}

fn is_shell(pid: u32) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok();
    program
        .as_deref()
        .and_then(|path| path.file_name()?.to_str())
        .is_some_and(|name| SHELLS.contains(&name))
}
