//! HTTP/2 by hand: what the protocol forbids, and what would take memory or time.

use std::time::Duration;

use crate::support::backend::Backend;
use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frames, GOAWAY, HEADERS, PING,
    PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, WINDOW_UPDATE, block, frame, get,
};
use crate::support::{Router, table, target, until};
use neargate_router::RouterLimits;

const INITIAL_WINDOW_SIZE: u16 = 4;

fn serving(limits: RouterLimits) -> (Router, Backend) {
    served_by(Router::with(limits))
}

fn served_by(mut router: Router) -> (Router, Backend) {
    let backend = Backend::start("t1");
    router
        .engine
        .publish(&table(vec![target("t1", 1, backend.address)]));
    (router, backend)
}

#[test]
fn bounds_are_said_in_the_settings() {
    let (router, _backend) = serving(RouterLimits::default());
    let frames = Frames::open(router.address, &[]);
    let settings: Vec<_> = frames.settings.into_iter().collect();
    // MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE.
    for setting in [(3, 128), (4, 128 * 1024), (6, 64 * 1024)] {
        assert!(settings.contains(&setting), "{setting:?} in {settings:?}");
    }
}

#[test]
fn malformed_requests_are_stream_errors_and_reach_no_target() {
    let (router, backend) = serving(RouterLimits::default());
    let usual = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", "/echo"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&usual[..], more].concat();
    let without = |name| {
        usual
            .into_iter()
            .filter(|(n, _)| *n != name)
            .collect::<Vec<_>>()
    };
    for (what, fields) in [
        ("no path", without(":path")),
        ("no method", without(":method")),
        ("no scheme", without(":scheme")),
        ("two methods", with(&[(":method", "GET")])),
        ("unknown pseudo-header", with(&[(":x", "1")])),
        ("pseudo-header of responses", with(&[(":status", "200")])),
        (
            "pseudo-header behind a header",
            [&[("x", "1")], &usual[..]].concat(),
        ),
        (
            "empty path",
            [&without(":path")[..], &[(":path", "")]].concat(),
        ),
        ("upper case", with(&[("X-A", "1")])),
        ("connection", with(&[("connection", "close")])),
        ("keep-alive", with(&[("keep-alive", "5")])),
        (
            "transfer-encoding",
            with(&[("transfer-encoding", "chunked")]),
        ),
        ("upgrade", with(&[("upgrade", "websocket")])),
        ("te", with(&[("te", "gzip")])),
        ("line feed", with(&[("x", "a\nb")])),
        ("carriage return", with(&[("x", "a\rb: c")])),
        ("nul", with(&[("x", "a\0b")])),
        ("blank in a name", with(&[("x y", "a")])),
        (
            "length of a body that is none",
            with(&[("content-length", "5")]),
        ),
    ] {
        let mut frames = Frames::open(router.address, &[]);
        frames.headers(1, &block(&fields), true);
        let end = frames.wait(&[HEADERS, RST_STREAM, GOAWAY]).expect("an end");
        assert_ne!(end.kind, HEADERS, "{what}: answered");
        assert_eq!(end.code(), PROTOCOL_ERROR, "{what}");
    }
    assert_eq!(backend.requests(), 0);
}

#[test]
fn a_scheme_other_than_http_and_https_is_400_and_reaches_no_target() {
    let (router, backend) = serving(RouterLimits::default());
    for (scheme, reached) in [("ftp", 0), ("ws", 0), ("http", 1), ("HTTPS", 2)] {
        let mut frames = Frames::open(router.address, &[]);
        let head = block(&[
            (":method", "GET"),
            (":scheme", scheme),
            (":authority", "a.test"),
            (":path", "/echo"),
        ]);
        frames.headers(1, &head, true);
        let end = frames.wait(&[HEADERS, RST_STREAM, GOAWAY]).expect("an end");
        assert_eq!(end.kind, HEADERS, "{scheme}");
        assert_eq!(backend.requests(), reached, "{scheme}");
    }
    let lines = router.log_lines(4);
    let refused = lines.iter().filter(|line| line["error"] == "BadUri");
    assert_eq!(refused.count(), 2, "{lines:?}");
}

#[test]
fn a_body_of_another_length_than_said_is_a_stream_error() {
    let (router, backend) = serving(RouterLimits::default());
    for body in ["hell", "hello!"] {
        let mut frames = Frames::open(router.address, &[]);
        let head = block(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "a.test"),
            (":path", "/echo"),
            ("content-length", "5"),
        ]);
        frames.headers(1, &head, false);
        frames.send(&frame(DATA, END_STREAM, 1, body.as_bytes()));
        let end = frames.wait(&[HEADERS, RST_STREAM, GOAWAY]).expect("an end");
        assert_eq!(
            (end.kind, end.code()),
            (RST_STREAM, PROTOCOL_ERROR),
            "{body}"
        );
    }
    assert_eq!(backend.requests(), 0);
}

