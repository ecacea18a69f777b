//! The answer for a path of a site: which file it is, and which of its bytes are sent.
//!
//! Invariant: what stands in for a path (a fallback, the page of a 404) is never sent with what
//! the path's own file would be kept with.

use std::ops::Range as Bounds;
use std::path::{Path, PathBuf};

use neargate_core::ids::RevisionNumber;
use neargate_core::routing::http_date::HttpDate;
use neargate_core::routing::matching::RequestFacts;
use neargate_core::routing::site::{
    ASK_AGAIN, cache_control, is_page, may_be_a_page, navigates, stand_in_cache_control,
};
use neargate_core::routing::table::StaticSite;
use neargate_core::time::civil;

use super::entity::{Entity, SendOptions, accepts};
use super::resolve::{ResolvedPath, inside, resolve};
use crate::clock::monotonic;
use crate::pressure::is_shortage;
use crate::request::RequestHead;

/// Parts of a request that decide which file is sent. Owned: they go to a thread that may wait.
#[derive(Debug)]
pub(crate) struct FileRequest {
    pub(crate) path: String,
    query: String,
    encodings: &'static str,
    navigates: bool,
}

impl FileRequest {
    pub(crate) fn new(head: &RequestHead) -> Self {
        let accepted = head.joined("accept-encoding").unwrap_or_default();
        let encodings = match (accepts(&accepted, "br"), accepts(&accepted, "gzip")) {
            (true, true) => "br, gzip",
            (true, false) => "br",
            (false, true) => "gzip",
            (false, false) => "",
        };
        Self {
            path: head.path().to_owned(),
            query: head.query().to_owned(),
            encodings,
            navigates: navigates(head.text("sec-fetch-mode"), head.text("accept")),
        }
    }

    /// Key of the answer among those of all sites.
    pub(crate) fn key(&self, site: &StaticSite) -> String {
        let revision = site.revision.to_string();
        let parts = [
            site.service.as_str(),
            &revision,
            &site.directory,
            self.encodings,
            &self.path,
        ];
        parts.join("\0")
    }
}

/// Result of a path's look-up.
pub(crate) enum FileLookup {
    /// Its own file, which it will always have.
    Own(Entity),
    /// A file that stands in for it, or one of an earlier revision.
    Other(Entity),
    /// To the folder with its slash.
    Redirect(String),
    /// Nothing at all.
    Nothing,
    /// It is not known what is there: the router lacks descriptors or memory.
    Shortage(String),
}

/// Finds and reads the file. Blocks.
pub(crate) fn make(site: &StaticSite, asked: &FileRequest) -> FileLookup {
    let root = Path::new(&site.directory);
    let mut page = may_be_a_page(&asked.path, asked.navigates);
    match resolve(root, &asked.path, &site.site.index) {
        ResolvedPath::Redirect => return FileLookup::Redirect(location(asked)),
        ResolvedPath::File(file) => {
            return match read(site, asked, &file, site.revision) {
                Ok(found) => FileLookup::Own(found),
                Err(error) if is_shortage(&error) => FileLookup::Shortage(error.to_string()),
                Err(_) => FileLookup::Nothing,
            };
        }
        ResolvedPath::Nothing => {}
        ResolvedPath::Refused => page = false,
    }
    let now = monotonic();
    for earlier in site.earlier.iter().filter(|earlier| earlier.until > now) {
        let root = Path::new(&earlier.directory);
        if let ResolvedPath::File(file) = resolve(root, &asked.path, &site.site.index)
            && !is_page(&file.to_string_lossy())
            && let Ok(found) = read(site, asked, &file, earlier.revision)
        {
            return FileLookup::Other(found);
        }
    }
    let stand_in = |name: &Option<String>, status: u16| {
        let name = name.as_deref()?;
        let cache = match status {
            200 => stand_in_cache_control(&site.site, name),
            _ => ASK_AGAIN,
        };
        let manner = SendOptions {
            revision: site.revision,
            status,
            encodings: asked.encodings,
            cache_control: Some(cache),
        };
        let file: PathBuf = inside(root, name)?;
        Entity::read(&file, &manner).ok()
    };
    page.then(|| stand_in(&site.site.fallback, 200))
        .flatten()
        .or_else(|| stand_in(&site.site.not_found, 404))
        .map_or(FileLookup::Nothing, FileLookup::Other)
}

fn read(
    site: &StaticSite,
    asked: &FileRequest,
    file: &Path,
    revision: RevisionNumber,
) -> std::io::Result<Entity> {
    let manner = SendOptions {
        revision,
        status: 200,
        encodings: asked.encodings,
        cache_control: cache_control(&site.site, &asked.path),
    };
    Entity::read(file, &manner)
}

fn location(asked: &FileRequest) -> String {
    // More than one slash would make another host of it.
    let path = asked.path.trim_start_matches('/');
    match asked.query.as_str() {
        "" => format!("/{path}/"),
        query => format!("/{path}/?{query}"),
    }
}

