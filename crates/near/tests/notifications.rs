//! Notifications against real receivers: plain and TLS, failing, refusing, hanging.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use neargate_near::notify::{
    DeliveryTiming, Log, Notifier, OutgoingNotification, QUEUE, RETRIES, Roots, WebhookUrl,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// So that a test of many attempts takes no time.
const FAST: DeliveryTiming = DeliveryTiming {
    attempt: Duration::from_secs(15),
    first_delay: Duration::from_millis(1),
    longest_delay: Duration::from_millis(4),
};

/// One request as a receiver got it: head and body.
struct Got {
    head: String,
    body: String,
}

async fn next<T>(from: &mut UnboundedReceiver<T>) -> T {
    let found = tokio::time::timeout(PATIENCE, from.recv()).await;
    found.expect("in time").expect("something")
}

fn notifier(roots: Roots, timing: DeliveryTiming) -> (Notifier, UnboundedReceiver<String>) {
    let (lines, log) = mpsc::unbounded_channel();
    let to: Log = Arc::new(move |line: &str| {
        let _ = lines.send(line.to_owned());
    });
    (Notifier::start(roots, timing, to), log)
}

fn letter(webhook: &str, url: &str, body: impl Into<Bytes>) -> OutgoingNotification {
    OutgoingNotification {
        webhook: webhook.into(),
        url: WebhookUrl::parse(url).expect("a URL"),
        body: body.into(),
    }
}

/// Reads one request.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Got> {
    let mut text = Vec::new();
    loop {
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .and_then(|length| length.parse::<usize>().ok())?;
            if body.len() >= length {
                return Some(Got {
                    head: head.to_owned(),
                    body: body.to_owned(),
                });
            }
        }
        if stream.read_buf(&mut text).await.ok()? == 0 {
            return None;
        }
    }
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), status: u16) {
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nlocation: /other\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.flush().await;
}

/// A receiver that answers with these statuses in turn, the last one for ever.
async fn receiver(statuses: &'static [u16]) -> (String, UnboundedReceiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (got, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for n in 0.. {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            if let Some(found) = request(&mut stream).await {
                let _ = got.send(found);
            }
            answer(&mut stream, statuses[n.min(statuses.len() - 1)]).await;
        }
    });
    (format!("http://{address}/hook/word?key=word"), requests)
}

/// A receiver whose first request is answered when the sender says so, or never.
async fn hanging() -> (String, UnboundedReceiver<Got>, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (got, requests): (UnboundedSender<Got>, _) = mpsc::unbounded_channel();
    let (release, released) = oneshot::channel();
    tokio::spawn(async move {
        let mut released = Some(released);
        while let Ok((mut stream, _)) = listener.accept().await {
            if let Some(found) = request(&mut stream).await {
                let _ = got.send(found);
            }
            if let Some(released) = released.take()
                && released.await.is_err()
            {
                std::future::pending::<()>().await;
            }
            answer(&mut stream, 204).await;
        }
    });
    (format!("http://{address}/"), requests, release)
}

#[tokio::test]
async fn a_letter_is_posted_as_json_to_its_path() {
    let (url, mut requests) = receiver(&[200]).await;
    let (notifier, _log) = notifier(Roots::Machine, FAST);
    notifier.send(letter("team", &url, "{\"version\":1}"));
    let got = next(&mut requests).await;
    let mut lines = got.head.lines();
    assert_eq!(lines.next(), Some("POST /hook/word?key=word HTTP/1.1"));
    assert!(
        got.head.contains("content-type: application/json"),
        "{}",
        got.head
    );
    assert!(got.head.contains("host: 127.0.0.1:"), "{}", got.head);
    assert_eq!(got.body, "{\"version\":1}");
}

#[tokio::test]
async fn a_letter_is_posted_again_until_it_is_taken_and_keeps_its_place() {
    let (url, mut requests) = receiver(&[500, 429, 200]).await;
    let (notifier, mut log) = notifier(Roots::Machine, FAST);
    for body in ["first", "second"] {
        notifier.send(letter("team", &url, body));
    }
    for wanted in ["first", "first", "first", "second"] {
        assert_eq!(next(&mut requests).await.body, wanted);
    }
    assert!(log.try_recv().is_err(), "nothing went wrong");
}

#[tokio::test]
async fn a_letter_is_given_up_after_5_retries_and_the_log_holds_no_secret() {
    let (url, mut requests) = receiver(&[503]).await;
    let (notifier, mut log) = notifier(Roots::Machine, FAST);
    notifier.send(letter("team", &url, "x"));
    let line = next(&mut log).await;
    assert_eq!(
        line,
        "notify.team: 127.0.0.1 did not accept a notification, attempt 6 of 6: status 503"
    );
    let mut attempts = 0;
    while requests.try_recv().is_ok() {
        attempts += 1;
    }
    assert_eq!(attempts, RETRIES + 1);
}

