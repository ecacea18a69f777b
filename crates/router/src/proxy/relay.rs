//! The two halves of one attempt: the uplink and the downlink, at once.
//!
//! Invariant: an idle time counts only against the side that is waited for: while a body is
//! being sent, the target is not late.

use std::cell::Cell;
use std::io;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use neargate_core::routing::head::{HttpVersion, RequestFraming};
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::AttemptOutcome;
use super::body::{ForwardedBody, RemainingBody, TrailerPolicy};
use crate::access_log::AccessLogEntry;
use crate::compiled_table::SelectedTarget;
use crate::request::KeepAlive;
use crate::request_context::{ClientStreams, RequestContext, RequestEnd};
use crate::response;
use crate::scratch::ResponseWriter;

/// Bytes that a client may send ahead while its request is answered.
const MOST_AHEAD: usize = 64 * 1024;

pub(super) enum RelayError {
    ClientGone,
    ClientSlow,
    ClientMalformed,
    TargetEnded,
    TargetSlow,
    TargetMalformed,
    Cut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RelayProgress {
    /// No byte of the response.
    Nothing,
    /// Some bytes of the head.
    Received,
    /// The client has the final head, or a part of it.
    Sent,
}

pub(super) enum DownlinkEnd {
    Done(KeepAlive, bool),
    Switched(BytesMut),
}

pub(super) enum RelayOutcome {
    Attempt(AttemptOutcome),
    Done(KeepAlive, bool),
    Tunnel(BytesMut),
}

pub(super) struct Relay<'a> {
    job: &'a RequestContext<'a>,
    chosen: &'a SelectedTarget,
    expose: bool,
    /// The request is wholly sent.
    sent: Cell<bool>,
    /// The body is being sent: the uplink's own timeouts apply.
    sending: Cell<bool>,
    /// When the target got its last byte.
    last_sent: Cell<Instant>,
    progress: Cell<RelayProgress>,
    bytes_in: Cell<u64>,
    bytes_out: Cell<u64>,
    target_us: Cell<Option<u64>>,
    status: Cell<Option<u16>>,
    began: Instant,
}

impl<'a> Relay<'a> {
    pub(super) fn new(
        job: &'a RequestContext<'a>,
        chosen: &'a SelectedTarget,
        expose: bool,
    ) -> Self {
        let whole = job.head.framing == RequestFraming::Empty;
        let began = Instant::now();
        Self {
            job,
            chosen,
            expose,
            sent: Cell::new(whole),
            sending: Cell::new(!whole),
            last_sent: Cell::new(began),
            progress: Cell::new(RelayProgress::Nothing),
            bytes_in: Cell::new(0),
            bytes_out: Cell::new(0),
            target_us: Cell::new(None),
            status: Cell::new(None),
            began,
        }
    }

    /// Adds what was counted to the log's entry.
    pub(super) fn note(&self, entry: &mut AccessLogEntry) {
        entry.bytes_in += self.bytes_in.get();
        entry.bytes_out += self.bytes_out.get();
        entry.target_status = self.status.get();
        entry.target_us = self.target_us.get();
    }

    pub(super) async fn both<R, W>(
        &self,
        stream: &mut TcpStream,
        sides: &mut ClientStreams<'_, R, W>,
    ) -> Result<DownlinkEnd, RelayError>
    where
        R: AsyncRead + Unpin,
        W: ResponseWriter,
    {
        let (mut from, mut to) = stream.split();
        let ClientStreams {
            reader,
            writer,
            buffer,
        } = sides;
        tokio::select! {
            biased;
            down = self.downlink(&mut from, *writer) => down,
            trouble = self.uplink(*reader, buffer, &mut to) => Err(trouble),
            () = self.chosen.in_flight.0.cut() => Err(RelayError::Cut),
        }
    }

