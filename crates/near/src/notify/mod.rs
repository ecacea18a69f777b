//! Notifications to webhooks: queued, posted, tried again, given up.
//!
//! Invariant: whoever hands in a letter never waits. Every bound is explicit: [`QUEUE`] letters
//! wait, the oldest is dropped for a newer one; [`AT_ONCE`] are under way, one per webhook, so a
//! webhook's letters keep their order and one that hangs holds up no other. What the log says names
//! the webhook and its host, never the URL's path or query, which are secrets. Letters live in
//! memory: what waits when the engine ends is lost.

mod post;
mod url;

pub use post::{PostError, Roots, WebhookPoster};
pub use url::{UrlError, UrlScheme, WebhookUrl};

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use neargate_core::backoff;
use neargate_core::error_chain::error_chain;
use tokio::sync::Notify;
use tokio::task::{self, AbortHandle, JoinSet};

use crate::clock::now;
use crate::locked::locked;

/// Letters that may wait.
pub const QUEUE: usize = 256;
/// Letters that may be under way.
pub const AT_ONCE: usize = 16;
/// Attempts after the first.
pub const RETRIES: u32 = 5;

/// One body for one webhook.
#[derive(Debug, Clone)]
pub struct OutgoingNotification {
    /// The webhook's name in the manifest.
    pub webhook: String,
    /// Where it is.
    pub url: WebhookUrl,
    /// JSON text, posted as it is.
    pub body: Bytes,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryTiming {
    /// One attempt, from the name's look-up to the answer's head.
    pub attempt: Duration,
    /// The delay before the second attempt; it doubles.
    pub first_delay: Duration,
    /// The longest delay.
    pub longest_delay: Duration,
}

impl Default for DeliveryTiming {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(30),
        }
    }
}

impl DeliveryTiming {
    /// The delay before the retry with this number (from 0): doubled each time, lengthened by up to
    /// a half by the clock's milliseconds, so that many engines do not come back together.
    #[must_use]
    pub fn delay(&self, retry: u32, clock_ms: u64) -> Duration {
        let doubled = backoff::delay(self.first_delay, retry.saturating_add(1));
        let share = u32::try_from(clock_ms % 1000).unwrap_or_default();
        let jitter = doubled.min(self.longest_delay) / 2000 * share;
        doubled.saturating_add(jitter).min(self.longest_delay)
    }
}

/// Where the notifier says what it could not do.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;

#[derive(Default)]
struct QueuedNotification {
    letters: VecDeque<OutgoingNotification>,
    dropped: u64,
}

struct NotifierState {
    waiting: Mutex<QueuedNotification>,
    came: Notify,
    poster: WebhookPoster,
    timing: DeliveryTiming,
    log: Log,
}

/// Takes letters and posts them in a task of its own, which ends with it.
pub struct Notifier {
    shared: Arc<NotifierState>,
    task: AbortHandle,
}

impl Notifier {
    /// Starts the task on the present runtime.
    #[must_use]
    pub fn start(roots: Roots, timing: DeliveryTiming, log: Log) -> Self {
        let shared = Arc::new(NotifierState {
            waiting: Mutex::default(),
            came: Notify::new(),
            poster: WebhookPoster::new(roots),
            timing,
            log,
        });
        let task = tokio::spawn(run(shared.clone())).abort_handle();
        Self { shared, task }
    }

    /// Hands a letter in; when [`QUEUE`] wait already, the oldest of them is dropped.
    pub fn send(&self, letter: OutgoingNotification) {
        let mut waiting = self.shared.lock();
        if waiting.letters.len() >= QUEUE {
            waiting.letters.pop_front();
            waiting.dropped += 1;
        }
        waiting.letters.push_back(letter);
        drop(waiting);
        self.shared.came.notify_one();
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl NotifierState {
    fn lock(&self) -> MutexGuard<'_, QueuedNotification> {
        locked(&self.waiting)
    }

    /// The oldest letter whose webhook has none under way.
    fn next(&self, busy: &HashMap<task::Id, String>) -> Option<OutgoingNotification> {
        let mut waiting = self.lock();
        let free =
            |letter: &OutgoingNotification| !busy.values().any(|name| *name == letter.webhook);
        let at = waiting.letters.iter().position(free)?;
        waiting.letters.remove(at)
    }

    fn tell_dropped(&self) {
        let dropped = std::mem::take(&mut self.lock().dropped);
        if dropped > 0 {
            (self.log)(&format!(
                "{dropped} notifications were dropped: {QUEUE} others wait already"
            ));
        }
    }
}

async fn run(shared: Arc<NotifierState>) {
    let mut under_way = JoinSet::new();
    let mut busy = HashMap::new();
    loop {
        shared.tell_dropped();
        while under_way.len() < AT_ONCE
            && let Some(letter) = shared.next(&busy)
        {
            let webhook = letter.webhook.clone();
            let task = under_way.spawn(deliver(shared.clone(), letter));
            busy.insert(task.id(), webhook);
        }
        tokio::select! {
            () = shared.came.notified() => {}
            Some(done) = under_way.join_next_with_id() => {
                let id = done.map_or_else(|error| error.id(), |(id, ())| id);
                busy.remove(&id);
            }
        }
    }
}

/// Posts a letter until it is taken, refused, or given up.
async fn deliver(shared: Arc<NotifierState>, letter: OutgoingNotification) {
    let mut retry = 0;
    loop {
        let attempt = shared.poster.post(&letter.url, letter.body.clone());
        let error = match tokio::time::timeout(shared.timing.attempt, attempt).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => PostError::Timeout,
        };
        if retry == RETRIES || !error.may_pass() {
            (shared.log)(&format!(
                "notify.{}: {} did not accept a notification, attempt {} of {}: {}",
                letter.webhook,
                letter.url.host(),
                retry + 1,
                RETRIES + 1,
                error_chain(&error)
            ));
            return;
        }
        tokio::time::sleep(shared.timing.delay(retry, now().0)).await;
        retry += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_with_jitter_and_stay_between_1_and_30_seconds() {
        let timing = DeliveryTiming::default();
        let delays = |clock| -> Vec<u128> {
            let all = (0..7).map(|retry| timing.delay(retry, clock).as_millis());
            all.collect()
        };
        assert_eq!(delays(0), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(
            delays(999_500),
            [1250, 2500, 5000, 10_000, 20_000, 30_000, 30_000]
        );
        assert_eq!(
            timing.delay(u32::MAX, u64::MAX).as_millis(),
            30_000,
            "no overflow"
        );
    }
}
