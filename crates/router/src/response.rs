//! A target's response head.
//!
//! Invariant: a head that two clients could frame differently is malformed (502). A body's
//! length is said once, and never of a response that has none by its status.

use neargate_core::routing::head;
use neargate_core::routing::websocket;

use crate::request::line;

/// Most bytes of a response head.
pub(crate) const MOST_HEAD: usize = 32 * 1024;
const MOST_HEADERS: usize = 200;

/// How long a response's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseFraming {
    Empty,
    Length(u64),
    Chunked,
    UntilClose,
}

#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    reason: String,
    pub(crate) framing: ResponseFraming,
    pub(crate) reusable: bool,
    /// It is a 101 that agrees to a WebSocket.
    pub(crate) agrees: bool,
    headers: Vec<(String, Vec<u8>)>,
}

/// Not an HTTP/1 response, or an ambiguous one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MalformedResponse;

/// Reads a head from the beginning of `bytes`; `None` when it is not complete.
pub(crate) fn read(
    bytes: &[u8],
    method: &str,
) -> Result<Option<(ResponseHead, usize)>, MalformedResponse> {
    let mut space = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Response::new(&mut space);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= MOST_HEAD => length,
        Ok(httparse::Status::Partial) if bytes.len() < MOST_HEAD => return Ok(None),
        _ => return Err(MalformedResponse),
    };
    let status = parsed.code.ok_or(MalformedResponse)?;
    let headers = || parsed.headers.iter().map(|h| (h.name, h.value));
    let connection = |token: &str| {
        headers()
            .filter(|(n, _)| n.eq_ignore_ascii_case("connection"))
            .flat_map(|(_, v)| v.split(|b| *b == b','))
            .any(|t| t.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    };
    if status < 100 {
        return Err(MalformedResponse);
    }
    let lengths = lengths(parsed.version, headers())?;
    let framing = lengths.framing(status, method);
    let mut length_said = status < 200 || status == 204 || lengths.chunked;
    let kept = headers().filter(|(name, _)| {
        if name.eq_ignore_ascii_case("content-length") {
            return !std::mem::replace(&mut length_said, true);
        }
        !(head::is_hop_by_hop(name) || head::connection_may_name(name) && connection(name))
    });
    let headers_kept = kept.map(|(n, v)| (n.to_owned(), v.to_vec())).collect();
    let head = ResponseHead {
        status,
        reason: parsed.reason.unwrap_or_default().to_owned(),
        framing,
        reusable: parsed.version == Some(1)
            && !connection("close")
            && framing != ResponseFraming::UntilClose
            && status != 101
            && !(status == 204 && lengths.any()),
        agrees: status == 101 && websocket::is_agreed(headers()),
        headers: headers_kept,
    };
    Ok(Some((head, length)))
}

/// A head's headers about its body's length.
struct BodyLengths {
    length: Option<u64>,
    chunked: bool,
}

fn lengths<'a>(
    version: Option<u8>,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<BodyLengths, MalformedResponse> {
    let (mut length, mut chunked) = (None, false);
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("content-length") {
            let this = head::content_length(value).ok_or(MalformedResponse)?;
            if length.is_some_and(|l| l != this) {
                return Err(MalformedResponse);
            }
            length = Some(this);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(MalformedResponse);
            }
            chunked = true;
        }
    }
    if chunked && (length.is_some() || version != Some(1)) {
        return Err(MalformedResponse);
    }
    Ok(BodyLengths { length, chunked })
}

impl BodyLengths {
    /// It says that there is a body.
    fn any(&self) -> bool {
        self.chunked || self.length.is_some_and(|length| length > 0)
    }

    fn framing(&self, status: u16, method: &str) -> ResponseFraming {
        let empty = method == "HEAD" || status < 200 || status == 204 || status == 304;
        match (empty, self.chunked, self.length) {
            (true, _, _) | (_, false, Some(0)) => ResponseFraming::Empty,
            (_, true, _) => ResponseFraming::Chunked,
            (_, _, Some(length)) => ResponseFraming::Length(length),
            (_, _, None) => ResponseFraming::UntilClose,
        }
    }
}

impl ResponseHead {
    /// Every value of a header.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let found = self.headers.iter();
        let found = found.filter(move |(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_slice())
    }

    /// The head that the client gets: `added` replace the target's headers of the same name,
    /// `lines` (whole ones) stand beside them.
    pub(crate) fn write(&self, added: &[(&str, &str)], lines: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("HTTP/1.1 {} {}\r\n", self.status, self.reason).as_bytes());
        for (name, value) in &self.headers {
            if !added.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
                line(out, name, value);
            }
        }
        for (name, value) in added {
            line(out, name, value.as_bytes());
        }
        out.extend_from_slice(lines.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    pub(crate) fn is_switching(&self) -> bool {
        self.status == 101
    }
}
