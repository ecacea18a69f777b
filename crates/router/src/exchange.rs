//! One request to one target, and its response back.
//!
//! Invariant: a request is tried again only when no byte of it reached a target's connection,
//! or when it is replayable and a kept connection died before any byte of the response.
//! Two halves run at once: the uplink sends the request's body and then watches the client,
//! the downlink brings the response.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use neargate_core::routing::head::{Framing, Version};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

use crate::access_log::Entry;
use crate::chunked::Scanner;
use crate::connection::{Client, Sides};
use crate::live::Chosen;
use crate::request::{self, KeepAlive};
use crate::response;
use crate::tunnel;
use crate::upstream;
use crate::worker::Worker;

/// Most targets that are tried for one request.
const MOST_TRIES: usize = 4;
/// Bytes that a client may send ahead while its request is answered.
const MOST_AHEAD: usize = 64 * 1024;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The response is through.
    Answered(KeepAlive),
    /// Nothing was sent to the client: answer this status.
    Refuse(u16, &'static str),
    /// The client's connection is of no more use.
    Abort(&'static str),
}

/// What a request is served with.
pub(crate) struct Job<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) client: &'a Client,
    pub(crate) head: &'a request::Head,
    pub(crate) request_id: &'a str,
    /// Whether the connection may be kept for long enough.
    pub(crate) keep: KeepAlive,
}

enum Attempt {
    End(End),
    /// Nothing reached the target.
    Unsent(u16, &'static str),
    /// A kept connection was dead.
    Stale,
}

enum Trouble {
    ClientGone,
    ClientSlow,
    ClientMalformed,
    TargetEnded,
    TargetSlow,
    TargetMalformed,
    Cut,
}

/// Forwards a request to a group.
pub(crate) async fn forward<R, W>(
    job: &Job<'_>,
    group: &str,
    sides: &mut Sides<'_, R, W>,
    entry: &mut Entry,
) -> End
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut tried: Vec<SocketAddr> = Vec::new();
    let mut last = (503, "NoTarget");
    let mut fresh = false;
    while tried.len() < MOST_TRIES {
        let table = job.worker.table();
        let Some(chosen) = table.choose(group, &tried, job.worker.random()) else {
            break;
        };
        entry.revision = chosen.revision;
        entry.task = chosen.task().to_owned();
        entry.target = chosen.address.to_string();
        match attempt(job, &chosen, fresh, table.expose, sides, entry).await {
            Attempt::End(end) => return end,
            Attempt::Unsent(status, reason) => {
                last = (status, reason);
                tried.push(chosen.address);
            }
            Attempt::Stale => fresh = true,
        }
    }
    End::Refuse(last.0, last.1)
}

async fn attempt<R, W>(
    job: &Job<'_>,
    chosen: &Chosen,
    fresh: bool,
    expose: bool,
    sides: &mut Sides<'_, R, W>,
    entry: &mut Entry,
) -> Attempt
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let kept = if fresh {
        None
    } else {
        job.worker.pool.take(chosen.task())
    };
    let reused = kept.is_some();
    let mut stream = match kept {
        Some(stream) => stream,
        None => match connect(job, chosen).await {
            Ok(stream) => stream,
            Err(unsent) => return unsent,
        },
    };
    let mut out = Vec::with_capacity(1024);
    write_head(job, &mut out);
    let began = Instant::now();
    match write_first(&mut stream, &out, chosen.idle_timeout).await {
        Wrote::All => {}
        Wrote::Nothing if reused => return Attempt::Stale,
        Wrote::Nothing => return Attempt::Unsent(502, "TargetClosed"),
        Wrote::Part => return Attempt::End(End::Refuse(502, "TargetClosed")),
    }
    let run = Run {
        job,
        chosen,
        expose,
        sent: Cell::new(job.head.framing == Framing::Empty),
        sending: Cell::new(job.head.framing != Framing::Empty),
        last_sent: Cell::new(began),
        progress: Cell::new(Progress::Nothing),
        bytes_in: Cell::new(0),
        bytes_out: Cell::new(0),
        target_us: Cell::new(None),
        status: Cell::new(None),
        began,
    };
    let result = run.both(&mut stream, sides).await;
    let outcome = run.outcome(result, reused);
    entry.bytes_in += run.bytes_in.get();
    entry.bytes_out += run.bytes_out.get();
    entry.target_status = run.status.get();
    entry.target_us = run.target_us.get();
    match outcome {
        Outcome::Attempt(attempt) => attempt,
        Outcome::Done(keep, reusable) => {
            if reusable && job.worker.table().keeps(chosen.task()) {
                let most = job.worker.limits.idle_per_target;
                job.worker.pool.put(chosen.task(), stream, most);
            }
            Attempt::End(End::Answered(keep))
        }
        Outcome::Tunnel(ahead) => {
            let (up, down) = switched(chosen, stream, ahead, sides).await;
            entry.bytes_in += up;
            entry.bytes_out += down;
            Attempt::End(End::Answered(KeepAlive::Close))
        }
    }
}

