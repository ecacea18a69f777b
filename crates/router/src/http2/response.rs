//! A response of the HTTP/1.1 path, sent on a stream.
//!
//! Invariant: a piece is handed to the connection only when the client has room for it, and
//! what it takes in memory is counted until it is on the wire. A response that did not come to
//! its end is reset, never ended.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use ::h2::server::SendResponse;
use ::h2::{Reason, SendStream};
use bytes::{Buf, Bytes};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::io::AsyncWrite;

use super::BLOCK;
use crate::budget::{Budget, ClientWait, ConnectionMemory, MemoryPermit};
use crate::chunked::{ChunkScanner, MalformedChunks};
use crate::scratch::ResponseWriter;

/// Headers of a response, with those that the router adds.
const MOST_HEADERS: usize = 256;

/// Bytes that are read of a chunked body for a client that has no room for it.
const TASTE: usize = 256;

/// A piece of a body that is not on the wire yet.
pub(super) struct QueuedBytes {
    bytes: Bytes,
    _permit: MemoryPermit,
    _waiting: ClientWait,
}

impl Buf for QueuedBytes {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }
    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }
    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

/// The sending side of a stream.
pub(super) struct ResponseStream(RefCell<SendState>);

enum SendState {
    Head(SendResponse<QueuedBytes>),
    Body(SendStream<QueuedBytes>),
}

impl ResponseStream {
    pub(super) fn new(respond: SendResponse<QueuedBytes>) -> Self {
        Self(RefCell::new(SendState::Head(respond)))
    }

    /// Ready when the client has reset the stream, or its connection is gone.
    pub(super) fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<()> {
        let reset = match &mut *self.0.borrow_mut() {
            SendState::Head(respond) => respond.poll_reset(cx),
            SendState::Body(body) => body.poll_reset(cx),
        };
        reset.map(|_| ())
    }

    fn reset(&self, reason: Reason) {
        match &mut *self.0.borrow_mut() {
            SendState::Head(respond) => respond.send_reset(reason),
            SendState::Body(body) => body.send_reset(reason),
        }
    }

    /// Sends a head; one of an interim response leaves the stream as it is.
    fn head(&self, response: http::Response<()>, last: bool) -> io::Result<()> {
        let mut sending = self.0.borrow_mut();
        let SendState::Head(respond) = &mut *sending else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if response.status().is_informational() {
            return respond
                .send_informational(response)
                .map_err(io::Error::other);
        }
        let body = respond.send_response(response, last);
        *sending = SendState::Body(body.map_err(io::Error::other)?);
        Ok(())
    }

