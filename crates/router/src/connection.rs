//! A client's connection: one request after another.
//!
//! Invariant: while it waits for a request it holds no buffer; what is wrong with a request is
//! answered and then the connection is closed, so nothing after it is read as a request.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use neargate_core::ids::RevisionNumber;
use neargate_core::routing::forwarded;
use neargate_core::routing::matching::RequestFacts;
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::time::timeout;

use crate::access_log::AccessLogEntry;
use crate::compiled_table::RouteDecision;
use crate::counters::StatusSource;
use crate::error_response;
use crate::proxy;
use crate::request::{self, HeadRead, KeepAlive, RequestHead, RequestRefusal};
use crate::request_context::{ClientConnection, ClientStreams, RequestContext, RequestEnd};
use crate::scratch::ResponseWriter;
use crate::seats::AwaitedInput;
use crate::static_response;
use crate::worker_context::WorkerContext;

/// Target by which `OPTIONS` asks about the server as a whole (RFC 9110, 9.3.7).
const ASTERISK: &str = "*";
/// Bytes that are read and thrown away after an error answer, so that it arrives.
const MOST_LINGER: usize = 256 * 1024;

/// Serves a connection to its end; a client on a seat may be asked to leave while it is idle.
pub(crate) async fn serve<R, W>(
    worker: &WorkerContext,
    client: &ClientConnection,
    seat: u32,
    reader: &mut R,
    writer: &mut W,
    mut buffer: BytesMut,
) where
    R: AsyncRead + Unpin,
    W: ResponseWriter,
{
    let born = Instant::now();
    loop {
        if buffer.is_empty() {
            buffer = BytesMut::new();
            if born.elapsed() >= worker.limits.keep_alive
                || !wait(worker, seat, reader, &mut buffer).await
            {
                return;
            }
        }
        let sides = ClientStreams {
            reader: &mut *reader,
            writer: &mut *writer,
            buffer: &mut buffer,
        };
        // On the heap for as long as it lasts: an idle connection stays small.
        let keep = Box::pin(one(worker, client, seat, sides, born)).await;
        if keep == KeepAlive::Close {
            if worker.seats.is_asked_to_leave(seat) {
                // Somebody waits for its place.
                return;
            }
            return linger(worker, reader, writer).await;
        }
    }
}

