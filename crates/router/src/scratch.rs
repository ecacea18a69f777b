//! Reading through a worker's scratch buffer: an idle connection holds no buffer of its own.
//! Writing to a client that says how much may be read for it.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::ready;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::{OwnedWriteHalf, ReadHalf};

/// Bytes read at once.
pub(crate) const READ_SIZE: usize = 32 * 1024;

/// A worker's scratch buffer.
#[derive(Debug)]
pub(crate) struct ScratchBuffer(RefCell<Box<[u8]>>);

impl ScratchBuffer {
    pub(crate) fn new() -> Self {
        Self(RefCell::new(vec![0; READ_SIZE].into_boxed_slice()))
    }

    /// Appends what can be read to `buffer`; 0 is the end. Nothing is lost when it is dropped.
    pub(crate) async fn read(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
    ) -> io::Result<usize> {
        std::future::poll_fn(|cx| {
            let mut scratch = self.0.borrow_mut();
            let mut into = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut *from).poll_read(cx, &mut into))?;
            buffer.extend_from_slice(into.filled());
            std::task::Poll::Ready(Ok(into.filled().len()))
        })
        .await
    }

    /// As [`ScratchBuffer::read`], at most `most` bytes, when there are some by now.
    pub(crate) fn read_now(
        &self,
        from: &ReadHalf<'_>,
        buffer: &mut BytesMut,
        most: usize,
    ) -> io::Result<usize> {
        let mut scratch = self.0.borrow_mut();
        let most = most.min(scratch.len());
        let read = from.try_read(&mut scratch[..most])?;
        buffer.extend_from_slice(&scratch[..read]);
        Ok(read)
    }
}

/// Where a response goes.
pub(crate) trait ResponseWriter: AsyncWrite + Unpin {
    /// Most bytes of a body that are read at once.
    const BLOCK: usize;

    /// Waits until the client takes more of the body; how many bytes may be read for it.
    async fn wanted(&mut self) -> io::Result<usize>;

    /// Waits for leave to hold this many bytes of the response.
    async fn reserve(&mut self, bytes: usize) -> io::Result<()>;

    /// Only so many are held: gives back the rest.
    fn holds(&mut self, bytes: usize);
}

/// A connection of one response at a time: its buffers are its own.
impl ResponseWriter for OwnedWriteHalf {
    const BLOCK: usize = 64 * 1024;

    async fn wanted(&mut self) -> io::Result<usize> {
        Ok(Self::BLOCK)
    }

    async fn reserve(&mut self, _bytes: usize) -> io::Result<()> {
        Ok(())
    }

    fn holds(&mut self, _bytes: usize) {}
}
