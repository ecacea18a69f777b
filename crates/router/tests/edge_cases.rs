//! HTTP/1.1 edge cases over raw sockets: what reaches the target, what is refused.

use crate::support::backend::Backend;
use crate::support::{Router, Wire, get, header, table, target};

fn serving() -> (Router, Backend) {
    let backend = Backend::start("t1");
    let mut router = Router::start();
    router
        .engine
        .publish(&table(vec![target("t1", 1, backend.address)]));
    (router, backend)
}

/// Requests that are refused, and how.
const REFUSED: &[(&str, u16)] = &[
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n", 400),
    ("GET / HTTP/1.1\nHost: a\n\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("GET / HTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        501,
    ),
    ("GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://a:99999x/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", 400),
    ("GET /a\u{1}b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("GET /\r\nHost: a\r\n\r\n", 400),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
];

#[test]
fn what_two_servers_could_read_differently_is_refused_and_never_forwarded() {
    let (router, backend) = serving();
    let long = "a".repeat(17 * 1024);
    let many = ["1.1.1.1"; 31].join(", ");
    let beyond = [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
            431,
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
                "X: y\r\n".repeat(300)
            ),
            431,
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\n{}",
                format!("X: {}\r\n", &long[..16_000]).repeat(5)
            ),
            431,
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {many}\r\n\r\n"),
            463,
        ),
    ];
    let beyond = beyond
        .iter()
        .map(|(request, status)| (request.as_str(), *status));
    for (request, status) in REFUSED.iter().copied().chain(beyond) {
        let mut wire = Wire::open(router.address);
        let (got, head, body) = wire.send(request).response().expect("an answer");
        let shown = &request[..request.len().min(120)];
        assert_eq!(got, status, "{shown:?}");
        assert_eq!(header(&head, "server").as_deref(), Some("neargate"));
        assert_eq!(
            header(&head, "connection").as_deref(),
            Some("close"),
            "{shown:?}"
        );
        assert!(body.starts_with(&status.to_string()));
        assert_eq!(wire.rest(), "", "closed after {shown:?}");
    }
    assert_eq!(backend.requests(), 0);
}