#[tokio::test]
async fn a_refusal_and_a_redirect_are_not_tried_again() {
    for (statuses, status) in [(&[404][..], 404), (&[307], 307), (&[400], 400)] {
        let (url, mut requests) = receiver(statuses).await;
        let (notifier, mut log) = notifier(Roots::Machine, FAST);
        notifier.send(letter("team", &url, "x"));
        let line = next(&mut log).await;
        assert!(
            line.ends_with(&format!("attempt 1 of 6: status {status}")),
            "{line}"
        );
        next(&mut requests).await;
        assert!(requests.try_recv().is_err());
    }
}

#[tokio::test]
async fn nobody_listening_is_said_with_the_kernels_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let (notifier, mut log) = notifier(Roots::Machine, FAST);
    notifier.send(letter("team", &format!("http://{address}/word"), "x"));
    let line = next(&mut log).await;
    assert!(
        line.contains("attempt 6 of 6: cannot connect: Connection refused"),
        "{line}"
    );
    assert!(!line.contains("word"), "{line}");
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_no_other() {
    let (slow, mut hung, _never) = hanging().await;
    let (fast, mut requests) = receiver(&[200]).await;
    let (notifier, _log) = notifier(Roots::Machine, FAST);
    for _ in 0..3 {
        notifier.send(letter("slow", &slow, "x"));
    }
    next(&mut hung).await;
    notifier.send(letter("fast", &fast, "y"));
    assert_eq!(next(&mut requests).await.body, "y");
    assert!(hung.try_recv().is_err(), "one at a time to each");
}

#[tokio::test]
async fn an_attempt_has_its_time() {
    let (url, _requests, _never) = hanging().await;
    let timing = DeliveryTiming {
        attempt: Duration::from_millis(20),
        ..FAST
    };
    let (notifier, mut log) = notifier(Roots::Machine, timing);
    notifier.send(letter("team", &url, "x"));
    let line = next(&mut log).await;
    assert!(
        line.ends_with("attempt 6 of 6: no answer in time"),
        "{line}"
    );
}

#[tokio::test]
async fn a_full_queue_drops_the_oldest_and_says_how_many() {
    let (url, mut requests, release) = hanging().await;
    let (notifier, mut log) = notifier(Roots::Machine, FAST);
    notifier.send(letter("team", &url, "first"));
    assert_eq!(next(&mut requests).await.body, "first");
    for n in 0..QUEUE + 3 {
        notifier.send(letter("team", &url, n.to_string()));
    }
    assert_eq!(
        next(&mut log).await,
        "3 notifications were dropped: 256 others wait already"
    );
    release.send(()).expect("the receiver waits");
    for n in 3..QUEUE + 3 {
        assert_eq!(next(&mut requests).await.body, n.to_string());
    }
}

/// A receiver behind TLS, and the certificate that it shows.
async fn tls_receiver() -> (String, UnboundedReceiver<Got>, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (got, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            if let Some(found) = request(&mut stream).await {
                let _ = got.send(found);
            }
            answer(&mut stream, 200).await;
        }
    });
    (format!("https://{address}/hook"), requests, certificate)
}

#[tokio::test]
async fn https_is_spoken_to_whom_the_roots_know_and_to_nobody_else() {
    let (url, mut requests, certificate) = tls_receiver().await;
    let (trusting, _log) = notifier(Roots::Only(vec![certificate]), FAST);
    trusting.send(letter("team", &url, "over TLS"));
    let got = next(&mut requests).await;
    assert!(got.head.starts_with("POST /hook "), "{}", got.head);
    assert_eq!(got.body, "over TLS");

    let (_, _, other) = tls_receiver().await;
    let (wary, mut log) = notifier(Roots::Only(vec![other]), FAST);
    wary.send(letter("team", &url, "x"));
    let line = next(&mut log).await;
    assert!(
        line.contains("TLS failed: invalid peer certificate"),
        "{line}"
    );
    assert!(requests.try_recv().is_err(), "nothing was posted");
}

#[tokio::test]
async fn without_roots_nothing_is_posted_and_the_log_says_what_to_install() {
    let (url, mut requests, _) = tls_receiver().await;
    let (notifier, mut log) = notifier(Roots::Only(Vec::new()), FAST);
    notifier.send(letter("team", &url, "x"));
    let line = next(&mut log).await;
    assert!(line.ends_with("install ca-certificates"), "{line}");
    assert!(requests.try_recv().is_err());
}
