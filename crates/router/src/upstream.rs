//! A worker's connections to targets.
//!
//! Invariant: a connection that the target has closed is not handed out when that can be known
//! without waiting; at most a given number per target are kept, and none to a target that
//! takes no new requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;
use tokio::net::TcpStream;

/// A kept connection older than this is not used again.
const MOST_IDLE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Pool(RefCell<HashMap<String, Vec<(TcpStream, Instant)>>>);

impl Pool {
    /// The connection used last, when it is still open.
    pub(crate) fn take(&self, task: &str, care: Care) -> Option<TcpStream> {
        let mut pool = self.0.borrow_mut();
        let kept = pool.get_mut(task)?;
        while let Some((stream, since)) = kept.pop() {
            if since.elapsed() < MOST_IDLE && is_quiet(&stream, care) {
                return Some(stream);
            }
        }
        None
    }

    pub(crate) fn put(&self, task: &str, stream: TcpStream, most: usize) {
        let mut pool = self.0.borrow_mut();
        let kept = match pool.get_mut(task) {
            Some(kept) => kept,
            None => pool.entry(task.to_owned()).or_default(),
        };
        if kept.len() < most {
            kept.push((stream, Instant::now()));
        }
    }

    /// Drops what is idle to targets that are not kept, and what is too old.
    pub(crate) fn retain(&self, keeps: impl Fn(&str) -> bool) {
        self.0.borrow_mut().retain(|task, kept| {
            kept.retain(|(_, since)| since.elapsed() < MOST_IDLE);
            keeps(task) && !kept.is_empty()
        });
    }
}

/// How surely a kept connection must be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// As far as the runtime has heard: the request can be tried again. No system call.
    Heard,
    /// The kernel is asked.
    Asked,
}

/// Open, and nothing was sent on it that nobody asked for.
fn is_quiet(stream: &TcpStream, care: Care) -> bool {
    let mut byte = [0_u8; 1];
    if care == Care::Heard {
        let read = stream.try_read(&mut byte);
        return matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
    }
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    let peeked = rustix::net::recv(stream, &mut byte[..], flags);
    matches!(peeked, Err(rustix::io::Errno::AGAIN))
}

/// Connects to a target.
pub(crate) async fn connect(address: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(within, TcpStream::connect(address))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
