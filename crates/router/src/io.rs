//! Reading through a worker's scratch buffer: an idle connection holds no buffer of its own.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::ready;

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes read at once.
pub(crate) const READ_SIZE: usize = 32 * 1024;

/// A worker's scratch buffer.
#[derive(Debug)]
pub(crate) struct Scratch(RefCell<Box<[u8]>>);

impl Scratch {
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
}
