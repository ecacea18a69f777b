//! Errors as clients see them: RFC 9457 problem documents.
//!
//! Invariant: every answer of 400 and above that this application makes is `application/problem+json`
//! with `type`, `title`, `status` and, where it helps, `detail` and `errors`. Refuses: internals. Causes
//! go to the log, never to a client.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::note::FieldProblem;
use crate::store::StoreError;

/// One problem document.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    errors: Vec<FieldProblem>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The error inside, for the request's log line; travels in the response's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Cause(pub String);

impl Problem {
    /// A problem with a sentence for people.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// 422 with every broken rule.
    pub(crate) fn invalid(errors: Vec<FieldProblem>) -> Self {
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The request breaks the rules listed in `errors`.",
        );
        problem.errors = errors;
        problem
    }

    /// 404 for a note.
    pub(crate) fn no_note() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such note.")
    }

    /// 503 that asks the client to come back.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with(header::RETRY_AFTER, HeaderValue::from_static("2"))
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn document(&self) -> serde_json::Value {
        let mut document = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if !self.errors.is_empty() {
            document["errors"] = json!(self.errors);
        }
        document
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, self.document().to_string()).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

impl IntoResponse for StoreError {
    fn into_response(self) -> Response {
        let problem = match &self {
            Self::Unavailable { .. } => {
                Problem::unavailable("The database does not answer. Try again soon.")
            }
            Self::SchemaMissing { .. } => Problem::unavailable("The database is not migrated yet."),
            Self::Failed { .. } => Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The request could not be handled.",
            ),
        };
        let mut response = problem.into_response();
        response.extensions_mut().insert(Cause(chain(&self)));
        response
    }
}

/// An error and its sources in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
