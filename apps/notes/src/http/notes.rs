//! `/api/notes`: the handlers.
//!
//! Invariant: the cache is told of a write before the write is acknowledged. Refuses: changes
//! without a matching `If-Match`, bodies that are not JSON, cursors of other lists.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Value, json};

use super::{App, conditions};
use crate::cache::CacheError;
use crate::metrics::Lookup;
use crate::note::{self, Draft, FieldProblem, Note, Summary};
use crate::problem::{Problem, chain};
use crate::sign::Cursor;
use crate::store::{Change, Expected, Rank, StoreError};

/// Most bytes of a request's body.
const BODY: usize = 64 * 1024;
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// A JSON body within its bound.
pub(super) struct Json(Value);

impl FromRequest<Arc<App>> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Problem> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("application/json") {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send `Content-Type: application/json`.",
            ));
        }
        let body = Limited::new(request.into_body(), BODY)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "A body has at most 64 KiB.")
                } else {
                    Problem::new(StatusCode::BAD_REQUEST, "The body did not arrive whole.")
                }
            })?;
        serde_json::from_slice(&body.to_bytes())
            .map(Json)
            .map_err(|error| {
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    format!("The body is not JSON: {error}."),
                )
            })
    }
}

/// Answers `GET /api/notes`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    match page_wanted(&app, &query) {
        Ok(PageQuery {
            q,
            limit,
            cursor: None,
        }) if q.is_empty() => first_page(&app, limit).await,
        Ok(wanted) => match page(&app, &wanted).await {
            Ok(json) => document(StatusCode::OK, json),
            Err(error) => error.into_response(),
        },
        Err(problem) => problem.into_response(),
    }
}

struct PageQuery {
    q: String,
    limit: i64,
    cursor: Option<Cursor>,
}

fn page_wanted(app: &App, query: &HashMap<String, String>) -> Result<PageQuery, Problem> {
    let mut problems = Vec::new();
    let q = query
        .get("q")
        .map(|q| q.trim().to_owned())
        .unwrap_or_default();
    if q.chars().count() > 200 || q.contains('\0') {
        problems.push(FieldProblem::new(
            "q",
            "must have at most 200 characters and no U+0000",
        ));
    }
    let limit = match query.get("limit").map(|limit| limit.parse()) {
        None => 20,
        Some(Ok(limit)) if (1..=100).contains(&limit) => limit,
        Some(_) => {
            problems.push(FieldProblem::new("limit", "must be a number from 1 to 100"));
            0
        }
    };
    let cursor = match query
        .get("cursor")
        .map(|text| app.key.open(&q, text))
        .transpose()
    {
        Ok(cursor) => cursor,
        Err(error) => {
            problems.push(FieldProblem::new("cursor", error.to_string()));
            None
        }
    };
    problems
        .is_empty()
        .then_some(PageQuery { q, limit, cursor })
        .ok_or_else(|| Problem::invalid(problems))
}

async fn first_page(app: &App, limit: i64) -> Response {
    let looked_up = app.cache.page(limit).await;
    let generation = match looked_up {
        Ok(found) => match found.json {
            Some(json) => {
                app.metrics.looked_up(Lookup::Hit);
                return with_cache(document(StatusCode::OK, json), "hit");
            }
            None => {
                app.metrics.looked_up(Lookup::Miss);
                Some(found.generation)
            }
        },
        Err(error) => {
            cache_failed(app, &error);
            None
        }
    };
    let json = match page(
        app,
        &PageQuery {
            q: String::new(),
            limit,
            cursor: None,
        },
    )
    .await
    {
        Ok(json) => json,
        Err(error) => return error.into_response(),
    };
    if let Some(generation) = generation {
        told(app, app.cache.keep_page(limit, &generation, &json).await);
    }
    with_cache(document(StatusCode::OK, json), "miss")
}

/// One more than asked for is read: it says whether there is a next page.
async fn page(app: &App, wanted: &PageQuery) -> Result<String, StoreError> {
    let limit = wanted.limit as usize;
    let (notes, next): (Vec<Summary>, Option<Cursor>) = if wanted.q.is_empty() {
        let before = match wanted.cursor {
            Some(Cursor::Before(id)) => Some(id),
            _ => None,
        };
        let mut notes = app.store.list(before, wanted.limit + 1).await?;
        let more = notes.len() > limit;
        notes.truncate(limit);
        let next = notes
            .last()
            .filter(|_| more)
            .map(|last| Cursor::Before(last.id));
        (notes, next)
    } else {
        let after = match wanted.cursor {
            Some(Cursor::After(rank)) => Some(rank),
            _ => None,
        };
        let mut found = app.store.search(&wanted.q, after, wanted.limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(last, rank)| {
            Cursor::After(Rank {
                rank: *rank,
                id: last.id,
            })
        });
        (found.into_iter().map(|(note, _)| note).collect(), next)
    };
    let next = next.map(|cursor| app.key.seal(&wanted.q, cursor));
    Ok(json!({ "notes": notes, "next": next }).to_string())
}

