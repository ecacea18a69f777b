//! Preconditions: `If-Match` and `If-None-Match`, as RFC 9110 §13 has them.
//!
//! Invariant: a change names the version it starts from. Refuses: changes without `If-Match` (428);
//! weak tags never match one.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};

use crate::problem::Problem;
use crate::store::Expected;

/// The versions of note `id` that `If-Match` accepts.
pub(super) fn if_match(headers: &HeaderMap, id: i64) -> Result<Expected, Problem> {
    if !headers.contains_key(header::IF_MATCH) {
        let detail = "Send `If-Match` with the note's `ETag`, so that nobody's change is lost.";
        return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, detail));
    }
    let tags = tags(headers, header::IF_MATCH);
    if tags.iter().any(|tag| tag == "*") {
        return Ok(Expected::Any);
    }
    Ok(Expected::OneOf(
        tags.iter().filter_map(|tag| version(tag, id)).collect(),
    ))
}

/// Whether `If-None-Match` says that the client has `etag` already (weak comparison).
pub(super) fn if_none_match(headers: &HeaderMap, etag: &str) -> bool {
    let same = |tag: &String| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    tags(headers, header::IF_NONE_MATCH).iter().any(same)
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().to_owned())
        .collect()
}

fn version(tag: &str, id: i64) -> Option<i64> {
    let (of, version) = tag.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
    (of.parse() == Ok(id)).then(|| version.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("valid"))])
    }

    #[test]
    fn if_match_compares_strongly() {
        let cases = [
            ("*", Expected::Any),
            ("\"7-3\"", Expected::OneOf(vec![3])),
            ("\"7-3\", \"7-4\"", Expected::OneOf(vec![3, 4])),
            ("W/\"7-3\"", Expected::OneOf(vec![])),
            ("\"8-3\"", Expected::OneOf(vec![])),
            ("7-3", Expected::OneOf(vec![])),
        ];
        for (value, expected) in cases {
            assert_eq!(
                if_match(&headers(header::IF_MATCH, value), 7).expect(value),
                expected,
                "{value}"
            );
        }
        assert!(if_match(&HeaderMap::new(), 7).is_err());
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for (value, same) in [
            ("\"7-3\"", true),
            ("W/\"7-3\"", true),
            ("*", true),
            ("\"7-2\", \"7-3\"", true),
            ("\"7-2\"", false),
        ] {
            assert_eq!(
                if_none_match(&headers(header::IF_NONE_MATCH, value), "\"7-3\""),
                same,
                "{value}"
            );
        }
    }
}
