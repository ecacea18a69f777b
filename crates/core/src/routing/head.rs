//! Whether a request head may be passed on, and how its body is framed.
//!
//! Invariant: what two servers could read differently is refused (request smuggling). Stricter
//! than ALB's defensive mode where nothing useful is lost: Content-Length together with
//! Transfer-Encoding, duplicate Content-Length, and a missing or doubled Host are all 400.
//! Header names that CGI and WSGI fold into other names never reach a target.
//! Bytes are parsed elsewhere; this judges names and values.

use super::authority;
use super::forwarded;

/// Most bytes of the request line.
pub const MOST_LINE: usize = 16 * 1024;
/// Most bytes of one header, name and value.
pub const MOST_HEADER: usize = 16 * 1024;
/// Most bytes of the whole head.
pub const MOST_HEAD: usize = 64 * 1024;
/// Most headers of one request.
pub const MOST_HEADERS: usize = 200;

/// HTTP/1.x minor version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    Http10,
    Http11,
}

/// How long the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFraming {
    /// There is no body.
    Empty,
    /// This many bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`: the length is not known before.
    Chunked,
}

/// Why a request is refused: the answer's status and a reason for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRefusal {
    /// Status of the answer.
    pub status: u16,
    /// ALB's classification reason where there is one.
    pub reason: &'static str,
}

const fn refuse<T>(status: u16, reason: &'static str) -> Result<T, RequestRefusal> {
    Err(RequestRefusal { status, reason })
}

/// Judges a parsed head; the framing of its body when it may be passed on.
///
/// # Errors
/// [`RequestRefusal`] with 400, 405, 414, 431, 463 or 501.
pub fn judge<'a>(
    method: &str,
    target: &str,
    version: HttpVersion,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<RequestFraming, RequestRefusal> {
    if method == "TRACE" {
        return refuse(405, "TRACE");
    }
    judge_target(method, target)?;
    let mut seen = SeenHeaders::default();
    for (name, value) in headers {
        if name.len() + value.len() > MOST_HEADER {
            return refuse(431, "HeaderTooLong");
        }
        seen.header(name, value)?;
    }
    if seen.hosts > 1 || (seen.hosts == 0 && version == HttpVersion::Http11) {
        return refuse(
            400,
            if seen.hosts > 1 {
                "MultipleHost"
            } else {
                "MissingHost"
            },
        );
    }
    if seen.forwarded > forwarded::MOST_ADDRESSES {
        return refuse(463, "TooManyForwardedAddresses");
    }
    match (seen.chunked, seen.length) {
        (true, Some(_)) => refuse(400, "BothTeClPresent"),
        (true, None) if version == HttpVersion::Http10 => refuse(400, "BadTransferEncoding"),
        (true, None) => Ok(RequestFraming::Chunked),
        (false, None | Some(0)) => Ok(RequestFraming::Empty),
        (false, Some(length)) => Ok(RequestFraming::Length(length)),
    }
}

fn judge_target(method: &str, target: &str) -> Result<(), RequestRefusal> {
    if target.len() > MOST_LINE {
        return refuse(414, "UriTooLong");
    }
    if method == "CONNECT" {
        return refuse(400, "BadMethod");
    }
    let bad = match RequestTarget::of(target) {
        RequestTarget::Origin => false,
        RequestTarget::Asterisk => method != "OPTIONS",
        RequestTarget::Absolute { authority, .. } => !authority::is_valid(authority.as_bytes()),
        RequestTarget::Other => true,
    };
    if bad || target.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'#') {
        return refuse(400, "BadUri");
    }
    Ok(())
}

/// The forms of a request target (RFC 9112, 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestTarget<'a> {
    /// A path, perhaps with a query.
    Origin,
    /// The target `*` of an OPTIONS request.
    Asterisk,
    /// `http://authority…`; `path` is empty, or begins with `/` or `?`.
    Absolute {
        /// Host and port, not checked.
        authority: &'a str,
        /// The text after the authority.
        path: &'a str,
    },
    /// None that a server takes.
    Other,
}

