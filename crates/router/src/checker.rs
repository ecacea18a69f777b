//! Active health checks: one task per target, in the control thread only.
//!
//! Invariant: a check opens a connection of its own and closes it; it is not access-logged.
//! The interval counts from the start of one check to the start of the next, so a slow answer
//! does not lengthen it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use neargate_core::health::{Outcome, TargetCheck};
use neargate_core::manifest::model::{Health, Probe};
use neargate_core::routing::table::TargetHealth;
use neargate_core::time::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// Bytes of an answer that are looked at: the status line.
const MOST_ANSWER: usize = 16 * 1024;

/// A target's health changed.
#[derive(Debug, Clone)]
pub(crate) struct Changed {
    pub(crate) task: Rc<str>,
    pub(crate) health: TargetHealth,
    pub(crate) reason: String,
}

/// Checks one target until it is aborted.
pub(crate) async fn watch(
    task: Rc<str>,
    address: SocketAddr,
    rule: Health,
    known: TargetHealth,
    changes: mpsc::Sender<Changed>,
) {
    let Probe::Http { path, matcher } = &rule.probe else {
        return;
    };
    let mut check = TargetCheck::new(known);
    loop {
        let began = Instant::now();
        let (outcome, reason) = ask(address, path, matcher, rule.timeout).await;
        if let Some(health) = check.observe(now(), outcome, &rule) {
            let changed = Changed {
                task: task.clone(),
                health,
                reason,
            };
            if changes.send(changed).await.is_err() {
                return;
            }
        }
        tokio::time::sleep_until(began + check.next_gap(&rule)).await;
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

async fn ask(
    address: SocketAddr,
    path: &str,
    matcher: &[(u16, u16)],
    within: Duration,
) -> (Outcome, String) {
    let deadline = Instant::now() + within;
    let stream = match timeout_at(deadline, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return (
                Outcome::Unreachable,
                format!("Target.FailedHealthChecks: {error}"),
            );
        }
        Err(_) => {
            return (
                Outcome::Unreachable,
                "Target.Timeout: no connection".to_owned(),
            );
        }
    };
    match timeout_at(deadline, status(stream, address, path)).await {
        Ok(Some(status)) if matcher.iter().any(|(a, b)| (*a..=*b).contains(&status)) => {
            (Outcome::Passed, String::new())
        }
        Ok(Some(status)) => (
            Outcome::Failed,
            format!("Target.ResponseCodeMismatch: {status}"),
        ),
        Ok(None) => (
            Outcome::Failed,
            "Target.FailedHealthChecks: no HTTP answer".to_owned(),
        ),
        Err(_) => (
            Outcome::Failed,
            format!("Target.Timeout: no answer in {within:?}"),
        ),
    }
}

async fn status(mut stream: TcpStream, address: SocketAddr, path: &str) -> Option<u16> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: ELB-HealthChecker/2.0\r\naccept: */*\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    while answer.len() < MOST_ANSWER {
        let read = stream.read(&mut part).await.ok().filter(|n| *n > 0)?;
        answer.extend_from_slice(&part[..read]);
        let mut space = [httparse::EMPTY_HEADER; 100];
        let mut parsed = httparse::Response::new(&mut space);
        match parsed.parse(&answer) {
            Ok(httparse::Status::Complete(_)) => return parsed.code,
            Ok(httparse::Status::Partial) => {}
            Err(_) => return None,
        }
    }
    None
}
