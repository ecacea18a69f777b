//! A stream's body as bytes of HTTP/1.1: as it is when its length is known, else chunked.
//!
//! Invariant: the client may send more only when this much was read. After the body, the
//! reader ends when the stream was reset: nobody waits for the response any more.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use ::h2::RecvStream;
use bytes::{Buf, Bytes};
use neargate_core::routing::head::RequestFraming;
use tokio::io::{AsyncRead, ReadBuf};

use super::response::ResponseStream;

/// Reads the body of one stream.
pub(super) struct RequestBody {
    stream: Rc<ResponseStream>,
    body: RecvStream,
    chunked: bool,
    ended: bool,
    /// Bytes before `data`: a chunk's size.
    before: Bytes,
    data: Bytes,
    after: &'static [u8],
}

impl RequestBody {
    pub(super) fn new(
        stream: Rc<ResponseStream>,
        body: RecvStream,
        framing: RequestFraming,
    ) -> Self {
        Self {
            stream,
            ended: framing == RequestFraming::Empty,
            chunked: framing == RequestFraming::Chunked,
            body,
            before: Bytes::new(),
            data: Bytes::new(),
            after: b"",
        }
    }

    /// Copies what is there; whether that was anything.
    fn copy(&mut self, into: &mut ReadBuf<'_>) -> io::Result<bool> {
        let begin = into.filled().len();
        take(&mut self.before, into);
        let data = take(&mut self.data, into);
        if data > 0 {
            let flow = self.body.flow_control();
            flow.release_capacity(data).map_err(io::Error::other)?;
        }
        if self.data.is_empty() {
            let fits = self.after.len().min(into.remaining());
            into.put_slice(&self.after[..fits]);
            self.after = &self.after[fits..];
        }
        Ok(into.filled().len() > begin)
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.body.poll_data(cx)) {
            Some(Ok(data)) if data.is_empty() => {}
            Some(Ok(data)) => {
                if self.chunked {
                    self.before = format!("{:x}\r\n", data.len()).into();
                    self.after = b"\r\n";
                }
                self.data = data;
            }
            Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            None => {
                self.ended = true;
                self.after = if self.chunked { b"0\r\n\r\n" } else { b"" };
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn take(from: &mut Bytes, into: &mut ReadBuf<'_>) -> usize {
    let fits = from.len().min(into.remaining());
    into.put_slice(&from[..fits]);
    from.advance(fits);
    fits
}

impl AsyncRead for RequestBody {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // No more than a block is held beside the window.
        let mut block = into.take(super::BLOCK);
        loop {
            if self.copy(&mut block)? {
                let filled = block.filled().len();
                into.advance(filled);
                return Poll::Ready(Ok(()));
            }
            if self.ended {
                ready!(self.stream.poll_reset(cx));
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_more(cx))?;
        }
    }
}