/// Waits for the first bytes of a request; `false` when the connection is to be closed.
async fn wait(
    worker: &WorkerContext,
    seat: u32,
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> bool {
    let idle = worker.limits.client_idle;
    let seated = worker.seats.wait(seat, AwaitedInput::NextRequest);
    tokio::select! {
        biased;
        read = timeout(idle, worker.scratch.read(reader, buffer)) => {
            matches!(read, Ok(Ok(n)) if n > 0)
        }
        () = worker.drained_idle() => false,
        () = seated.asked_to_leave() => false,
    }
}

async fn linger(
    worker: &WorkerContext,
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut impl ResponseWriter,
) {
    if writer.shutdown().await.is_err() {
        return;
    }
    let mut read = 0;
    let rest = async {
        while read < MOST_LINGER {
            let mut buffer = BytesMut::new();
            match worker.scratch.read(reader, &mut buffer).await {
                Ok(n) if n > 0 => read += n,
                _ => return,
            }
        }
    };
    let _ = timeout(worker.limits.drain_idle, rest).await;
}

async fn one<R, W>(
    worker: &WorkerContext,
    client: &ClientConnection,
    seat: u32,
    mut sides: ClientStreams<'_, R, W>,
    born: Instant,
) -> KeepAlive
where
    R: AsyncRead + Unpin,
    W: ResponseWriter,
{
    let began = Instant::now();
    let entry = client.entry();
    let head = match read_head(worker, client, seat, &mut sides).await {
        Ok(head) => Ok(head),
        Err(RequestEnd::Refuse(status, reason)) => Err(RequestRefusal { status, reason }),
        Err(_) => return KeepAlive::Close,
    };
    let old = born.elapsed() >= worker.limits.keep_alive;
    let keep = match &head {
        Ok(head) if !old => head.keep_alive(),
        _ => KeepAlive::Close,
    };
    respond(worker, client, sides, (head, keep), (entry, began)).await
}

/// Serves the one request of a stream.
pub(crate) async fn answer<R, W>(
    worker: &WorkerContext,
    client: &ClientConnection,
    sides: ClientStreams<'_, R, W>,
    head: Result<Box<RequestHead>, RequestRefusal>,
) where
    R: AsyncRead + Unpin,
    W: ResponseWriter,
{
    let begun = (client.entry(), Instant::now());
    respond(worker, client, sides, (head, KeepAlive::Keep), begun).await;
}

/// Logs and counts a stream that was refused before anything of it was done.
pub(crate) fn refused(
    worker: &WorkerContext,
    client: &ClientConnection,
    parts: &http::request::Parts,
) {
    let entry = AccessLogEntry {
        request_id: forwarded::request_id([worker.random(), worker.random()]),
        method: parts.method.to_string(),
        host: parts.uri.host().unwrap_or_default().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        status: 503,
        error: Some("NoMemory"),
        ..client.entry()
    };
    let how = (StatusSource::Router, entry.routed);
    let stamp = worker.stamp(Instant::now());
    worker.counters.borrow_mut().count(
        stamp,
        ("", RevisionNumber::NONE, ""),
        how,
        entry.status,
        Duration::ZERO,
    );
    worker.lines.push(&entry);
}

async fn respond<R, W>(
    worker: &WorkerContext,
    client: &ClientConnection,
    mut sides: ClientStreams<'_, R, W>,
    (head, keep): (Result<Box<RequestHead>, RequestRefusal>, KeepAlive),
    (mut entry, began): (AccessLogEntry, Instant),
) -> KeepAlive
where
    R: AsyncRead + Unpin,
    W: ResponseWriter,
{
    let head = match head {
        Ok(mut head) => {
            head.believe(&worker.table().trusted, client.peer.ip());
            head
        }
        Err(RequestRefusal { status, reason }) => {
            entry.request_id = forwarded::request_id([worker.random(), worker.random()]);
            let end = RequestEnd::Refuse(status, reason);
            return finish(worker, None, &mut sides, entry, end, began).await;
        }
    };
    describe(worker, &head, client.peer.ip(), &mut entry);
    let request_id = entry.request_id.clone();
    let job = RequestContext {
        worker,
        client,
        head: &head,
        request_id: &request_id,
        keep,
    };
    let end = dispatch(&job, &mut sides, &mut entry).await;
    finish(worker, Some(&job), &mut sides, entry, end, began).await
}

async fn read_head<R, W>(
    worker: &WorkerContext,
    client: &ClientConnection,
    seat: u32,
    sides: &mut ClientStreams<'_, R, W>,
) -> Result<Box<RequestHead>, RequestEnd>
where
    R: AsyncRead + Unpin,
{
    // From the first byte that is missed on, not from each that comes.
    let mut wait = None;
    let deadline = tokio::time::Instant::now() + worker.limits.client_idle;
    let ends = client.ends();
    loop {
        while sides.buffer.starts_with(b"\r\n") {
            sides.buffer.advance(2);
        }
        match request::read(sides.buffer, ends) {
            HeadRead::Complete(head, length) => {
                sides.buffer.advance(length);
                return Ok(head);
            }
            HeadRead::Refused(refusal) => {
                return Err(RequestEnd::Refuse(refusal.status, refusal.reason));
            }
            HeadRead::Partial => {}
        }
        let wait = wait.get_or_insert_with(|| worker.seats.wait(seat, AwaitedInput::Head));
        let read = worker.scratch.read(sides.reader, sides.buffer);
        tokio::select! {
            biased;
            read = tokio::time::timeout_at(deadline, read) => match read {
                Ok(Ok(n)) if n > 0 => {}
                Ok(_) => return Err(RequestEnd::Abort(460, "ClientClosed")),
                Err(_) => return Err(RequestEnd::Refuse(408, "ClientTimeout")),
            },
            () = wait.asked_to_leave() => return Err(RequestEnd::Refuse(408, "NoPlace")),
        }
    }
}

fn describe(worker: &WorkerContext, head: &RequestHead, peer: IpAddr, entry: &mut AccessLogEntry) {
    let kept = head
        .text("x-request-id")
        .filter(|id| forwarded::keeps_request_id(id.as_bytes()));
    entry.request_id = match kept {
        Some(id) => id.to_owned(),
        None => forwarded::request_id([worker.random(), worker.random()]),
    };
    if head.client != peer.to_canonical() {
        // The proxy is told beside the client, whose port nobody knows.
        let client = head.client.to_string();
        entry.peer = Some(std::mem::replace(&mut entry.client, client));
    }
    entry.method.clone_from(&head.method);
    entry.host = head.host().to_owned();
    entry.path = head.path().to_owned();
    entry.query = head.query().to_owned();
    entry.user_agent = head.text("user-agent").unwrap_or_default().to_owned();
}

async fn dispatch<R, W>(
    job: &RequestContext<'_>,
    sides: &mut ClientStreams<'_, R, W>,
    entry: &mut AccessLogEntry,
) -> RequestEnd
where
    R: AsyncRead + Unpin,
    W: ResponseWriter,
{
    if job.head.target == ASTERISK {
        return RequestEnd::Router;
    }
    let table = job.worker.table();
    match table.find(&job.client.listener, job.head) {
        RouteDecision::NoListener => RequestEnd::Refuse(503, "NoTable"),
        RouteDecision::NoRule => RequestEnd::Refuse(404, "NoRule"),
        RouteDecision::NoGroup => RequestEnd::Refuse(503, "NoGroup"),
        RouteDecision::Group(group, routed) => {
            entry.routed = routed;
            if let Some((service, revision)) = table.behind(group) {
                entry.service = service.to_owned();
                entry.revision = revision.unwrap_or_default();
            }
            proxy::forward(job, group, sides, entry).await
        }
        RouteDecision::Static(site) => {
            entry.service.clone_from(&site.service);
            entry.revision = site.revision;
            static_response::serve(job, site, table.expose, sides, entry).await
        }
    }
}

async fn finish<R, W>(
    worker: &WorkerContext,
    job: Option<&RequestContext<'_>>,
    sides: &mut ClientStreams<'_, R, W>,
    mut entry: AccessLogEntry,
    end: RequestEnd,
    began: Instant,
) -> KeepAlive
where
    W: ResponseWriter,
{
    let took = began.elapsed();
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let (keep, answerer, counted) = match end {
        RequestEnd::Answered(keep) => {
            entry.status = entry.target_status.unwrap_or(entry.status);
            (keep, StatusSource::Target, entry.status)
        }
        RequestEnd::Refuse(status, reason) => {
            entry.error = Some(reason);
            let keep = answer_itself((worker, job), status, sides, &mut entry).await;
            (keep, StatusSource::Router, status)
        }
        RequestEnd::Router => {
            let keep = answer_itself((worker, job), 200, sides, &mut entry).await;
            (keep, StatusSource::Router, 200)
        }
        RequestEnd::Abort(status, reason) => {
            entry.error = Some(reason);
            entry.status = match (status, entry.target_status) {
                (460, _) | (_, None) => 460,
                (_, Some(sent)) => sent,
            };
            (KeepAlive::Close, StatusSource::Router, status)
        }
    };
    entry.duration_us = micros;
    let who = (entry.service.as_str(), entry.revision, entry.task.as_str());
    let stamp = worker.stamp(began + took);
    let how = (answerer, entry.routed);
    let mut counters = worker.counters.borrow_mut();
    counters.count(stamp, who, how, counted, took);
    drop(counters);
    worker.lines.push(&entry);
    keep
}

/// Answers with a status; the connection is kept only when the whole request was read.
async fn answer_itself<R, W>(
    (worker, job): (&WorkerContext, Option<&RequestContext<'_>>),
    status: u16,
    sides: &mut ClientStreams<'_, R, W>,
    entry: &mut AccessLogEntry,
) -> KeepAlive
where
    W: ResponseWriter,
{
    let whole = job.is_some_and(|job| {
        job.keep == KeepAlive::Keep
            && !job.worker.is_draining()
            && job.head.framing == neargate_core::routing::head::RequestFraming::Empty
    });
    let mut added = vec![("x-request-id", entry.request_id.as_str())];
    if !whole {
        added.push(("connection", "close"));
    } else if job
        .is_some_and(|j| j.head.version == neargate_core::routing::head::HttpVersion::Http10)
    {
        added.push(("connection", "keep-alive"));
    }
    let out = error_response::plain(status, entry.error, &entry.method, &added);
    let written = timeout(worker.limits.client_idle, sides.writer.write_all(&out)).await;
    entry.status = status;
    entry.bytes_out += out.len() as u64;
    if whole && matches!(written, Ok(Ok(()))) {
        KeepAlive::Keep
    } else {
        KeepAlive::Close
    }
}
