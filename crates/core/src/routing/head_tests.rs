//! The edge-case table of request heads.

use super::*;

fn verdict(
    version: HttpVersion,
    method: &str,
    target: &str,
    lines: &[&str],
) -> Result<RequestFraming, u16> {
    let headers = lines.iter().map(|line| {
        let (name, value) = line.split_once(": ").expect("name: value");
        (name, value.as_bytes())
    });
    judge(method, target, version, headers).map_err(|r| r.status)
}

/// HTTP/1.1 requests with `Host: a`: method, target, further headers (`|` between them).
const WITH_HOST: &[(&str, &str, &str, Result<RequestFraming, u16>)] = &[
    ("GET", "/", "", Ok(RequestFraming::Empty)),
    ("GET", "/", "host: b", Err(400)),
    (
        "POST",
        "/",
        "Content-Length: 5",
        Ok(RequestFraming::Length(5)),
    ),
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
        Ok(RequestFraming::Chunked),
    ),
    (
        "POST",
        "/",
        "Transfer-Encoding: Chunked",
        Ok(RequestFraming::Chunked),
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
    ("OPTIONS", "*", "", Ok(RequestFraming::Empty)),
    ("GET", "http://a/b", "", Ok(RequestFraming::Empty)),
];

#[test]
fn heads_are_judged_by_the_edge_case_table() {
    use HttpVersion::{Http10, Http11};
    let h = "Host: a";
    for (method, target, more, expected) in WITH_HOST {
        let more = more.split('|').filter(|line| !line.is_empty());
        let lines: Vec<&str> = std::iter::once(h).chain(more).collect();
        let got = verdict(Http11, method, target, &lines);
        assert_eq!(got, *expected, "{method} {target} {lines:?}");
    }
    assert_eq!(verdict(Http10, "GET", "/", &[]), Ok(RequestFraming::Empty));
    assert_eq!(verdict(Http11, "GET", "/", &[]), Err(400));
    assert_eq!(verdict(Http11, "GET", "/", &["Host: a/b"]), Err(400));
    assert_eq!(
        verdict(Http10, "POST", "/", &[h, "Transfer-Encoding: chunked"]),
        Err(400)
    );
}

#[test]
fn heads_beyond_their_bounds_are_refused() {
    use HttpVersion::Http11;
    let h = "Host: a";
    let many = format!("X-Forwarded-For: {}", ["1.1.1.1"; 31].join(", "));
    assert_eq!(verdict(Http11, "GET", "/", &[h, &many]), Err(463));
    let long = format!("/{}", "a".repeat(MOST_LINE));
    assert_eq!(verdict(Http11, "GET", &long, &[h]), Err(414));
    let header = format!("X: {}", "a".repeat(MOST_HEADER));
    assert_eq!(verdict(Http11, "GET", "/", &[h, &header]), Err(431));
}

#[test]
fn targets_are_told_apart() {
    let absolute = |authority, path| RequestTarget::Absolute { authority, path };
    for (target, form) in [
        ("/", RequestTarget::Origin),
        ("//a/b", RequestTarget::Origin),
        ("*", RequestTarget::Asterisk),
        ("http://a", absolute("a", "")),
        ("HTTPS://a:1/b?c", absolute("a:1", "/b?c")),
        ("http://a?c/d", absolute("a", "?c/d")),
        ("http:/a", RequestTarget::Other),
        ("a:443", RequestTarget::Other),
        ("", RequestTarget::Other),
    ] {
        assert_eq!(RequestTarget::of(target), form, "{target}");
    }
}

#[test]
fn names_that_cgi_folds_into_others_do_not_reach_targets() {
    for name in ["X-Forwarded-For", "accept", "X-1"] {
        assert!(reaches_targets(name), "{name}");
    }
    for name in [
        "X_Forwarded_For",
        "X-Forwarded_For",
        "Content_Length",
        "X.Forwarded.For",
        "x!y",
        "Proxy",
        "HTTP2-Settings",
    ] {
        assert!(!reaches_targets(name), "{name}");
    }
}

#[test]
fn trailers_neither_frame_nor_route() {
    for name in ["X-Sum", "Server-Timing", "grpc-status", "Digest", "ETag"] {
        assert!(may_trail(name), "{name}");
    }
    for name in [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "X-Forwarded-For",
        "x-forwarded-proto",
        "Connection",
        "Set-Cookie",
        "Authorization",
        "Trailer",
        "Server",
        "X-Neargate-Revision",
        "x-neargate-task",
    ] {
        assert!(!may_trail(name), "{name}");
    }
}
