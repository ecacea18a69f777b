//! Bodies: what is left of one, and how a response's is written.

use bytes::BytesMut;
use neargate_core::routing::head::{Framing, Version};

use crate::chunked::{Malformed, Scanner};
use crate::response;

/// What is left of a body.
pub(super) enum Left {
    Bytes(u64),
    Chunks(Scanner, Vec<u8>),
    Everything,
}

impl Left {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Bytes(0),
            Framing::Length(length) => Self::Bytes(length),
            Framing::Chunked => Self::Chunks(Scanner::new(), Vec::new()),
        }
    }

    pub(super) fn of_response(framing: response::Framing) -> Self {
        match framing {
            response::Framing::Empty => Self::Bytes(0),
            response::Framing::Length(length) => Self::Bytes(length),
            response::Framing::Chunked => Self::Chunks(Scanner::new(), Vec::new()),
            response::Framing::UntilClose => Self::Everything,
        }
    }

    /// How many bytes at the beginning of the buffer belong to the body.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> Result<usize, Malformed> {
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

    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Bytes(left) => *left == 0,
            Self::Chunks(scanner, _) => scanner.is_done(),
            Self::Everything => false,
        }
    }
}

/// How a response's body is written to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
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
    pub(super) fn new(framing: response::Framing, version: Version) -> Self {
        use response::Framing as F;
        match (framing, version) {
            (F::Empty | F::Length(_), _) => Self::Same,
            (F::Chunked, Version::Http11) => Self::SameChunks,
            (F::UntilClose, Version::Http11) => Self::Encode,
            (F::Chunked | F::UntilClose, Version::Http10) => Self::Bare,
        }
    }

    pub(super) fn is_chunked(self) -> bool {
        matches!(self, Self::SameChunks | Self::Encode)
    }

    pub(super) fn write(self, bytes: &[u8], left: &mut Left, out: &mut Vec<u8>) {
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
