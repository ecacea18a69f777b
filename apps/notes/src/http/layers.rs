//! What surrounds every handler: request id, log line, counts, headers, time limit, rate limit,
//! rehearsed faults.
//!
//! Invariant: no answer leaves without the security headers. Refuses: trusting more than the last
//! hop of `X-Forwarded-For`, the one that our own load balancer wrote.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::App;
use crate::limit::Verdict;
use crate::log::Level;
use crate::problem::{Cause, Problem};
use crate::sign::hex;

const TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The peer's address; the server puts it into each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub SocketAddr);

const SECURITY: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=()",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// Request id, log line, counts and security headers.
pub(super) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let in_flight = app.metrics.came();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let https = request
        .headers()
        .get("x-forwarded-proto")
        .is_some_and(|proto| proto == "https");

    let mut response = next.run(request).await;

    drop(in_flight);
    let route = matched.as_ref().map_or("(none)", MatchedPath::as_str);
    let status = response.status();
    app.metrics
        .answered(&method, route, status.as_u16(), start.elapsed());
    let mut fields = vec![
        ("request_id", Value::from(id.to_str().unwrap_or_default())),
        ("method", Value::from(method.as_str())),
        ("path", Value::from(path)),
        ("status", Value::from(status.as_u16())),
        (
            "duration_ms",
            Value::from((start.elapsed().as_secs_f64() * 1e5).round() / 100.0),
        ),
    ];
    if let Some(Cause(cause)) = response.extensions_mut().remove() {
        fields.push(("error", Value::from(cause)));
    }
    app.log.write(level(status, route), "request", &fields);
    finish(response.headers_mut(), id, https);
    response
}

fn level(status: StatusCode, route: &str) -> Level {
    match route {
        _ if status.is_server_error() => Level::Error,
        "/healthz" | "/readyz" | "/metrics" => Level::Debug,
        _ => Level::Info,
    }
}

fn finish(headers: &mut HeaderMap, id: HeaderValue, https: bool) {
    headers.insert(REQUEST_ID, id);
    for (name, value) in SECURITY {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    if https {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    let cache = headers.entry(header::CACHE_CONTROL);
    cache.or_insert(HeaderValue::from_static("no-store"));
}

/// The router's id when it is a reasonable one, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let fits = |id: &&HeaderValue| {
        (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    headers
        .get(REQUEST_ID)
        .filter(fits)
        .cloned()
        .unwrap_or_else(|| {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).expect("Linux always has random bytes");
            HeaderValue::from_str(&hex(&bytes)).expect("hexadecimal digits are valid in a header")
        })
}

/// Ends a request that takes too long.
pub(super) async fn time_out(request: Request, next: Next) -> Response {
    match tokio::time::timeout(TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable("The request took longer than ten seconds.").into_response(),
    }
}

/// One token for each request to the API.
pub(super) async fn limit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(limiter) = &app.limiter else {
        return next.run(request).await;
    };
    let client = app.key.pseudonym(&client(&request));
    let verdict = limiter.acquire(&app.cache, &client).await;
    let mut response = if verdict.allowed {
        next.run(request).await
    } else {
        app.metrics.limited();
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many requests; see `Retry-After`.",
        )
        .into_response()
    };
    tell(response.headers_mut(), verdict);
    response
}

/// The last hop of `X-Forwarded-For`, else the peer.
fn client(request: &Request) -> String {
    let forwarded = request
        .headers()
        .get_all("x-forwarded-for")
        .into_iter()
        .next_back();
    let hop = forwarded
        .and_then(|value| value.to_str().ok()?.rsplit(',').next())
        .map(str::trim);
    match hop.filter(|hop| !hop.is_empty()) {
        Some(hop) => hop.to_owned(),
        None => request
            .extensions()
            .get::<Peer>()
            .map(|peer| peer.0.ip().to_string())
            .unwrap_or_default(),
    }
}

fn tell(headers: &mut HeaderMap, verdict: Verdict) {
    let seconds = verdict.wait.as_secs_f64().ceil() as u64;
    let mut set = |name: &'static str, value: u64| {
        headers.insert(HeaderName::from_static(name), value.into())
    };
    set("ratelimit-limit", verdict.limit.into());
    set("ratelimit-remaining", verdict.remaining.into());
    set("ratelimit-reset", seconds);
    if !verdict.allowed {
        set("retry-after", seconds.max(1));
    }
}

/// The faults that API requests meet.
pub(super) async fn misbehave(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(latency) = app.faults.latency() {
        tokio::time::sleep(latency).await;
    }
    if app.faults.error() {
        let mut response =
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "A rehearsed fault.").into_response();
        response
            .extensions_mut()
            .insert(Cause("NOTES_FAULT error-rate".to_owned()));
        return response;
    }
    next.run(request).await
}
