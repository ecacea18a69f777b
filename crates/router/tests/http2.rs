//! HTTP/2 by a real client: what reaches the target, and what comes back.

use crate::support::backend::Backend;
use crate::support::http2::{ask, client, connect, request, whole};
use crate::support::{Router, header, table, target};
use bytes::Bytes;
use http::{Request, Version};

fn serving() -> (Router, Backend) {
    let backend = Backend::start("t1");
    let mut router = Router::start();
    router
        .engine
        .publish(&table(vec![target("t1", 1, backend.address)]));
    (router, backend)
}

#[test]
fn bodies_of_every_method_arrive() {
    let (router, backend) = serving();
    client(async {
        let send = connect(router.address).await;
        for method in ["GET", "DELETE", "OPTIONS", "POST", "PUT", "PATCH", "X-OWN"] {
            let answer = ask(&send, request(method, "/echo"), &["hel", "lo"]).await;
            assert_eq!(answer.expect("an answer").body, "hello", "{method}");
            let length = request(method, "/echo").header("content-length", "5");
            let answer = ask(&send, length, &["hel", "lo"]).await;
            assert_eq!(answer.expect("an answer").body, "hello", "{method}");
        }
        // With the end of the stream in a frame of its own, and with no body after all.
        let answer = ask(&send, request("GET", "/echo"), &["hello", ""]).await;
        assert_eq!(answer.expect("an answer").body, "hello");
        let answer = ask(&send, request("GET", "/echo"), &[""]).await;
        assert_eq!(answer.expect("an answer").body, "");
    });
    assert_eq!(backend.requests(), 16);
}

#[test]
fn a_body_is_framed_as_the_client_framed_it() {
    let (router, _backend) = serving();
    client(async {
        let send = connect(router.address).await;
        for (length, body, content_length, coding) in [
            (None, &[][..], None, None),
            (None, &["hi"][..], None, Some("chunked")),
            (Some("2"), &["hi"][..], Some("2"), None),
            (Some("0"), &[][..], Some("0"), None),
        ] {
            let mut asked = request("GET", "/head");
            if let Some(length) = length {
                asked = asked.header("content-length", length);
            }
            let answer = ask(&send, asked, body).await.expect("an answer");
            let header = |name| header(&answer.body, name);
            assert_eq!(header("content-length").as_deref(), content_length);
            assert_eq!(header("transfer-encoding").as_deref(), coding);
        }
    });
}

#[test]
fn a_stream_is_a_request_of_http_1() {
    let (router, _backend) = serving();
    client(async {
        let send = connect(router.address).await;
        let asked = request("GET", "/head")
            .header("cookie", "a=1")
            .header("x_forwarded_for", "6.6.6.6")
            .header("x-fine", "1")
            .header("te", "trailers")
            .header("cookie", "b=2");
        let answer = ask(&send, asked, &[]).await.expect("an answer");
        let port = router.address.port().to_string();
        assert!(answer.body.starts_with("GET /head HTTP/1.1\r\n"));
        for (name, value) in [
            ("host", Some("a.test")),
            ("cookie", Some("a=1; b=2")),
            ("x_forwarded_for", None),
            ("x-fine", Some("1")),
            ("te", Some("trailers")),
            ("x-forwarded-for", Some("127.0.0.1")),
            ("x-forwarded-port", Some(port.as_str())),
        ] {
            assert_eq!(header(&answer.body, name).as_deref(), value, "{name}");
        }
        assert_eq!(answer.body.matches("ookie:").count(), 1);
        assert_eq!(answer.header("x-neargate-task"), Some("t1"));
        assert_eq!(answer.header("connection"), None);
    });
    let line = &router.log_lines(1)[0];
    assert_eq!(line["protocol"], "h2");
    assert_eq!(line["host"], "a.test");
}

#[test]
fn responses_keep_their_meaning() {
    let (router, _backend) = serving();
    client(async {
        let send = connect(router.address).await;
        let get = async |path| ask(&send, request("GET", path), &[]).await;
        let answer = get("/trailers").await.expect("an answer");
        assert_eq!(answer.body, "hi");
        assert_eq!(answer.trailers.expect("trailers")["x-sum"], "7");
        assert_eq!(
            get("/until-close").await.expect("an answer").body,
            "to the end"
        );
        assert_eq!(get("/103").await.expect("an answer").body, "hinted");
        let hop = get("/hop").await.expect("an answer");
        assert_eq!(
            (hop.header("x-secret"), hop.header("keep-alive")),
            (None, None)
        );
        for (path, status) in [
            ("/204", 204),
            ("/304", 304),
            ("/both", 502),
            ("/close", 502),
        ] {
            let answer = get(path).await.expect("an answer");
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(answer.body.is_empty(), status < 500, "{path}");
        }
        let missing = ask(&send, request("HEAD", "/x"), &[])
            .await
            .expect("an answer");
        assert_eq!(
            (missing.body.as_str(), missing.header("content-length")),
            ("", Some("2"))
        );
        // A response that breaks off is reset, never ended.
        assert!(get("/short").await.is_err());
    });
}

#[test]
fn interim_responses_reach_the_client() {
    let (router, _backend) = serving();
    client(async {
        let mut send = connect(router.address).await.ready().await.expect("ready");
        let asked = request("POST", "/echo").header("expect", "100-continue");
        let asked = asked.body(()).expect("a request");
        let (mut response, mut body) = send.send_request(asked, false).expect("sent");
        let interim = std::future::poll_fn(|cx| response.poll_informational(cx)).await;
        let interim = interim.expect("one").expect("an interim response");
        assert_eq!(interim.status(), 100);
        body.send_data(Bytes::from_static(b"hi"), true)
            .expect("sent");
        let answer = whole(response.await.expect("a response")).await;
        assert_eq!(answer.expect("an answer").body, "hi");
    });
}

#[test]
fn heads_are_judged_as_those_of_http_1() {
    let (router, backend) = serving();
    let long = "a".repeat(17 * 1024);
    client(async {
        let send = connect(router.address).await;
        let many = (0..201).fold(request("GET", "/x"), |r, i| r.header(format!("x-{i}"), "y"));
        let large = (0..5).fold(request("GET", "/x"), |r, _| r.header("x", &long[..15_000]));
        let addresses = ["1.1.1.1"; 31].join(", ");
        for (asked, status) in [
            (request("GET", &format!("/{long}")), 414),
            (request("GET", "/x").header("x", &long), 431),
            (many, 431),
            (large, 431),
            (
                request("GET", "/x").header("x-forwarded-for", &addresses),
                463,
            ),
            (request("GET", "/x").header("host", "b.test"), 400),
            (request("GET", "/x").header("x", " blank"), 400),
            (request("TRACE", "/x"), 405),
            (Request::builder().method("CONNECT").uri("a.test:1"), 400),
        ] {
            let shown = format!("{:?}", asked.uri_ref())
                .chars()
                .take(40)
                .collect::<String>();
            let answer = ask(&send, asked.version(Version::HTTP_2), &[]).await;
            assert_eq!(answer.expect("an answer").status, status, "{shown}");
        }
        assert_eq!(backend.requests(), 0);
        let same = request("GET", "/x").header("host", "A.test");
        assert_eq!(ask(&send, same, &[]).await.expect("an answer").status, 200);
    });
}
