//! What the connections of one worker share: table, pools, counters and bounds.
//!
//! Invariant: it belongs to one thread; nothing in it is waited for by another worker.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use neargate_core::descriptors::MOST_REFUSALS;
use neargate_core::random::Random;
use neargate_core::routing::table::RoutingTable;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::RouterLimits;
use crate::access_log::{AccessLogLines, LogFile};
use crate::budget::Budget;
use crate::clock::CachedClock;
use crate::compiled_table::{CompiledTable, TargetStates};
use crate::count_history::WorkerReport;
use crate::counters::{CountPeriod, RequestCounters};
use crate::pressure::Pressure;
use crate::scratch::ScratchBuffer;
use crate::seats::{MadeRoom, Seats};
use crate::socket_diag::SocketDiag;
use crate::static_files::FileCache;
use crate::upstream::UpstreamPool;

/// A worker's state, shared by its connections.
#[derive(Debug)]
pub(crate) struct WorkerContext {
    table: RefCell<Rc<CompiledTable>>,
    pub(crate) pool: UpstreamPool,
    pub(crate) scratch: ScratchBuffer,
    pub(crate) files: FileCache,
    pub(crate) lines: AccessLogLines,
    pub(crate) counters: RefCell<RequestCounters>,
    number: usize,
    pub(crate) clock: CachedClock,
    /// Version of the table in force, and since when it is, milliseconds.
    in_force: Cell<(u64, u64)>,
    pub(crate) limits: RouterLimits,
    /// Of HTTP/2 connections.
    pub(crate) budget: Rc<Budget>,
    draining: watch::Receiver<bool>,
    pub(crate) seats: Seats,
    /// Clients that are refused now.
    pub(crate) refusals: Arc<Semaphore>,
    pub(crate) pressure: Arc<Pressure>,
    serving: watch::Sender<bool>,
    random: RefCell<Random>,
}

impl WorkerContext {
    pub(crate) fn new(
        number: usize,
        (limits, diag): (RouterLimits, Option<SocketDiag>),
        log: Option<Arc<LogFile>>,
        pressure: Arc<Pressure>,
        clock: CachedClock,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let seed = std::hash::RandomState::new().build_hasher().finish();
        Self {
            table: RefCell::default(),
            pool: UpstreamPool::new(limits.target_connections, diag),
            scratch: ScratchBuffer::new(),
            files: FileCache::default(),
            lines: AccessLogLines::new(log),
            counters: RefCell::default(),
            number,
            clock,
            in_force: Cell::default(),
            limits,
            budget: Rc::new(Budget::new(
                limits.http2_memory,
                limits.http2_connection_memory,
            )),
            draining,
            seats: Seats::new(limits.connections),
            refusals: Arc::new(Semaphore::new(MOST_REFUSALS as usize)),
            pressure,
            serving: watch::Sender::new(false),
            random: RefCell::new(Random::new(seed)),
        }
    }

    pub(crate) fn table(&self) -> Rc<CompiledTable> {
        self.table.borrow().clone()
    }

    /// A random number: for identifiers and choices, not for secrets.
    pub(crate) fn random(&self) -> u64 {
        self.random.borrow_mut().draw()
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Waits for the drain to begin.
    pub(crate) async fn drain_began(&self) {
        let mut draining = self.draining.clone();
        if draining.wait_for(|d| *d).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the first table: until then connections wait in the sockets' queues.
    pub(crate) async fn first_table(&self) {
        let mut serving = self.serving.subscribe();
        // The sender lives as long as the worker.
        let _ = serving.wait_for(|serving| *serving).await;
    }

    /// Waits for the drain, and then as long as an idle connection is kept.
    pub(crate) async fn drained_idle(&self) {
        self.drain_began().await;
        tokio::time::sleep(self.limits.drain_idle).await;
    }

    /// Asks the client to leave that has been idle longest.
    pub(crate) fn make_room(&self) -> MadeRoom {
        let room = self.seats.make_room(Instant::now());
        if room == MadeRoom::Asked {
            self.pressure.closed_idle();
        }
        room
    }

    /// Period under which a request that ends now is counted.
    pub(crate) fn stamp(&self, now: Instant) -> CountPeriod {
        let (version, in_force) = self.in_force.get();
        CountPeriod {
            second: self.clock.millis(now) / 1000,
            version,
            in_force,
        }
    }

    pub(crate) fn report(&self) -> WorkerReport {
        WorkerReport {
            worker: self.number,
            through: Some(self.clock.millis(Instant::now())),
            seconds: self.counters.borrow_mut().drain(),
        }
    }

    /// Keeps them when the control thread has not taken the last ones yet.
    pub(crate) fn hand_over_counts(&self, counts: &mpsc::Sender<WorkerReport>) {
        if let Ok(permit) = counts.try_reserve() {
            permit.send(self.report());
        }
    }

    pub(crate) fn swap(&self, table: &RoutingTable, states: &TargetStates) {
        let now = self.clock.millis(Instant::now());
        self.in_force.set((table.version, now));
        let live = CompiledTable::new(table, states);
        live.continue_from(&self.table());
        self.pool.retain(|task| live.keeps(task));
        self.table.replace(Rc::new(live));
        self.serving.send_replace(true);
    }
}
