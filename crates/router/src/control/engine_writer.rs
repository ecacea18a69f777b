//! The writing side of an engine's connection.

use std::io;
use std::time::Duration;

use neargate_core::routing::control::FromRouter;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;

/// An engine that does not take a message for this long is dropped.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Sends messages to the engine that is connected.
#[derive(Debug)]
pub(super) struct EngineWriter(OwnedWriteHalf);

impl EngineWriter {
    pub(super) fn new(writer: OwnedWriteHalf) -> Self {
        Self(writer)
    }

    /// Sends a message; an error means that the engine is gone.
    pub(super) async fn send(&mut self, message: &FromRouter) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        tokio::time::timeout(PATIENCE, self.0.write_all(&line))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
