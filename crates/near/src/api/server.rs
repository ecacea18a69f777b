//! Serves the API: every request becomes one [`ApiCall`] to the engine's loop, which alone knows
//! the state.
//!
//! Refuses: anyone but the owner (the socket is 0600 in a 0700 directory), bodies over 1 MiB.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path as UrlPath, Query, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use neargate_core::command_exit::CommandExit;
use neargate_core::metrics::report::MetricsReport;
use neargate_core::plan::RunningEnvironment;
use neargate_core::release_report::ReleaseRecord;
use neargate_core::status::Status;
use serde::Deserialize;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};

use super::audit_layer::{Peer, audited};
use super::wire::{
    Accepted, AlarmRecord, BODY_LIMIT, ControlRequest, DataAccess, EnvironmentDefinition, Problem,
    ReleaseProgress, Rollback, ScaleRequest, SessionRequest, ShellEnvironment,
};
use crate::audit_log::AuditLog;
use crate::input_channel::InputSender;
use crate::socket::ShortName;

/// Events per answer of the engine's loop to one reader.
pub const EVENTS_PER_READ: usize = 500;
/// An engine that does not answer by then is stuck; the caller is told so.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// Calls that are answered when artifacts are copied; `status` says how far that is, and who does not
/// want to wait for it goes away.
const COPY_TIMEOUT: Duration = Duration::from_secs(3600);

/// A stream without an event has an empty line this often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Where the answer of a call goes.
pub type CallReply<T> = oneshot::Sender<Result<T, Problem>>;

/// One request, for the engine's loop: parts of the path, the body, and where the answer goes.
pub enum ApiCall {
    /// Answers `GET /v1/status`.
    Status(CallReply<Status>),
    /// Answers `POST /v1/up`.
    Up(Box<EnvironmentDefinition>, CallReply<Accepted>),
    /// Answers `POST /v1/services/NAME/deploy`.
    Deploy(String, Box<EnvironmentDefinition>, CallReply<Accepted>),
    /// Answers `POST /v1/services/NAME/rollback`.
    Rollback(String, Rollback, CallReply<Accepted>),
    /// Answers `POST /v1/services/NAME/steer`.
    Steer(String, ControlRequest, CallReply<Accepted>),
    /// Answers `GET /v1/services/NAME/releases`.
    Releases(String, CallReply<Vec<ReleaseRecord>>),
    /// Answers `GET /v1/alarms`.
    Alarms(CallReply<Vec<AlarmRecord>>),
    /// Answers `GET /v1/metrics?seconds=N`.
    Metrics(Duration, CallReply<MetricsReport>),
    /// Answers `POST /v1/services/NAME/scale`.
    Scale(String, ScaleRequest, CallReply<Accepted>),
    /// Answers `POST /v1/services/NAME/session`.
    Session(String, SessionRequest, CallReply<ShellEnvironment>),
    /// Answers `GET /v1/data/NAME`.
    Data(String, CallReply<DataAccess>),
    /// Answers `GET /v1/observed`.
    Observed(CallReply<RunningEnvironment>),
    /// Answers `GET /v1/events?after=SEQ`.
    Events(u64, CallReply<Vec<ReleaseProgress>>),
    /// Answers `POST /v1/router/replace`.
    ReplaceRouter(CallReply<Accepted>),
    /// Answers `POST /v1/down`.
    Down(CallReply<Accepted>),
}

/// The loop's address.
#[derive(Debug, Clone)]
pub struct ApiState {
    /// Calls to the loop.
    pub calls: InputSender<ApiCall>,
    /// Last journal position, for readers of events.
    pub seq: watch::Receiver<u64>,
}

/// Binds the socket, 0600.
///
/// # Errors
/// Those of the file system.
pub fn bind(path: &Path) -> std::io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let name = ShortName::of(path)?;
    let listener = UnixListener::bind(name.path())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves until `ending`, and to the end of what is being answered then.
///
/// # Errors
/// Those of the listener.
pub async fn serve(
    listener: UnixListener,
    calls: ApiState,
    audit: Arc<AuditLog>,
    ending: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/up", post(up))
        .route("/v1/services/{name}/deploy", post(deploy))
        .route("/v1/services/{name}/rollback", post(rollback))
        .route("/v1/services/{name}/steer", post(steer))
        .route("/v1/services/{name}/releases", get(releases))
        .route("/v1/services/{name}/scale", post(scale))
        .route("/v1/services/{name}/session", post(session))
        .route("/v1/data/{name}", get(data))
        .route("/v1/observed", get(observed))
        .route("/v1/alarms", get(alarms))
        .route("/v1/metrics", get(metrics))
        .route("/v1/events", get(events))
        .route("/v1/router/replace", post(replace_router))
        .route("/v1/down", post(down))
        .layer(from_fn_with_state(audit, audited))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(calls);
    let service = router.into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, service)
        .with_graceful_shutdown(async {
            // An engine that is gone ends, too.
            let _ = ending.await;
        })
        .await
}

/// A problem as an answer: 400 when the request is wrong (exit 2), 409 when the engine cannot do it now.
struct ProblemResponse(Problem);

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let status = if self.0.exit == CommandExit::Usage {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::CONFLICT
        };
        (status, Json(self.0)).into_response()
    }
}

type HandlerResult<T> = Result<Json<T>, ProblemResponse>;

async fn ask<T>(calls: &ApiState, call: impl FnOnce(CallReply<T>) -> ApiCall) -> HandlerResult<T> {
    ask_within(CALL_TIMEOUT, calls, call).await
}