async fn connect(job: &Job<'_>, chosen: &Chosen) -> Result<TcpStream, Attempt> {
    tokio::select! {
        connected = upstream::connect(chosen.address, job.worker.limits.connect) => {
            connected.map_err(|error| match error.kind() {
                std::io::ErrorKind::TimedOut => Attempt::Unsent(504, "ConnectTimeout"),
                _ => Attempt::Unsent(502, "ConnectFailed"),
            })
        }
        () = chosen.in_flight.0.cut() => Err(Attempt::Unsent(502, "Drained")),
    }
}

enum Wrote {
    All,
    Part,
    Nothing,
}

async fn write_first(stream: &mut TcpStream, bytes: &[u8], within: Duration) -> Wrote {
    let mut done = 0;
    while done < bytes.len() {
        match timeout(within, stream.write(&bytes[done..])).await {
            Ok(Ok(n)) if n > 0 => done += n,
            _ if done == 0 => return Wrote::Nothing,
            _ => return Wrote::Part,
        }
    }
    Wrote::All
}

fn write_head(job: &Job<'_>, out: &mut Vec<u8>) {
    let (head, client) = (job.head, job.client);
    let forwarded = neargate_core::routing::forwarded::append(
        head.joined("x-forwarded-for").as_deref(),
        client.peer.ip().to_canonical(),
    );
    let trace = neargate_core::routing::forwarded::traceparent(
        head.text("traceparent"),
        [
            job.worker.random(),
            job.worker.random(),
            job.worker.random(),
        ],
    );
    let added = [
        ("x-forwarded-for", forwarded.as_str()),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", &client.port),
        ("x-request-id", job.request_id),
        ("traceparent", &trace),
    ];
    head.write(&added, out);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// No byte of the response.
    Nothing,
    /// Some bytes of the head.
    Received,
    /// The client has the head, or a part of it.
    Sent,
}

enum Down {
    Done(KeepAlive, bool),
    Switched(BytesMut),
}

enum Outcome {
    Attempt(Attempt),
    Done(KeepAlive, bool),
    Tunnel(BytesMut),
}

struct Run<'a> {
    job: &'a Job<'a>,
    chosen: &'a Chosen,
    expose: bool,
    /// The request is wholly sent.
    sent: Cell<bool>,
    /// The body is being sent: the uplink's own timeouts apply.
    sending: Cell<bool>,
    /// When the target got its last byte.
    last_sent: Cell<Instant>,
    progress: Cell<Progress>,
    bytes_in: Cell<u64>,
    bytes_out: Cell<u64>,
    target_us: Cell<Option<u64>>,
    status: Cell<Option<u16>>,
    began: Instant,
}

