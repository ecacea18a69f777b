//! A small web service for end-to-end tests: answers with who it is, misbehaves on request.
//!
//! `PORT` where it listens · `ECHO_FAULT` = `bad-health` (503 at `/healthz`), `exit` (ends at
//! once with code 7 and two log lines), `deaf` (runs but does not listen), `errors` (every
//! twentieth request is answered with 500), `slow` (every request takes 400 ms), `leak` (every
//! request takes 256 KiB for ever), `late-exit` (ends with code 9 after 3 s), `unready` (503 at
//! `/ready`), `late-ready` (503 at `/ready` for the first request) · `GET /` its
//! revision, task and pid · `GET /slow?MS` answers after that many milliseconds ·
//! `GET /database` 500 when nobody listens at `DATABASE_URL` · `GET /env` its environment · SIGTERM: finishes what is in flight and ends with 0.

use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    println!("echo {} starts", variable("NEARGATE_TASK"));
    match variable("ECHO_FAULT").as_str() {
        "exit" => {
            eprintln!("cannot read the configuration: it is missing");
            std::process::exit(7);
        }
        "deaf" => std::future::pending().await,
        "late-exit" => {
            tokio::spawn(async {
                tokio::time::sleep(Duration::from_secs(3)).await;
                eprintln!("the connection pool is empty");
                std::process::exit(9);
            });
        }
        _ => {}
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let port: u16 = variable("PORT").parse().map_err(std::io::Error::other)?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let (stop, stopped) = watch::channel(());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                tokio::spawn(serve(accepted?.0, stopped.clone()));
            }
            _ = terminate.recv() => break,
        }
    }
    drop((listener, stopped));
    let _ = stop.send(());
    stop.closed().await;
    println!("echo {} ends", variable("NEARGATE_TASK"));
    Ok(())
}

async fn serve(stream: tokio::net::TcpStream, mut stopped: watch::Receiver<()>) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Applies the fault to a request: its status.
async fn misbehave() -> u16 {
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    static LEAKED: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
    match variable("ECHO_FAULT").as_str() {
        "errors" if REQUESTS.fetch_add(1, Ordering::Relaxed) % 20 == 3 => return 500,
        "slow" => tokio::time::sleep(Duration::from_millis(400)).await,
        "leak" => {
            if let Ok(mut leaked) = LEAKED.lock() {
                leaked.push(vec![1; 256 << 10]);
            }
        }
        _ => {}
    }
    200
}

/// Answer of `/ready`.
fn ready() -> (u16, String) {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let asked = ASKED.fetch_add(1, Ordering::Relaxed);
    match variable("ECHO_FAULT").as_str() {
        "unready" => (503, "the cache is cold".to_owned()),
        "late-ready" if asked < 1 => (503, "warming up".to_owned()),
        _ => (200, "ready".to_owned()),
    }
}

/// Whether the database takes connections.
async fn database() -> (u16, String) {
    let url = variable("DATABASE_URL");
    let place = url.split_once('@').map_or("", |(_, rest)| rest);
    let place = place.split('/').next().unwrap_or_default();
    match tokio::net::TcpStream::connect(place).await {
        Ok(_) => (200, "it answers".to_owned()),
        Err(error) => (500, format!("no database: {error}")),
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let unhealthy = variable("ECHO_FAULT") == "bad-health";
    let (status, text) = match request.uri().path() {
        "/healthz" if unhealthy => (503, "unwell".to_owned()),
        "/healthz" => (200, "well".to_owned()),
        "/ready" => ready(),
        "/database" => database().await,
        "/slow" => {
            let wait = request
                .uri()
                .query()
                .and_then(|text| text.parse().ok())
                .unwrap_or(100);
            tokio::time::sleep(Duration::from_millis(wait)).await;
            (200, "slow".to_owned())
        }
        "/env" => (
            200,
            std::env::vars()
                .map(|(name, value)| format!("{name}={value}\n"))
                .collect(),
        ),
        _ => (
            misbehave().await,
            format!(
                "{} {} {}",
                variable("NEARGATE_REVISION"),
                variable("NEARGATE_TASK"),
                std::process::id()
            ),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    Ok(response)
}
