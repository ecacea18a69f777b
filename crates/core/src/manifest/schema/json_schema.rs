//! The JSON Schema (2020-12) of the shape, for editors.
//!
//! Invariant: accepts every manifest that is right; refuses unknown keys, wrong kinds, single
//! numbers out of range and texts of the wrong form. What depends on two values is not in it.

use serde_json::{Map, Value, json};

use super::{AbsentKey, FILE, TableSchema, TextFormat, ValueKind};

/// The schema of a whole manifest.
pub(crate) fn schema() -> Value {
    let mut schema = object(&FILE, true);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(FILE.title);
    schema
}

/// `whole`: required keys are required; an overlay may leave them to the file.
fn object(shape: &TableSchema, whole: bool) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in shape.fields() {
        let environments = std::ptr::eq(shape, &raw const FILE) && field.name == "env";
        let mut of = kind(&field.kind, whole && !environments);
        of["description"] = json!(field.doc);
        if let AbsentKey::Default(text) = &field.absent
            && let Some(value) = default(text)
        {
            of["default"] = value;
        }
        properties.insert(field.name.to_owned(), of);
        if whole && matches!(field.absent, AbsentKey::Refused) {
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

fn kind(kind: &ValueKind, whole: bool) -> Value {
    match kind {
        ValueKind::Text => json!({
            "type": "string", "minLength": 1, "maxLength": 4096, "pattern": "^[^\\x00]*$",
        }),
        ValueKind::Plain => json!({ "type": ["string", "integer", "boolean"] }),
        ValueKind::Choice(words) => json!({ "enum": words }),
        ValueKind::Form(form) => text(form),
        ValueKind::Flag => json!({ "type": "boolean" }),
        ValueKind::Whole(low, high) => {
            json!({ "type": "integer", "minimum": low, "maximum": high })
        }
        ValueKind::Number(low, high) => {
            json!({ "type": "number", "minimum": low, "maximum": high })
        }
        ValueKind::Seconds(..) => {
            json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$", "examples": ["30s"] })
        }
        ValueKind::List(of, least, most) => json!({
            "type": "array", "items": self::kind(of, whole), "minItems": least, "maxItems": most,
        }),
        ValueKind::Many(of, most) => {
            let one = self::kind(of, whole);
            json!({ "anyOf": [one, { "type": "array", "items": one, "maxItems": most }] })
        }
        ValueKind::Table(shape) => object(shape, whole),
        ValueKind::Short(key, shape) => match shape.field(key) {
            Some(field) => {
                json!({ "anyOf": [self::kind(&field.kind, whole), object(shape, whole)] })
            }
            None => object(shape, whole),
        },
        ValueKind::Named(form, of) => json!({
            "type": "object",
            "propertyNames": { "anyOf": [{ "pattern": form.pattern }, { "pattern": "^x-" }] },
            "patternProperties": { form.pattern: self::kind(of, whole) },
        }),
    }
}

fn text(form: &TextFormat) -> Value {
    json!({ "type": "string", "pattern": form.pattern, "examples": [form.example] })
}
