//! Bodies: what is left of one, and how it is written on.

use neargate_core::routing::head::{HttpVersion, RequestFraming};

use crate::chunked::{self, ChunkScanner, MalformedChunks};
use crate::response;

/// The rest of a body.
pub(super) enum RemainingBody {
    Bytes(u64),
    Chunks(ChunkScanner),
    Everything,
}

impl RemainingBody {
    pub(super) fn new(framing: RequestFraming) -> Self {
        match framing {
            RequestFraming::Empty => Self::Bytes(0),
            RequestFraming::Length(length) => Self::Bytes(length),
            RequestFraming::Chunked => Self::Chunks(ChunkScanner::new()),
        }
    }

    pub(super) fn of_response(framing: response::ResponseFraming) -> Self {
        match framing {
            response::ResponseFraming::Empty => Self::Bytes(0),
            response::ResponseFraming::Length(length) => Self::Bytes(length),
            response::ResponseFraming::Chunked => Self::Chunks(ChunkScanner::new()),
            response::ResponseFraming::UntilClose => Self::Everything,
        }
    }

    /// How many of these bytes belong to the body; its payload goes to `data`.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]),
    ) -> Result<usize, MalformedChunks> {
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
pub(super) enum ForwardedBody {
    /// As many bytes as the head says.
    Same,
    /// Chunked by the router.
    Chunked,
    /// Without framing, ended by closing (HTTP/1.0).
    Bare,
}

impl ForwardedBody {
    pub(super) fn of_request(framing: RequestFraming) -> Self {
        match framing {
            RequestFraming::Empty | RequestFraming::Length(_) => Self::Same,
            RequestFraming::Chunked => Self::Chunked,
        }
    }

    pub(super) fn of_response(framing: response::ResponseFraming, version: HttpVersion) -> Self {
        use response::ResponseFraming as F;
        match (framing, version) {
            (F::Empty | F::Length(_), _) => Self::Same,
            (F::Chunked | F::UntilClose, HttpVersion::Http11) => Self::Chunked,
            (F::Chunked | F::UntilClose, HttpVersion::Http10) => Self::Bare,
        }
    }

    /// Writes what of `bytes` belongs to the body; how many bytes that was.
    pub(super) fn pass(
        self,
        bytes: &[u8],
        left: &mut RemainingBody,
        out: &mut Vec<u8>,
    ) -> Result<usize, MalformedChunks> {
        match self {
            Self::Chunked => left.advance(bytes, |data| chunked::write(data, out)),
            Self::Same | Self::Bare => left.advance(bytes, |data| out.extend_from_slice(data)),
        }
    }

    /// Ends a chunked body, with the trailers that came when they are wanted.
    pub(super) fn end(self, trailers: TrailerPolicy, left: &RemainingBody, out: &mut Vec<u8>) {
        if self == Self::Chunked {
            let lines = match trailers {
                TrailerPolicy::Passed => left.trailers(),
                TrailerPolicy::Dropped => &[],
            };
            chunked::end(lines, out);
        }
    }
}

/// Rule for trailers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrailerPolicy {
    Passed,
    /// Towards targets: servers that do not read them would take them for something else.
    Dropped,
}
