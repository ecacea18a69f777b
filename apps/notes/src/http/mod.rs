//! The HTTP side: routes, and what surrounds every one of them.
//!
//! Invariant: every request gets an answer, with a request id, security headers, a count and a log
//! line; whatever is not a route is a problem document too. Refuses: bodies over 64 KiB, requests
//! that take over ten seconds, and clients over their rate.

mod conditions;
mod layers;
mod notes;
mod probes;

pub(crate) use layers::Peer;
pub(crate) use probes::OPENAPI;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;

use crate::cache::{Cache, CacheError};
use crate::config::Config;
use crate::fault::Faults;
use crate::limit::Limiter;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::sign::Key;
use crate::store::{Store, StoreError};

/// Everything a request may need.
pub(crate) struct App {
    pub config: Config,
    pub log: Log,
    pub store: Store,
    pub cache: Cache,
    /// The rate limit, when there is one.
    pub limiter: Option<Limiter>,
    pub metrics: Metrics,
    /// The faults to rehearse.
    pub faults: Faults,
    /// The key that signs.
    pub key: Key,
    /// Set when the process was asked to stop: `/readyz` says so.
    pub stopping: AtomicBool,
}

/// Why the application could not be put together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    /// The database's URL.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cache's URL.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl App {
    /// Puts the application together; connects to nothing yet.
    pub(crate) fn new(config: Config, log: Log) -> Result<Arc<Self>, AppError> {
        Ok(Arc::new(Self {
            store: Store::new(&config.database_url, config.database_connections)?,
            cache: Cache::new(&config.redis_url)?,
            limiter: config.rate.map(Limiter::new),
            metrics: Metrics::default(),
            faults: Faults::new(config.faults.clone()),
            key: Key::new(&config.session),
            stopping: AtomicBool::new(false),
            log,
            config,
        }))
    }
}

/// The routes. `openapi.json` describes them; a test compares the two.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let one = get(notes::read)
        .put(notes::replace)
        .patch(notes::change)
        .delete(notes::remove);
    let api = Router::new()
        .route("/api/notes", get(notes::list).post(notes::create))
        .route("/api/notes/{id}", one)
        .route("/api/info", get(probes::info))
        .route("/api/openapi.json", get(probes::openapi))
        .layer(from_fn_with_state(app.clone(), layers::misbehave))
        .layer(from_fn_with_state(app.clone(), layers::limit));
    Router::new()
        .merge(api)
        .route("/healthz", get(probes::live))
        .route("/readyz", get(probes::ready))
        .route("/metrics", get(probes::metrics))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "There is nothing at this path."))
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "This path does not know this method; see `Allow`.",
            )
        })
        .layer(from_fn(layers::time_out))
        .layer(from_fn_with_state(app.clone(), layers::observe))
        .with_state(app.clone())
}
