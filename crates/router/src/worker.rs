//! A worker: one thread, one runtime, its own sockets, table, connections and counters.
//!
//! Invariant: no worker waits for another. A worker that panics takes the process with it (the
//! engine starts another router on the same sockets); a core is never lost silently.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hasher};
use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use neargate_core::descriptors::MOST_REFUSALS;
use neargate_core::routing::table::RoutingTable;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::LocalSet;

use crate::RouterLimits;
use crate::acceptor;
use crate::access_log::{AccessLogLines, LogFile};
use crate::budget::Budget;
use crate::clock::CachedClock;
use crate::compiled_table::{CompiledTable, TargetStates};
use crate::control::WorkerReport;
use crate::counters::{CountPeriod, RequestCounters};
use crate::heartbeat::WorkerBeat;
use crate::pressure::Pressure;
use crate::scratch::ScratchBuffer;
use crate::seats::{MadeRoom, Seats};
use crate::static_files::FileCache;
use crate::upstream::UpstreamPool;

const TICK: Duration = Duration::from_secs(1);

/// A new table for a worker; answered when it is in force.
pub(crate) struct TableSwap {
    pub(crate) table: Arc<RoutingTable>,
    pub(crate) states: Arc<TargetStates>,
    pub(crate) done: oneshot::Sender<()>,
}

/// What a worker is started with.
pub(crate) struct WorkerStart {
    pub(crate) sockets: Vec<(String, StdListener)>,
    pub(crate) limits: RouterLimits,
    pub(crate) log: Option<Arc<LogFile>>,
    pub(crate) swaps: mpsc::Receiver<TableSwap>,
    pub(crate) draining: watch::Receiver<bool>,
    pub(crate) counts: mpsc::Sender<WorkerReport>,
    pub(crate) beat: Arc<WorkerBeat>,
    pub(crate) pressure: Arc<Pressure>,
    pub(crate) clock: CachedClock,
    pub(crate) number: usize,
}

/// A worker's state, shared by its connections.
#[derive(Debug)]
pub(crate) struct Worker {
    table: RefCell<Rc<CompiledTable>>,
    pub(crate) pool: UpstreamPool,
    pub(crate) scratch: ScratchBuffer,
    pub(crate) files: FileCache,
    pub(crate) lines: AccessLogLines,
    pub(crate) counters: RefCell<RequestCounters>,
    number: usize,
    clock: CachedClock,
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
    random: Cell<u64>,
}

impl Worker {
    pub(crate) fn table(&self) -> Rc<CompiledTable> {
        self.table.borrow().clone()
    }

    /// A random number: for identifiers and choices, not for secrets.
    pub(crate) fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
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

    /// What a request that ends now is counted under.
    pub(crate) fn stamp(&self, now: Instant) -> CountPeriod {
        let (version, in_force) = self.in_force.get();
        CountPeriod {
            second: self.clock.millis(now) / 1000,
            version,
            in_force,
        }
    }

    fn report(&self) -> WorkerReport {
        WorkerReport {
            worker: self.number,
            through: Some(self.clock.millis(Instant::now())),
            seconds: self.counters.borrow_mut().drain(),
        }
    }

    /// Keeps them when the control thread has not taken the last ones yet.
    fn hand_over_counts(&self, counts: &mpsc::Sender<WorkerReport>) {
        if let Ok(permit) = counts.try_reserve() {
            permit.send(self.report());
        }
    }

    fn swap(&self, table: &RoutingTable, states: &TargetStates) {
        let now = self.clock.millis(Instant::now());
        self.in_force.set((table.version, now));
        let live = CompiledTable::new(table, states);
        live.continue_from(&self.table());
        self.pool.retain(|task| live.keeps(task));
        self.table.replace(Rc::new(live));
        self.serving.send_replace(true);
    }
}

/// Ends the process when the worker's thread panics.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

/// Runs a worker on this thread until it is drained.
pub(crate) fn run(runtime: &tokio::runtime::Runtime, start: WorkerStart) {
    let _guard = AbortOnPanic;
    let local = LocalSet::new();
    local.block_on(runtime, serve(start));
}

async fn serve(start: WorkerStart) {
    let worker = Rc::new(Worker {
        table: RefCell::default(),
        pool: UpstreamPool::new(start.limits.target_connections),
        scratch: ScratchBuffer::new(),
        files: FileCache::default(),
        lines: AccessLogLines::new(start.log),
        counters: RefCell::default(),
        number: start.number,
        clock: start.clock,
        in_force: Cell::default(),
        limits: start.limits,
        budget: Rc::new(Budget::new(
            start.limits.http2_memory,
            start.limits.http2_connection_memory,
        )),
        draining: start.draining,
        seats: Seats::new(start.limits.connections),
        refusals: Arc::new(Semaphore::new(MOST_REFUSALS as usize)),
        pressure: start.pressure,
        serving: watch::Sender::new(false),
        random: Cell::new(std::hash::RandomState::new().build_hasher().finish()),
    });
    let mut acceptors = Vec::new();
    for (name, socket) in start.sockets {
        if let Ok(socket) = TcpListener::from_std(socket) {
            acceptors.push(tokio::task::spawn_local(acceptor::accept(
                worker.clone(),
                name.into(),
                socket,
            )));
        }
    }
    let swaps = tokio::task::spawn_local(swaps(worker.clone(), start.swaps));
    let ticks = tokio::task::spawn_local(ticks(worker.clone(), start.counts.clone()));
    let beat = start.beat.clone();
    let beats = tokio::task::spawn_local(async move { beat.run().await });
    worker.drain_began().await;
    for acceptor in acceptors {
        // It ends by itself: a connection that was accepted is never dropped.
        let _ = acceptor.await;
    }
    loop {
        let freed = worker.seats.freed();
        if worker.seats.in_use() == 0 {
            break;
        }
        freed.await;
    }
    beats.abort();
    start.beat.end();
    ticks.abort();
    swaps.abort();
    worker.lines.flush();
    let mut last = worker.report();
    last.through = None;
    // When the queue is full, the process ends without the counts of its last second.
    let _ = start.counts.try_send(last);
}

async fn swaps(worker: Rc<Worker>, mut swaps: mpsc::Receiver<TableSwap>) {
    while let Some(swap) = swaps.recv().await {
        worker.swap(&swap.table, &swap.states);
        // Nobody waits any more when the router is ending.
        let _ = swap.done.send(());
    }
}

async fn ticks(worker: Rc<Worker>, counts: mpsc::Sender<WorkerReport>) {
    loop {
        // As soon as a second is over, it can be told.
        let into = worker.clock.millis(Instant::now()) % 1000;
        tokio::time::sleep(TICK.saturating_sub(Duration::from_millis(into))).await;
        worker.lines.flush();
        worker.budget.settle();
        let table = worker.table();
        worker.pool.retain(|task| table.keeps(task));
        worker.hand_over_counts(&counts);
    }
}
