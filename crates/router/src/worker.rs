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

use bytes::BytesMut;
use neargate_core::routing::table::RoutingTable;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::LocalSet;

use crate::Limits;
use crate::access_log::{Lines, LogFile};
use crate::beat::WorkerBeat;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::connection::{self, Client};
use crate::control::Report;
use crate::counters::{Counters, Stamp};
use crate::files::FileCache;
use crate::http2;
use crate::io::Scratch;
use crate::live::{LiveTable, States};
use crate::upstream::Pool;

/// After `accept` failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A router has its first table within moments. While there is none after this, because no
/// engine runs, requests are answered with 503.
const FIRST_TABLE: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_secs(1);

/// A new table for a worker; answered when it is in force.
pub(crate) struct Swap {
    pub(crate) table: Arc<RoutingTable>,
    pub(crate) states: Arc<States>,
    pub(crate) done: oneshot::Sender<()>,
}

/// What a worker is started with.
pub(crate) struct Start {
    pub(crate) sockets: Vec<(String, StdListener)>,
    pub(crate) limits: Limits,
    pub(crate) log: Option<Arc<LogFile>>,
    pub(crate) swaps: mpsc::Receiver<Swap>,
    pub(crate) draining: watch::Receiver<bool>,
    pub(crate) counts: mpsc::Sender<Report>,
    pub(crate) beat: Arc<WorkerBeat>,
    pub(crate) clock: Clock,
    pub(crate) number: usize,
}

/// A worker's state, shared by its connections.
#[derive(Debug)]
pub(crate) struct Worker {
    table: RefCell<Rc<LiveTable>>,
    pub(crate) pool: Pool,
    pub(crate) scratch: Scratch,
    pub(crate) files: FileCache,
    pub(crate) lines: Lines,
    pub(crate) counters: RefCell<Counters>,
    number: usize,
    clock: Clock,
    /// Version of the table in force, and since when it is, milliseconds.
    in_force: Cell<(u64, u64)>,
    pub(crate) limits: Limits,
    /// Of HTTP/2 connections.
    pub(crate) budget: Rc<Budget>,
    draining: watch::Receiver<bool>,
    connections: Cell<usize>,
    left: Notify,
    serving: watch::Sender<bool>,
    random: Cell<u64>,
}

impl Worker {
    pub(crate) fn table(&self) -> Rc<LiveTable> {
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
    async fn first_table(&self) {
        let mut serving = self.serving.subscribe();
        // The sender lives as long as the worker.
        let _ = serving.wait_for(|serving| *serving).await;
    }

    /// Waits for the drain, and then as long as an idle connection is kept.
    pub(crate) async fn drained_idle(&self) {
        self.drain_began().await;
        tokio::time::sleep(self.limits.drain_idle).await;
    }

    /// What a request that ends now is counted under.
    pub(crate) fn stamp(&self, now: Instant) -> Stamp {
        let (version, in_force) = self.in_force.get();
        Stamp {
            second: self.clock.millis(now) / 1000,
            version,
            in_force,
        }
    }

    fn report(&self) -> Report {
        Report {
            worker: self.number,
            through: Some(self.clock.millis(Instant::now())),
            seconds: self.counters.borrow_mut().take(),
        }
    }

    /// Keeps them when the control thread has not taken the last ones yet.
    fn hand_over_counts(&self, counts: &mpsc::Sender<Report>) {
        if let Ok(permit) = counts.try_reserve() {
            permit.send(self.report());
        }
    }

    fn swap(&self, table: &RoutingTable, states: &States) {
        let now = self.clock.millis(Instant::now());
        self.in_force.set((table.version, now));
        let live = LiveTable::new(table, states);
        live.continue_from(&self.table());
        self.pool.retain(|task| live.keeps(task));
        self.table.replace(Rc::new(live));
        self.serving.send_replace(true);
    }
}

struct Connected(Rc<Worker>);

impl Connected {
    fn new(worker: &Rc<Worker>) -> Self {
        worker.connections.set(worker.connections.get() + 1);
        Self(worker.clone())
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
        self.0.left.notify_waiters();
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
pub(crate) fn run(runtime: &tokio::runtime::Runtime, start: Start) {
    let _guard = AbortOnPanic;
    let local = LocalSet::new();
    local.block_on(runtime, serve(start));
}

async fn serve(start: Start) {
    let worker = Rc::new(Worker {
        table: RefCell::default(),
        pool: Pool::default(),
        scratch: Scratch::new(),
        files: FileCache::default(),
        lines: Lines::new(start.log),
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
        connections: Cell::new(0),
        left: Notify::new(),
        serving: watch::Sender::new(false),
        random: Cell::new(std::hash::RandomState::new().build_hasher().finish()),
    });
    let mut acceptors = Vec::new();
    for (name, socket) in start.sockets {
        if let Ok(socket) = TcpListener::from_std(socket) {
            acceptors.push(tokio::task::spawn_local(accept(
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
        let left = worker.left.notified();
        tokio::pin!(left);
        left.as_mut().enable();
        if worker.connections.get() == 0 {
            break;
        }
        left.await;
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

async fn swaps(worker: Rc<Worker>, mut swaps: mpsc::Receiver<Swap>) {
    while let Some(swap) = swaps.recv().await {
        worker.swap(&swap.table, &swap.states);
        // Nobody waits any more when the router is ending.
        let _ = swap.done.send(());
    }
}

async fn ticks(worker: Rc<Worker>, counts: mpsc::Sender<Report>) {
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

async fn accept(worker: Rc<Worker>, name: Rc<str>, socket: TcpListener) {
    let Ok(bound) = socket.local_addr() else {
        return;
    };
    tokio::select! {
        () = worker.drain_began() => return,
        _ = tokio::time::timeout(FIRST_TABLE, worker.first_table()) => {}
    }
    loop {
        let full = worker.connections.get() >= worker.limits.connections;
        if full && !worker.is_draining() {
            let left = worker.left.notified();
            tokio::select! {
                () = left => {}
                () = tokio::time::sleep(ACCEPT_PAUSE) => {}
            }
            continue;
        }
        let accepted = tokio::select! {
            biased;
            () = worker.drain_began() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let client = Client {
                    listener: name.clone(),
                    port: bound.port().to_string(),
                    peer,
                    local: stream.local_addr().unwrap_or(bound),
                    protocol: "http/1.1",
                };
                let connected = Connected::new(&worker);
                tokio::task::spawn_local(talk(connected, client, stream));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(
        error.kind(),
        K::ConnectionAborted | K::ConnectionReset | K::Interrupted
    )
}

async fn talk(connected: Connected, client: Client, stream: TcpStream) {
    let worker = connected.0.clone();
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (mut reader, mut writer) = stream.into_split();
    let mut buffer = BytesMut::new();
    match http2::sniff(&worker, &mut reader, &mut buffer).await {
        http2::Protocol::Http1 => {
            connection::serve(&worker, &client, &mut reader, &mut writer, buffer).await;
        }
        http2::Protocol::Http2 => {
            Box::pin(http2::serve(worker, client, reader, writer, buffer)).await;
        }
        http2::Protocol::Nothing => {}
    }
    drop(connected);
}
