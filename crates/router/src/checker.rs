//! Active health checks: one task per target, in the control thread only.
//!
//! Invariant: a check counts only when the sockets that listen at the target's address are the
//! task's, before and after the answer; between two checks that is looked at once a second.
//! A check opens a connection of its own and closes it; it is not access-logged.
//! A check that could not be made, because this process lacks descriptors, memory or time, says
//! nothing about its target; it is counted in [`Pressure`].
//! The interval counts from the start of one check to the start of the next, so a slow answer
//! does not lengthen it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use neargate_core::health::{Outcome, TargetCheck};
use neargate_core::health_reason::{HealthFinding, HealthReason};
use neargate_core::ids::TaskId;
use neargate_core::model::{HealthCheck, Probe};
use neargate_core::routing::listening::{ListenerOwner, ListeningSocket};
use neargate_core::routing::table::TargetHealth;
use neargate_core::time::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::clock::monotonic;
use crate::lateness::Lateness;
use crate::listening::{self, PortCheck};
use crate::pressure::{Pressure, is_shortage};
use crate::socket_diag::SocketDiag;

/// Bytes of an answer that are looked at: the status line.
const MOST_ANSWER: usize = 16 * 1024;
/// How often it is looked who listens.
const LISTENER_LOOK: Duration = Duration::from_secs(1);

/// A target's health changed, or what its last check found.
#[derive(Debug, Clone)]
pub(crate) struct TargetHealthChange {
    pub(crate) task: TaskId,
    pub(crate) health: TargetHealth,
    pub(crate) finding: CheckFinding,
}

/// Result of the last check of a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CheckFinding {
    /// Empty: it passed, or there was none.
    pub(crate) reason: HealthReason,
    /// In a row, of a target that is not unhealthy.
    pub(crate) failures: u32,
    /// How many of them make it unhealthy.
    pub(crate) threshold: u32,
}

impl CheckFinding {
    /// Something found without a check.
    fn because(reason: HealthFinding) -> Self {
        Self {
            reason: reason.into(),
            ..Self::default()
        }
    }

    /// Whether it says no more than another one.
    fn is_as(&self, other: &Self) -> bool {
        (&self.reason, self.failures) == (&other.reason, other.failures)
    }
}

/// A target that is checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CheckedTarget {
    pub(crate) task: TaskId,
    pub(crate) address: SocketAddr,
    pub(crate) owner: Option<ListenerOwner>,
    /// `None`: only who listens is looked at.
    pub(crate) rule: Option<HealthCheck>,
}

/// The checks of one target.
pub(crate) struct Checker {
    pub(crate) subject: CheckedTarget,
    pub(crate) changes: mpsc::Sender<TargetHealthChange>,
    pub(crate) pressure: Arc<Pressure>,
    pub(crate) lateness: Lateness,
    pub(crate) diag: Option<Rc<SocketDiag>>,
}

impl Checker {
    /// Checks until it is aborted.
    pub(crate) async fn watch(self, known: TargetHealth) {
        match &self.subject.rule {
            Some(rule) => self.watch_health(rule, known).await,
            None => self.watch_listener().await,
        }
    }

