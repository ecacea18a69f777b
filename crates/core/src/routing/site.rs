//! What a file of a static site is sent with, near by the router and far as its object's headers.
//!
//! Invariant: both ask here, so a file has one media type and one `Cache-Control`. Refuses to
//! guess: an ending that is not listed is plain bytes, a path without a rule has no rule.

use super::matching::{Case, Pattern};
use crate::manifest::model::Static;

/// The media type of a file, by the ending of its name.
#[must_use]
pub fn content_type(name: &str) -> &'static str {
    match ending(name) {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    }
}

/// Whether a file is a page, which names the other files: what is released last.
#[must_use]
pub fn is_page(name: &str) -> bool {
    matches!(ending(name), "html" | "htm")
}

/// What follows the last dot of a name; a name that only begins with a dot has no ending.
fn ending(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => ending,
        _ => "",
    }
}

/// The manifest's `Cache-Control` for a path (`/assets/app.js`): the first rule that matches.
#[must_use]
pub fn cache_control<'a>(site: &'a Static, path: &str) -> Option<&'a str> {
    let mut rules = site.cache.iter();
    let (_, value) = rules.find(|(rule, _)| Pattern::new(rule, Case::Sensitive).matches(path))?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_decide_and_names_without_one_are_plain_bytes() {
        for (name, expected, page) in [
            ("index.html", "text/html; charset=utf-8", true),
            ("docs/old.htm", "text/html; charset=utf-8", true),
            (
                "assets/app.1a2b.js",
                "text/javascript; charset=utf-8",
                false,
            ),
            ("v1.2/readme", "application/octet-stream", false),
            (".html", "application/octet-stream", false),
        ] {
            assert_eq!(
                (content_type(name), is_page(name)),
                (expected, page),
                "{name}"
            );
        }
    }

    #[test]
    fn the_first_rule_that_matches_a_path_decides() {
        let rule = |pattern: &str, value: &str| (pattern.to_owned(), value.to_owned());
        let site = Static {
            root: "site".to_owned(),
            index: "index.html".to_owned(),
            fallback: None,
            not_found: None,
            cache: vec![rule("/assets/*", "immutable"), rule("/*", "no-cache")],
        };
        assert_eq!(cache_control(&site, "/assets/a.js"), Some("immutable"));
        assert_eq!(cache_control(&site, "/"), Some("no-cache"));
    }
}
