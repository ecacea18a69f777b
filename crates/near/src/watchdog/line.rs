//! What engine, shims and commands say to the watchdog on `run/watchdog.sock`.
//!
//! | from | bytes | meaning |
//! |---|---|---|
//! | engine | `e` | first byte of its connection, which stays |
//! | engine | `l`, `r` | its loop went round; only this thread of it lives |
//! | engine | `f`, a line | the listening sockets, attached, and their names ([`super::sockets`]) |
//! | engine | `q` | everything is stopped: nobody is to be started again |
//! | watchdog | `w` | it lives; also the answer to a shim's `s` |
//! | watchdog | `q` | the answer to `q` |
//! | command | `?`, `t` | how the engine is; try to start it now. Answered by one line of JSON |

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};

use crate::process_identity::ProcessIdentity;

/// First byte of an engine.
pub const ENGINE: u8 = b'e';
/// The engine's loop went round.
pub const LOOP: u8 = b'l';
/// The engine lives, its loop did not go round.
pub const ALIVE: u8 = b'r';
/// Everything is stopped.
pub const QUIT: u8 = b'q';
/// Listening sockets follow.
pub const SOCKETS: u8 = b'f';
/// The watchdog lives.
pub const WATCHDOG: u8 = b'w';
/// A shim asks.
pub const SHIM: u8 = b's';
/// A command asks.
pub const ASK: u8 = b'?';
/// A command asks for a start now.
pub const TRY: u8 = b't';

/// The watchdog's answer to a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineReport {
    /// Pid of the engine that is watched, if any.
    pub engine: Option<u32>,
    /// The engine's loop runs.
    pub ready: bool,
    /// Milliseconds until the next start, when the last ones failed.
    pub next_start_ms: Option<u64>,
    /// Why it ended last, in words; empty when it never did.
    pub words: String,
}

/// Connects without waiting, also when the other end accepts nothing any more.
///
/// # Errors
/// Nobody listens there, or too many wait already.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// Sends bytes without waiting; what does not fit is lost.
///
/// # Errors
/// The other end is gone.
pub fn send(stream: &UnixStream, bytes: &[u8]) -> io::Result<()> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    match rustix::net::send(stream, bytes, flags) {
        Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The process at the other end; `None` when it is gone.
#[must_use]
pub fn peer(stream: &UnixStream) -> Option<ProcessIdentity> {
    let credentials = rustix::net::sockopt::socket_peercred(stream).ok()?;
    ProcessIdentity::of(u32::try_from(credentials.pid.as_raw_nonzero().get()).ok()?)
}
