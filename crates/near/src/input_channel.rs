//! Queues of the engine's loop: what is in them carries the instant at which it was sent.
//!
//! Invariant: a sender that waits for space in a full queue counts as waiting for the loop.

use std::time::Instant;

use tokio::sync::mpsc;

/// An input with the instant at which it was sent.
#[derive(Debug)]
pub struct TimedInput<T> {
    /// When it was sent.
    pub at: Instant,
    pub input: T,
}

/// The sending end.
pub struct InputSender<T>(mpsc::Sender<TimedInput<T>>);

impl<T> Clone for InputSender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> std::fmt::Debug for InputSender<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Sender")
    }
}

/// The loop has ended and takes no input any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the engine's loop has ended")]
pub struct LoopEnded;

/// The receiving end, for the loop.
pub type InputReceiver<T> = mpsc::Receiver<TimedInput<T>>;

/// A queue of at most `bound` inputs.
#[must_use]
pub fn queue<T>(bound: usize) -> (InputSender<T>, InputReceiver<T>) {
    let (sender, receiver) = mpsc::channel(bound);
    (InputSender(sender), receiver)
}

impl<T> InputSender<T> {
    /// Hands an input to the loop; waits while the queue is full.
    ///
    /// # Errors
    /// [`LoopEnded`].
    pub async fn send(&self, input: T) -> Result<(), LoopEnded> {
        let at = Instant::now();
        let sent = self.0.send(TimedInput { at, input }).await;
        sent.map_err(|_| LoopEnded)
    }

    /// As [`InputSender::send`], for a thread of its own. Blocks.
    ///
    /// # Errors
    /// [`LoopEnded`].
    pub fn send_blocking(&self, input: T) -> Result<(), LoopEnded> {
        let at = Instant::now();
        let sent = self.0.blocking_send(TimedInput { at, input });
        sent.map_err(|_| LoopEnded)
    }
}
