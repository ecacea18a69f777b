//! A worker's connections to targets.
//!
//! Invariant: a connection that the target has closed is not handed out when that can be known
//! without waiting; at most a given number per target are kept, and none to a target that
//! takes no new requests. A new one is handed out only when its other end is the task's, where
//! tasks have users of their own. Open connections, used and idle, are never more than the worker's
//! budget: idle ones are closed for new ones.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use neargate_core::ids::TaskId;
use neargate_core::routing::peer_socket::PeerOwner;
use rustix::net::RecvFlags;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::pressure::is_shortage;
use crate::socket_diag::SocketDiag;

/// A kept connection older than this is not used again.
const MOST_IDLE: Duration = Duration::from_secs(60);

/// An open connection to a target, and its place in the worker's budget.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
pub(crate) struct UpstreamPool {
    idle: RefCell<HashMap<TaskId, Vec<(Upstream, Instant)>>>,
    places: Arc<Semaphore>,
    /// Requests that wait for a place.
    waiting: Cell<usize>,
    /// `None`: the kernel does not tell whose a connection is.
    diag: Option<SocketDiag>,
}

impl UpstreamPool {
    /// A pool of at most this many connections, used and idle.
    pub(crate) fn new(most: usize, diag: Option<SocketDiag>) -> Self {
        Self {
            idle: RefCell::default(),
            places: Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS))),
            waiting: Cell::new(0),
            diag,
        }
    }

    /// The connection used last, when it is still open.
    pub(crate) fn reuse(&self, task: &TaskId, care: ReuseCheck) -> Option<Upstream> {
        let mut pool = self.idle.borrow_mut();
        let kept = pool.get_mut(task)?;
        while let Some((upstream, since)) = kept.pop() {
            if since.elapsed() < MOST_IDLE && is_quiet(&upstream.stream, care) {
                return Some(upstream);
            }
        }
        None
    }

    pub(crate) fn put(&self, task: &TaskId, upstream: Upstream, most: usize) {
        if self.waiting.get() > 0 {
            return;
        }
        let mut pool = self.idle.borrow_mut();
        let kept = match pool.get_mut(task) {
            Some(kept) => kept,
            None => pool.entry(task.clone()).or_default(),
        };
        if kept.len() < most {
            kept.push((upstream, Instant::now()));
        }
    }

    /// Drops what is idle to targets that are not kept, and what is too old.
    pub(crate) fn retain(&self, keeps: impl Fn(&TaskId) -> bool) {
        self.idle.borrow_mut().retain(|task, kept| {
            kept.retain(|(_, since)| since.elapsed() < MOST_IDLE);
            keeps(task) && !kept.is_empty()
        });
    }

    /// Closes the connection that has been idle longest; whether there was one.
    pub(crate) fn close_oldest(&self) -> bool {
        let mut pool = self.idle.borrow_mut();
        let oldest = pool
            .values_mut()
            .filter(|kept| !kept.is_empty())
            .min_by_key(|kept| kept[0].1);
        oldest.is_some_and(|kept| {
            kept.remove(0);
            true
        })
    }

    /// Connects to a target, when the budget has a place within that time. `user`: who must be at
    /// the other end.
    ///
    /// # Errors
    /// [`NotConnected`] tells whose they are.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        user: Option<u32>,
        within: Duration,
    ) -> Result<Upstream, NotConnected> {
        let began = Instant::now();
        let place = self.permit(within).await.ok_or(NotConnected::NoPlace)?;
        let left = within.saturating_sub(began.elapsed());
        let mut connected = connect(address, left).await;
        // Descriptors that idle connections hold are worth more elsewhere.
        if connected.as_ref().is_err_and(is_shortage) && self.close_oldest() {
            connected = connect(address, left).await;
        }
        let whose = connected.and_then(|stream| Ok((self.owner(&stream, address, user)?, stream)));
        match whose {
            Ok((PeerOwner::Task, stream)) => Ok(Upstream {
                stream,
                _place: place,
            }),
            Ok((PeerOwner::Stranger, _)) => Err(NotConnected::ByStranger),
            Ok((PeerOwner::Gone, _)) => Err(NotConnected::ByTarget(
                io::ErrorKind::ConnectionReset.into(),
            )),
            Err(error) if is_shortage(&error) => Err(NotConnected::Shortage(error)),
            Err(error) => Err(NotConnected::ByTarget(error)),
        }
    }

    /// Whose a new connection is; the target's when that is not to be asked.
    fn owner(
        &self,
        stream: &TcpStream,
        target: SocketAddr,
        user: Option<u32>,
    ) -> io::Result<PeerOwner> {
        match (&self.diag, user) {
            (Some(diag), Some(user)) => diag.owner(user, (target, stream.local_addr()?)),
            _ => Ok(PeerOwner::Task),
        }
    }

    /// A place in the budget, when there is one within that time.
    pub(crate) async fn permit(&self, within: Duration) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Some(place);
        }
        self.close_oldest();
        let _waiting = QueuedRequest::begin(&self.waiting);
        let place = tokio::time::timeout(within, self.places.clone().acquire_owned());
        place.await.ok()?.ok()
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum NotConnected {
    /// The budget of connections was used up all the time.
    NoPlace,
    /// The router lacks descriptors, memory or local ports.
    Shortage(io::Error),
    /// The target refused, or did not answer.
    ByTarget(io::Error),
    /// Another user's process listens in the target's place.
    ByStranger,
}

/// Counts one that waits.
struct QueuedRequest<'a>(&'a Cell<usize>);

impl<'a> QueuedRequest<'a> {
    fn begin(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for QueuedRequest<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// How surely a kept connection must be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReuseCheck {
    /// As far as the runtime has heard: the request can be tried again. No system call.
    Heard,
    /// The kernel is asked.
    Asked,
}

/// Open, and nothing was sent on it that nobody asked for.
fn is_quiet(stream: &TcpStream, care: ReuseCheck) -> bool {
    let mut byte = [0_u8; 1];
    if care == ReuseCheck::Heard {
        let read = stream.try_read(&mut byte);
        return matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
    }
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    let peeked = rustix::net::recv(stream, &mut byte[..], flags);
    matches!(peeked, Err(rustix::io::Errno::AGAIN))
}

async fn connect(address: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(within, TcpStream::connect(address))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
