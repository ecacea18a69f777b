//! Active health checks: one task per target, in the control thread only.
//!
//! Invariant: a check counts only when the sockets that listen at the target's address are the
//! task's, before and after the answer; between two checks that is looked at once a second.
//! A check opens a connection of its own and closes it; it is not access-logged.
//! The interval counts from the start of one check to the start of the next, so a slow answer
//! does not lengthen it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use neargate_core::health::{Outcome, TargetCheck};
use neargate_core::manifest::model::{Health, Probe};
use neargate_core::routing::listening::ListenerOwner;
use neargate_core::routing::table::TargetHealth;
use neargate_core::time::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::clock::monotonic;
use crate::listening::{self, Found};

/// Bytes of an answer that are looked at: the status line.
const MOST_ANSWER: usize = 16 * 1024;
/// How often it is looked who listens.
const LISTENER_LOOK: Duration = Duration::from_secs(1);

/// A target's health changed.
#[derive(Debug, Clone)]
pub(crate) struct Changed {
    pub(crate) task: Rc<str>,
    pub(crate) health: TargetHealth,
    pub(crate) reason: String,
}

/// What is checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Subject {
    pub(crate) task: Rc<str>,
    pub(crate) address: SocketAddr,
    pub(crate) owner: Option<ListenerOwner>,
    /// `None`: only who listens is looked at.
    pub(crate) rule: Option<Health>,
}

/// Checks one target until it is aborted.
pub(crate) async fn watch(subject: Subject, known: TargetHealth, changes: mpsc::Sender<Changed>) {
    match &subject.rule {
        Some(rule) => watch_health(&subject, rule, known, &changes).await,
        None => watch_listener(&subject, &changes).await,
    }
}

async fn watch_health(
    subject: &Subject,
    rule: &Health,
    known: TargetHealth,
    changes: &mpsc::Sender<Changed>,
) {
    let Probe::Http { path, matcher } = &rule.probe else {
        return;
    };
    let mut check = TargetCheck::new(known);
    let mut listener = Listener::of(subject);
    loop {
        let began = Instant::now();
        let (outcome, reason) = match listener.stranger() {
            Some(words) => (Outcome::Stranger, words),
            None => listener.judge(ask(subject.address, path, matcher, rule.timeout).await),
        };
        let mut changed = check
            .observe(now(), outcome, rule)
            .map(|health| (health, reason));
        let due = began + check.next_gap(rule);
        loop {
            if let Some((health, reason)) = changed.take()
                && !tell(changes, subject, health, reason).await
            {
                return;
            }
            let next = due.min(Instant::now() + LISTENER_LOOK);
            tokio::time::sleep_until(next).await;
            if next >= due {
                break;
            }
            if check.state() == TargetHealth::Healthy
                && let Some(words) = listener.stranger()
            {
                changed = check
                    .observe(now(), Outcome::Stranger, rule)
                    .map(|health| (health, words));
            }
        }
    }
}

/// For a target whose health the engine tells: it is unhealthy when a stranger listens.
async fn watch_listener(subject: &Subject, changes: &mpsc::Sender<Changed>) {
    let mut listener = Listener::of(subject);
    let mut told = false;
    loop {
        let stranger = listener.stranger();
        if let Some(words) = stranger.filter(|_| !std::mem::replace(&mut told, true))
            && !tell(changes, subject, TargetHealth::Unhealthy, words).await
        {
            return;
        }
        tokio::time::sleep(LISTENER_LOOK).await;
    }
}

async fn tell(
    changes: &mpsc::Sender<Changed>,
    subject: &Subject,
    health: TargetHealth,
    reason: String,
) -> bool {
    let changed = Changed {
        task: subject.task.clone(),
        health,
        reason,
    };
    changes.send(changed).await.is_ok()
}

/// Who listens at a target's address, and which sockets were found to be its own.
struct Listener {
    address: SocketAddr,
    owner: Option<ListenerOwner>,
    known: Vec<u64>,
}

impl Listener {
    fn of(subject: &Subject) -> Self {
        Self {
            address: subject.address,
            owner: subject.owner,
            known: Vec::new(),
        }
    }

    fn look(&mut self) -> Option<Found> {
        let found = listening::at(self.address, self.owner?, &self.known);
        if let Found::Task(sockets) = &found {
            self.known.clone_from(sockets);
        }
        Some(found)
    }

    /// Somebody else who listens, in words.
    fn stranger(&mut self) -> Option<String> {
        match self.look()? {
            Found::Stranger(socket) => Some(listening::in_words(self.address, &socket)),
            Found::Nobody | Found::Task(_) => None,
        }
    }

    /// A check that passed counts only when the task still is who listens.
    fn judge(&mut self, (outcome, reason): (Outcome, String)) -> (Outcome, String) {
        if outcome != Outcome::Passed {
            return (outcome, reason);
        }
        match self.look() {
            Some(Found::Stranger(socket)) => (
                Outcome::Stranger,
                listening::in_words(self.address, &socket),
            ),
            Some(Found::Nobody) => (
                Outcome::Unreachable,
                "Target.FailedHealthChecks: nothing listens any more".to_owned(),
            ),
            Some(Found::Task(_)) | None => (outcome, reason),
        }
    }
}

fn now() -> Timestamp {
    Timestamp(monotonic())
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
