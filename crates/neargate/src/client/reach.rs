//! Reaching the engine: by its socket, or by word of the watchdog that another one comes.

use std::io;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use neargate_near::paths::StateDir;
use neargate_near::socket::ShortName;
use neargate_near::watchdog::line::{ASK, EngineReport, TRY};
use neargate_near::writability;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::failure::Failure;

/// A watchdog that does not answer by then hangs itself.
const ANSWER: Duration = Duration::from_secs(2);
/// An engine that is being replaced is waited for this long.
const REPLACED: Duration = Duration::from_secs(20);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// A start that is further away than this is not waited for.
const SOON: u64 = 600;

type HttpSender = SendRequest<Full<Bytes>>;

/// A connection to the engine that runs; while it is being replaced, to the next one.
pub(super) async fn sender(state: &StateDir) -> Result<HttpSender, Failure> {
    let deadline = Instant::now() + REPLACED;
    loop {
        let error = match sender_now(state).await {
            Ok(sender) => return Ok(sender),
            Err(error) => error,
        };
        let absent = matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
        );
        match report_of_watchdog(state, ASK).await {
            Some(report) if report.next_start_ms.is_some_and(|ms| ms > SOON) => {
                return Err(stays_down(state, &report));
            }
            Some(_) if Instant::now() < deadline => {}
            None if absent => return Err(none_runs(state)),
            _ => {
                return Err(Failure::Environment(format!(
                    "cannot reach the engine at {}: {error}",
                    state.api_socket().display()
                )));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A connection to the engine that runs now.
pub(super) async fn sender_now(state: &StateDir) -> io::Result<HttpSender> {
    let name = ShortName::of(&state.api_socket())?;
    let stream = UnixStream::connect(name.path()).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// An engine that ends again and again, why, and what the disk has to do with it.
pub(crate) fn stays_down(state: &StateDir, report: &EngineReport) -> Failure {
    let mut text = format!("the engine keeps ending: it {}", report.words);
    if let Some(obstacle) = writability::obstacle(&state.path()) {
        text.push_str(&format!("; {obstacle}"));
    }
    let wait = report.next_start_ms.unwrap_or_default().div_ceil(1000);
    if wait > 0 {
        text.push_str(&format!("; the next one is started in {wait} s"));
    }
    Failure::Environment(text)
}

fn none_runs(state: &StateDir) -> Failure {
    let path = state.path();
    let first = match writability::obstacle(&path) {
        Some(obstacle) => format!("{obstacle}, then "),
        None => String::new(),
    };
    Failure::Environment(format!(
        "no engine runs for this state directory ({}): {first}start it with `neargate up`",
        path.display()
    ))
}

/// The watchdog's report of the engine; `None` when there is no watchdog or it does not answer.
pub(super) async fn report_of_watchdog(state: &StateDir, question: u8) -> Option<EngineReport> {
    let asked = async {
        let name = ShortName::of(&state.watchdog_socket()).ok()?;
        let mut stream = UnixStream::connect(name.path()).await.ok()?;
        stream.write_all(&[question]).await.ok()?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await.ok()?;
        serde_json::from_slice(&text).ok()
    };
    tokio::time::timeout(ANSWER, asked).await.ok().flatten()
}

/// As [`report_of_watchdog`]; a start that waits is made now.
pub(crate) async fn start_now(state: &StateDir) -> Option<EngineReport> {
    report_of_watchdog(state, TRY).await
}

/// An engine that takes connections and answers nothing.
pub(super) async fn silent(state: &StateDir) -> Failure {
    let watched = report_of_watchdog(state, ASK).await.is_some();
    let next = if watched {
        "its watchdog replaces it when it hangs"
    } else {
        "neither does its watchdog: run `neargate up`"
    };
    Failure::Environment(format!(
        "the engine of {} does not answer; {next}",
        state.path().display()
    ))
}
