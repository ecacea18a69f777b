//! A revision of a static site: its paths, each with the digest of its bytes and its headers.
//!
//! The bytes are in the bucket of records under their SHA-256, the list of a revision beside
//! them; a release copies into the site's bucket. Pure. Invariants: a page is copied after what
//! it names; a file that left is deleted one release later, when no page in a cache names it.
//! Refuses a list of a newer format.

use std::collections::{BTreeMap, BTreeSet};

use neargate_core::ids::RevisionNumber;
use neargate_core::model::Static;
use neargate_core::routing::site::{ASK_AGAIN, cache_control, content_type, is_page};
use serde::{Deserialize, Serialize};

use super::error::DriverError;

/// The format that this version writes.
const FORMAT: u32 = 1;
/// Files that a diff shows by name.
const SHOWN: usize = 20;

/// The files of one revision, by their path without a leading slash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRevision {
    /// Format of this list.
    pub format: u32,
    /// Files by their path.
    pub files: BTreeMap<String, SiteFile>,
}

/// One file of a static site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteFile {
    /// SHA-256 of its bytes, 64 hexadecimal digits.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
    /// The object's `Content-Type`.
    pub content_type: String,
    /// The object's `Cache-Control`.
    pub cache_control: String,
}

/// Where a site's revisions and bytes are in the bucket of records.
#[must_use]
pub fn home(app: &str, env: &str, service: &str) -> String {
    format!("sites/{app}/{env}/{service}")
}

/// The key of a file's bytes.
#[must_use]
pub fn bytes_key(home: &str, sha256: &str) -> String {
    format!("{home}/files/{sha256}")
}

/// The key of a revision's list.
#[must_use]
pub fn list_key(home: &str, revision: RevisionNumber) -> String {
    format!("{home}/revisions/{revision}.json")
}

/// How the record names a revision: its number is where a task definition's is.
#[must_use]
pub fn revision_name(home: &str, revision: RevisionNumber) -> String {
    format!("{home}:{revision}")
}

impl SiteFile {
    /// A file of a site with the headers that near's router would send. An index file is asked
    /// for by its folder, so the folder's rule comes first. Without a rule caches ask whether they
    /// still have the newest, so a release needs no invalidation (CloudFront Developer Guide,
    /// "Manage how long content stays in the cache"; without a header CloudFront would keep files
    /// for a day).
    #[must_use]
    pub fn new(site: &Static, path: &str, sha256: String, size: u64) -> Self {
        let folder = path.strip_suffix(&site.index);
        let folder = folder.filter(|folder| folder.is_empty() || folder.ends_with('/'));
        let by_folder = folder.and_then(|folder| cache_control(site, &format!("/{folder}")));
        let rule = by_folder.or_else(|| cache_control(site, &format!("/{path}")));
        Self {
            sha256,
            size,
            content_type: content_type(path).into_owned(),
            cache_control: rule.unwrap_or(ASK_AGAIN).to_owned(),
        }
    }
}

impl SiteRevision {
    /// Files of a folder.
    #[must_use]
    pub fn new(files: BTreeMap<String, SiteFile>) -> Self {
        Self {
            format: FORMAT,
            files,
        }
    }

    /// Reads a list.
    ///
    /// # Errors
    /// It is of a newer version, or is none.
    pub fn read(key: &str, text: &[u8]) -> Result<Self, DriverError> {
        let site: Self = serde_json::from_slice(text).map_err(|error| DriverError::Missing {
            what: format!("the list {key} cannot be read: {error}"),
            help: "the bucket keeps its versions: restore an earlier one".to_owned(),
        })?;
        if site.format > FORMAT {
            return Err(DriverError::Missing {
                what: format!("the list {key} was written by a newer neargate"),
                help: "install the newer version".to_owned(),
            });
        }
        Ok(site)
    }
}

impl SiteRevision {
    /// Paths that are to be copied, in two parts: first those that pages name, then the pages.
    /// Without `standing` all of them; with it those that differ from it.
    #[must_use]
    pub fn to_copy(&self, standing: Option<&Self>) -> [Vec<String>; 2] {
        let differs = |path: &&String| {
            let there = standing.and_then(|site| site.files.get(*path));
            there != self.files.get(*path)
        };
        let changed = self.files.keys().filter(differs).cloned();
        let (pages, rest) = changed.partition(|path| is_page(path));
        [rest, pages]
    }