/// Answers `POST /api/notes`.
pub(super) async fn create(State(app): State<Arc<App>>, Json(body): Json) -> Response {
    let draft = match note::whole(&body) {
        Ok(draft) => draft,
        Err(problems) => return Problem::invalid(problems).into_response(),
    };
    match app.store.create(&draft).await {
        Ok(note) => {
            let mut response = written(&app, StatusCode::CREATED, &note).await;
            let location = HeaderValue::from_str(&format!("/api/notes/{}", note.id));
            response.headers_mut().insert(
                header::LOCATION,
                location.expect("digits are valid in a header"),
            );
            response
        }
        Err(error) => error.into_response(),
    }
}

/// Answers `GET /api/notes/{id}`.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(id) = id_of(&id) else {
        return Problem::no_note().into_response();
    };
    match app.cache.note(id).await {
        Ok(Some((version, json))) => {
            app.metrics.looked_up(Lookup::Hit);
            return with_cache(one(&headers, &note::etag(id, version), json), "hit");
        }
        Ok(None) => app.metrics.looked_up(Lookup::Miss),
        Err(error) => cache_failed(&app, &error),
    }
    let note = match app.store.get(id).await {
        Ok(Some(note)) => note,
        Ok(None) => return Problem::no_note().into_response(),
        Err(error) => return error.into_response(),
    };
    let json = json!(note).to_string();
    told(&app, app.cache.keep_note(id, note.version, &json).await);
    with_cache(one(&headers, &note.etag(), json), "miss")
}

/// Answers `PUT /api/notes/{id}`.
pub(super) async fn replace(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json,
) -> Response {
    update(&app, &id, &headers, note::whole(&body)).await
}

/// Answers `PATCH /api/notes/{id}`.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json,
) -> Response {
    update(&app, &id, &headers, note::part(&body)).await
}

async fn update(
    app: &App,
    id: &str,
    headers: &HeaderMap,
    draft: Result<Draft, Vec<FieldProblem>>,
) -> Response {
    let (id, expected) = match target(id, headers) {
        Ok(target) => target,
        Err(problem) => return problem.into_response(),
    };
    let draft = match draft {
        Ok(draft) => draft,
        Err(problems) => return Problem::invalid(problems).into_response(),
    };
    match app.store.update(id, &draft, &expected).await {
        Ok(Change::Made(note)) => written(app, StatusCode::OK, &note).await,
        Ok(Change::Stale(version)) => stale(id, version).into_response(),
        Ok(Change::Missing) => Problem::no_note().into_response(),
        Err(error) => error.into_response(),
    }
}

/// Answers `DELETE /api/notes/{id}`.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let (id, expected) = match target(&id, &headers) {
        Ok(target) => target,
        Err(problem) => return problem.into_response(),
    };
    match app.store.delete(id, &expected).await {
        Ok(Change::Made(())) => {
            told(&app, app.cache.forget_note(id).await);
            told(&app, app.cache.forget_pages().await);
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(Change::Stale(version)) => stale(id, version).into_response(),
        Ok(Change::Missing) => Problem::no_note().into_response(),
        Err(error) => error.into_response(),
    }
}

fn target(id: &str, headers: &HeaderMap) -> Result<(i64, Expected), Problem> {
    let id = id_of(id).ok_or_else(Problem::no_note)?;
    Ok((id, conditions::if_match(headers, id)?))
}

fn id_of(text: &str) -> Option<i64> {
    text.parse().ok().filter(|id| *id > 0)
}

fn stale(id: i64, version: i64) -> Problem {
    let detail = "The note has changed since you read it; `ETag` is its current version.";
    Problem::new(StatusCode::PRECONDITION_FAILED, detail)
        .with(header::ETAG, etag(&note::etag(id, version)))
}

async fn written(app: &App, status: StatusCode, note: &Note) -> Response {
    let json = json!(note).to_string();
    told(app, app.cache.keep_note(note.id, note.version, &json).await);
    told(app, app.cache.forget_pages().await);
    let mut response = document(status, json);
    response
        .headers_mut()
        .insert(header::ETAG, etag(&note.etag()));
    response
}

fn one(headers: &HeaderMap, tag: &str, json: String) -> Response {
    let mut response = if conditions::if_none_match(headers, tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        document(StatusCode::OK, json)
    };
    response.headers_mut().insert(header::ETAG, etag(tag));
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    response
}

fn etag(tag: &str) -> HeaderValue {
    HeaderValue::from_str(tag).expect("digits and quotes are valid in a header")
}

fn document(status: StatusCode, json: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], json).into_response()
}

fn with_cache(mut response: Response, result: &'static str) -> Response {
    response
        .headers_mut()
        .insert(X_CACHE, HeaderValue::from_static(result));
    response
}

fn told(app: &App, result: Result<(), CacheError>) {
    if let Err(error) = result {
        cache_failed(app, &error);
    }
}

/// Each outage is logged when it is met, not while Redis is left alone.
fn cache_failed(app: &App, error: &CacheError) {
    app.metrics.looked_up(Lookup::Error);
    if !matches!(error, CacheError::Paused) {
        app.log.warn(
            "the cache failed; going on without it",
            &[("error", chain(error).into())],
        );
    }
}