#[test]
fn header_lists_beyond_the_bound_are_431_and_floods_end_the_connection() {
    let (router, backend) = serving(RouterLimits::default());
    let value = "v".repeat(16_000);
    let mut frames = Frames::open(router.address, &[]);
    let mut list = get("/x");
    (0..5).for_each(|_| list.extend(block(&[("x", &value)])));
    frames.send(&frame(HEADERS, END_STREAM, 1, &list[..16_000]));
    let rest = &list[16_000..];
    for (at, part) in rest.chunks(16_000).enumerate() {
        let last = (at + 1) * 16_000 >= rest.len();
        let flags = if last { END_HEADERS } else { 0 };
        frames.send(&frame(CONTINUATION, flags, 1, part));
    }
    let answer = frames
        .wait(&[HEADERS, RST_STREAM, GOAWAY])
        .expect("an answer");
    assert_eq!((answer.kind, answer.status()), (HEADERS, 431));

    let mut frames = Frames::open(router.address, &[]);
    frames.send(&frame(HEADERS, END_STREAM, 1, &get("/x")));
    while frames.send(&frame(CONTINUATION, 0, 1, &block(&[("x", "y")]))) {}
    // The connection is closed: the kernel refuses more.
    assert_eq!(backend.requests(), 0);
}

#[test]
fn streams_that_are_reset_at_once_end_the_connection() {
    let (router, _backend) = serving(RouterLimits::default());
    let mut frames = Frames::open(router.address, &[]);
    let mut burst = Vec::new();
    for i in 0..200 {
        let id = 1 + 2 * i;
        burst.extend(frame(HEADERS, END_HEADERS | END_STREAM, id, &get("/never")));
        burst.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
    }
    frames.send(&burst);
    let end = frames.wait(&[GOAWAY]).expect("GOAWAY");
    assert_eq!(end.code(), ENHANCE_YOUR_CALM);
}

