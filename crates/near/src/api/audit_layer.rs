//! Tasks of an ordinary user, which could reach the socket, are refused here.
//!
//! Every POST of the API, and every GET that hands out a password, leaves a line in the audit log.
//!
//! It stands in front of all routes, so a route that is added cannot be forgotten. What it takes
//! out of bodies is listed here, name by name: nothing else of them is written.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use neargate_core::ids::{ReleaseId, RevisionNumber};
use serde_json::Value;
use tokio::net::UnixListener;

use super::wire::BODY_LIMIT;
use super::wire::Problem;
use crate::audit_log::{AuditLog, AuditRecord, AuditedRelease, PeerUser};
use crate::user_namespace;

/// An answer is smaller than this.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// The user at the other end of the socket, by the kernel's word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    uid: Option<u32>,
    /// Whether it may be a task: one has the user of an engine that is not root, in a user
    /// namespace of its own.
    elsewhere: bool,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let peer = stream.io().peer_cred().ok();
        let uid = peer.map(|peer| peer.uid());
        let own = rustix::process::geteuid();
        let pid = peer.and_then(|peer| u32::try_from(peer.pid()?).ok());
        // Root may reach every engine, and cannot be looked at by an ordinary user.
        let root = own.is_root() || uid == Some(0);
        let elsewhere = !root && !pid.is_some_and(user_namespace::is_own);
        Self { uid, elsewhere }
    }
}

impl Peer {
    fn who(self) -> PeerUser {
        // Only the owner and root get here: without the kernel's word it was the owner.
        self.uid.map_or_else(PeerUser::own, PeerUser::of)
    }
}

/// Refuses tasks; passes any other request on and writes down what came of it, before it is answered.
pub(super) async fn audited(
    State(log): State<Arc<AuditLog>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if peer.elsewhere {
        let problem = Problem::environment(
            "the engine does not answer tasks: this process runs in another user namespace",
        )
        .with_help("run neargate outside of it");
        return (StatusCode::FORBIDDEN, Json(problem)).into_response();
    }
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let secret = head.method == Method::GET && path.starts_with("/v1/data/");
    if head.method != Method::POST && !secret {
        return next.run(Request::from_parts(head, body)).await;
    }
    let Ok(asked) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let record = asked_for(peer.who(), &path, &parsed(&asked));
    let request = Request::from_parts(head, Body::from(asked));
    if record.what == "down" {
        // The engine ends with its answer.
        write(log, record).await;
        return next.run(request).await;
    }
    let (head, body) = next.run(request).await.into_parts();
    let Ok(answer) = to_bytes(body, ANSWER_LIMIT).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    write(log, answered(record, head.status, &parsed(&answer))).await;
    Response::from_parts(head, Body::from(answer))
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

/// Writes a line on a thread that may wait for the disk.
async fn write(log: Arc<AuditLog>, record: AuditRecord) {
    let written = tokio::task::spawn_blocking(move || log.write(record)).await;
    if let Err(error) = written.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
        crate::engine_log::log(&format!("a line of the audit log was lost: {error}"));
    }
}

/// The request, by names and numbers only.
fn asked_for(who: PeerUser, path: &str, body: &Value) -> AuditRecord {
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let (what, subject, detail) = match parts.as_slice() {
        ["services", name, "steer"] => (text("steer"), *name, String::new()),
        ["services", name, "session"] => match body["task"].as_str() {
            Some(task) => ("exec".to_owned(), *name, format!("as task {task}")),
            None => ("run".to_owned(), *name, String::new()),
        },
        ["services", name, "scale"] => {
            let tasks = format!("{} tasks", body["desired"]);
            ("scale".to_owned(), *name, tasks)
        }
        ["services", name, "rollback"] => {
            let to = body["to"].as_u64().map(|to| format!("to revision {to}"));
            ("rollback".to_owned(), *name, to.unwrap_or_default())
        }
        ["services", name, verb] => ((*verb).to_owned(), *name, settings(body)),
        ["data", name] => ("data-access".to_owned(), *name, String::new()),
        other => (other.join("-"), "", settings(body)),
    };
    let mut record = AuditRecord::accepted(who, &what, subject).with(detail);
    record.git = body["cause"]["git"].as_str().map(str::to_owned);
    record
}

/// The names of `--set`; their values may be secrets.
fn settings(body: &Value) -> String {
    let overrides = body["overrides"].as_array().map_or(&[][..], Vec::as_slice);
    let names: Vec<&str> = overrides
        .iter()
        .filter_map(|set| set.as_str()?.split('=').next())
        .collect();
    let mut parts = Vec::new();
    for (key, word) in [("supersede", "supersedes"), ("force", "forced")] {
        if body[key].as_bool() == Some(true) {
            parts.push(word.to_owned());
        }
    }
    if !names.is_empty() {
        parts.push(format!("sets {}", names.join(", ")));
    }
    parts.join(" ")
}

fn answered(mut record: AuditRecord, status: StatusCode, answer: &Value) -> AuditRecord {
    if !status.is_success() {
        let reason = answer["error"].as_str().unwrap_or("it was not understood");
        return record.refused(reason);
    }
    let began = answer["releases"].as_object().into_iter().flatten();
    record.releases = began
        .filter_map(|(service, release)| {
            Some(AuditedRelease {
                service: service.clone(),
                release: ReleaseId(release["id"].as_u64()?),
                revision: RevisionNumber(u32::try_from(release["revision"].as_u64()?).ok()?),
            })
        })
        .collect();
    record
}
