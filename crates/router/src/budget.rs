//! The memory of a worker's HTTP/2 connections: counted, bounded and given back.
//!
//! A connection takes what it needs before it holds it, from an allowance of its own and from
//! the worker's. What waits for more reads nothing meanwhile, neither from a target nor from a
//! file. When the worker's is used up, connections without streams are ended, and then those
//! whose client has taken nothing for [`STALLED`], the longest first; new streams are refused
//! until there is room.
//!
//! Invariant: what is counted never exceeds the two bounds; every byte comes back when its
//! [`MemoryPermit`] is dropped.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};

/// Memory of a connection before its first stream: the buffers of its frames.
pub(crate) const CONNECTION_COST: usize = 32 * 1024;
/// While memory is short, a client that has taken nothing for this long is let go.
pub(crate) const STALLED: Duration = Duration::from_secs(5);
/// While memory is short, a connection without streams for this long is ended.
const IDLE: Duration = Duration::from_secs(1);
/// Wait for memory after which room is made.
const PATIENCE: Duration = Duration::from_secs(1);
/// A new connection waits this long for memory.
const ADMISSION: Duration = Duration::from_secs(10);
/// This part of the worker's memory is freed at once.
const FREED_PART: usize = 8;

/// Streams that a client may reset beyond those that it had answered: each costs a target a
/// request.
const MOST_CANCELLED: u32 = 256;
/// So much freed memory is given back to the kernel.
const RETURNED: usize = 4 << 20;

/// Why a connection is ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eviction {
    /// It has no streams.
    Idle,
    /// Its client takes nothing.
    Stalled,
    /// Its client resets what it asks for.
    Resets,
}

/// The memory of one worker.
#[derive(Debug)]
pub(crate) struct Budget {
    pool: Rc<MemoryPool>,
    connection_size: usize,
    connections: RefCell<BTreeMap<u64, Rc<ConnectionMemory>>>,
    next: Cell<u64>,
}

#[derive(Debug)]
struct MemoryPool {
    free: Semaphore,
    size: usize,
    /// The most that was taken since freed memory was given back.
    highest: Cell<usize>,
}

impl MemoryPool {
    fn used(&self) -> usize {
        self.size - self.free.available_permits()
    }

    fn taken(&self) {
        self.highest.set(self.highest.get().max(self.used()));
    }
}

/// The memory of one connection, and how far its client is.
#[derive(Debug)]
pub(crate) struct ConnectionMemory {
    free: Semaphore,
    size: usize,
    worker: Rc<MemoryPool>,
    streams: Cell<usize>,
    /// Streams that wait for the client, and pieces that are not on the wire yet.
    waiting: Cell<usize>,
    /// When the client last took something, a stream ended, or the wait began.
    progress: Cell<Instant>,
    receiving: Cell<usize>,
    received: Cell<usize>,
    /// Streams began or ended.
    pub(crate) changed: Notify,
    cancelled: Cell<u32>,
    evicted: Cell<Option<Eviction>>,
    eviction: Notify,
}

impl Budget {
    pub(crate) fn new(size: usize, connection_size: usize) -> Self {
        Self {
            pool: Rc::new(MemoryPool {
                free: Semaphore::new(size),
                size,
                highest: Cell::new(0),
            }),
            connection_size,
            connections: RefCell::default(),
            next: Cell::new(0),
        }
    }

    /// Gives freed memory back to the kernel when there is much of it. Once a second.
    pub(crate) fn settle(&self) {
        // What waits has parts of it already.
        self.pool.taken();
        let used = self.pool.used();
        if self.pool.highest.get() - used >= RETURNED {
            self.pool.highest.set(used);
            crate::memory::give_back();
        }
    }

    /// Lets a connection in, when there is memory for it.
    pub(crate) async fn admit(self: &Rc<Self>) -> Option<AdmittedConnection> {
        let account = Rc::new(ConnectionMemory {
            free: Semaphore::new(self.connection_size),
            size: self.connection_size,
            worker: self.pool.clone(),
            streams: Cell::new(0),
            waiting: Cell::new(0),
            progress: Cell::new(Instant::now()),
            receiving: Cell::new(0),
            received: Cell::new(0),
            changed: Notify::new(),
            cancelled: Cell::new(0),
            evicted: Cell::new(None),
            eviction: Notify::new(),
        });
        let taken = self.acquire(&account, CONNECTION_COST);
        let permit = tokio::time::timeout(ADMISSION, taken).await.ok()?;
        let key = self.next.get();
        self.next.set(key + 1);
        self.connections.borrow_mut().insert(key, account.clone());
        Some(AdmittedConnection {
            budget: self.clone(),
            account,
            key,
            _cost: permit,
        })
    }