/// Part of a file that is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ContentPart {
    /// Nothing: the client has it (304).
    Unchanged,
    /// Nothing: it is not what the client means (412).
    Failed,
    /// All of it.
    Whole,
    /// Some bytes of it (206).
    Some(Bounds<u64>),
    /// None: there are no such bytes (416).
    Outside,
}

/// Which part of a file the request asks for.
pub(crate) fn part(entity: &Entity, head: &RequestHead) -> ContentPart {
    if entity.status != 200 {
        return ContentPart::Whole;
    }
    match condition(entity, head) {
        Precondition::Holds => {}
        Precondition::Unchanged => return ContentPart::Unchanged,
        Precondition::Failed => return ContentPart::Failed,
    }
    let other = head.text("if-range").is_some_and(|tag| tag != entity.etag);
    match head.text("range").filter(|_| !other) {
        Some(text) => range(text, entity.length),
        None => ContentPart::Whole,
    }
}

/// Result of a request's conditions.
enum Precondition {
    Holds,
    Unchanged,
    Failed,
}

/// In the order of RFC 9110, 13.2.2; a date that is none is no condition.
fn condition(entity: &Entity, head: &RequestHead) -> Precondition {
    let date = |name| {
        let (year, ..) = civil(entity.modified / 86_400);
        HttpDate::parse(head.text(name)?, year)
    };
    let failed = match named(head, "if-match", |tag| tag == entity.etag) {
        Some(matches) => !matches,
        None => date("if-unmodified-since").is_some_and(|date| entity.modified > date.0),
    };
    if failed {
        return Precondition::Failed;
    }
    let weakly = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag) == entity.etag;
    let unchanged = match named(head, "if-none-match", weakly) {
        Some(matches) => matches,
        None => date("if-modified-since").is_some_and(|date| entity.modified <= date.0),
    };
    if unchanged {
        Precondition::Unchanged
    } else {
        Precondition::Holds
    }
}

/// Whether a header names a tag that is the same, or any (`*`); `None` when it is not there.
fn named(head: &RequestHead, header: &str, is_same: impl Fn(&str) -> bool) -> Option<bool> {
    let mut values = head.values(header).peekable();
    values.peek()?;
    let mut texts = values.filter_map(|value| std::str::from_utf8(value).ok());
    let same = |tag: &str| tag.trim() == "*" || is_same(tag.trim());
    Some(texts.any(|text| text.split(',').any(same)))
}

/// One range; several, and what is malformed, are answered with the whole (RFC 9110, 14.2).
fn range(text: &str, length: u64) -> ContentPart {
    let Some((unit, positions)) = text.split_once('=') else {
        return ContentPart::Whole;
    };
    let read = |text: &str| match text {
        "" => Some(None),
        text => position(text).map(Some),
    };
    let ends = positions.split_once('-');
    let ends = ends.and_then(|(first, last)| Some((read(first)?, read(last)?)));
    let Some(ends) = ends.filter(|_| unit.eq_ignore_ascii_case("bytes")) else {
        return ContentPart::Whole;
    };
    match ends {
        (None, None) => ContentPart::Whole,
        (Some(first), Some(last)) if first > last => ContentPart::Whole,
        (Some(first), _) if first >= length => ContentPart::Outside,
        (Some(first), Some(last)) => ContentPart::Some(first..last.min(length - 1) + 1),
        (Some(first), None) => ContentPart::Some(first..length),
        (None, Some(last)) if last == 0 || length == 0 => ContentPart::Outside,
        (None, Some(last)) => ContentPart::Some(length.saturating_sub(last)..length),
    }
}

/// A position in digits alone; one that no file has is the largest.
fn position(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (text, expected) in [
            ("bytes=0-3", ContentPart::Some(0..4)),
            ("bytes=5-", ContentPart::Some(5..10)),
            ("bytes=-3", ContentPart::Some(7..10)),
            ("bytes=-30", ContentPart::Some(0..10)),
            ("bytes=8-100", ContentPart::Some(8..10)),
            ("bytes=10-", ContentPart::Outside),
            ("bytes=-0", ContentPart::Outside),
            ("bytes=3-1", ContentPart::Whole),
            ("bytes=0-1,3-4", ContentPart::Whole),
            ("lines=0-1", ContentPart::Whole),
            ("BYTES=0-1", ContentPart::Some(0..2)),
            ("Bytes=8-99999999999999999999999", ContentPart::Some(8..10)),
            ("bytes=-99999999999999999999999", ContentPart::Some(0..10)),
            ("bytes=99999999999999999999999-", ContentPart::Outside),
            ("bytes=+1-3", ContentPart::Whole),
            ("bytes=30-20", ContentPart::Whole),
            ("bytes=-", ContentPart::Whole),
        ] {
            assert_eq!(range(text, 10), expected, "{text}");
        }
    }
}
