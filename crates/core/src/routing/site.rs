//! What a file of a static site is sent with, near by the router and far as its object's headers.
//!
//! Invariant: both ask here, so a file has one media type and one `Cache-Control`, and what is
//! missing is missing in both. Refuses to guess: an ending that nobody knows is plain bytes, a path
//! without a rule has no rule.

use std::borrow::Cow;

use super::matching::{LetterCase, Pattern};
use crate::model::{FILE_NAME, Static};

/// Sent where an answer must not be taken for the path's own file later: a fallback, a 404.
pub const ASK_AGAIN: &str = "no-cache";
/// The one folder with a dot that is public (RFC 8615).
pub const WELL_KNOWN: &str = ".well-known";
/// Endings of files that are compressed beforehand.
const COMPRESSED: [&str; 3] = [".gz", ".br", ".zst"];

/// Media types of the endings of web pages and of their parts; other endings are asked of
/// `mime_guess`. CloudFront's function for single-page applications has the same list.
const ASSETS: &[(&str, &str)] = &[
    ("apng", "image/apng"),
    ("atom", "application/atom+xml"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("ico", "image/x-icon"),
    ("ics", "text/calendar; charset=utf-8"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("m4a", "audio/mp4"),
    ("map", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ogg", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("rss", "application/rss+xml"),
    ("svg", "image/svg+xml"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain; charset=utf-8"),
    ("vtt", "text/vtt; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];
/// Media types of the endings of pages.
const PAGES: &[(&str, &str)] = &[
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("xhtml", "application/xhtml+xml"),
];

/// The media type of a file, by the ending of its name in any case.
#[must_use]
pub fn content_type(name: &str) -> Cow<'static, str> {
    let ending = ending(name).to_ascii_lowercase();
    if let Some(known) = find(ASSETS, &ending).or(find(PAGES, &ending)) {
        return Cow::Borrowed(known);
    }
    // Apple asks for this name without an ending, and for this type.
    if last(name) == "apple-app-site-association" {
        return Cow::Borrowed("application/json");
    }
    match mime_guess::from_ext(&ending).first_raw() {
        Some(text) if text.starts_with("text/") => Cow::Owned(format!("{text}; charset=utf-8")),
        Some(other) => Cow::Borrowed(other),
        None => Cow::Borrowed("application/octet-stream"),
    }
}

fn find(types: &[(&'static str, &'static str)], ending: &str) -> Option<&'static str> {
    let at = types
        .binary_search_by_key(&ending, |(known, _)| known)
        .ok()?;
    Some(types[at].1)
}

/// Whether a file is a page, which names the other files: what is released last.
#[must_use]
pub fn is_page(name: &str) -> bool {
    find(PAGES, &ending(name).to_ascii_lowercase()).is_some()
}

/// Whether a path without a file may be a page that a single-page application makes itself:
/// never a hidden path, an asset or a page's file; with any other ending only when a browser goes
/// there (`navigates`), as for `/users/j.doe`.
#[must_use]
pub fn may_be_a_page(path: &str, navigates: bool) -> bool {
    let hidden = path.split('/').any(|part| part.starts_with('.'));
    let ending = ending(path).to_ascii_lowercase();
    let file = find(ASSETS, &ending).or(find(PAGES, &ending)).is_some();
    !hidden && !file && (ending.is_empty() || navigates)
}

/// Whether a browser goes to a page with this request: what `Sec-Fetch-Mode` says, and `Accept`
/// for clients that do not send it.
#[must_use]
pub fn navigates(sec_fetch_mode: Option<&str>, accept: Option<&str>) -> bool {
    match sec_fetch_mode {
        Some(mode) => mode == "navigate",
        None => accept.is_some_and(|accept| {
            let mut types = accept.split(',').filter_map(|part| part.split(';').next());
            types.any(|one| one.trim().eq_ignore_ascii_case("text/html"))
        }),
    }
}

/// Whether a part of a path (or of a file's place in its site) is never served: it begins with a
/// dot, or is a manifest, also compressed and in any case. `first`: nothing stands before it,
/// where `.well-known` is public.
#[must_use]
pub fn is_hidden(part: &str, first: bool) -> bool {
    let dotted = part.starts_with('.') && !(first && part == WELL_KNOWN);
    dotted || is_manifest(part)
}

/// Whether a name is the manifest's, in any case, also compressed.
fn is_manifest(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let compressed = COMPRESSED
        .iter()
        .find_map(|ending| name.strip_suffix(ending));
    compressed.unwrap_or(&name) == FILE_NAME
}

/// Whether a site's folder is the manifest's, or one above it: then the site holds the manifest.
#[must_use]
pub fn holds_manifest(root: &str) -> bool {
    let mut below: usize = 0;
    for part in root.split('/') {
        match part {
            "" | "." => {}
            ".." => below = below.saturating_sub(1),
            _ => below += 1,
        }
    }
    below == 0
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The text after the last dot of a name; a name that only begins with a dot has no ending.
fn ending(name: &str) -> &str {
    match last(name).rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => ending,
        _ => "",
    }
}

/// The `Cache-Control` of a file that stands in for a path: what its own path would get, and
/// never what the asked path would.
#[must_use]
pub fn stand_in_cache_control<'a>(site: &'a Static, file: &str) -> &'a str {
    cache_control(site, &format!("/{file}")).unwrap_or(ASK_AGAIN)
}

/// The manifest's `Cache-Control` for a path (`/assets/app.js`): the first rule that matches.
#[must_use]
pub fn cache_control<'a>(site: &'a Static, path: &str) -> Option<&'a str> {
    let mut rules = site.cache.iter();
    let (_, value) =
        rules.find(|(rule, _)| Pattern::new(rule, LetterCase::Sensitive).matches(path))?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

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
            ("INDEX.HTML", "text/html; charset=utf-8", true),
            ("a/Photo.JPG", "image/jpeg", false),
            ("clip.m4a", "audio/mp4", false),
            ("report.docx", DOCX, false),
            (
                "rows.tsv",
                "text/tab-separated-values; charset=utf-8",
                false,
            ),
            (
                ".well-known/apple-app-site-association",
                "application/json",
                false,
            ),
        ] {
            assert_eq!(
                (&*content_type(name), is_page(name)),
                (expected, page),
                "{name}"
            );
        }
    }

    #[test]
    fn only_what_may_be_a_page_gets_the_page() {
        for (path, by_script, by_navigation) in [
            ("/notes/7", true, true),
            ("/notes/", true, true),
            ("/", true, true),
            ("/assets/app.gone.js", false, false),
            ("/logo.PNG", false, false),
            ("/users/j.doe", false, true),
            ("/old.html", false, false),
            ("/.env", false, false),
            ("/.well-known/missing", false, false),
            ("/a/.git/config", false, false),
        ] {
            assert_eq!(may_be_a_page(path, false), by_script, "{path}");
            assert_eq!(may_be_a_page(path, true), by_navigation, "{path}");
        }
        assert!(navigates(Some("navigate"), None));
        assert!(!navigates(Some("no-cors"), Some("text/html")));
        assert!(navigates(None, Some("application/json, Text/HTML;q=0.9")));
        assert!(!navigates(None, Some("*/*")));
        assert!(!navigates(None, None));
    }

    #[test]
    fn lists_of_endings_are_sorted_and_the_function_of_cloudfront_has_the_same() {
        for types in [ASSETS, PAGES] {
            assert!(types.is_sorted_by_key(|(ending, _)| *ending));
        }
        let function = include_str!("../../../../terraform/modules/edge/paths-spa.js");
        let endings: Vec<&str> = ASSETS.iter().map(|(ending, _)| *ending).collect();
        let list = format!("\"{}\"", endings.join(" "));
        assert!(function.contains(&list), "paths-spa.js lacks {list}");
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
            keep: std::time::Duration::ZERO,
        };
        assert_eq!(cache_control(&site, "/assets/a.js"), Some("immutable"));
        assert_eq!(cache_control(&site, "/"), Some("no-cache"));
        assert_eq!(stand_in_cache_control(&site, "index.html"), "no-cache");
        let site = Static {
            cache: vec![rule("/assets/*", "immutable")],
            ..site
        };
        assert_eq!(stand_in_cache_control(&site, "404.html"), ASK_AGAIN);
    }
}
