//! Notes and what may be in one.
//!
//! Invariant: a `Draft` has passed every rule; all broken rules of a body are reported at once.
//! Refuses: unknown fields, wrong types, empty titles, and anything over its length.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most characters of a title.
pub(crate) const TITLE: usize = 200;
/// Most characters of a body.
pub(crate) const BODY: usize = 20_000;
/// Most tags of a note.
pub(crate) const TAGS: usize = 10;
/// Most characters of a tag.
pub(crate) const TAG: usize = 40;

/// One note, as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Number that is never used again.
    pub id: i64,
    /// From 1 to 200 characters.
    pub title: String,
    /// At most 20,000 characters.
    pub body: String,
    /// Lower-case labels, sorted.
    pub tags: Vec<String>,
    /// 1 at first, one more after each change.
    pub version: i64,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC.
    pub updated_at: String,
}

impl Note {
    /// The strong entity tag of this version, quotes included.
    pub(crate) fn etag(&self) -> String {
        etag(self.id, self.version)
    }
}

/// The strong entity tag of a version of a note, quotes included.
pub(crate) fn etag(id: i64, version: i64) -> String {
    format!("\"{id}-{version}\"")
}

/// One line of a list: a note with the first part of its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// As in [`Note`].
    pub id: i64,
    /// As in [`Note`].
    pub title: String,
    /// The first 280 characters of the body.
    pub excerpt: String,
    /// As in [`Note`].
    pub tags: Vec<String>,
    /// As in [`Note`].
    pub version: i64,
    /// As in [`Note`].
    pub created_at: String,
    /// As in [`Note`].
    pub updated_at: String,
}

/// A rule that a request broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FieldProblem {
    /// The field, or the query parameter.
    pub field: String,
    /// The fault, and the values that are allowed.
    pub message: String,
}

impl FieldProblem {
    /// A broken rule of `field`.
    pub(crate) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// The checked content of a create or a change; `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Draft {
    pub title: Option<String>,
    pub body: Option<String>,
    pub tags: Option<Vec<String>>,
}

/// Checks the body of a create or a replacement: the title is required, the rest has defaults.
pub(crate) fn whole(value: &Value) -> Result<Draft, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    let Some(map) = object(value, &mut problems) else {
        return Err(problems);
    };
    let mut draft = fields(map, &mut problems);
    if !map.contains_key("title") {
        problems.push(FieldProblem::new("title", "is required"));
    }
    draft.body.get_or_insert_default();
    draft.tags.get_or_insert_default();
    problems.is_empty().then_some(draft).ok_or(problems)
}

/// Checks the body of a partial change: at least one field.
pub(crate) fn part(value: &Value) -> Result<Draft, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    let Some(map) = object(value, &mut problems) else {
        return Err(problems);
    };
    let draft = fields(map, &mut problems);
    if map.is_empty() {
        problems.push(FieldProblem::new(
            "",
            "give at least one of title, body, tags",
        ));
    }
    problems.is_empty().then_some(draft).ok_or(problems)
}

fn object<'a>(
    value: &'a Value,
    problems: &mut Vec<FieldProblem>,
) -> Option<&'a Map<String, Value>> {
    if !value.is_object() {
        problems.push(FieldProblem::new("", "must be a JSON object"));
    }
    value.as_object()
}

fn fields(map: &Map<String, Value>, problems: &mut Vec<FieldProblem>) -> Draft {
    let mut draft = Draft::default();
    for (name, value) in map {
        match name.as_str() {
            "title" => draft.title = title(value, problems),
            "body" => draft.body = text("body", value, BODY, problems),
            "tags" => draft.tags = tags(value, problems),
            other => problems.push(FieldProblem::new(
                other,
                "is not a field of a note (title, body, tags)",
            )),
        }
    }
    draft
}

fn title(value: &Value, problems: &mut Vec<FieldProblem>) -> Option<String> {
    let title = text("title", value, TITLE, problems)?.trim().to_owned();
    if title.is_empty() {
        problems.push(FieldProblem::new("title", "must not be empty"));
    }
    Some(title)
}

fn text(
    field: &str,
    value: &Value,
    most: usize,
    problems: &mut Vec<FieldProblem>,
) -> Option<String> {
    let Some(text) = value.as_str() else {
        problems.push(FieldProblem::new(field, "must be a string"));
        return None;
    };
    if text.chars().count() > most {
        problems.push(FieldProblem::new(
            field,
            format!("must have at most {most} characters"),
        ));
    }
    // PostgreSQL's text cannot hold it.
    if text.contains('\0') {
        problems.push(FieldProblem::new(field, "must not contain U+0000"));
    }
    Some(text.to_owned())
}

fn tags(value: &Value, problems: &mut Vec<FieldProblem>) -> Option<Vec<String>> {
    let Some(list) = value.as_array() else {
        problems.push(FieldProblem::new("tags", "must be a list of strings"));
        return None;
    };
    if list.len() > TAGS {
        problems.push(FieldProblem::new(
            "tags",
            format!("must have at most {TAGS} entries"),
        ));
    }
    let mut tags = Vec::new();
    for (index, value) in list.iter().enumerate().take(TAGS) {
        let field = format!("tags[{index}]");
        let Some(tag) = text(&field, value, TAG, problems) else {
            continue;
        };
        let tag = tag.trim().to_lowercase();
        if tag.is_empty() {
            problems.push(FieldProblem::new(field, "must not be empty"));
        }
        tags.push(tag);
    }
    tags.sort();
    tags.dedup();
    Some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_whole_note_gets_defaults_and_tidy_tags() {
        let draft =
            whole(&json!({"title": "  Milk ", "tags": ["Shop", "home", "shop"]})).expect("valid");
        assert_eq!(draft.title.as_deref(), Some("Milk"));
        assert_eq!(draft.body.as_deref(), Some(""));
        assert_eq!(draft.tags, Some(vec!["home".into(), "shop".into()]));
    }

    #[test]
    fn every_broken_rule_is_reported_at_once() {
        let body =
            json!({"title": " ", "body": 7, "tags": ["", 3, "x".repeat(41)], "colour": "red"});
        let problems = whole(&body).expect_err("broken");
        let fields: Vec<&str> = problems.iter().map(|p| p.field.as_str()).collect();
        for field in ["title", "body", "tags[0]", "tags[1]", "tags[2]", "colour"] {
            assert!(fields.contains(&field), "{field} in {fields:?}");
        }
    }

    #[test]
    fn bodies_that_are_no_notes_are_refused() {
        let cases = [
            json!(null),
            json!([]),
            json!({}),
            json!({"body": "no title"}),
            json!({"title": "x".repeat(201)}),
            json!({"title": "nul \0"}),
            json!({"title": "t", "tags": vec!["a"; 11]}),
        ];
        for case in cases {
            assert!(whole(&case).is_err(), "{case}");
        }
        assert!(part(&json!({})).is_err());
        assert!(part(&json!({"body": ""})).is_ok());
    }
}
