//! HTTP/2 in clear (prior knowledge): each stream becomes a request on the HTTP/1.1 path.
//!
//! Invariant: there is one path that routes, retries, counts and logs; a stream meets it as a
//! judged head, a reader of its body and a writer of its response. What clients have not taken
//! and what targets have not taken is bounded ([`crate::budget`]): a stream reads from a target
//! or a file only what its client has room for.

mod request;
mod request_body;
mod response;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ::h2::server::{Builder, Connection, SendResponse};
use ::h2::{Reason, RecvStream};
use bytes::{Buf, BytesMut};
use http::Request;
use tokio::io::{AsyncRead, Join, ReadBuf, join};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use self::request_body::RequestBody;
use self::response::{QueuedBytes, ResponseStream, StreamResponse};
use crate::budget::{ConnectionMemory, Eviction};
use crate::connection;
use crate::request_context::{ClientConnection, ClientStreams};
use crate::worker_context::WorkerContext;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Parallel streams per connection, as ALB's.
const MOST_STREAMS: u32 = 128;
/// Bytes of a header list, as for HTTP/1.1; more is 431.
const MOST_HEADER_LIST: u32 = 64 * 1024;
/// Bytes that a client may send ahead of the target: in one stream, in all of a connection.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Bytes of a stream that wait for the connection, and that are read for it at once.
const BLOCK: usize = 16 * 1024;
/// Memory of a stream beside its head and its bodies.
const STREAM_COST: usize = 8 * 1024;
/// Streams that were reset before they were taken up, and streams that were reset for a
/// mistake of the client: beyond these the connection is ended (rapid reset).
const MOST_RESETS: usize = 20;
const MOST_MISTAKES: usize = 256;
/// Streams that are remembered after the router reset them, and how long.
const MOST_REMEMBERED: usize = 32;
const REMEMBERED: Duration = Duration::from_secs(1);

/// Protocol of a client.
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// It went away, or said nothing.
    Nothing,
}

/// Reads until it is clear which protocol the client speaks.
pub(crate) async fn sniff(
    worker: &WorkerContext,
    reader: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
) -> Protocol {
    loop {
        let read = timeout(
            worker.limits.client_idle,
            worker.scratch.read(reader, buffer),
        );
        let read = tokio::select! {
            read = read => read,
            () = worker.drained_idle() => return Protocol::Nothing,
        };
        if !matches!(read, Ok(Ok(n)) if n > 0) {
            return Protocol::Nothing;
        }
        let both = buffer.len().min(PREFACE.len());
        if buffer[..both] != PREFACE[..both] {
            return Protocol::Http1;
        }
        if both == PREFACE.len() {
            return Protocol::Http2;
        }
    }
}

/// A reader behind what was read ahead.
struct ReadAhead {
    buffer: BytesMut,
    reader: OwnedReadHalf,
}

impl AsyncRead for ReadAhead {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            return Pin::new(&mut self.reader).poll_read(cx, into);
        }
        let take = self.buffer.len().min(into.remaining());
        into.put_slice(&self.buffer[..take]);
        self.buffer.advance(take);
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

type H2Io = Join<ReadAhead, OwnedWriteHalf>;

fn settings() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MOST_HEADER_LIST)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(BLOCK)
        .max_pending_accept_reset_streams(MOST_RESETS)
        .max_local_error_reset_streams(Some(MOST_MISTAKES))
        .max_concurrent_reset_streams(MOST_REMEMBERED)
        .reset_stream_duration(REMEMBERED);
    builder
}

/// Serves a connection; a drain ends it with GOAWAY.
pub(crate) async fn serve(
    worker: Rc<WorkerContext>,
    client: ClientConnection,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    buffer: BytesMut,
) {
    let Some(admitted) = worker.budget.admit().await else {
        return;
    };
    let io = join(ReadAhead { buffer, reader }, writer);
    let handshake = settings().handshake::<H2Io, QueuedBytes>(io);
    let Ok(Ok(connection)) = timeout(worker.limits.client_idle, handshake).await else {
        return;
    };
    let serving = H2Connection {
        client: Rc::new(ClientConnection {
            protocol: "h2",
            ..client
        }),
        account: admitted.account.clone(),
        worker,
    };
    serving.run(connection).await;
    // The streams know by now; each ends by itself, and is logged.
    while serving.account.streams() > 0 {
        serving.account.changed.notified().await;
    }
}

