//! What was probably meant: names that differ by a typing error, what other tools call a key,
//! texts that lack a little.
//!
//! Invariant: a text or key that is offered is right for its form.

use super::{TableSchema, TextFormat};
use crate::manifest::diagnostic::{Diagnostic, SourceSpan};
use crate::names::nearest;

/// The report of a key that a table does not have, and the key that was probably meant.
pub(super) fn unknown(
    name: &str,
    at: SourceSpan,
    shape: &TableSchema,
    place: &str,
) -> (Diagnostic, Option<&'static str>) {
    let names: Vec<&'static str> = shape.fields().map(|field| field.name).collect();
    let owner = match place {
        "" => "the file".to_owned(),
        place => format!("`{place}`"),
    };
    let message = format!("`{}` is not a key of {owner}", name.escape_debug());
    let found = Diagnostic::error("unknown-key", at, message).label("unknown key");
    if let ("value", Some(secret)) = (name, place.strip_prefix("secret.")) {
        let help = format!(
            "a secret's value is never in the manifest: `neargate secret set {secret}` sets it"
        );
        return (found.help(help), None);
    }
    let near = nearest(name, &names).or_else(|| elsewhere(name, &names));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys here are {}", names.join(", ")),
    };
    (found.help(help), near)
}

/// Names of keys in other tools, with the names here.
static ELSEWHERE: &[(&str, &str)] = &[
    ("replicas", "scale"),
    ("instances", "scale"),
    ("desired", "scale"),
    ("count", "scale"),
    ("retries", "unhealthy"),
    ("max-surge", "maximum-percent"),
    ("max-unavailable", "minimum-percent"),
    ("environment", "env"),
    ("variables", "env"),
    ("secrets", "uses"),
    ("depends-on", "uses"),
    ("links", "uses"),
    ("prefix", "path"),
    ("tls", "https"),
    ("ssl", "https"),
    ("threshold", "above"),
    ("lower", "below"),
    ("maxmemory-policy", "eviction"),
    ("cron", "schedule"),
];

fn elsewhere<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let plain = name.to_lowercase().replace('_', "-");
    let (_, here) = ELSEWHERE.iter().find(|(there, _)| *there == plain)?;
    candidates.iter().find(|c| *c == here).copied()
}

/// A key of this form that is nearly what was written.
pub(super) fn key(name: &str, form: &TextFormat) -> Option<String> {
    let keep = |c: char| c.is_ascii_alphanumeric();
    ['-', '_'].into_iter().find_map(|joint| {
        let plain = name.replace(|c| !keep(c), &joint.to_string());
        let small = plain.to_lowercase();
        [plain, small]
            .into_iter()
            .find(|text| (form.check)(text).is_ok() && text.contains(keep))
    })
}

/// A text of this form that is nearly what was written: with the first `/`, in capitals,
/// without a scheme, as a name, with the bits of one address.
pub(super) fn text(written: &str, form: &TextFormat) -> Option<String> {
    let written = written.trim();
    let is = |example: &str| form.example == example;
    let mended = if form.example.starts_with('/') {
        format!("/{written}")
    } else if is("GET") {
        written.to_uppercase()
    } else if is("api") || is("notes") {
        return key(written, form);
    } else if form.example.ends_with("example.com") {
        let bare = written.split_once("://").map_or(written, |(_, rest)| rest);
        bare.trim_end_matches('/').to_owned()
    } else if is("10.0.0.0/8") {
        let bits = if written.contains(':') { 128 } else { 32 };
        format!("{written}/{bits}")
    } else {
        return None;
    };
    (form.check)(&mended).is_ok().then_some(mended)
}