    async fn watch_health(&self, rule: &HealthCheck, known: TargetHealth) {
        let Probe::Http { path, matcher } = &rule.probe else {
            return;
        };
        let mut check = TargetCheck::new(known);
        let mut listener = ObservedListener::of(self);
        let mut told = CheckFinding::default();
        loop {
            let began = Instant::now();
            let (outcome, reason) = match listener.stranger() {
                Some(found) => (Outcome::Stranger, found),
                None => listener.judge(self.ask(path, matcher, rule.timeout).await),
            };
            if outcome == Outcome::NotMade {
                self.pressure.check_not_made(&reason.to_string());
            }
            let health = check.observe(now(), outcome, rule);
            let gap = check.next_gap(rule);
            let due = began + gap;
            let finding = CheckFinding {
                reason: reason.into(),
                failures: check.failures(),
                threshold: rule.unhealthy,
            };
            let mut changed = match health {
                Some(health) => Some((health, finding)),
                None if outcome == Outcome::NotMade => None,
                None if check.state() == TargetHealth::Unhealthy => None,
                // Who listens elsewhere is looked at anew.
                None if outcome == Outcome::Unreachable && gap >= LISTENER_LOOK => {
                    Some((check.state(), finding))
                }
                None => (!finding.is_as(&told)).then(|| (check.state(), finding)),
            };
            loop {
                if let Some((health, finding)) = changed.take() {
                    told.clone_from(&finding);
                    if !self.tell(health, finding).await {
                        return;
                    }
                }
                let next = due.min(Instant::now() + LISTENER_LOOK);
                tokio::time::sleep_until(next).await;
                if next >= due {
                    break;
                }
                if check.state() == TargetHealth::Healthy
                    && let Some(found) = listener.stranger()
                {
                    let health = check.observe(now(), Outcome::Stranger, rule);
                    changed = health.map(|health| (health, CheckFinding::because(found)));
                }
            }
        }
    }

    /// For a target whose health the engine tells: it is unhealthy when a stranger listens.
    async fn watch_listener(&self) {
        let mut listener = ObservedListener::of(self);
        let mut told = false;
        loop {
            let stranger = listener.stranger();
            if let Some(found) = stranger.filter(|_| !std::mem::replace(&mut told, true))
                && !self
                    .tell(TargetHealth::Unhealthy, CheckFinding::because(found))
                    .await
            {
                return;
            }
            tokio::time::sleep(LISTENER_LOOK).await;
        }
    }

    async fn tell(&self, health: TargetHealth, finding: CheckFinding) -> bool {
        let changed = TargetHealthChange {
            task: self.subject.task.clone(),
            health,
            finding,
        };
        self.changes.send(changed).await.is_ok()
    }

    async fn ask(
        &self,
        path: &str,
        matcher: &[(u16, u16)],
        within: Duration,
    ) -> (Outcome, HealthFinding) {
        let (late, address) = (self.lateness.so_far(), self.subject.address);
        let deadline = Instant::now() + within;
        let stream = match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return unanswered(Outcome::Unreachable, &error),
            Err(_) => {
                let found = HealthFinding::Timeout("no connection".to_owned());
                return self.timed_out(Outcome::Unreachable, found, deadline, late, within);
            }
        };
        match timeout_at(deadline, status(stream, address, path)).await {
            Ok(Ok(Some(status))) if matcher.iter().any(|(a, b)| (*a..=*b).contains(&status)) => {
                (Outcome::Passed, HealthFinding::Passed)
            }
            Ok(Ok(Some(status))) => (Outcome::Failed, HealthFinding::Status(status)),
            Ok(Err(error)) if is_shortage(&error) => unanswered(Outcome::Failed, &error),
            Ok(Ok(None) | Err(_)) => (
                Outcome::Failed,
                HealthFinding::Failed("no HTTP answer".to_owned()),
            ),
            Err(_) => {
                let found = HealthFinding::Timeout(format!("no answer in {within:?}"));
                self.timed_out(Outcome::Failed, found, deadline, late, within)
            }
        }
    }

    /// A time-out counts only when this thread was awake to see an answer.
    fn timed_out(
        &self,
        outcome: Outcome,
        found: HealthFinding,
        deadline: Instant,
        late_before: Duration,
        within: Duration,
    ) -> (Outcome, HealthFinding) {
        let overshot = Instant::now().saturating_duration_since(deadline);
        let late = self.lateness.so_far().saturating_sub(late_before);
        let late = late.max(overshot);
        if late > within / 2 {
            let words = format!("the router was {} ms late", late.as_millis());
            return (Outcome::NotMade, HealthFinding::Other(words));
        }
        (outcome, found)
    }
}

