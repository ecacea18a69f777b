//! Whether a request head may be passed on, and how its body is framed.
//!
//! Invariant: what two servers could read differently is refused (request smuggling). Stricter
//! than ALB's defensive mode where nothing useful is lost: Content-Length together with
//! Transfer-Encoding, duplicate Content-Length, and a missing or doubled Host are all 400.
//! Bytes are parsed elsewhere; this judges names and values.

use super::forwarded;

/// Most bytes of the request line.
pub const MOST_LINE: usize = 16 * 1024;
/// Most bytes of one header, name and value.
pub const MOST_HEADER: usize = 16 * 1024;
/// Most bytes of the whole head.
pub const MOST_HEAD: usize = 64 * 1024;
/// Most headers.
pub const MOST_HEADERS: usize = 200;

/// HTTP/1.x minor version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How long the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    Empty,
    /// This many bytes.
    Length(u64),
    /// Chunked.
    Chunked,
}

/// Why a request is refused: the answer's status and a reason for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Status code.
    pub status: u16,
    /// ALB's classification reason where there is one.
    pub reason: &'static str,
}

const fn refuse<T>(status: u16, reason: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status, reason })
}

/// Judges a parsed head; the framing of its body when it may be passed on.
///
/// # Errors
/// [`Refusal`] with 400, 405, 414, 463 or 501.
pub fn judge<'a>(
    method: &str,
    target: &str,
    version: Version,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<Framing, Refusal> {
    if method == "TRACE" {
        return refuse(405, "TRACE");
    }
    judge_target(method, target)?;
    let mut seen = Seen::default();
    for (name, value) in headers {
        if name.len() + value.len() > MOST_HEADER {
            return refuse(400, "HeaderTooLong");
        }
        seen.header(name, value)?;
    }
    if seen.hosts > 1 || (seen.hosts == 0 && version == Version::Http11) {
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
        (true, None) if version == Version::Http10 => refuse(400, "BadTransferEncoding"),
        (true, None) => Ok(Framing::Chunked),
        (false, None | Some(0)) => Ok(Framing::Empty),
        (false, Some(length)) => Ok(Framing::Length(length)),
    }
}

fn judge_target(method: &str, target: &str) -> Result<(), Refusal> {
    if target.len() > MOST_LINE {
        return refuse(414, "UriTooLong");
    }
    let origin = target.starts_with('/') || (target == "*" && method == "OPTIONS");
    let absolute = target.starts_with("http://") || target.starts_with("https://");
    if method == "CONNECT" || !(origin || absolute) {
        return refuse(
            400,
            if method == "CONNECT" {
                "BadMethod"
            } else {
                "BadUri"
            },
        );
    }
    if target.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'#') {
        return refuse(400, "BadUri");
    }
    Ok(())
}

#[derive(Default)]
struct Seen {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    forwarded: usize,
}

impl Seen {
    fn header(&mut self, name: &str, value: &[u8]) -> Result<(), Refusal> {
        if name.eq_ignore_ascii_case("host") {
            self.hosts += 1;
            if !host_is_valid(value) {
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

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
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

fn host_is_valid(value: &[u8]) -> bool {
    !value.is_empty()
        && value.len() <= 255
        && value
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(b))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(
        version: Version,
        method: &str,
        target: &str,
        lines: &[&str],
    ) -> Result<Framing, u16> {
        let headers = lines.iter().map(|line| {
            let (name, value) = line.split_once(": ").expect("name: value");
            (name, value.as_bytes())
        });
        judge(method, target, version, headers).map_err(|r| r.status)
    }

    /// HTTP/1.1 requests with `Host: a`: method, target, further headers (`|` between them).
    const WITH_HOST: &[(&str, &str, &str, Result<Framing, u16>)] = &[
        ("GET", "/", "", Ok(Framing::Empty)),
        ("GET", "/", "host: b", Err(400)),
        ("POST", "/", "Content-Length: 5", Ok(Framing::Length(5))),
        ("POST", "/", "Content-Length: 5|Content-Length: 5", Err(400)),
        ("POST", "/", "Content-Length: +3", Err(400)),
        ("POST", "/", "Content-Length: 3, 3", Err(400)),
        (
            "POST",
            "/",
            "Content-Length: 99999999999999999999",
            Err(400),
        ),
        (
            "POST",
            "/",
            "Transfer-Encoding: chunked",
            Ok(Framing::Chunked),
        ),
        (
            "POST",
            "/",
            "Transfer-Encoding: Chunked",
            Ok(Framing::Chunked),
        ),
        (
            "POST",
            "/",
            "Transfer-Encoding: chunked|Content-Length: 5",
            Err(400),
        ),
        (
            "POST",
            "/",
            "Content-Length: 5|Transfer-Encoding: chunked",
            Err(400),
        ),
        ("POST", "/", "Transfer-Encoding: xchunked", Err(400)),
        ("POST", "/", "Transfer-Encoding: gzip", Err(501)),
        ("POST", "/", "Transfer-Encoding: gzip, chunked", Err(501)),
        (
            "POST",
            "/",
            "Transfer-Encoding: chunked|Transfer-Encoding: chunked",
            Err(400),
        ),
        ("TRACE", "/", "", Err(405)),
        ("CONNECT", "a:443", "", Err(400)),
        ("GET", "a", "", Err(400)),
        ("GET", "/a#b", "", Err(400)),
        ("OPTIONS", "*", "", Ok(Framing::Empty)),
        ("GET", "http://a/b", "", Ok(Framing::Empty)),
    ];

    #[test]
    fn heads_are_judged_by_the_edge_case_table() {
        use Version::{Http10, Http11};
        let h = "Host: a";
        for (method, target, more, expected) in WITH_HOST {
            let more = more.split('|').filter(|line| !line.is_empty());
            let lines: Vec<&str> = std::iter::once(h).chain(more).collect();
            let got = verdict(Http11, method, target, &lines);
            assert_eq!(got, *expected, "{method} {target} {lines:?}");
        }
        assert_eq!(verdict(Http10, "GET", "/", &[]), Ok(Framing::Empty));
        assert_eq!(verdict(Http11, "GET", "/", &[]), Err(400));
        assert_eq!(verdict(Http11, "GET", "/", &["Host: a/b"]), Err(400));
        assert_eq!(
            verdict(Http10, "POST", "/", &[h, "Transfer-Encoding: chunked"]),
            Err(400)
        );
    }

    #[test]
    fn heads_beyond_their_bounds_are_refused() {
        use Version::Http11;
        let h = "Host: a";
        let many = format!("X-Forwarded-For: {}", ["1.1.1.1"; 31].join(", "));
        assert_eq!(verdict(Http11, "GET", "/", &[h, &many]), Err(463));
        let long = format!("/{}", "a".repeat(MOST_LINE));
        assert_eq!(verdict(Http11, "GET", &long, &[h]), Err(414));
        let header = format!("X: {}", "a".repeat(MOST_HEADER));
        assert_eq!(verdict(Http11, "GET", "/", &[h, &header]), Err(400));
    }
}