    /// Takes memory for a connection; waits for it, and makes room when that takes long.
    pub(crate) async fn acquire(
        &self,
        account: &Rc<ConnectionMemory>,
        bytes: usize,
    ) -> MemoryPermit {
        let Some(own) = acquire(&account.free, bytes).await else {
            return account.nothing();
        };
        let all = acquire(&self.pool.free, bytes);
        tokio::pin!(all);
        loop {
            tokio::select! {
                biased;
                all = &mut all => {
                    if let Some(all) = all {
                        own.forget();
                        all.forget();
                        self.pool.taken();
                        return MemoryPermit { account: account.clone(), bytes };
                    }
                    return account.nothing();
                }
                () = tokio::time::sleep(PATIENCE) => self.make_room(),
            }
        }
    }

    /// Ends connections until a part of the memory is free: those that are idle, then those
    /// that are stalled, the longest first.
    pub(crate) fn make_room(&self) {
        let connections = self.connections.borrow();
        let mut least: Vec<_> = connections
            .values()
            .filter_map(|account| Some((account.evictable()?, account)))
            .collect();
        least.sort_by_key(|((why, since), _)| (*why == Eviction::Stalled, *since));
        let mut free = self.pool.free.available_permits();
        for ((why, _), account) in least {
            if free >= self.pool.size / FREED_PART {
                return;
            }
            free += account.size - account.free.available_permits();
            account.evict(why);
        }
    }
}

async fn acquire(from: &Semaphore, bytes: usize) -> Option<tokio::sync::SemaphorePermit<'_>> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    from.acquire_many(bytes).await.ok()
}

impl ConnectionMemory {
    /// A permit for no bytes.
    pub(crate) fn nothing(self: &Rc<Self>) -> MemoryPermit {
        MemoryPermit {
            account: self.clone(),
            bytes: 0,
        }
    }

    /// Takes memory when there is enough.
    pub(crate) fn try_take(self: &Rc<Self>, bytes: usize) -> Option<MemoryPermit> {
        let count = u32::try_from(bytes).ok()?;
        let own = self.free.try_acquire_many(count).ok()?;
        self.worker.free.try_acquire_many(count).ok()?.forget();
        own.forget();
        self.worker.taken();
        Some(MemoryPermit {
            account: self.clone(),
            bytes,
        })
    }

    /// Takes memory for a body of at most `bytes` that a client sends: all bodies of a
    /// connection together fill no more than its window.
    pub(crate) fn try_receive(
        self: &Rc<Self>,
        bytes: usize,
        window: usize,
    ) -> Option<ReceivePermit> {
        let wanted = (self.receiving.get() + bytes).min(window);
        if wanted > self.received.get() {
            let more = wanted - self.received.get();
            // It comes back by the parts, as bodies end.
            self.try_take(more)?.bytes = 0;
            self.received.set(wanted);
        }
        self.receiving.set(self.receiving.get() + bytes);
        Some(ReceivePermit {
            account: self.clone(),
            bytes,
            window,
        })
    }

    fn evictable(&self) -> Option<(Eviction, Instant)> {
        let since = self.progress.get();
        let (why, after) = match (self.streams.get(), self.waiting.get()) {
            (0, 0) => (Eviction::Idle, IDLE),
            (_, 0) => return None,
            _ => (Eviction::Stalled, STALLED),
        };
        let ending = self.evicted.get().is_some();
        (!ending && since.elapsed() >= after).then_some((why, since))
    }

    fn evict(&self, why: Eviction) {
        self.evicted.set(Some(why));
        self.eviction.notify_one();
    }

    /// A response is through.
    pub(crate) fn answered(&self) {
        self.cancelled.set(self.cancelled.get().saturating_sub(1));
    }

    /// The client has reset a stream before its response was through.
    pub(crate) fn cancelled(&self) {
        self.cancelled.set(self.cancelled.get() + 1);
        if self.cancelled.get() > MOST_CANCELLED {
            self.evict(Eviction::Resets);
        }
    }

    /// Waits until the connection is to be ended before its time.
    pub(crate) async fn evicted(&self) -> Eviction {
        loop {
            if let Some(why) = self.evicted.get() {
                return why;
            }
            self.eviction.notified().await;
        }
    }

    pub(crate) fn streams(&self) -> usize {
        self.streams.get()
    }

    /// When it last had a stream.
    pub(crate) fn progress(&self) -> Instant {
        self.progress.get()
    }

