//! Neargate's data plane: listeners, routing, proxying, health of targets, access log, counters.
//!
//! One process, one thread per core, each with its own listening sockets (inherited), its own
//! copy of the routing table and its own connections to targets. One more thread speaks with
//! the engine and checks health.
//!
//! Invariant: the router keeps serving its last table whoever is connected to its control
//! socket, and never closes a listening socket in a way that other holders would notice.
//! It knows no release and no supervisor.

mod acceptor;
mod access_log;
mod budget;
mod checker;
pub mod chunked;
mod clock;
mod compiled_table;
mod confinement;
mod connection;
mod control;
mod count_history;
mod counters;
mod descriptors;
mod error_response;
mod heartbeat;
mod http2;
mod lateness;
mod listening;
mod locked;
mod memory;
mod pressure;
mod proxy;
pub mod request;
mod request_context;
mod response;
mod scratch;
mod seats;
mod socket_diag;
mod static_files;
mod static_response;
mod stickiness;
mod targets;
mod tunnel;
mod upstream;
mod worker;
mod worker_context;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

pub use confinement::Confinement;

/// Arguments with which a router is started.
#[derive(Debug)]
pub struct RouterConfig {
    /// Listening TCP sockets with their listener's name; a name may come several times
    /// (one per worker: with `SO_REUSEPORT`, or copies of one). They are set non-blocking.
    pub sockets: Vec<(String, OwnedFd)>,
    /// Where the control socket is made (mode 0600; a dead one is replaced).
    pub control: PathBuf,
    /// Access log; `None`: none is written.
    pub access_log: Option<PathBuf>,
    /// Worker threads; at least 1.
    pub workers: usize,
    /// Waiting times and bounds.
    pub limits: RouterLimits,
    /// Whether SIGTERM drains this router (30 s). Off for routers that run inside a test.
    pub signals: SignalHandling,
    /// Rights that it gives up before it reads a byte from outside.
    pub confinement: Confinement,
}

/// Whether the process's signals are this router's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalHandling {
    /// SIGTERM and SIGINT drain.
    Drain,
    /// They are left alone.
    Leave,
}

/// Bounds of a router.
#[derive(Debug, Clone, Copy)]
pub struct RouterLimits {
    /// A client that sends nothing for this long is let go (408 within a request).
    pub client_idle: Duration,
    /// Longest life of a client connection.
    pub keep_alive: Duration,
    /// To connect to a target.
    pub connect: Duration,
    /// Client connections per worker, at most; fewer when the limit of open files is low. When
    /// all are taken, idle ones are closed for new clients, the oldest first.
    pub connections: usize,
    /// Connections to targets per worker, at most; fewer when the limit of open files is low.
    pub target_connections: usize,
    /// A client for whom there is no place waits this long; then it is answered 503.
    pub place: Duration,
    /// Idle connections to one target, per worker.
    pub idle_per_target: usize,
    /// Bytes that a worker holds for its HTTP/2 connections.
    pub http2_memory: usize,
    /// Bytes that a worker holds for one HTTP/2 connection.
    pub http2_connection_memory: usize,
    /// While draining: an idle connection is closed after this long.
    pub drain_idle: Duration,
}

impl Default for RouterLimits {
    /// ALB's values, where ALB has the setting.
    fn default() -> Self {
        Self {
            client_idle: Duration::from_secs(60),
            keep_alive: Duration::from_secs(3600),
            connect: Duration::from_secs(10),
            connections: 16_384,
            target_connections: 16_384,
            place: Duration::from_secs(3),
            idle_per_target: 256,
            http2_memory: 64 << 20,
            http2_connection_memory: 2 << 20,
            drain_idle: Duration::from_secs(1),
        }
    }
}

/// Why a router did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// A socket that was handed over cannot be used.
    #[error("cannot use the listening socket of {listener}")]
    Socket {
        listener: String,
        #[source]
        source: std::io::Error,
    },
    /// The control socket cannot be made.
    #[error("cannot listen on the control socket {path}")]
    Control {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The access log cannot be opened.
    #[error("cannot open the access log {path}")]
    AccessLog {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// It could not become its user.
    #[error("cannot give up the rights of root: {step}")]
    Confinement {
        /// The step that failed, in words.
        step: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// The limit of open files is too low to serve.
    #[error("the limit of open files is {limit}; a router needs {needed} (`ulimit -Hn`)")]
    Descriptors {
        limit: u64,
        /// The lowest that is enough.
        needed: u64,
    },
    /// A thread or its runtime did not start.
    #[error("cannot start a worker")]
    Worker(#[source] std::io::Error),
}

/// Serves until drained, by [`neargate_core::routing::control::ToRouter::Drain`] or a signal.
///
/// # Errors
/// Only when it cannot start.
pub fn run(config: RouterConfig) -> Result<(), RouterError> {
    control::run(config)
}
