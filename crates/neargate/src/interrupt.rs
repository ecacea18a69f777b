//! Ctrl-C, SIGTERM and a terminal that is closed (SIGHUP) as one event, from the moment a command begins to wait.
//!
//! Invariant: a signal that comes between two waits is kept for the next one.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Waits for the person, or the machine, to ask this command to end.
pub(crate) struct Interrupt {
    keyboard: Signal,
    machine: Signal,
    /// `None`: whoever started this, such as `nohup`, wants it to outlive the terminal.
    terminal: Option<Signal>,
}

impl Interrupt {
    /// From now on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            keyboard: listen(SignalKind::interrupt())?,
            machine: listen(SignalKind::terminate())?,
            terminal: match outlives_terminal() {
                true => None,
                false => Some(listen(SignalKind::hangup())?),
            },
        })
    }

    /// The same for the keyboard's signals alone; those of the machine still end the process,
    /// and with it what it runs.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub(crate) fn keyboard() -> Result<[Signal; 2], Failure> {
        Ok([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::quit())?,
        ])
    }

    /// Returns when one came; may be dropped and called again.
    pub(crate) async fn came(&mut self) {
        tokio::select! {
            _ = self.keyboard.recv() => {}
            _ = self.machine.recv() => {}
            () = hung_up(&mut self.terminal) => {}
        }
    }
}

async fn hung_up(terminal: &mut Option<Signal>) {
    match terminal {
        Some(terminal) => {
            terminal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether SIGHUP was ignored when this process began.
fn outlives_terminal() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// By the mask of ignored signals of `/proc/PID/status`; SIGHUP is the first.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 != 0)
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::of("cannot listen for Ctrl-C", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ignores_hangups_is_read_from_the_mask() {
        for (status, expected) in [
            ("Name:\tup\nSigIgn:\t0000000000000001\n", true),
            ("SigIgn:\t0000000000001001\n", true),
            (
                "SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(ignores_hangup(status), expected, "{status:?}");
        }
    }
}