/// Meaning of a kernel's error for the target: none, when this process lacks something.
fn unanswered(outcome: Outcome, error: &std::io::Error) -> (Outcome, HealthFinding) {
    if is_shortage(error) {
        return (Outcome::NotMade, HealthFinding::Other(error.to_string()));
    }
    (outcome, HealthFinding::Failed(error.to_string()))
}

/// Process that listens at a target's address, and the sockets that were found to be its own.
struct ObservedListener {
    address: SocketAddr,
    owner: Option<ListenerOwner>,
    known: Vec<u64>,
    diag: Option<Rc<SocketDiag>>,
}

impl ObservedListener {
    fn of(checker: &Checker) -> Self {
        Self {
            address: checker.subject.address,
            owner: checker.subject.owner,
            known: Vec::new(),
            diag: checker.diag.clone(),
        }
    }

    fn look(&mut self) -> Option<PortCheck> {
        let found = listening::at(self.address, self.owner?, &self.known, self.diag.as_deref());
        if let PortCheck::Task(sockets) = &found {
            self.known.clone_from(sockets);
        }
        Some(found)
    }

    /// Somebody else who listens.
    fn stranger(&mut self) -> Option<HealthFinding> {
        match self.look()? {
            PortCheck::Stranger(socket) => Some(self.found_stranger(&socket)),
            PortCheck::Nobody | PortCheck::Task(_) | PortCheck::Unknown(_) => None,
        }
    }

    fn found_stranger(&self, socket: &ListeningSocket) -> HealthFinding {
        HealthFinding::PortTaken(listening::in_words(self.address, socket))
    }

    /// A check that passed counts only when the task still is who listens.
    fn judge(&mut self, (outcome, found): (Outcome, HealthFinding)) -> (Outcome, HealthFinding) {
        if outcome != Outcome::Passed {
            return (outcome, found);
        }
        match self.look() {
            Some(PortCheck::Stranger(socket)) => (Outcome::Stranger, self.found_stranger(&socket)),
            Some(PortCheck::Nobody) => (
                Outcome::Unreachable,
                HealthFinding::Failed("nothing listens any more".to_owned()),
            ),
            Some(PortCheck::Unknown(words)) => (Outcome::NotMade, HealthFinding::Other(words)),
            Some(PortCheck::Task(_)) | None => (outcome, found),
        }
    }
}

fn now() -> Timestamp {
    Timestamp(monotonic())
}

/// The status of the answer; `None`: it was no HTTP.
async fn status(
    mut stream: TcpStream,
    address: SocketAddr,
    path: &str,
) -> std::io::Result<Option<u16>> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: ELB-HealthChecker/2.0\r\naccept: */*\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    while answer.len() < MOST_ANSWER {
        let read = stream.read(&mut part).await?;
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&part[..read]);
        let mut space = [httparse::EMPTY_HEADER; 100];
        let mut parsed = httparse::Response::new(&mut space);
        match parsed.parse(&answer) {
            Ok(httparse::Status::Complete(_)) => return Ok(parsed.code),
            Ok(httparse::Status::Partial) => {}
            Err(_) => break,
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_time_out_counts_only_when_the_router_was_awake_to_see_an_answer() {
        let target = TcpListener::bind("127.0.0.1:0").expect("bound");
        let within = Duration::from_millis(300);
        let ask = || {
            let checker = Checker {
                subject: CheckedTarget {
                    task: "t".into(),
                    address: target.local_addr().expect("an address"),
                    owner: None,
                    rule: None,
                },
                changes: mpsc::channel(1).0,
                pressure: Arc::default(),
                lateness: Lateness::measured(),
                diag: None,
            };
            tokio::task::spawn_local(async move { checker.ask("/", &[(200, 200)], within).await })
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let (outcome, reason) = ask().await.expect("no panic");
            assert_eq!(outcome, Outcome::Failed, "{reason}");
            let asked = ask();
            tokio::time::sleep(Duration::from_millis(50)).await;
            std::thread::sleep(Duration::from_secs(1));
            let (outcome, reason) = asked.await.expect("no panic");
            assert_eq!(outcome, Outcome::NotMade, "{reason}");
        });
    }
}
