//! The answer for a path of a site: status, headers, and which bytes of which file.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use neargate_core::routing::http_date::HttpDate;
use neargate_core::routing::matching::Facts;
use neargate_core::routing::site::{cache_control, content_type};
use neargate_core::routing::table::StaticSite;

use super::Reply;
use super::resolve::{Resolved, inside, resolve};
use crate::request::Head;

/// What of a request matters to a site.
#[derive(Debug, Default)]
pub(super) struct Asked {
    path: String,
    query: String,
    encodings: String,
    none_match: Option<String>,
    modified_since: Option<String>,
    range: Option<String>,
    if_range: Option<String>,
}

impl Asked {
    pub(super) fn new(head: &Head) -> Self {
        let text = |name| head.text(name).map(str::to_owned);
        Self {
            path: head.path().to_owned(),
            query: head.query().to_owned(),
            encodings: head.joined("accept-encoding").unwrap_or_default(),
            none_match: head.joined("if-none-match"),
            modified_since: text("if-modified-since"),
            range: text("range"),
            if_range: text("if-range"),
        }
    }
}

pub(super) fn make(site: &StaticSite, asked: &Asked) -> Reply {
    let root = Path::new(&site.directory);
    let found = match resolve(root, &asked.path, &site.site.index) {
        Resolved::Redirect => return redirect(asked),
        Resolved::File(file) => Some((200, file)),
        Resolved::Nothing => {
            let fallback = site.site.fallback.as_deref().and_then(|f| inside(root, f));
            let missing = site.site.not_found.as_deref().and_then(|f| inside(root, f));
            fallback.map(|f| (200, f)).or(missing.map(|f| (404, f)))
        }
    };
    found
        .and_then(|(status, file)| from_file(site, asked, status, &file))
        .unwrap_or_else(|| text(404, Vec::new()))
}

fn text(status: u16, headers: Vec<(&'static str, String)>) -> Reply {
    Reply {
        status,
        headers,
        body: None,
        length: 0,
    }
}

fn redirect(asked: &Asked) -> Reply {
    // More than one slash would make another host of it.
    let path = asked.path.trim_start_matches('/');
    let query = if asked.query.is_empty() {
        String::new()
    } else {
        format!("?{}", asked.query)
    };
    text(301, vec![("location", format!("/{path}/{query}"))])
}

fn from_file(site: &StaticSite, asked: &Asked, status: u16, path: &Path) -> Option<Reply> {
    let (path_sent, encoding) = encoded(path, &asked.encodings);
    let file = File::open(&path_sent).ok()?;
    let metadata = file.metadata().ok()?;
    let length = metadata.len();
    let etag = etag(&metadata, encoding);
    let modified = modified(&metadata);
    let mut headers = vec![
        ("content-type", content_type(name(path)).to_owned()),
        ("etag", etag.clone()),
        ("last-modified", HttpDate(modified).to_string()),
        ("vary", "accept-encoding".to_owned()),
    ];
    if let Some(encoding) = encoding {
        headers.push(("content-encoding", encoding.to_owned()));
    }
    if let Some(cache) = cache_control(&site.site, &asked.path) {
        headers.push(("cache-control", cache.to_owned()));
    }
    if status == 200 && is_unchanged(asked, &etag, modified) {
        return Some(text(304, headers));
    }
    let whole = status != 200 || asked.if_range.as_ref().is_some_and(|r| *r != etag);
    let wanted = asked
        .range
        .as_deref()
        .filter(|_| !whole)
        .map(|r| range(r, length));
    headers.push(("accept-ranges", "bytes".to_owned()));
    Some(match wanted {
        None | Some(Range::Whole) => Reply {
            status,
            headers,
            body: Some((file, 0, length)),
            length,
        },
        Some(Range::Part(from, to)) => {
            headers.push(("content-range", format!("bytes {from}-{to}/{length}")));
            Reply {
                status: 206,
                headers,
                body: Some((file, from, to - from + 1)),
                length: to - from + 1,
            }
        }
        Some(Range::Outside) => text(416, vec![("content-range", format!("bytes */{length}"))]),
    })
}

/// A precompressed sibling that the client accepts, brotli first.
fn encoded(path: &Path, accepted: &str) -> (PathBuf, Option<&'static str>) {
    for (name, ending) in [("br", ".br"), ("gzip", ".gz")] {
        if accepts(accepted, name) {
            let mut sibling = path.as_os_str().to_owned();
            sibling.push(ending);
            let sibling = PathBuf::from(sibling);
            if sibling.symlink_metadata().is_ok_and(|m| m.is_file()) {
                return (sibling, Some(name));
            }
        }
    }
    (path.to_owned(), None)
}

fn accepts(accepted: &str, name: &str) -> bool {
    accepted.split(',').any(|part| {
        let mut pieces = part.split(';').map(str::trim);
        let coding = pieces.next().unwrap_or_default();
        let refused = pieces.any(|p| {
            p.strip_prefix("q=")
                .is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0))
        });
        coding.eq_ignore_ascii_case(name) && !refused
    })
}