    /// Sends the body, then watches the client; ends only in trouble.
    async fn uplink(
        &self,
        reader: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
        to: &mut WriteHalf<'_>,
    ) -> RelayError {
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
                Ok(0) | Err(_) => return RelayError::ClientGone,
                Ok(_) => {}
            }
        }
    }

    async fn send_body(
        &self,
        reader: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
        to: &mut WriteHalf<'_>,
    ) -> Result<bool, RelayError> {
        let mut left = RemainingBody::new(self.job.head.framing);
        let body = ForwardedBody::of_request(self.job.head.framing);
        let mut out = Vec::new();
        loop {
            let take = body
                .pass(buffer, &mut left, &mut out)
                .map_err(|_| RelayError::ClientMalformed)?;
            buffer.advance(take);
            if left.is_done() {
                body.end(TrailerPolicy::Dropped, &left, &mut out);
            }
            if !out.is_empty() {
                self.bytes_in.set(self.bytes_in.get() + take as u64);
                let written = timeout(self.chosen.idle_timeout, to.write_all(&out));
                match written.await {
                    Ok(Ok(())) => out.clear(),
                    Ok(Err(_)) => return Ok(false),
                    Err(_) => return Err(RelayError::TargetSlow),
                }
            }
            if left.is_done() {
                return Ok(true);
            }
            let read = self.job.worker.scratch.read(reader, buffer);
            match timeout(self.job.worker.limits.client_idle, read).await {
                Ok(Ok(n)) if n > 0 => {}
                Ok(_) => return Err(RelayError::ClientGone),
                Err(_) => return Err(RelayError::ClientSlow),
            }
        }
    }

    async fn downlink(
        &self,
        from: &mut ReadHalf<'_>,
        writer: &mut impl ResponseWriter,
    ) -> Result<DownlinkEnd, RelayError> {
        let mut buffer = BytesMut::new();
        let head = loop {
            let head = self.read_head(from, &mut buffer, writer).await?;
            if head.status >= 200 || head.is_switching() {
                break head;
            }
            if self.job.head.version == HttpVersion::Http11 {
                let mut out = Vec::new();
                head.write(&[], "", &mut out);
                self.write(writer, &out).await?;
            }
        };
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.target_us.set(Some(micros));
        if head.is_switching() && !(head.agrees && self.job.head.websocket) {
            return Err(RelayError::TargetMalformed);
        }
        self.status.set(Some(head.status));
        if head.is_switching() {
            return self.switch(&head, buffer, writer).await;
        }
        self.relay(&head, from, buffer, writer).await
    }

    async fn read_head<W: ResponseWriter>(
        &self,
        from: &mut ReadHalf<'_>,
        buffer: &mut BytesMut,
        writer: &mut W,
    ) -> Result<response::ResponseHead, RelayError> {
        loop {
            if !buffer.is_empty() {
                match response::read(buffer, &self.job.head.method) {
                    Ok(Some((head, length))) => {
                        buffer.advance(length);
                        return Ok(head);
                    }
                    Ok(None) => {}
                    Err(response::MalformedResponse) => return Err(RelayError::TargetMalformed),
                }
            }
            self.read(from, buffer, (writer, W::BLOCK)).await?;
        }
    }

    /// Reads at most `most` bytes, once the writer may hold them.
    async fn read(
        &self,
        from: &mut ReadHalf<'_>,
        buffer: &mut BytesMut,
        (writer, most): (&mut impl ResponseWriter, usize),
    ) -> Result<(), RelayError> {
        let idle = self.chosen.idle_timeout;
        loop {
            match timeout(idle, from.readable()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(RelayError::TargetEnded),
                Err(_) if self.sending.get() || self.last_sent.get().elapsed() < idle => continue,
                Err(_) => return Err(RelayError::TargetSlow),
            }
            let reserved = writer.reserve(buffer.len() + most).await;
            reserved.map_err(|_| RelayError::ClientGone)?;
            let read = self.job.worker.scratch.read_now(from, buffer, most);
            writer.holds(buffer.len());
            match read {
                Ok(n) if n > 0 => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return Err(RelayError::TargetEnded),
            }
        }
        if self.progress.get() == RelayProgress::Nothing {
            self.progress.set(RelayProgress::Received);
        }
        Ok(())
    }

    /// Waits until the client takes more; how much may be read.
    async fn wanted(&self, writer: &mut impl ResponseWriter) -> Result<usize, RelayError> {
        let wanted = timeout(self.job.worker.limits.client_idle, writer.wanted());
        match wanted.await {
            Ok(Ok(most)) => Ok(most),
            _ => Err(RelayError::ClientGone),
        }
    }

    async fn write(
        &self,
        writer: &mut impl ResponseWriter,
        bytes: &[u8],
    ) -> Result<(), RelayError> {
        if self.status.get().is_some() {
            self.progress.set(RelayProgress::Sent);
        }
        let written = timeout(self.job.worker.limits.client_idle, writer.write_all(bytes));
        match written.await {
            Ok(Ok(())) => {
                self.bytes_out
                    .set(self.bytes_out.get() + bytes.len() as u64);
                Ok(())
            }
            _ => Err(RelayError::ClientGone),
        }
    }

    async fn switch(
        &self,
        head: &response::ResponseHead,
        buffer: BytesMut,
        writer: &mut impl ResponseWriter,
    ) -> Result<DownlinkEnd, RelayError> {
        let mut out = Vec::new();
        let mut added = vec![("connection", "upgrade"), ("upgrade", "websocket")];
        let revision = self.chosen.revision.to_string();
        self.expose(&mut added, &revision);
        head.write(&added, &self.cookies(head), &mut out);
        self.write(writer, &out).await?;
        Ok(DownlinkEnd::Switched(buffer))
    }

    /// Lines that tell the client where it stays.
    fn cookies(&self, head: &response::ResponseHead) -> String {
        let session = self.chosen.session.as_ref();
        session.map_or_else(String::new, |s| s.answer(self.job.head, head))
    }

    fn expose<'b>(&'b self, added: &mut Vec<(&'b str, &'b str)>, revision: &'b str) {
        added.push(("x-request-id", self.job.request_id));
        if self.expose {
            added.push(("x-neargate-revision", revision));
            added.push(("x-neargate-task", self.chosen.task().as_str()));
        }
    }

    async fn relay(
        &self,
        head: &response::ResponseHead,
        from: &mut ReadHalf<'_>,
        mut buffer: BytesMut,
        writer: &mut impl ResponseWriter,
    ) -> Result<DownlinkEnd, RelayError> {
        let body = ForwardedBody::of_response(head.framing, self.job.head.version);
        let keep = self.keep(body);
        let revision = self.chosen.revision.to_string();
        let mut added = Vec::with_capacity(6);
        self.expose(&mut added, &revision);
        match (keep, self.job.head.version) {
            (KeepAlive::Close, _) => added.push(("connection", "close")),
            (KeepAlive::Keep, HttpVersion::Http10) => added.push(("connection", "keep-alive")),
            (KeepAlive::Keep, HttpVersion::Http11) => {}
        }
        if body == ForwardedBody::Chunked {
            added.push(("transfer-encoding", "chunked"));
        }
        let mut out = Vec::with_capacity(1024 + buffer.len());
        head.write(&added, &self.cookies(head), &mut out);
        let mut left = RemainingBody::of_response(head.framing);
        loop {
            let take = body
                .pass(&buffer, &mut left, &mut out)
                .map_err(|_| RelayError::TargetMalformed)?;
            buffer.advance(take);
            if left.is_done() {
                break;
            }
            if !out.is_empty() {
                self.write(writer, &out).await?;
                out.clear();
            }
            if buffer.is_empty() {
                // Nothing is held for who waits: for the client here, for the target below.
                (buffer, out) = (BytesMut::new(), Vec::new());
            }
            let most = self.wanted(writer).await?;
            match self.read(from, &mut buffer, (writer, most)).await {
                Err(RelayError::TargetEnded)
                    if head.framing == response::ResponseFraming::UntilClose =>
                {
                    break;
                }
                other => other?,
            }
        }
        body.end(TrailerPolicy::Passed, &left, &mut out);
        if !out.is_empty() {
            self.write(writer, &out).await?;
        }
        Ok(DownlinkEnd::Done(
            keep,
            head.reusable && self.sent.get() && buffer.is_empty(),
        ))
    }

    fn keep(&self, body: ForwardedBody) -> KeepAlive {
        let close = self.job.keep == KeepAlive::Close
            || self.job.worker.is_draining()
            || !self.sent.get()
            || body == ForwardedBody::Bare;
        if close {
            KeepAlive::Close
        } else {
            KeepAlive::Keep
        }
    }

    pub(super) fn outcome(
        &self,
        result: Result<DownlinkEnd, RelayError>,
        reused: bool,
    ) -> RelayOutcome {
        let trouble = match result {
            Ok(DownlinkEnd::Done(keep, reusable)) => {
                let keep = if self.sent.get() {
                    keep
                } else {
                    KeepAlive::Close
                };
                return RelayOutcome::Done(keep, reusable);
            }
            Ok(DownlinkEnd::Switched(ahead)) => return RelayOutcome::Tunnel(ahead),
            Err(trouble) => trouble,
        };
        let progress = self.progress.get();
        let (status, reason) = match trouble {
            RelayError::TargetEnded if reused && progress == RelayProgress::Nothing => {
                if self.job.head.is_replayable() {
                    return RelayOutcome::Attempt(AttemptOutcome::Stale);
                }
                (502, "TargetClosed")
            }
            RelayError::ClientGone => {
                return RelayOutcome::Attempt(AttemptOutcome::End(RequestEnd::Abort(
                    460,
                    "ClientClosed",
                )));
            }
            RelayError::ClientSlow => (408, "ClientTimeout"),
            RelayError::ClientMalformed => (400, "BadChunk"),
            RelayError::TargetEnded => (502, "TargetClosed"),
            RelayError::TargetSlow => (504, "TargetTimeout"),
            RelayError::TargetMalformed => (502, "TargetMalformed"),
            RelayError::Cut => (502, "Drained"),
        };
        RelayOutcome::Attempt(AttemptOutcome::End(match progress {
            RelayProgress::Sent => RequestEnd::Abort(status, reason),
            RelayProgress::Nothing | RelayProgress::Received => RequestEnd::Refuse(status, reason),
        }))
    }
}
