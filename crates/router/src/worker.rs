//! A worker: one thread, one runtime, its own sockets, table, connections and counters.
//!
//! Invariant: no worker waits for another. A worker that panics takes the process with it (the
//! engine starts another router on the same sockets); a core is never lost silently.

use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use neargate_core::routing::table::RoutingTable;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;

use crate::RouterLimits;
use crate::acceptor;
use crate::access_log::LogFile;
use crate::clock::CachedClock;
use crate::compiled_table::TargetStates;
use crate::count_history::WorkerReport;
use crate::heartbeat::WorkerBeat;
use crate::pressure::Pressure;
use crate::socket_diag::SocketDiag;
use crate::worker_context::WorkerContext;

const TICK: Duration = Duration::from_secs(1);

/// A new table for a worker; answered when it is in force.
pub(crate) struct TableSwap {
    pub(crate) table: Arc<RoutingTable>,
    pub(crate) states: Arc<TargetStates>,
    pub(crate) done: oneshot::Sender<()>,
}

/// Arguments with which a worker is started.
pub(crate) struct WorkerStart {
    pub(crate) sockets: Vec<(String, StdListener)>,
    pub(crate) limits: RouterLimits,
    pub(crate) diag: Option<SocketDiag>,
    pub(crate) log: Option<Arc<LogFile>>,
    pub(crate) swaps: mpsc::Receiver<TableSwap>,
    pub(crate) draining: watch::Receiver<bool>,
    pub(crate) counts: mpsc::Sender<WorkerReport>,
    pub(crate) beat: Arc<WorkerBeat>,
    pub(crate) pressure: Arc<Pressure>,
    pub(crate) clock: CachedClock,
    pub(crate) number: usize,
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
    let worker = Rc::new(WorkerContext::new(
        start.number,
        (start.limits, start.diag),
        start.log,
        start.pressure,
        start.clock,
        start.draining,
    ));
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

async fn swaps(worker: Rc<WorkerContext>, mut swaps: mpsc::Receiver<TableSwap>) {
    while let Some(swap) = swaps.recv().await {
        worker.swap(&swap.table, &swap.states);
        // Nobody waits any more when the router is ending.
        let _ = swap.done.send(());
    }
}

async fn ticks(worker: Rc<WorkerContext>, counts: mpsc::Sender<WorkerReport>) {
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
