//! Answers of the router itself: a short plain-text body and `Server: neargate`.

use crate::request;

/// Reason phrases of the statuses that the router answers with.
pub(crate) fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        412 => "Precondition Failed",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        463 => "Too Many Forwarded Addresses",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

/// Advice for a person who reads an answer, by the reason of the access log.
fn advice(reason: &str) -> Option<&'static str> {
    (reason == request::TLS_TO_PLAIN_PORT)
        .then_some("this port speaks plain HTTP: use http://… instead of https://…")
}

/// A whole answer; `added` are further headers. The body is left out for HEAD, its length kept.
pub(crate) fn plain(
    status: u16,
    reason: Option<&str>,
    method: &str,
    added: &[(&str, &str)],
) -> Vec<u8> {
    let advice = reason.and_then(advice);
    let advice = advice.map_or(String::new(), |advice| format!(": {advice}"));
    // Whoever asks about the server as a whole wants no text.
    let body = match status {
        200 => String::new(),
        _ => format!("{status} {}{advice}\n", phrase(status)),
    };
    let mut out = format!(
        "HTTP/1.1 {status} {}\r\nserver: neargate\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n",
        phrase(status),
        body.len()
    )
    .into_bytes();
    for (name, value) in added {
        request::line(&mut out, name, value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    if method != "HEAD" {
        out.extend_from_slice(body.as_bytes());
    }
    out
}