    pub(crate) fn open(self: &Rc<Self>) -> OpenStream {
        self.streams.set(self.streams.get() + 1);
        self.changed.notify_one();
        OpenStream(self.clone())
    }

    /// The client is waited for until this is dropped.
    pub(crate) fn wait(self: &Rc<Self>) -> ClientWait {
        if self.waiting.get() == 0 {
            self.progress.set(Instant::now());
        }
        self.waiting.set(self.waiting.get() + 1);
        ClientWait(self.clone())
    }

    fn give_back(&self, bytes: usize) {
        self.free.add_permits(bytes);
        self.worker.free.add_permits(bytes);
    }
}

/// A connection that was let in.
#[derive(Debug)]
pub(crate) struct AdmittedConnection {
    budget: Rc<Budget>,
    pub(crate) account: Rc<ConnectionMemory>,
    key: u64,
    _cost: MemoryPermit,
}

impl Drop for AdmittedConnection {
    fn drop(&mut self) {
        self.budget.connections.borrow_mut().remove(&self.key);
    }
}

/// Counts one stream.
#[derive(Debug)]
pub(crate) struct OpenStream(Rc<ConnectionMemory>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
        self.0.progress.set(Instant::now());
        self.0.changed.notify_one();
    }
}

/// The client is waited for.
#[derive(Debug)]
pub(crate) struct ClientWait(Rc<ConnectionMemory>);

impl Drop for ClientWait {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
        self.0.progress.set(Instant::now());
    }
}

/// Leave to hold bytes.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    account: Rc<ConnectionMemory>,
    bytes: usize,
}

impl MemoryPermit {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn merge(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// A part of it, at most what there is.
    pub(crate) fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self {
            account: self.account.clone(),
            bytes,
        }
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        self.account.give_back(self.bytes);
    }
}

/// Leave to receive a body.
#[derive(Debug)]
pub(crate) struct ReceivePermit {
    account: Rc<ConnectionMemory>,
    bytes: usize,
    window: usize,
}

impl Drop for ReceivePermit {
    fn drop(&mut self) {
        let account = &self.account;
        account.receiving.set(account.receiving.get() - self.bytes);
        let wanted = account.receiving.get().min(self.window);
        let surplus = account.received.get().saturating_sub(wanted);
        account.received.set(account.received.get() - surplus);
        account.give_back(surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn admitted(budget: &Rc<Budget>) -> AdmittedConnection {
        budget.admit().await.expect("there is room")
    }

    fn with(size: usize, test: impl AsyncFnOnce(Rc<Budget>)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let budget = Rc::new(Budget::new(
            CONNECTION_COST * 4 + size,
            CONNECTION_COST + 1000,
        ));
        runtime.block_on(test(budget.clone()));
        assert_eq!(budget.pool.used(), 0, "all came back");
    }

    #[test]
    fn a_connection_and_all_of_them_are_bounded() {
        with(1500, async |budget| {
            let (a, b) = (admitted(&budget).await, admitted(&budget).await);
            let mut first = a.account.try_take(900).expect("room");
            assert!(
                a.account.try_take(101).is_none(),
                "the connection's own bound"
            );
            let others = [admitted(&budget).await, admitted(&budget).await];
            assert!(b.account.try_take(601).is_none(), "the worker's bound");
            let half = first.split(450);
            assert_eq!((first.bytes(), half.bytes()), (450, 450));
            drop(half);
            first.merge(b.account.nothing());
            assert!(b.account.try_take(1000).is_some());
            drop(others);
        });
    }

    #[test]
    fn bodies_take_no_more_than_the_window_together() {
        with(1000, async |budget| {
            let connection = admitted(&budget).await;
            let used = budget.pool.used();
            let receive = |bytes| connection.account.try_receive(bytes, 600);
            let (a, b, c) = (receive(400), receive(400), receive(400));
            assert!(a.is_some() && b.is_some() && c.is_some());
            assert_eq!(budget.pool.used() - used, 600);
            drop(a);
            assert_eq!(budget.pool.used() - used, 600);
            drop(b);
            assert_eq!(budget.pool.used() - used, 400);
            drop(c);
            assert_eq!(budget.pool.used(), used);
        });
    }

    #[test]
    fn who_waits_gets_what_others_give_back() {
        with(0, async |budget| {
            let connection = admitted(&budget).await;
            let taken = connection.account.try_take(1000).expect("room");
            let waits = budget.acquire(&connection.account, 300);
            let gives = async { drop(taken) };
            let (permit, ()) = tokio::join!(waits, gives);
            assert_eq!(permit.bytes(), 300);
        });
    }
}