#[test]
fn streams_that_are_reset_one_after_another_end_the_connection() {
    let (router, backend) = serving(RouterLimits::default());
    let mut frames = Frames::open(router.address, &[]);
    let mut id = 1;
    let end = until("GOAWAY", || {
        frames.headers(id, &get("/never"), true);
        frames.send(&frame(PING, 0, 0, b"12345678"));
        // By the answer to the ping the stream was taken up.
        let next = frames.wait(&[PING, GOAWAY])?;
        frames.send(&frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
        id += 2;
        (next.kind == GOAWAY).then_some(next)
    });
    assert_eq!(end.code(), ENHANCE_YOUR_CALM);
    assert!(backend.requests() <= 300);
    // Who is answered in between may cancel as much as it likes.
    let mut frames = Frames::open(router.address, &[]);
    for i in 0..600 {
        let id = 1 + 2 * i;
        if i % 2 == 0 {
            frames.headers(id, &get("/x"), true);
            let head = frames.wait(&[HEADERS, GOAWAY]).expect("an answer");
            assert_eq!((head.kind, head.stream), (HEADERS, id));
        } else {
            frames.headers(id, &get("/never"), true);
            frames.send(&frame(PING, 0, 0, b"12345678"));
            assert_eq!(frames.wait(&[PING, GOAWAY]).map(|f| f.kind), Some(PING));
            frames.send(&frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
        }
    }
}

#[test]
fn a_connection_without_streams_is_closed_when_it_was_idle() {
    let (router, _backend) = serving(RouterLimits {
        client_idle: Duration::from_millis(200),
        drain_idle: Duration::from_millis(200),
        ..RouterLimits::default()
    });
    let mut frames = Frames::open(router.address, &[]);
    let end = frames.wait(&[GOAWAY]).expect("GOAWAY");
    assert_eq!(end.code(), 0);
    while frames.next().is_some() {}
}

#[test]
fn streams_beyond_the_memory_are_refused_and_taken_again_later() {
    let (router, backend) = serving(RouterLimits {
        http2_memory: 128 * 1024,
        ..RouterLimits::default()
    });
    let mut frames = Frames::open(router.address, &[]);
    for i in 0..40 {
        frames.headers(1 + 2 * i, &get("/never"), true);
    }
    let mut refused = Vec::new();
    // Eleven fit beside the connection itself.
    while refused.len() < 29 {
        let end = frames
            .wait(&[HEADERS, RST_STREAM, GOAWAY])
            .expect("a reset");
        assert_eq!((end.kind, end.code()), (RST_STREAM, REFUSED_STREAM));
        refused.push(end.stream);
    }
    let lines = router.log_lines(refused.len());
    assert_eq!(
        (&lines[0]["error"], &lines[0]["status"]),
        (&"NoMemory".into(), &503.into())
    );
    // Those that were taken go on; when they are gone there is room again.
    until("requests at the target", || {
        (backend.requests() == 40 - refused.len()).then_some(())
    });
    for id in (0..40)
        .map(|i| 1 + 2 * i)
        .filter(|id| !refused.contains(id))
    {
        frames.send(&frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
    }
    let mut id = 101;
    until("room", || {
        frames.headers(id, &get("/x"), true);
        id += 2;
        let end = frames.wait(&[HEADERS, RST_STREAM]).expect("an answer");
        (end.kind == HEADERS).then(|| assert_eq!(end.status(), 200))
    });
}

#[test]
fn clients_that_take_nothing_give_way_to_others() {
    let (router, _backend) = serving(RouterLimits {
        http2_memory: 512 * 1024,
        ..RouterLimits::default()
    });
    // Two workers: whichever gets a connection, both are full of streams with no window.
    let mut stuck: Vec<Frames> = (0..12)
        .filter_map(|_| {
            let mut frames = Frames::try_open(router.address, &[(INITIAL_WINDOW_SIZE, 0)])?;
            (0..10).for_each(|i| _ = frames.headers(1 + 2 * i, &get("/x"), true));
            Some(frames)
        })
        .collect();
    for _ in 0..4 {
        until("an answer", || {
            let mut frames = Frames::try_open(router.address, &[])?;
            frames.headers(1, &get("/x"), true);
            let end = frames.wait(&[HEADERS, RST_STREAM, GOAWAY])?;
            (end.kind == HEADERS).then_some(())
        });
    }
    let ended = stuck.iter_mut().any(|frames| {
        frames
            .wait(&[GOAWAY])
            .is_some_and(|end| end.code() == ENHANCE_YOUR_CALM)
    });
    assert!(ended, "nobody was let go");
}

#[test]
fn a_client_is_slowed_to_what_the_target_takes() {
    let (router, _backend) = serving(RouterLimits::default());
    let mut frames = Frames::open(router.address, &[]);
    let head = block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", "/echo"),
        ("content-length", "100000000"),
    ]);
    frames.headers(1, &head, false);
    // The target reads all: windows are given back, far beyond what is held at once.
    let (mut stream, mut connection, mut sent) = (128 * 1024_i64, 65_535_i64, 0_i64);
    while sent < 4 << 20 {
        while stream.min(connection) >= 16_384 {
            assert!(frames.send(&frame(DATA, 0, 1, &[b'a'; 16_384])));
            (stream, connection, sent) = (stream - 16_384, connection - 16_384, sent + 16_384);
        }
        let update = frames
            .wait(&[WINDOW_UPDATE, RST_STREAM])
            .expect("an update");
        assert_eq!(update.kind, WINDOW_UPDATE);
        let more = u32::from_be_bytes(update.payload[..4].try_into().expect("four bytes"));
        match update.stream {
            0 => connection += i64::from(more),
            _ => stream += i64::from(more),
        }
        assert!(connection <= 256 * 1024 && stream <= 128 * 1024);
    }
}

#[test]
fn a_body_ends_when_the_window_ends_with_it() {
    let (router, _backend) = serving(RouterLimits::default());
    // `to the end` and `hi` with trailers, both chunked by then, and `t1` with its length.
    for (path, window) in [("/until-close", 10), ("/trailers", 2), ("/x", 2)] {
        let mut frames = Frames::open(router.address, &[(INITIAL_WINDOW_SIZE, window)]);
        frames.headers(1, &get(path), true);
        let mut ended = false;
        while !ended {
            let next = frames.wait(&[HEADERS, DATA, RST_STREAM]).expect("a frame");
            assert_ne!(next.kind, RST_STREAM, "{path}");
            ended = next.flags & END_STREAM > 0;
        }
    }
}

#[test]
fn a_stream_whose_client_takes_nothing_is_reset() {
    let (router, _backend) = serving(RouterLimits {
        client_idle: Duration::from_millis(300),
        ..RouterLimits::default()
    });
    let mut frames = Frames::open(router.address, &[(INITIAL_WINDOW_SIZE, 0)]);
    frames.headers(1, &get("/x"), true);
    let head = frames.wait(&[HEADERS, RST_STREAM]).expect("a head");
    assert_eq!(head.kind, HEADERS);
    let end = frames.wait(&[DATA, RST_STREAM, GOAWAY]).expect("an end");
    assert_eq!((end.kind, end.stream), (RST_STREAM, 1));
    assert_eq!(router.log_lines(1)[0]["error"], "ClientClosed");
}

#[test]
fn connections_without_streams_give_way_to_new_ones() {
    // The budget is a worker's: of two, either might get too few of the connections to need it.
    let (router, _backend) = served_by(Router::with_one_worker(RouterLimits {
        http2_memory: 124 * 1024,
        ..RouterLimits::default()
    }));
    let mut open: Vec<Frames> = Vec::new();
    for _ in 0..8 {
        let mut frames = Frames::open(router.address, &[]);
        frames.headers(1, &get("/x"), true);
        let answer = frames
            .wait(&[HEADERS, RST_STREAM, GOAWAY])
            .expect("an answer");
        assert_eq!((answer.kind, answer.status()), (HEADERS, 200));
        open.push(frames);
    }
    let end = open[0].wait(&[GOAWAY]).expect("the first gave way");
    assert_eq!(end.code(), 0);
}