struct H2Connection {
    worker: Rc<WorkerContext>,
    client: Rc<ClientConnection>,
    account: Rc<ConnectionMemory>,
}

impl H2Connection {
    async fn run(&self, mut connection: Connection<H2Io, QueuedBytes>) {
        let old = tokio::time::Instant::now() + self.worker.limits.keep_alive;
        let mut closing = false;
        loop {
            tokio::select! {
                biased;
                accepted = connection.accept() => match accepted {
                    Some(Ok((request, respond))) => self.begin(request, respond),
                    Some(Err(_)) | None => return,
                },
                eviction = self.account.evicted() => {
                    return self.evict(connection, eviction).await;
                }
                () = self.worker.drain_began(), if !closing => closing = true,
                () = tokio::time::sleep_until(old), if !closing => closing = true,
                () = self.idle(closing) => match closing {
                    true => return,
                    false => closing = true,
                },
            }
            if closing {
                connection.graceful_shutdown();
            }
        }
    }

    /// Waits until there has been no stream for as long as a connection may be idle.
    async fn idle(&self, closing: bool) {
        let limits = self.worker.limits;
        let most = if closing {
            limits.drain_idle
        } else {
            limits.client_idle
        };
        let began = Instant::now();
        loop {
            let changed = self.account.changed.notified();
            if self.account.streams() > 0 {
                changed.await;
                continue;
            }
            let since = match closing {
                true => self.account.progress().max(began),
                false => self.account.progress(),
            };
            tokio::select! {
                () = tokio::time::sleep_until((since + most).into()) => return,
                () = changed => {}
            }
        }
    }

    async fn evict(&self, mut connection: Connection<H2Io, QueuedBytes>, why: Eviction) {
        connection.abrupt_shutdown(match why {
            Eviction::Idle => Reason::NO_ERROR,
            Eviction::Stalled | Eviction::Resets => Reason::ENHANCE_YOUR_CALM,
        });
        let rest = async { while let Some(Ok(_)) = connection.accept().await {} };
        let _ = timeout(self.worker.limits.drain_idle, rest).await;
    }

    /// Takes a stream up, or refuses it when there is no memory for it: the client may send it
    /// again (RFC 9113, 8.7).
    fn begin(&self, request: Request<RecvStream>, mut respond: SendResponse<QueuedBytes>) {
        let (parts, body) = request.into_parts();
        let sent = request::body_bytes(&parts, &body);
        let cost = STREAM_COST + request::head_bytes(&parts) + sent.min(2 * BLOCK);
        let permit = self.account.try_take(cost);
        let window = CONNECTION_WINDOW as usize;
        let receiving = self.account.try_receive(sent, window);
        let (Some(permit), Some(receiving)) = (permit, receiving) else {
            self.worker.budget.make_room();
            connection::refused(&self.worker, &self.client, &parts);
            respond.send_reset(Reason::REFUSED_STREAM);
            return;
        };
        let (worker, client) = (self.worker.clone(), self.client.clone());
        let open = self.account.open();
        let account = self.account.clone();
        tokio::task::spawn_local(async move {
            stream(worker, client, account, (parts, body), respond).await;
            drop((permit, receiving, open));
        });
    }
}

async fn stream(
    worker: Rc<WorkerContext>,
    client: Rc<ClientConnection>,
    account: Rc<ConnectionMemory>,
    (parts, body): (http::request::Parts, RecvStream),
    respond: SendResponse<QueuedBytes>,
) {
    let head = request::judge(&parts, &body, client.ends());
    let head_only = parts.method == http::Method::HEAD;
    drop(parts);
    let framing = head.as_ref().map_or_else(
        |_| neargate_core::routing::head::RequestFraming::Empty,
        |head| head.framing,
    );
    let stream = Rc::new(ResponseStream::new(respond));
    let mut reader = RequestBody::new(stream.clone(), body, framing);
    let mut writer = StreamResponse::new(stream, worker.budget.clone(), account, head_only);
    let mut buffer = BytesMut::new();
    let sides = ClientStreams {
        reader: &mut reader,
        writer: &mut writer,
        buffer: &mut buffer,
    };
    Box::pin(connection::answer(&worker, &client, sides, head)).await;
}
