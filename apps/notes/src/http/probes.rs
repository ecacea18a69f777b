//! What operators and machines ask: health, readiness, metrics, version, the API's description.
//!
//! Invariant: `/healthz` depends on nothing but this process, so that an outage of the database
//! does not make a load balancer kill every task; `/readyz` checks the database, its schema and the
//! cache. Refuses: details of failures to clients; they are in the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::App;
use crate::metrics::Vitals;
use crate::problem::chain;

/// The OpenAPI document.
pub(crate) const OPENAPI: &str = include_str!("../../openapi.json");

const CHECK: Duration = Duration::from_secs(3);

/// Answers `GET /healthz`.
pub(super) async fn live(State(app): State<Arc<App>>) -> Response {
    match app.faults.bad_health() {
        true => answer(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({ "status": "failing", "detail": "a rehearsed fault" }),
        ),
        false => answer(StatusCode::OK, &json!({ "status": "ok" })),
    }
}

/// `GET /readyz`: 503 while the database, its schema or the cache is not usable.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let (database, cache) = tokio::join!(database(&app), cache(&app));
    let stopping = app.stopping.load(Ordering::Relaxed);
    let good = !stopping && !app.faults.bad_health() && database == "ok" && cache == "ok";
    let state = match (stopping, good) {
        (true, _) => "stopping",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    let status = if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer(
        status,
        &json!({ "status": state, "checks": { "database": database, "cache": cache } }),
    )
}

async fn database(app: &App) -> String {
    match tokio::time::timeout(CHECK, app.store.schema()).await {
        Ok(Ok(at)) if at < crate::migrate::NEWEST => {
            format!(
                "the schema is at {at}, this version needs {}: run `notes migrate`",
                crate::migrate::NEWEST
            )
        }
        Ok(Ok(_)) => "ok".to_owned(),
        Ok(Err(error)) => {
            app.log.warn(
                "the database is not ready",
                &[("error", chain(&error).into())],
            );
            match error {
                crate::store::StoreError::SchemaMissing { .. } => {
                    "no schema: run `notes migrate`".to_owned()
                }
                _ => "does not answer".to_owned(),
            }
        }
        Err(_) => "does not answer in time".to_owned(),
    }
}

async fn cache(app: &App) -> String {
    match tokio::time::timeout(CHECK, app.cache.ping()).await {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(error)) => {
            app.log
                .warn("the cache is not ready", &[("error", chain(&error).into())]);
            "does not answer".to_owned()
        }
        Err(_) => "does not answer in time".to_owned(),
    }
}

/// Answers `GET /metrics`.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let vitals = Vitals {
        database: app.store.connections(),
        revision: &app.config.identity.revision,
    };
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, app.metrics.render(&vitals)).into_response()
}

/// Answers `GET /api/info`.
pub(super) async fn info(State(app): State<Arc<App>>) -> Response {
    let identity = &app.config.identity;
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    answer(
        StatusCode::OK,
        &json!({
            "name": "notes",
            "version": env!("CARGO_PKG_VERSION"),
            "revision": text(&identity.revision),
            "task": text(&identity.task),
            "banner": text(&identity.banner),
        }),
    )
}

/// Answers `GET /api/openapi.json`.
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

fn answer(status: StatusCode, document: &Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        document.to_string(),
    )
        .into_response()
}