async fn ask_within<T>(
    limit: Duration,
    calls: &ApiState,
    call: impl FnOnce(CallReply<T>) -> ApiCall,
) -> HandlerResult<T> {
    let (reply, answer) = oneshot::channel();
    let stuck = |error: &str| {
        ProblemResponse(Problem::failed(error).with_help("see engine.log in the state directory"))
    };
    calls
        .calls
        .send(call(reply))
        .await
        .map_err(|_| stuck("the engine is ending"))?;
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(Ok(value))) => Ok(Json(value)),
        Ok(Ok(Err(problem))) => Err(ProblemResponse(problem)),
        Ok(Err(_)) => Err(stuck("the engine is ending")),
        Err(_) => Err(stuck(&format!(
            "the engine did not answer within {} minutes",
            limit.as_secs() / 60
        ))),
    }
}

async fn status(State(calls): State<ApiState>) -> HandlerResult<Status> {
    ask(&calls, ApiCall::Status).await
}

async fn up(
    State(calls): State<ApiState>,
    Json(body): Json<EnvironmentDefinition>,
) -> HandlerResult<Accepted> {
    ask_within(COPY_TIMEOUT, &calls, |reply| {
        ApiCall::Up(Box::new(body), reply)
    })
    .await
}

async fn deploy(
    State(calls): State<ApiState>,
    UrlPath(name): UrlPath<String>,
    Json(body): Json<EnvironmentDefinition>,
) -> HandlerResult<Accepted> {
    ask_within(COPY_TIMEOUT, &calls, |reply| {
        ApiCall::Deploy(name, Box::new(body), reply)
    })
    .await
}

async fn rollback(
    State(calls): State<ApiState>,
    UrlPath(name): UrlPath<String>,
    Json(body): Json<Rollback>,
) -> HandlerResult<Accepted> {
    ask(&calls, |reply| ApiCall::Rollback(name, body, reply)).await
}

async fn steer(
    State(calls): State<ApiState>,
    UrlPath(name): UrlPath<String>,
    Json(body): Json<ControlRequest>,
) -> HandlerResult<Accepted> {
    ask(&calls, |reply| ApiCall::Steer(name, body, reply)).await
}

async fn releases(
    State(calls): State<ApiState>,
    UrlPath(name): UrlPath<String>,
) -> HandlerResult<Vec<ReleaseRecord>> {
    ask(&calls, |reply| ApiCall::Releases(name, reply)).await
}

async fn alarms(State(calls): State<ApiState>) -> HandlerResult<Vec<AlarmRecord>> {
    ask(&calls, ApiCall::Alarms).await
}

/// How long a stretch is asked for, seconds.
#[derive(Deserialize)]
struct PeriodQuery {
    seconds: u64,
}

async fn metrics(
    State(calls): State<ApiState>,
    Query(stretch): Query<PeriodQuery>,
) -> HandlerResult<MetricsReport> {
    let stretch = Duration::from_secs(stretch.seconds);
    ask(&calls, |reply| ApiCall::Metrics(stretch, reply)).await
}

async fn scale(
    State(calls): State<ApiState>,
    UrlPath(name): UrlPath<String>,
    Json(body): Json<ScaleRequest>,
) -> HandlerResult<Accepted> {
    ask(&calls, |reply| ApiCall::Scale(name, body, reply)).await
}

async fn session(
    State(calls): State<ApiState>,
    UrlPath(name): UrlPath<String>,
    Json(body): Json<SessionRequest>,
) -> HandlerResult<ShellEnvironment> {
    ask(&calls, |reply| ApiCall::Session(name, body, reply)).await
}

async fn data(
    State(calls): State<ApiState>,
    UrlPath(name): UrlPath<String>,
) -> HandlerResult<DataAccess> {
    ask(&calls, |reply| ApiCall::Data(name, reply)).await
}

async fn observed(State(calls): State<ApiState>) -> HandlerResult<RunningEnvironment> {
    ask(&calls, ApiCall::Observed).await
}

async fn replace_router(State(calls): State<ApiState>) -> HandlerResult<Accepted> {
    ask(&calls, ApiCall::ReplaceRouter).await
}

async fn down(State(calls): State<ApiState>) -> HandlerResult<Accepted> {
    ask(&calls, ApiCall::Down).await
}

#[derive(Deserialize)]
struct EventsQuery {
    /// `None`: from now on.
    after: Option<u64>,
}

async fn events(State(calls): State<ApiState>, Query(from): Query<EventsQuery>) -> Response {
    let (sender, receiver) = mpsc::channel(4);
    let after = from.after.unwrap_or_else(|| *calls.seq.borrow());
    tokio::spawn(follow(calls, after, sender));
    let stream = EventBody(receiver);
    Response::new(Body::new(stream))
}

async fn follow(mut calls: ApiState, mut after: u64, sender: mpsc::Sender<Bytes>) {
    loop {
        let Ok(Json(batch)) = ask(&calls, |reply| ApiCall::Events(after, reply)).await else {
            return;
        };
        let Some(last) = batch.last() else {
            tokio::select! {
                changed = calls.seq.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
                // A sign of life: the loop has just answered that there is nothing.
                () = tokio::time::sleep(SIGN_OF_LIFE) => {
                    if sender.send(Bytes::from_static(b"\n")).await.is_err() {
                        return;
                    }
                }
            }
            continue;
        };
        after = last.seq;
        let mut lines = Vec::new();
        for progress in &batch {
            if serde_json::to_writer(&mut lines, progress).is_ok() {
                lines.push(b'\n');
            }
        }
        if sender.send(lines.into()).await.is_err() {
            return;
        }
    }
}

/// A body that ends when its reader's task does.
struct EventBody(mpsc::Receiver<Bytes>);

impl hyper::body::Body for EventBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv(context)
            .map(|bytes| bytes.map(|bytes| Ok(hyper::body::Frame::data(bytes))))
    }
}