    /// How many bytes the client and the connection take now.
    fn poll_room(&self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        let mut sending = self.0.borrow_mut();
        let SendState::Body(body) = &mut *sending else {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        };
        if body.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        body.reserve_capacity(wanted);
        while body.capacity() == 0 {
            match ready!(body.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        Poll::Ready(Ok(body.capacity()))
    }

    fn data(&self, piece: QueuedBytes, last: bool) -> io::Result<()> {
        match &mut *self.0.borrow_mut() {
            SendState::Body(body) => body.send_data(piece, last).map_err(io::Error::other),
            SendState::Head(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn trailers(&self, trailers: HeaderMap) -> io::Result<()> {
        match &mut *self.0.borrow_mut() {
            SendState::Body(body) => body.send_trailers(trailers).map_err(io::Error::other),
            SendState::Head(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

enum StreamProgress {
    /// In a head: what of it was written so far.
    Head(Vec<u8>),
    Length(u64),
    Chunks(ChunkScanner),
    Done,
}

/// Writes the response of one stream.
pub(super) struct StreamResponse {
    stream: Rc<ResponseStream>,
    budget: Rc<Budget>,
    account: Rc<ConnectionMemory>,
    /// For what is held here and by who writes.
    permit: MemoryPermit,
    waiting: Option<ClientWait>,
    head_only: bool,
    progress: StreamProgress,
}

impl StreamResponse {
    pub(super) fn new(
        stream: Rc<ResponseStream>,
        budget: Rc<Budget>,
        account: Rc<ConnectionMemory>,
        head_only: bool,
    ) -> Self {
        Self {
            stream,
            permit: account.nothing(),
            budget,
            account,
            waiting: None,
            head_only,
            progress: StreamProgress::Head(Vec::new()),
        }
    }

    /// Waits for room, as the connection's account sees it.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        let room = self.stream.poll_room(cx, wanted);
        if room.is_ready() {
            self.waiting = None;
        } else if self.waiting.is_none() {
            self.waiting = Some(self.account.wait());
        }
        room
    }

    /// Takes what belongs to the head; how many bytes that was.
    fn head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let StreamProgress::Head(text) = &mut self.progress else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let before = text.len();
        text.extend_from_slice(bytes);
        let mut space = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Response::new(&mut space);
        let length = match parsed.parse(text).map_err(io::Error::other)? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return Ok(bytes.len()),
        };
        let (response, progress) = convert(&parsed, self.head_only)?;
        let last = matches!(progress, StreamProgress::Done);
        self.progress = progress;
        self.stream.head(response, last)?;
        Ok(length - before)
    }

    fn body(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrong = |_: MalformedChunks| io::Error::from(io::ErrorKind::InvalidData);
        // What is between chunks needs no room: the end of a body is sent whatever is left.
        let before = match &mut self.progress {
            StreamProgress::Chunks(scanner) => scanner.advance_to_payload(bytes).map_err(wrong)?,
            _ => 0,
        };
        let left = match &self.progress {
            StreamProgress::Length(left) => *left,
            StreamProgress::Chunks(scanner) => scanner.payload_left(),
            StreamProgress::Head(_) | StreamProgress::Done => 0,
        };
        let bytes = &bytes[before..];
        let most = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let mut taken = 0;
        if most > 0 {
            match self.poll_room(cx, most.min(BLOCK)) {
                Poll::Ready(room) => taken = most.min(room?),
                Poll::Pending if before == 0 => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        let (piece, rest) = bytes.split_at(taken);
        let (after, end) = match &mut self.progress {
            StreamProgress::Length(left) => {
                *left -= taken as u64;
                (0, (*left == 0).then(HeaderMap::new))
            }
            StreamProgress::Chunks(scanner) => {
                scanner.advance(piece, |_| {}).map_err(wrong)?;
                let after = scanner.advance_to_payload(rest).map_err(wrong)?;
                (after, scanner.is_done().then(|| fields(scanner.trailers())))
            }
            StreamProgress::Head(_) | StreamProgress::Done => {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        };
        self.send(Bytes::copy_from_slice(piece), end)?;
        Poll::Ready(Ok(before + taken + after))
    }

    /// `trailers` end the response.
    fn send(&mut self, bytes: Bytes, trailers: Option<HeaderMap>) -> io::Result<()> {
        let last = trailers.as_ref().is_some_and(HeaderMap::is_empty);
        if last || !bytes.is_empty() {
            let piece = QueuedBytes {
                _permit: self.permit.split(bytes.len()),
                _waiting: self.account.wait(),
                bytes,
            };
            self.stream.data(piece, last)?;
        }
        if let Some(trailers) = trailers {
            self.progress = StreamProgress::Done;
            if !last {
                self.stream.trailers(trailers)?;
            }
        }
        Ok(())
    }
}

fn fields(lines: &[u8]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines.split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            fields.append(name, value);
        }
    }
    fields
}

fn convert(
    parsed: &httparse::Response<'_, '_>,
    head_only: bool,
) -> io::Result<(http::Response<()>, StreamProgress)> {
    let mut response = http::Response::new(());
    let status = parsed.code.unwrap_or_default();
    *response.status_mut() = http::StatusCode::from_u16(status).map_err(io::Error::other)?;
    let (mut length, mut chunked) = (0, false);
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(io::Error::other)?;
        let value = HeaderValue::from_bytes(line.value).map_err(io::Error::other)?;
        if name == header::TRANSFER_ENCODING {
            chunked = true;
        }
        if name == header::CONTENT_LENGTH {
            let known = neargate_core::routing::head::content_length(line.value);
            length = known.ok_or(io::ErrorKind::InvalidData)?;
        }
        if !neargate_core::routing::head::is_hop_by_hop(name.as_str()) {
            response.headers_mut().append(name, value);
        }
    }
    let progress = match status {
        100..200 => StreamProgress::Head(Vec::new()),
        _ if head_only || status == 204 || status == 304 => StreamProgress::Done,
        _ if chunked => StreamProgress::Chunks(ChunkScanner::new()),
        _ if length == 0 => StreamProgress::Done,
        _ => StreamProgress::Length(length),
    };
    Ok((response, progress))
}

impl AsyncWrite for StreamResponse {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if matches!(self.progress, StreamProgress::Head(_)) {
            return Poll::Ready(self.head(bytes));
        }
        self.body(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl ResponseWriter for StreamResponse {
    const BLOCK: usize = BLOCK;

    async fn wanted(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| {
            let room = self.poll_room(cx, 1)?;
            match self.progress {
                // Nothing but the end may be left, which needs no room.
                StreamProgress::Chunks(_) if room.is_pending() => Poll::Ready(Ok(TASTE)),
                _ => room.map(|_| Ok(BLOCK)),
            }
        })
        .await
    }

    async fn reserve(&mut self, bytes: usize) -> io::Result<()> {
        let more = bytes.saturating_sub(self.permit.bytes());
        if more > 0 {
            let taken = self.budget.acquire(&self.account, more).await;
            self.permit.merge(taken);
        }
        Ok(())
    }

    fn holds(&mut self, bytes: usize) {
        let surplus = self.permit.bytes().saturating_sub(bytes);
        drop(self.permit.split(surplus));
    }
}

impl Drop for StreamResponse {
    fn drop(&mut self) {
        if matches!(self.progress, StreamProgress::Done) {
            return self.account.answered();
        }
        let mut at_once = Context::from_waker(Waker::noop());
        match self.stream.poll_reset(&mut at_once) {
            Poll::Ready(()) => self.account.cancelled(),
            Poll::Pending => self.stream.reset(Reason::INTERNAL_ERROR),
        }
    }
}