#[test]
fn options_of_the_server_as_a_whole_is_the_routers_to_answer() {
    let (router, backend) = serving();
    let mut wire = Wire::open(router.address);
    for target in ["*", "http://a"] {
        wire.send(&format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let (status, head, body) = wire.response().expect("an answer");
        assert_eq!((status, body.as_str()), (200, ""), "{target}");
        assert_eq!(header(&head, "content-length").as_deref(), Some("0"));
    }
    assert_eq!(backend.requests(), 0);
    wire.send("OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.response().expect("an answer").2, "t1");
    for line in router.log_lines(2) {
        assert!(line["error"].is_null(), "{line}");
    }
}

#[test]
fn a_tls_handshake_is_answered_at_once_in_words_and_logged() {
    let (router, backend) = serving();
    // The first bytes of a ClientHello, and a record that has only begun.
    for bytes in ["\x16\x03\x01\x02\0\x01\0\x01", "\x16"] {
        let began = std::time::Instant::now();
        let mut wire = Wire::open(router.address);
        let (status, head, body) = wire.send(bytes).response().expect("an answer");
        assert_eq!(status, 400);
        assert_eq!(header(&head, "connection").as_deref(), Some("close"));
        assert!(
            body.contains("this port speaks plain HTTP: use http://"),
            "{body}"
        );
        assert_eq!(wire.rest(), "");
        assert!(began.elapsed() < std::time::Duration::from_secs(2));
    }
    for line in router.log_lines(2) {
        assert_eq!(line["error"], "TlsToPlainPort", "{line}");
    }
    assert_eq!(backend.requests(), 0);
}

#[test]
fn a_body_that_is_not_chunked_coding_is_refused_while_it_is_sent() {
    let (router, _backend) = serving();
    for body in [
        "5\r\nhelloX",
        "5;a=\0\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nGET /admin HTTP/1.1\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: 1\r\n y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX : 1\r\n\r\n",
    ] {
        let mut wire = Wire::open(router.address);
        wire.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        wire.send(body);
        assert_eq!(wire.response().expect("an answer").0, 400, "{body:?}");
        assert_eq!(wire.rest(), "", "{body:?}");
    }
}

#[test]
fn extensions_and_trailers_of_requests_do_not_reach_the_target() {
    let (router, backend) = serving();
    let mut wire = Wire::open(router.address);
    wire.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=bcdefghijkl\r\nhello\r\n0\r\nContent-Length: 50\r\nX-Forwarded-For: 6.6.6.6\r\nX-Sum: 7\r\n\r\n");
    // The backend panics at what does not belong to the body.
    assert_eq!(wire.response().expect("an answer").2, "hello");
    wire.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.response().expect("an answer").2, "t1");
    assert_eq!(backend.requests(), 2);
}

#[test]
fn every_request_that_reaches_a_target_names_a_host() {
    let (router, _backend) = serving();
    let own = router.address.to_string();
    for (request, line, host) in [
        (
            "GET /head HTTP/1.0\r\n\r\n",
            "GET /head HTTP/1.1",
            own.as_str(),
        ),
        (
            "GET http://b:1/head HTTP/1.0\r\n\r\n",
            "GET /head HTTP/1.1",
            "b:1",
        ),
        (
            "GET HTTP://b/head HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET /head HTTP/1.1",
            "b",
        ),
    ] {
        let mut wire = Wire::open(router.address);
        let (status, _, body) = wire.send(request).response().expect("an answer");
        assert_eq!(
            (status, body.lines().next()),
            (200, Some(line)),
            "{request:?}"
        );
        assert_eq!(header(&body, "host").as_deref(), Some(host), "{request:?}");
    }
}

#[test]
fn names_that_cgi_folds_into_others_do_not_reach_the_target() {
    let (router, _backend) = serving();
    let mut wire = Wire::open(router.address);
    wire.send("GET /head HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded_For: 6.6.6.6\r\nContent_Length: 9\r\nProxy: http://evil\r\nX-Fine: 1\r\n\r\n");
    let (_, _, body) = wire.response().expect("an answer");
    assert_eq!(header(&body, "x-fine").as_deref(), Some("1"));
    assert_eq!(
        header(&body, "x-forwarded-for").as_deref(),
        Some("127.0.0.1")
    );
    for name in [
        "x_forwarded_for",
        "x-forwarded_for",
        "content_length",
        "proxy",
    ] {
        assert_eq!(header(&body, name), None, "{name}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (router, _backend) = serving();
    let mut wire = Wire::open(router.address);
    wire.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\noneGET /x HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\n\r\n",
    );
    let bodies: Vec<String> = (0..3).map(|_| wire.response().expect("one").2).collect();
    assert_eq!(bodies, ["one", "t1", "three"]);
}

#[test]
fn the_target_sees_the_routers_headers_and_no_hop_by_hop_ones() {
    let (router, _backend) = serving();
    let mut wire = Wire::open(router.address);
    wire.send("GET /head HTTP/1.1\r\nHost: a.test\r\nConnection: X-Private, close\r\nX-Private: 1\r\nKeep-Alive: 5\r\nTE: gzip\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: evil\r\nX-Request-Id: kept-1\r\nAccept: */*\r\n\r\n");
    let (status, head, body) = wire.response().expect("an answer");
    assert_eq!(status, 200);
    assert_eq!(header(&head, "x-request-id").as_deref(), Some("kept-1"));
    assert_eq!(header(&head, "x-neargate-revision").as_deref(), Some("1"));
    assert_eq!(header(&head, "x-neargate-task").as_deref(), Some("t1"));
    assert_eq!(header(&head, "connection").as_deref(), Some("close"));
    let port = router.address.port().to_string();
    for (name, value) in [
        ("host", Some("a.test")),
        ("accept", Some("*/*")),
        ("x-forwarded-for", Some("10.0.0.1, 127.0.0.1")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-port", Some(port.as_str())),
        ("x-request-id", Some("kept-1")),
        ("x-private", None),
        ("connection", None),
        ("keep-alive", None),
        ("te", None),
    ] {
        assert_eq!(header(&body, name).as_deref(), value, "{name}");
    }
    assert_eq!(header(&body, "traceparent").map(|t| t.len()), Some(55));
}

#[test]
fn responses_keep_their_meaning() {
    let (router, _backend) = serving();
    let ask = |path: &str, version: &str| {
        let mut wire = Wire::open(router.address);
        wire.send(&format!(
            "GET {path} HTTP/{version}\r\nHost: a\r\nTE: trailers\r\nConnection: close\r\n\r\n"
        ));
        wire.rest()
    };
    assert!(ask("/103", "1.1").starts_with("HTTP/1.1 103 "));
    assert!(ask("/103", "1.0").starts_with("HTTP/1.1 200 "));
    assert!(ask("/trailers", "1.1").ends_with("2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"));
    assert!(ask("/trailers", "1.0").ends_with("\r\n\r\nhi"));
    assert!(ask("/until-close", "1.1").ends_with("a\r\nto the end\r\n0\r\n\r\n"));
    assert!(ask("/until-close", "1.0").ends_with("\r\n\r\nto the end"));
    let hop = ask("/hop", "1.1");
    assert_eq!(header(&hop, "x-secret"), None, "{hop}");
    assert_eq!(header(&hop, "keep-alive"), None);
    assert!(ask("/short", "1.1").ends_with("short"));
}

#[test]
fn broken_targets_are_bad_gateways() {
    let (router, _backend) = serving();
    for path in [
        "/close",
        "/garbage",
        "/huge-head",
        "/both",
        "/status-099",
        "/status-000",
        "/101",
        "/lengths-differ",
        "/length-list",
        "/chunked-1.0",
        "/gzip-chunked",
        "/folded",
        "/bare-cr",
        "/nul",
        "/space-colon",
    ] {
        assert_eq!(get(router.address, path).0, 502, "{path}");
    }
}

#[test]
fn a_body_is_framed_once_and_only_where_one_may_be() {
    let (router, _backend) = serving();
    let mut wire = Wire::open(router.address);
    for path in ["/204", "/204-chunked", "/304", "/x"] {
        wire.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let head = wire.read_until("\r\n\r\n");
        let framed = header(&head, "content-length").is_some();
        assert_eq!(framed, path == "/304" || path == "/x", "{path} {head}");
        assert_eq!(header(&head, "transfer-encoding"), None, "{path}");
        if path == "/x" {
            assert_eq!(wire.read_until("t1"), "t1");
        }
    }
    let equal = ask_once(&router, "/lengths-equal");
    assert_eq!(equal.to_lowercase().matches("content-length").count(), 1);
    assert!(equal.ends_with("\r\n\r\nhi"), "{equal}");
    let odd = ask_once(&router, "/odd-chunks");
    assert!(
        odd.ends_with("\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"),
        "{odd}"
    );
    let bad = ask_once(&router, "/bad-trailer");
    assert!(!bad.contains("0\r\nHTTP/1.1 200"), "{bad}");
}

fn ask_once(router: &Router, path: &str) -> String {
    let mut wire = Wire::open(router.address);
    wire.send(&format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    ));
    wire.rest()
}

#[test]
fn expect_continue_is_answered_by_the_target() {
    let (router, _backend) = serving();
    let mut wire = Wire::open(router.address);
    wire.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    assert!(wire.read_until("\r\n\r\n").starts_with("HTTP/1.1 100 "));
    assert_eq!(wire.send("hi").response().expect("an answer").2, "hi");
}

#[test]
fn head_has_no_body_and_the_connection_goes_on() {
    let (router, _backend) = serving();
    let mut wire = Wire::open(router.address);
    wire.send("HEAD /missing HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(
        wire.read_until("\r\n\r\n")
            .contains("Content-Length: 2\r\n")
    );
    wire.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.response().expect("an answer").2, "t1");
}

const HANDSHAKE: &str = "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

#[test]
fn a_websocket_is_tunnelled_both_ways() {
    let (router, _backend) = serving();
    let mut wire = Wire::open(router.address);
    wire.send(&format!(
        "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n{HANDSHAKE}\r\nearly"
    ));
    let head = wire.read_until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(header(&head, "upgrade").as_deref(), Some("websocket"));
    assert_eq!(wire.read_until("early"), "early");
    assert_eq!(wire.send("again").read_until("again"), "again");
}

#[test]
fn no_other_upgrade_reaches_a_target() {
    let (router, _backend) = serving();
    for upgrade in [
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        "Upgrade: h2c, websocket",
        "Upgrade: websocket\r\nUpgrade: h2c",
        "Upgrade: TLS/1.0",
        "Upgrade: x",
    ] {
        let mut wire = Wire::open(router.address);
        wire.send(&format!(
            "GET /head HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n{HANDSHAKE}\r\n"
        ));
        let (status, _, body) = wire.response().expect("an answer");
        assert_eq!(status, 200, "{upgrade}");
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(header(&body, name), None, "{upgrade}");
        }
        // The connection speaks HTTP as before, and its requests are routed.
        wire.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(wire.response().expect("an answer").2, "t1");
    }
    // A target that changes the protocol unasked makes no tunnel either.
    let mut wire = Wire::open(router.address);
    wire.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n");
    assert_eq!(wire.response().expect("an answer").0, 502);
}