impl<'a> RequestTarget<'a> {
    /// Tells them apart; the scheme in any case.
    #[must_use]
    pub fn of(target: &'a str) -> Self {
        if target.starts_with('/') {
            return Self::Origin;
        }
        if target == "*" {
            return Self::Asterisk;
        }
        for scheme in ["http://", "https://"] {
            let begin = target.get(..scheme.len());
            if begin.is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)) {
                let rest = &target[scheme.len()..];
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                return Self::Absolute { authority, path };
            }
        }
        Self::Other
    }
}

#[derive(Default)]
struct SeenHeaders {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    forwarded: usize,
}

impl SeenHeaders {
    fn header(&mut self, name: &str, value: &[u8]) -> Result<(), RequestRefusal> {
        if name.eq_ignore_ascii_case("host") {
            self.hosts += 1;
            if !authority::is_valid(value) {
                return refuse(400, "BadHost");
            }
        } else if name.eq_ignore_ascii_case("content-length") {
            if self.length.is_some() {
                return refuse(400, "DuplicateContentLength");
            }
            self.length = match content_length(value) {
                Some(length) => Some(length),
                None => return refuse(400, "BadContentLength"),
            };
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.transfer_encoding(value)?;
        } else if name.eq_ignore_ascii_case("x-forwarded-for") {
            self.forwarded += std::str::from_utf8(value).map_or(0, forwarded::addresses);
        }
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), RequestRefusal> {
        if self.chunked {
            return refuse(400, "MultipleTransferEncodingChunked");
        }
        if value.eq_ignore_ascii_case(b"chunked") {
            self.chunked = true;
            return Ok(());
        }
        let known = [
            &b"gzip"[..],
            b"deflate",
            b"compress",
            b"x-gzip",
            b"br",
            b"identity",
        ];
        let codings = value.split(|b| *b == b',').map(<[u8]>::trim_ascii);
        let real = codings.clone().count() > 0
            && codings.clone().all(|c| {
                c.eq_ignore_ascii_case(b"chunked")
                    || known.iter().any(|k| c.eq_ignore_ascii_case(k))
            });
        // A real coding is one that is not supported; anything else is an attack or a bug.
        refuse(if real { 501 } else { 400 }, "BadTransferEncoding")
    }
}

/// Digits only, no sign, no list.
#[must_use]
pub fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Whether a client's header may reach a target. What is not of letters, digits and hyphens
/// does not, as with ALB's `drop_invalid_header_fields`: `X_Forwarded_For` would be
/// `X-Forwarded-For` for CGI and WSGI. Neither does `Proxy`, which CGI reads as `HTTP_PROXY`,
/// nor what belongs to an upgrade to HTTP/2.
#[must_use]
pub fn reaches_targets(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain && !name.eq_ignore_ascii_case("proxy") && !name.eq_ignore_ascii_case("http2-settings")
}

/// Whether a header belongs to one connection and is never passed on.
#[must_use]
pub fn is_hop_by_hop(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.iter().any(|n| name.eq_ignore_ascii_case(n))
}

/// Whether `Connection` may name this header to have it removed. What frames or routes a
/// message may not be removed by its sender.
#[must_use]
pub fn connection_may_name(name: &str) -> bool {
    const KEPT: [&str; 4] = ["host", "content-length", "transfer-encoding", "trailer"];
    !KEPT.iter().any(|n| name.eq_ignore_ascii_case(n))
}

/// Whether a field may stand in a trailer: not one that frames, routes, authenticates or
/// describes the body (RFC 9110, 6.5.1), nor one that the router writes.
#[must_use]
pub fn may_trail(name: &str) -> bool {
    const NEVER: [&str; 25] = [
        "authorization",
        "cache-control",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "expect",
        "host",
        "location",
        "max-forwards",
        "range",
        "set-cookie",
        "trailer",
        "vary",
        "www-authenticate",
        "x-request-id",
        "forwarded",
        "traceparent",
        "age",
        "expires",
        "server",
        "x-neargate-revision",
        "x-neargate-task",
    ];
    let forwarded = name
        .get(..12)
        .is_some_and(|begin| begin.eq_ignore_ascii_case("x-forwarded-"));
    !forwarded && !is_hop_by_hop(name) && !NEVER.iter().any(|n| name.eq_ignore_ascii_case(n))
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