fn modified(metadata: &Metadata) -> u64 {
    let time = metadata.modified().unwrap_or(UNIX_EPOCH);
    time.duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

fn etag(metadata: &Metadata, encoding: Option<&str>) -> String {
    let time = metadata.modified().unwrap_or(UNIX_EPOCH);
    let nanos = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_nanos();
    let suffix = encoding.map(|e| format!("-{e}")).unwrap_or_default();
    format!("\"{:x}-{nanos:x}{suffix}\"", metadata.len())
}

fn is_unchanged(asked: &Asked, etag: &str, modified: u64) -> bool {
    match (&asked.none_match, &asked.modified_since) {
        (Some(tags), _) => {
            let mut tags = tags.split(',').map(|t| t.trim().trim_start_matches("W/"));
            tags.any(|t| t == etag || t == "*")
        }
        (None, Some(date)) => *date == HttpDate(modified).to_string(),
        (None, None) => false,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part(u64, u64),
    Outside,
}

/// One range; several, and what is malformed, are answered with the whole (RFC 9110, 14.2).
fn range(text: &str, length: u64) -> Range {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|r| r.split_once('-')) else {
        return Range::Whole;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= length && (last.is_empty() || last.parse::<u64>().is_ok()) => {
            Range::Outside
        }
        (Ok(first), Ok(last)) if first <= last => Range::Part(first, last.min(length - 1)),
        (Ok(first), Err(_)) if last.is_empty() => Range::Part(first, length - 1),
        (Err(_), Ok(0)) if first.is_empty() => Range::Outside,
        (Err(_), Ok(_)) if first.is_empty() && length == 0 => Range::Outside,
        (Err(_), Ok(last)) if first.is_empty() => {
            Range::Part(length.saturating_sub(last), length - 1)
        }
        _ => Range::Whole,
    }
}

fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (text, expected) in [
            ("bytes=0-3", Range::Part(0, 3)),
            ("bytes=5-", Range::Part(5, 9)),
            ("bytes=-3", Range::Part(7, 9)),
            ("bytes=-30", Range::Part(0, 9)),
            ("bytes=8-100", Range::Part(8, 9)),
            ("bytes=10-", Range::Outside),
            ("bytes=-0", Range::Outside),
            ("bytes=3-1", Range::Whole),
            ("bytes=0-1,3-4", Range::Whole),
            ("lines=0-1", Range::Whole),
        ] {
            assert_eq!(range(text, 10), expected, "{text}");
        }
    }

    #[test]
    fn encodings_with_weight_zero_are_not_accepted() {
        assert!(accepts("gzip, br;q=0.5", "br"));
        assert!(!accepts("gzip, br;q=0", "br"));
        assert!(!accepts("gzip", "br"));
    }
}
