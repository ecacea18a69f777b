//! HTTP checks: jobs of a release that ask the new revision, and no other, through the router.
//!
//! Each attempt is a connection of its own to the service's internal listener, with the header
//! that reaches one revision. Every answer goes to the job's log: the status and the beginning of
//! the body.
//!
//! Invariant: an answer of another revision is no answer. Bounded: attempts, the time of each,
//! and the job's own time. Redirects are not followed.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response};
use neargate_core::error_chain::error_chain;
use neargate_core::ids::RevisionNumber;
use neargate_core::machine::ProcessExit;
use neargate_core::model::HttpCheck;
use tokio::net::TcpStream;

use super::routing_table::TEST_HEADER;
use crate::descriptors;
use crate::http_exchange;
use crate::logs::writer::{LogWriter, OutputStream};

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// So much before the job's own deadline the check ends, so that its last answer is told.
const MARGIN: Duration = Duration::from_millis(250);
/// Of an answer's body, kept in the log.
const BODY_KEPT: usize = 200;

/// One check, ready to ask.
pub(super) struct PendingCheck {
    /// The service's internal listener.
    pub(super) address: SocketAddr,
    /// The revision that must answer.
    pub(super) revision: RevisionNumber,
    /// The request of the check, and the answer that it wants.
    pub(super) check: HttpCheck,
    /// All attempts must be done by then.
    pub(super) timeout: Duration,
}

/// Why an attempt got no answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("no answer within {0}")]
    Timeout(String),
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("the exchange broke")]
    Exchange(#[source] hyper::Error),
    #[error("the request cannot be made")]
    Request(#[source] hyper::http::Error),
}

impl AskError {
    /// Whether it says something about this process, and nothing about the revision.
    fn is_shortage(&self) -> bool {
        matches!(self, Self::Connect(error) if descriptors::is_shortage(error))
    }
}

/// Answer to a check.
struct CheckResponse {
    status: u16,
    /// The revision that says it answered; the router says it unless `edge.expose` is off.
    revision: Option<String>,
    body: String,
}

/// Asks until the answer is the one wanted, or there is no attempt or no time left.
pub(super) async fn ask(asking: &PendingCheck, log: &mut Option<LogWriter>) -> ProcessExit {
    let mut last = String::from("no request was made");
    let all = attempts(asking, log, &mut last);
    let before_the_deadline = asking.timeout.saturating_sub(MARGIN);
    match tokio::time::timeout(before_the_deadline, all).await {
        Ok(true) => ProcessExit::Code(0),
        Ok(false) | Err(_) => ProcessExit::Unmet(last),
    }
}

async fn attempts(asking: &PendingCheck, log: &mut Option<LogWriter>, last: &mut String) -> bool {
    let most = asking.check.attempts.max(1);
    let mut attempt = 1;
    loop {
        let answer = once(asking).await;
        let unmade = answer.as_ref().is_err_and(AskError::is_shortage);
        let (met, told) = match answer {
            Ok(answer) => judge(asking, &answer),
            Err(error) => (false, error_chain(&error)),
        };
        let path = &asking.check.path;
        let line = format!("GET {path} of revision {}: {told}", asking.revision);
        if let Some(log) = log {
            let stream = if met {
                OutputStream::Out
            } else {
                OutputStream::Err
            };
            log.write(stream, line.as_bytes());
        }
        *last = format!("GET {path}: {told} (attempt {attempt} of {most})");
        if met {
            return true;
        }
        // One that could not be made says nothing; the job's time bounds them.
        attempt += u32::from(!unmade);
        if attempt > most {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether it is the answer wanted, and it in words.
fn judge(asking: &PendingCheck, answer: &CheckResponse) -> (bool, String) {
    if let Some(other) = &answer.revision
        && *other != asking.revision.to_string()
    {
        return (false, format!("revision {other} answered"));
    }
    let CheckResponse { status, body, .. } = answer;
    let wanted = &asking.check.status;
    let met = wanted
        .iter()
        .any(|(low, high)| (low..=high).contains(&status));
    let body = body.trim();
    let said = if body.is_empty() {
        format!("status {status}")
    } else {
        format!("status {status}, {body:?}")
    };
    if met {
        return (true, said);
    }
    (false, format!("{said}; wanted {}", ranges(wanted)))
}

fn ranges(wanted: &[(u16, u16)]) -> String {
    let range = |(low, high): &(u16, u16)| {
        if low == high {
            low.to_string()
        } else {
            format!("{low}-{high}")
        }
    };
    wanted.iter().map(range).collect::<Vec<_>>().join(",")
}

async fn once(asking: &PendingCheck) -> Result<CheckResponse, AskError> {
    let timeout = asking.check.timeout;
    let late = || AskError::Timeout(neargate_core::duration::format(timeout));
    tokio::time::timeout(timeout, exchange(asking))
        .await
        .map_err(|_| late())?
}

async fn exchange(asking: &PendingCheck) -> Result<CheckResponse, AskError> {
    let check = &asking.check;
    let stream = TcpStream::connect(asking.address)
        .await
        .map_err(AskError::Connect)?;
    let host = check
        .host
        .clone()
        .unwrap_or_else(|| asking.address.to_string());
    let mut request = Request::get(&check.path)
        .header("host", host)
        .header(TEST_HEADER, asking.revision.to_string())
        .header("connection", "close");
    for (name, value) in &check.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Full::<Bytes>::default())
        .map_err(AskError::Request)?;
    http_exchange::exchange(stream, request, read)
        .await
        .map_err(AskError::Exchange)
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<CheckResponse, hyper::Error> {
    let (head, mut body) = response.into_parts();
    let revision = head.headers.get(TEST_HEADER);
    let revision = revision.and_then(|value| value.to_str().ok());
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            kept.extend_from_slice(&data[..data.len().min(BODY_KEPT - kept.len())]);
        }
        if kept.len() >= BODY_KEPT {
            break;
        }
    }
    Ok(CheckResponse {
        status: head.status.as_u16(),
        revision: revision.map(str::to_owned),
        body: String::from_utf8_lossy(&kept).into_owned(),
    })
}
