//! What all workers share about a target: health, requests in flight, the order to cut them.
//!
//! Invariant: one [`TargetState`] per task id for as long as any table names it, so health and
//! counts survive a new table.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use neargate_core::ids::TaskId;
use neargate_core::routing::slow_start::{self, Registered};
use neargate_core::routing::table::TargetHealth;
use tokio::sync::Notify;

/// No slow start.
const WARM: u64 = u64::MAX;

/// Facts about one task.
#[derive(Debug)]
pub(crate) struct TargetState {
    pub(crate) task: TaskId,
    pub(crate) registered: Registered,
    born: Instant,
    /// Microseconds from `born` to the beginning of its slow start; [`WARM`]: it is in none.
    warming: AtomicU64,
    health: AtomicU8,
    in_flight: AtomicU32,
    draining: AtomicBool,
    cut: AtomicBool,
    cut_count: AtomicU64,
    cutting: Notify,
    /// Told when the last request of a draining target ended.
    idle: std::sync::Arc<Notify>,
}

impl TargetState {
    /// Not checked yet.
    pub(crate) fn new(task: TaskId, registered: Registered, idle: std::sync::Arc<Notify>) -> Self {
        Self {
            task,
            registered,
            born: Instant::now(),
            warming: AtomicU64::new(WARM),
            health: AtomicU8::new(0),
            in_flight: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            cut_count: AtomicU64::new(0),
            cutting: Notify::new(),
            idle,
        }
    }

    pub(crate) fn health(&self) -> TargetHealth {
        match self.health.load(Ordering::Relaxed) {
            0 => TargetHealth::Initial,
            1 => TargetHealth::Healthy,
            _ => TargetHealth::Unhealthy,
        }
    }

    pub(crate) fn set_health(&self, health: TargetHealth) {
        let value = match health {
            TargetHealth::Initial => 0,
            TargetHealth::Healthy => 1,
            TargetHealth::Unhealthy => 2,
        };
        self.health.store(value, Ordering::Relaxed);
    }

    /// Its share begins to rise from nothing.
    pub(crate) fn begin_slow_start(&self) {
        let now = u64::try_from(self.born.elapsed().as_micros()).unwrap_or(WARM - 1);
        self.warming.store(now, Ordering::Relaxed);
    }

    pub(crate) fn leave_slow_start(&self) {
        self.warming.store(WARM, Ordering::Relaxed);
    }

    /// Its share now, of a slow start of this duration.
    pub(crate) fn warmth(&self, duration: Duration) -> u32 {
        match self.warming.load(Ordering::Relaxed) {
            WARM => slow_start::FULL,
            since => {
                let elapsed = self.born.elapsed();
                slow_start::warmth(
                    elapsed.saturating_sub(Duration::from_micros(since)),
                    duration,
                )
            }
        }
    }

    pub(crate) fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::SeqCst);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Ends every request in flight; how many have been ended so far is [`Self::cut_so_far`].
    pub(crate) fn cut_now(&self) {
        self.cut.store(true, Ordering::SeqCst);
        self.cutting.notify_waiters();
    }

    pub(crate) fn cut_so_far(&self) -> u64 {
        self.cut_count.load(Ordering::SeqCst)
    }

    /// Waits until requests to this target are to be cut.
    pub(crate) async fn cut(&self) {
        let cutting = self.cutting.notified();
        tokio::pin!(cutting);
        cutting.as_mut().enable();
        if !self.cut.load(Ordering::SeqCst) {
            cutting.await;
        }
        self.cut_count.fetch_add(1, Ordering::SeqCst);
    }
}

/// Counts one request in flight.
#[derive(Debug)]
pub(crate) struct InFlight(pub(crate) std::sync::Arc<TargetState>);

impl InFlight {
    pub(crate) fn begin(target: &std::sync::Arc<TargetState>) -> Self {
        target.in_flight.fetch_add(1, Ordering::SeqCst);
        Self(target.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let before = self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        if before == 1 && self.0.is_draining() {
            self.0.idle.notify_one();
        }
    }
}