impl Run<'_> {
    async fn both<R, W>(
        &self,
        stream: &mut TcpStream,
        sides: &mut Sides<'_, R, W>,
    ) -> Result<Down, Trouble>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let (mut from, mut to) = stream.split();
        let Sides {
            reader,
            writer,
            buffer,
        } = sides;
        tokio::select! {
            biased;
            down = self.downlink(&mut from, *writer) => down,
            trouble = self.uplink(*reader, buffer, &mut to) => Err(trouble),
            () = self.chosen.in_flight.0.cut() => Err(Trouble::Cut),
        }
    }

    /// Sends the body, then watches the client; ends only in trouble.
    async fn uplink(
        &self,
        reader: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
        to: &mut WriteHalf<'_>,
    ) -> Trouble {
        let sent = self.send_body(reader, buffer, to).await;
        self.sending.set(false);
        self.last_sent.set(Instant::now());
        match sent {
            Ok(true) => self.sent.set(true),
            // The target reads no more, but may have answered.
            Ok(false) => return std::future::pending().await,
            Err(trouble) => return trouble,
        }
        loop {
            if buffer.len() >= MOST_AHEAD {
                return std::future::pending().await;
            }
            match self.job.worker.scratch.read(reader, buffer).await {
                Ok(0) | Err(_) => return Trouble::ClientGone,
                Ok(_) => {}
            }
        }
    }

    async fn send_body(
        &self,
        reader: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
        to: &mut WriteHalf<'_>,
    ) -> Result<bool, Trouble> {
        let mut left = Left::new(self.job.head.framing);
        loop {
            let take = left.take(buffer).map_err(|_| Trouble::ClientMalformed)?;
            if take > 0 {
                self.bytes_in.set(self.bytes_in.get() + take as u64);
                let written = timeout(self.chosen.idle_timeout, to.write_all(&buffer[..take]));
                match written.await {
                    Ok(Ok(())) => buffer.advance(take),
                    Ok(Err(_)) => return Ok(false),
                    Err(_) => return Err(Trouble::TargetSlow),
                }
            }
            if left.is_done() {
                return Ok(true);
            }
            let read = self.job.worker.scratch.read(reader, buffer);
            match timeout(self.job.worker.limits.client_idle, read).await {
                Ok(Ok(n)) if n > 0 => {}
                Ok(_) => return Err(Trouble::ClientGone),
                Err(_) => return Err(Trouble::ClientSlow),
            }
        }
    }

    async fn downlink(
        &self,
        from: &mut ReadHalf<'_>,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Down, Trouble> {
        let mut buffer = BytesMut::new();
        let head = loop {
            let head = self.read_head(from, &mut buffer).await?;
            if head.status >= 200 || head.is_switching() {
                break head;
            }
            if self.job.head.version == Version::Http11 && self.job.client.protocol == "http/1.1" {
                let mut out = Vec::new();
                head.write(&[], &mut out);
                self.write(writer, &out).await?;
            }
        };
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.target_us.set(Some(micros));
        self.status.set(Some(head.status));
        if head.is_switching() {
            return self.switch(&head, buffer, writer).await;
        }
        self.relay(&head, from, buffer, writer).await
    }

    async fn read_head(
        &self,
        from: &mut ReadHalf<'_>,
        buffer: &mut BytesMut,
    ) -> Result<response::Head, Trouble> {
        loop {
            if !buffer.is_empty() {
                match response::read(buffer, &self.job.head.method) {
                    Ok(Some((head, length))) => {
                        buffer.advance(length);
                        return Ok(head);
                    }
                    Ok(None) => {}
                    Err(response::Malformed) => return Err(Trouble::TargetMalformed),
                }
            }
            self.read(from, buffer).await?;
        }
    }

    async fn read(&self, from: &mut ReadHalf<'_>, buffer: &mut BytesMut) -> Result<(), Trouble> {
        let idle = self.chosen.idle_timeout;
        loop {
            let read = self.job.worker.scratch.read(from, buffer);
            match timeout(idle, read).await {
                Ok(Ok(n)) if n > 0 => break,
                Ok(_) => return Err(Trouble::TargetEnded),
                Err(_) if self.sending.get() || self.last_sent.get().elapsed() < idle => {}
                Err(_) => return Err(Trouble::TargetSlow),
            }
        }
        if self.progress.get() == Progress::Nothing {
            self.progress.set(Progress::Received);
        }
        Ok(())
    }

    async fn write(
        &self,
        writer: &mut (impl AsyncWrite + Unpin),
        bytes: &[u8],
    ) -> Result<(), Trouble> {
        self.progress.set(Progress::Sent);
        let written = timeout(self.job.worker.limits.client_idle, writer.write_all(bytes));
        match written.await {
            Ok(Ok(())) => {
                self.bytes_out
                    .set(self.bytes_out.get() + bytes.len() as u64);
                Ok(())
            }
            _ => Err(Trouble::ClientGone),
        }
    }

    async fn switch(
        &self,
        head: &response::Head,
        buffer: BytesMut,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Down, Trouble> {
        let Some(protocol) = self.job.head.upgrade() else {
            return Err(Trouble::TargetMalformed);
        };
        let protocol = String::from_utf8_lossy(protocol);
        let mut out = Vec::new();
        let mut added = vec![("connection", "upgrade"), ("upgrade", &*protocol)];
        let revision = self.chosen.revision.to_string();
        self.expose(&mut added, &revision);
        head.write(&added, &mut out);
        self.write(writer, &out).await?;
        Ok(Down::Switched(buffer))
    }

    fn expose<'b>(&'b self, added: &mut Vec<(&'b str, &'b str)>, revision: &'b str) {
        added.push(("x-request-id", self.job.request_id));
        if self.expose {
            added.push(("x-neargate-revision", revision));
            added.push(("x-neargate-task", self.chosen.task()));
        }
    }

    async fn relay(
        &self,
        head: &response::Head,
        from: &mut ReadHalf<'_>,
        mut buffer: BytesMut,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Down, Trouble> {
        let body = Body::new(head.framing, self.job.head.version);
        let keep = self.keep(body);
        let revision = self.chosen.revision.to_string();
        let mut added = Vec::with_capacity(6);
        self.expose(&mut added, &revision);
        match (keep, self.job.head.version) {
            (KeepAlive::Close, _) => added.push(("connection", "close")),
            (KeepAlive::Keep, Version::Http10) => added.push(("connection", "keep-alive")),
            (KeepAlive::Keep, Version::Http11) => {}
        }
        if body.is_chunked() {
            added.push(("transfer-encoding", "chunked"));
        }
        let mut out = Vec::with_capacity(1024 + buffer.len());
        head.write(&added, &mut out);
        let mut left = Left::of_response(head.framing);
        loop {
            let take = left
                .take(&mut buffer)
                .map_err(|_| Trouble::TargetMalformed)?;
            body.write(&buffer[..take], &mut left, &mut out);
            buffer.advance(take);
            if left.is_done() {
                break;
            }
            if !out.is_empty() {
                self.write(writer, &out).await?;
                out.clear();
            }
            match self.read(from, &mut buffer).await {
                Err(Trouble::TargetEnded) if head.framing == response::Framing::UntilClose => break,
                other => other?,
            }
        }
        if body == Body::Encode {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        if !out.is_empty() {
            self.write(writer, &out).await?;
        }
        Ok(Down::Done(
            keep,
            head.reusable && self.sent.get() && buffer.is_empty(),
        ))
    }

    fn keep(&self, body: Body) -> KeepAlive {
        let close = self.job.keep == KeepAlive::Close
            || self.job.worker.is_draining()
            || !self.sent.get()
            || body == Body::Bare;
        if close {
            KeepAlive::Close
        } else {
            KeepAlive::Keep
        }
    }

    fn outcome(&self, result: Result<Down, Trouble>, reused: bool) -> Outcome {
        let trouble = match result {
            Ok(Down::Done(keep, reusable)) => {
                let keep = if self.sent.get() {
                    keep
                } else {
                    KeepAlive::Close
                };
                return Outcome::Done(keep, reusable);
            }
            Ok(Down::Switched(ahead)) => return Outcome::Tunnel(ahead),
            Err(trouble) => trouble,
        };
        let progress = self.progress.get();
        let (status, reason) = match trouble {
            Trouble::TargetEnded if reused && progress == Progress::Nothing => {
                if self.job.head.is_replayable() {
                    return Outcome::Attempt(Attempt::Stale);
                }
                (502, "TargetClosed")
            }
            Trouble::ClientGone => {
                return Outcome::Attempt(Attempt::End(End::Abort("ClientClosed")));
            }
            Trouble::ClientSlow => (408, "ClientTimeout"),
            Trouble::ClientMalformed => (400, "BadChunk"),
            Trouble::TargetEnded => (502, "TargetClosed"),
            Trouble::TargetSlow => (504, "TargetTimeout"),
            Trouble::TargetMalformed => (502, "TargetMalformed"),
            Trouble::Cut => (502, "Drained"),
        };
        Outcome::Attempt(Attempt::End(match progress {
            Progress::Sent => End::Abort(reason),
            Progress::Nothing | Progress::Received => End::Refuse(status, reason),
        }))
    }
}

async fn switched<R, W>(
    chosen: &Chosen,
    mut stream: TcpStream,
    ahead: BytesMut,
    sides: &mut Sides<'_, R, W>,
) -> (u64, u64)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (from, mut to) = stream.split();
    let early = sides.buffer.split();
    if to.write_all(&early).await.is_err() {
        return (0, 0);
    }
    let mut from = tokio::io::AsyncReadExt::chain(&ahead[..], from);
    tokio::select! {
        moved = tunnel::run(
            (&mut *sides.reader, &mut *sides.writer),
            (&mut from, &mut to),
            chosen.idle_timeout,
        ) => (moved.0 + early.len() as u64, moved.1),
        () = chosen.in_flight.0.cut() => (0, 0),
    }
}

