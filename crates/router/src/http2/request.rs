//! A stream's head as the HTTP/1.1 path knows heads (RFC 9113, 8.2 and 8.3).
//!
//! Invariant: `Host` is what `:authority` says; a request that names two hosts is refused.
//! What the protocol itself forbids (connection headers, pseudo-headers that are missing or
//! repeated, upper case, bodies of another length than said) never comes this far.

use ::h2::RecvStream;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use neargate_core::routing::head::{
    HttpVersion, MOST_HEAD, MOST_HEADERS, RequestFraming, RequestRefusal, RequestTarget,
    content_length,
};

use crate::request::{self, ConnectionAddresses, RequestHead};

/// Bytes of a header beside its name and value, as HPACK counts them.
const ENTRY: usize = 32;

/// Memory that a head takes, about.
pub(super) fn head_bytes(parts: &Parts) -> usize {
    let target = parts.uri.path_and_query().map_or(0, |p| p.as_str().len());
    target + parts.headers.iter().map(line_bytes).sum::<usize>()
}

fn line_bytes((name, value): (&header::HeaderName, &HeaderValue)) -> usize {
    name.as_str().len() + value.len() + ENTRY
}

/// How much of a body the client may send ahead.
pub(super) fn body_bytes(parts: &Parts, body: &RecvStream) -> usize {
    let window = super::STREAM_WINDOW as usize;
    match length(&parts.headers) {
        _ if body.is_end_stream() => 0,
        Some(length) => usize::try_from(length).map_or(window, |l| l.min(window)),
        None => window,
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    content_length(headers.get(header::CONTENT_LENGTH)?.as_bytes())
}

/// The head as it may be passed on.
pub(super) fn judge(
    parts: &Parts,
    body: &RecvStream,
    ends: ConnectionAddresses,
) -> Result<Box<RequestHead>, RequestRefusal> {
    let refuse = |status, reason| Err(RequestRefusal { status, reason });
    let target = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    if parts.headers.len() > MOST_HEADERS {
        return refuse(431, "TooManyHeaders");
    }
    if head_bytes(parts) - ENTRY * parts.headers.len() > MOST_HEAD {
        return refuse(431, "HeadTooLong");
    }
    if let RequestTarget::Absolute { .. } = RequestTarget::of(target) {
        return refuse(400, "BadUri");
    }
    // The library shows it only beside `:authority`.
    if let Some(scheme) = parts.uri.scheme_str()
        && !["http", "https"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return refuse(400, "BadUri");
    }
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    let cookies = cookie_crumbs(&parts.headers);
    let mut lines: Vec<(&str, &[u8])> = Vec::with_capacity(parts.headers.len() + 2);
    if let Some(authority) = authority {
        lines.push(("host", authority.as_bytes()));
    }
    for (name, value) in &parts.headers {
        let bytes = value.as_bytes();
        if bytes.trim_ascii().len() != bytes.len() {
            return refuse(400, "BadHeader");
        }
        match (name, authority) {
            (&header::HOST, Some(authority)) => {
                if !bytes.eq_ignore_ascii_case(authority.as_bytes()) {
                    return refuse(400, "HostMismatch");
                }
            }
            (&header::COOKIE, _) if cookies.is_some() => {}
            _ => lines.push((name.as_str(), bytes)),
        }
    }
    if let Some(cookies) = &cookies {
        lines.push(("cookie", cookies));
    }
    let method = parts.method.as_str();
    let mut head = request::judge(
        method,
        target,
        HttpVersion::Http11,
        lines.iter().copied(),
        ends,
    )?;
    if !body.is_end_stream() && length(&parts.headers).is_none() {
        head.framing = RequestFraming::Chunked;
    }
    Ok(Box::new(head))
}

/// The crumbs of a cookie, joined (RFC 9113, 8.2.3); `None` when it is whole.
fn cookie_crumbs(headers: &HeaderMap) -> Option<Vec<u8>> {
    let crumbs = headers.get_all(header::COOKIE);
    let crumbs: Vec<&[u8]> = crumbs.iter().map(HeaderValue::as_bytes).collect();
    (crumbs.len() > 1).then(|| crumbs.join(&b"; "[..]))
}
