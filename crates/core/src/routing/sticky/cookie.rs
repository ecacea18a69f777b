//! Cookies as they stand in requests and responses (RFC 6265).
//!
//! Refuses nothing: what is no cookie is passed over. A client's header is read at most
//! [`MOST_COOKIES`] pairs far, so a header full of cookies costs no more than that.

use std::fmt::Write;

use crate::routing::http_date::HttpDate;

/// Cookies of one request that are looked at.
const MOST_COOKIES: usize = 256;

/// How a cookie may travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Travel {
    /// As browsers do by default.
    Plain,
    /// Also with requests from other sites (`SameSite=None; Secure`).
    CrossSite,
}

/// Names and values of the cookies of a request, from the values of its `Cookie` headers.
pub(super) fn pairs<'a>(
    headers: impl Iterator<Item = &'a [u8]>,
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let parts = headers.flat_map(|header| header.split(|byte| *byte == b';'));
    parts.filter_map(pair).take(MOST_COOKIES)
}

/// Name and value at the beginning of a `Cookie` part or of a `Set-Cookie` value.
pub(super) fn pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = text.split(|byte| *byte == b';').next()?;
    let at = first.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (first[..at].trim_ascii(), first[at + 1..].trim_ascii());
    (!name.is_empty()).then_some((name, value))
}

/// Ends a `set-cookie` line whose name and value are written. `expires`: seconds since the Unix
/// epoch; ALB writes `Expires`, not `Max-Age` (Elastic Load Balancing guide, sticky sessions).
pub(super) fn end(out: &mut String, expires: u64, travel: Travel) {
    // Writing to a String cannot fail.
    let _ = write!(out, "; Expires={}; Path=/", HttpDate(expires));
    if travel == Travel::CrossSite {
        out.push_str("; SameSite=None; Secure");
    }
    out.push_str("\r\n");
}