/// What is left of a body.
enum Left {
    Bytes(u64),
    Chunks(Scanner, Vec<u8>),
    Everything,
}

impl Left {
    fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Bytes(0),
            Framing::Length(length) => Self::Bytes(length),
            Framing::Chunked => Self::Chunks(Scanner::new(), Vec::new()),
        }
    }

    fn of_response(framing: response::Framing) -> Self {
        match framing {
            response::Framing::Empty => Self::Bytes(0),
            response::Framing::Length(length) => Self::Bytes(length),
            response::Framing::Chunked => Self::Chunks(Scanner::new(), Vec::new()),
            response::Framing::UntilClose => Self::Everything,
        }
    }

    /// How many bytes at the beginning of the buffer belong to the body.
    fn take(&mut self, buffer: &mut BytesMut) -> Result<usize, crate::chunked::Malformed> {
        match self {
            Self::Bytes(left) => {
                let take = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(buffer.len());
                *left -= take as u64;
                Ok(take)
            }
            Self::Chunks(scanner, payload) => {
                payload.clear();
                scanner.advance(buffer, |data| payload.extend_from_slice(data))
            }
            Self::Everything => Ok(buffer.len()),
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Self::Bytes(left) => *left == 0,
            Self::Chunks(scanner, _) => scanner.is_done(),
            Self::Everything => false,
        }
    }
}

/// How a response's body is written to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// As it came.
    Same,
    /// Chunked as it came.
    SameChunks,
    /// Chunked by the router.
    Encode,
    /// Without framing, ended by closing (HTTP/1.0).
    Bare,
}

impl Body {
    fn new(framing: response::Framing, version: Version) -> Self {
        use response::Framing as F;
        match (framing, version) {
            (F::Empty | F::Length(_), _) => Self::Same,
            (F::Chunked, Version::Http11) => Self::SameChunks,
            (F::UntilClose, Version::Http11) => Self::Encode,
            (F::Chunked | F::UntilClose, Version::Http10) => Self::Bare,
        }
    }

    fn is_chunked(self) -> bool {
        matches!(self, Self::SameChunks | Self::Encode)
    }

    fn write(self, bytes: &[u8], left: &mut Left, out: &mut Vec<u8>) {
        match (self, left) {
            (Self::Bare, Left::Chunks(_, payload)) => out.extend_from_slice(payload),
            (Self::Encode, _) if !bytes.is_empty() => {
                out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            _ => out.extend_from_slice(bytes),
        }
    }
}
