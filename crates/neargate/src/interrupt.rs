//! Ctrl-C and SIGTERM as an event, from the moment a command begins to wait.
//!
//! Invariant: a signal that comes between two waits is kept for the next one.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Waits for the person, or the machine, to ask this command to end.
pub struct Interrupt {
    keyboard: Signal,
    machine: Signal,
}

impl Interrupt {
    /// From now on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn listen() -> Result<Self, Failure> {
        Ok(Self {
            keyboard: listen(SignalKind::interrupt())?,
            machine: listen(SignalKind::terminate())?,
        })
    }

    /// The same for the keyboard's signals alone; those of the machine still end the process,
    /// and with it what it runs.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn keyboard() -> Result<[Signal; 2], Failure> {
        Ok([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::quit())?,
        ])
    }

    /// Returns when one came; may be dropped and called again.
    pub async fn came(&mut self) {
        tokio::select! {
            _ = self.keyboard.recv() => {}
            _ = self.machine.recv() => {}
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::of("cannot listen for Ctrl-C", &error))
}