    /// Paths that are deleted: those of earlier revisions that are neither here nor in the one that
    /// served before, whose pages may still be open.
    #[must_use]
    pub fn to_delete(&self, before: Option<&Self>, earlier: &[Self]) -> Vec<String> {
        let kept = |path: &&String| {
            self.files.contains_key(*path)
                || before.is_some_and(|site| site.files.contains_key(*path))
        };
        let all: BTreeSet<&String> = earlier.iter().flat_map(|site| site.files.keys()).collect();
        all.into_iter()
            .filter(|path| !kept(path))
            .cloned()
            .collect()
    }

    /// Paths whose object is missing in a bucket or has another size.
    #[must_use]
    pub fn missing(&self, bucket: &BTreeMap<String, u64>) -> Vec<String> {
        let away = |(path, file): &(&String, &SiteFile)| bucket.get(*path) != Some(&file.size);
        self.files
            .iter()
            .filter(away)
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Whether a file that a release would not copy, because it stands already, is not there.
    #[must_use]
    pub fn is_damaged(&self, standing: Option<&Self>, bucket: &BTreeMap<String, u64>) -> bool {
        let stands = |path: &String| {
            standing.is_some_and(|site| site.files.get(path) == self.files.get(path))
        };
        self.missing(bucket).iter().any(stands)
    }

    /// Each difference as a line; of many only the first, and how many more.
    #[must_use]
    pub fn changes(&self, old: &Self) -> Vec<String> {
        let all: BTreeSet<&String> = old.files.keys().chain(self.files.keys()).collect();
        let line = |path: &String| match (old.files.get(path), self.files.get(path)) {
            (None, _) => Some(format!("new: {path}")),
            (_, None) => Some(format!("left: {path}")),
            (Some(old), Some(new)) if old.sha256 != new.sha256 => Some(format!("changed: {path}")),
            (Some(old), Some(new)) if old != new => Some(format!(
                "headers of {path}: {}, {} -> {}, {}",
                old.content_type, old.cache_control, new.content_type, new.cache_control
            )),
            _ => None,
        };
        let mut lines: Vec<String> = all.into_iter().filter_map(line).collect();
        let more = lines.len().saturating_sub(SHOWN);
        lines.truncate(SHOWN);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(files: &[(&str, &str)]) -> SiteRevision {
        let rules = Static {
            root: "front".to_owned(),
            index: "index.html".to_owned(),
            fallback: None,
            not_found: None,
            cache: vec![("/assets/*".to_owned(), "immutable".to_owned())],
            keep: std::time::Duration::ZERO,
        };
        let file = |(path, digest): &(&str, &str)| {
            let file = SiteFile::new(&rules, path, (*digest).to_owned(), 1);
            ((*path).to_owned(), file)
        };
        SiteRevision::new(files.iter().map(file).collect())
    }

    #[test]
    fn pages_are_copied_after_what_they_name_and_only_what_changed() {
        let old = site(&[("index.html", "a"), ("assets/1.js", "b"), ("logo.svg", "c")]);
        let new = site(&[("index.html", "d"), ("assets/2.js", "e"), ("logo.svg", "c")]);
        assert_eq!(
            new.to_copy(Some(&old)),
            [vec!["assets/2.js"], vec!["index.html"]]
        );
        let [rest, pages] = new.to_copy(None);
        assert_eq!((rest.len(), pages.len()), (2, 1));
        let lines = [
            "left: assets/1.js",
            "new: assets/2.js",
            "changed: index.html",
        ];
        assert_eq!(new.changes(&old), lines);
    }

    #[test]
    fn a_path_that_left_is_deleted_one_release_later() {
        let first = site(&[("index.html", "a"), ("assets/1.js", "b")]);
        let second = site(&[("index.html", "c"), ("assets/2.js", "d")]);
        let third = site(&[("index.html", "e"), ("assets/2.js", "d")]);
        assert!(second.to_delete(Some(&first), &[]).is_empty());
        let earlier = [first];
        assert_eq!(third.to_delete(Some(&second), &earlier), ["assets/1.js"]);
    }

    #[test]
    fn what_no_rule_names_is_asked_for_again_and_a_folder_gives_its_index_a_rule() {
        let site = site(&[
            ("index.html", "a"),
            ("assets/index.html", "b"),
            ("assets/a.js", "c"),
        ]);
        let cache = |path: &str| site.files[path].cache_control.as_str();
        assert_eq!(cache("index.html"), "no-cache");
        assert_eq!(cache("assets/index.html"), "immutable");
        assert_eq!(cache("assets/a.js"), "immutable");
    }

    #[test]
    fn a_list_of_a_newer_version_is_refused() {
        let text = r#"{"format":2,"files":{}}"#;
        assert!(SiteRevision::read("k", text.as_bytes()).is_err());
        assert!(SiteRevision::read("k", b"[").is_err());
    }
}
