//! The JSON Schema (2020-12) of the shape, for editors.
//!
//! Invariant: accepts every manifest that is right; refuses unknown keys, wrong kinds, single
//! numbers out of range and texts of the wrong form. What depends on two values is not in it.

use serde_json::{Map, Value, json};

use super::{Absent, FILE, Form, Kind, Shape};

/// The schema of a whole manifest.
pub(crate) fn schema() -> Value {
    let mut schema = object(&FILE, true);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(FILE.title);
    schema
}

/// `whole`: required keys are required; an overlay may leave them to the file.
fn object(shape: &Shape, whole: bool) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in shape.fields() {
        let environments = std::ptr::eq(shape, &raw const FILE) && field.name == "env";
        let mut of = kind(&field.kind, whole && !environments);
        of["description"] = json!(field.doc);
        if let Absent::Default(text) = &field.absent
            && let Some(value) = default(text)
        {
            of["default"] = value;
        }
        properties.insert(field.name.to_owned(), of);
        if whole && matches!(field.absent, Absent::Refused) {
            required.push(field.name);
        }
    }
    json!({
        "type": "object",
        "description": shape.doc,
        "properties": properties,
        "patternProperties": { "^x-": {} },
        "additionalProperties": false,
        "required": required,
    })
}

/// The default, which is a scalar or `[]`, as JSON.
fn default(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn kind(kind: &Kind, whole: bool) -> Value {
    match kind {
        Kind::Text => json!({
            "type": "string", "minLength": 1, "maxLength": 4096, "pattern": "^[^\\x00]*$",
        }),
        Kind::Plain => json!({ "type": ["string", "integer", "boolean"] }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Form(form) => text(form),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Whole(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Number(low, high) => json!({ "type": "number", "minimum": low, "maximum": high }),
        Kind::Seconds(..) => {
            json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$", "examples": ["30s"] })
        }
        Kind::List(of, least, most) => json!({
            "type": "array", "items": self::kind(of, whole), "minItems": least, "maxItems": most,
        }),
        Kind::Many(of, most) => {
            let one = self::kind(of, whole);
            json!({ "anyOf": [one, { "type": "array", "items": one, "maxItems": most }] })
        }
        Kind::Table(shape) => object(shape, whole),
        Kind::Short(key, shape) => match shape.field(key) {
            Some(field) => {
                json!({ "anyOf": [self::kind(&field.kind, whole), object(shape, whole)] })
            }
            None => object(shape, whole),
        },
        Kind::Named(form, of) => json!({
            "type": "object",
            "propertyNames": { "anyOf": [{ "pattern": form.pattern }, { "pattern": "^x-" }] },
            "patternProperties": { form.pattern: self::kind(of, whole) },
        }),
    }
}

fn text(form: &Form) -> Value {
    json!({ "type": "string", "pattern": form.pattern, "examples": [form.example] })
}
