//! What one request is served with: its worker, its client and the two directions between them.

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::BytesMut;

use crate::access_log::{self, AccessLogEntry};
use crate::request::{ConnectionAddresses, KeepAlive, RequestHead};
use crate::worker_context::WorkerContext;

/// The client, and the listener that it is connected to.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    pub(crate) listener: Rc<str>,
    /// Local port, as text.
    pub(crate) port: String,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    /// `http/1.1` or `h2`.
    pub(crate) protocol: &'static str,
}

impl ClientConnection {
    pub(crate) fn ends(&self) -> ConnectionAddresses {
        ConnectionAddresses {
            peer: self.peer.ip(),
            local: self.local,
        }
    }

    /// The access log's line of a request that begins now.
    pub(crate) fn entry(&self) -> AccessLogEntry {
        AccessLogEntry {
            time: access_log::now_text(),
            listener: self.listener.to_string(),
            client: self.peer.to_string(),
            protocol: self.protocol,
            ..AccessLogEntry::default()
        }
    }
}

/// The client's two directions, and what was read ahead.
pub(crate) struct ClientStreams<'a, R, W> {
    pub(crate) reader: &'a mut R,
    pub(crate) writer: &'a mut W,
    pub(crate) buffer: &'a mut BytesMut,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestEnd {
    /// The response is through.
    Answered(KeepAlive),
    /// Nothing was sent to the client: answer this status.
    Refuse(u16, &'static str),
    /// Nothing was sent to the client, who asked about the router itself: 200.
    Router,
    /// The client's connection is of no more use: the final head was sent, or the client has
    /// gone. Counted with this status; the log has the one that was sent.
    Abort(u16, &'static str),
}

/// Everything by which a request is served.
pub(crate) struct RequestContext<'a> {
    pub(crate) worker: &'a WorkerContext,
    pub(crate) client: &'a ClientConnection,
    pub(crate) head: &'a RequestHead,
    pub(crate) request_id: &'a str,
    /// Whether the connection may be kept for long enough.
    pub(crate) keep: KeepAlive,
}
