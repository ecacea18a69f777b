//! Signals to this very process, and to no other that got its number.

use std::os::fd::OwnedFd;

use neargate_core::liveness::Remedy;
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::process_identity::ProcessIdentity;

/// A handle on this very process; `None` when it is gone.
#[must_use]
pub fn handle(process: ProcessIdentity) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(process.pid).ok()?)?;
    let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
    process.runs().then_some(handle)
}

/// The signal that does what is to be done.
#[must_use]
pub fn signal_for(remedy: Remedy) -> Signal {
    match remedy {
        Remedy::Wake => Signal::CONT,
        Remedy::Replace(_) => Signal::KILL,
    }
}

/// Sends a signal to this very process; one that is gone gets none.
pub fn send(process: ProcessIdentity, signal: Signal) {
    if let Some(handle) = handle(process) {
        let _ = rustix::process::pidfd_send_signal(&handle, signal);
    }
}
