//! Bodies: what is left of one, and how it is written on.

use neargate_core::routing::head::{Framing, Version};

use crate::chunked::{self, Malformed, Scanner};
use crate::response;

/// What is left of a body.
pub(super) enum Left {
    Bytes(u64),
    Chunks(Scanner),
    Everything,
}

impl Left {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Bytes(0),
            Framing::Length(length) => Self::Bytes(length),
            Framing::Chunked => Self::Chunks(Scanner::new()),
        }
    }

    pub(super) fn of_response(framing: response::Framing) -> Self {
        match framing {
            response::Framing::Empty => Self::Bytes(0),
            response::Framing::Length(length) => Self::Bytes(length),
            response::Framing::Chunked => Self::Chunks(Scanner::new()),
            response::Framing::UntilClose => Self::Everything,
        }
    }

    /// How many of these bytes belong to the body; its payload goes to `data`.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]),
    ) -> Result<usize, Malformed> {
        match self {
            Self::Bytes(left) => {
                let take = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *left -= take as u64;
                data(&bytes[..take]);
                Ok(take)
            }
            Self::Chunks(scanner) => scanner.advance(bytes, data),
            Self::Everything => {
                data(bytes);
                Ok(bytes.len())
            }
        }
    }

    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Bytes(left) => *left == 0,
            Self::Chunks(scanner) => scanner.is_done(),
            Self::Everything => false,
        }
    }

    /// Lines of the trailers that may be passed on.
    fn trailers(&self) -> &[u8] {
        match self {
            Self::Chunks(scanner) => scanner.trailers(),
            Self::Bytes(_) | Self::Everything => &[],
        }
    }
}

/// How a body is written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// As many bytes as the head says.
    Same,
    /// Chunked by the router.
    Chunked,
    /// Without framing, ended by closing (HTTP/1.0).
    Bare,
}

impl Body {
    pub(super) fn of_request(framing: Framing) -> Self {
        match framing {
            Framing::Empty | Framing::Length(_) => Self::Same,
            Framing::Chunked => Self::Chunked,
        }
    }

    pub(super) fn of_response(framing: response::Framing, version: Version) -> Self {
        use response::Framing as F;
        match (framing, version) {
            (F::Empty | F::Length(_), _) => Self::Same,
            (F::Chunked | F::UntilClose, Version::Http11) => Self::Chunked,
            (F::Chunked | F::UntilClose, Version::Http10) => Self::Bare,
        }
    }

    /// Writes what of `bytes` belongs to the body; how many bytes that was.
    pub(super) fn pass(
        self,
        bytes: &[u8],
        left: &mut Left,
        out: &mut Vec<u8>,
    ) -> Result<usize, Malformed> {
        match self {
            Self::Chunked => left.advance(bytes, |data| chunked::write(data, out)),
            Self::Same | Self::Bare => left.advance(bytes, |data| out.extend_from_slice(data)),
        }
    }

    /// Ends a chunked body, with the trailers that came when they are wanted.
    pub(super) fn end(self, trailers: Trailers, left: &Left, out: &mut Vec<u8>) {
        if self == Self::Chunked {
            let lines = match trailers {
                Trailers::Passed => left.trailers(),
                Trailers::Dropped => &[],
            };
            chunked::end(lines, out);
        }
    }
}

/// What becomes of trailers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trailers {
    Passed,
    /// Towards targets: servers that do not read them would take them for something else.
    Dropped,
}
