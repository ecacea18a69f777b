//! A file of a site as it is sent: its headers, and its bytes when they are few.
//!
//! Invariant: the ETag is made of the bytes alone, so an unchanged file keeps it from revision to
//! revision, and a changed one never has it.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use crate::locked::locked;
use bytes::Bytes;
use neargate_core::hex::hex;
use neargate_core::ids::RevisionNumber;
use neargate_core::routing::http_date::HttpDate;
use neargate_core::routing::site::content_type;
use sha2::{Digest, Sha256};

/// Files up to this many bytes are held in memory.
const SMALL: u64 = 32 * 1024;
/// Bytes of a digest that an ETag shows.
const SHOWN: usize = 16;
/// Digests of larger files that are remembered, by all workers together.
const MOST_DIGESTS: usize = 4096;
/// Bytes that are read at once for a digest.
const BLOCK: usize = 256 * 1024;

/// Which file an inode was when its digest was made: device, inode, length, seconds and
/// nanoseconds of its last change.
type FileIdentity = (u64, u64, u64, i64, i64);

static DIGESTS: LazyLock<Mutex<HashMap<FileIdentity, String>>> = LazyLock::new(Mutex::default);

/// A file as it is sent with every answer.
#[derive(Debug)]
pub(crate) struct Entity {
    /// Where the bytes are.
    pub(crate) path: PathBuf,
    /// The revision that it is of.
    pub(crate) revision: RevisionNumber,
    /// 200, or 404 for the site's own page of that.
    pub(crate) status: u16,
    /// Bytes of the whole file: `Content-Length`.
    pub(crate) length: u64,
    /// `ETag`, with its quotes.
    pub(crate) etag: String,
    /// When it was changed, in seconds since 1970: `Last-Modified`.
    pub(crate) modified: u64,
    /// Lines of the head that are the same in every answer.
    pub(crate) lines: Vec<u8>,
    /// All of it, when it is small.
    pub(crate) content: Option<Bytes>,
}

/// How a file is sent, besides what it is.
pub(crate) struct SendOptions<'a> {
    pub(crate) revision: RevisionNumber,
    pub(crate) status: u16,
    pub(crate) encodings: &'a str,
    pub(crate) cache_control: Option<&'a str>,
}

impl Entity {
    /// Reads a file, or a precompressed sibling of it that the client accepts. Blocks.
    pub(crate) fn read(plain: &Path, manner: &SendOptions<'_>) -> io::Result<Self> {
        let (path, encoding) = encoded(plain, manner.encodings);
        let mut file = File::open(&path)?;
        let metadata = file.metadata()?;
        let length = metadata.len();
        let content = if length <= SMALL {
            let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
            (&mut file).take(SMALL + 1).read_to_end(&mut bytes)?;
            Some(Bytes::from(bytes))
        } else {
            None
        };
        let digest = match &content {
            Some(bytes) => shown(&Sha256::digest(bytes)),
            None => digest(&mut file, &metadata)?,
        };
        let etag = format!("\"{digest}\"");
        let modified = modified(&metadata);
        let kind = content_type(name(plain));
        let mut lines = Vec::with_capacity(256);
        let mut line = |name: &str, value: &str| {
            crate::request::line(&mut lines, name, value.as_bytes());
        };
        line("content-type", &kind);
        line("etag", &etag);
        line("last-modified", &HttpDate(modified).to_string());
        line("vary", "accept-encoding");
        if let Some(encoding) = encoding {
            line("content-encoding", encoding);
        }
        if let Some(cache) = manner.cache_control {
            line("cache-control", cache);
        }
        Ok(Self {
            path,
            revision: manner.revision,
            status: manner.status,
            length: content.as_ref().map_or(length, |bytes| bytes.len() as u64),
            etag,
            modified,
            lines,
            content,
        })
    }

    /// Bytes that it takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        let content = self.content.as_ref().map_or(0, Bytes::len);
        content + self.lines.len() + self.path.as_os_str().len() + size_of::<Self>()
    }

    #[cfg(test)]
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Self {
        Self {
            path: PathBuf::new(),
            revision: RevisionNumber(1),
            status: 200,
            length: bytes.len() as u64,
            etag: String::new(),
            modified: 0,
            lines: Vec::new(),
            content: Some(bytes.into()),
        }
    }
}

/// The digest of a larger file; the same inode is read once.
fn digest(file: &mut File, metadata: &Metadata) -> io::Result<String> {
    let identity = (
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    );
    let known = || locked(&DIGESTS);
    if let Some(found) = known().get(&identity) {
        return Ok(found.clone());
    }
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block)? {
            0 => break,
            count => hash.update(&block[..count]),
        }
    }
    let made = shown(&hash.finalize());
    let mut digests = known();
    if digests.len() >= MOST_DIGESTS {
        digests.clear();
    }
    digests.insert(identity, made.clone());
    Ok(made)
}

fn shown(digest: &[u8]) -> String {
    hex(&digest[..SHOWN.min(digest.len())])
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

/// Whether an `Accept-Encoding` takes a coding.
pub(crate) fn accepts(accepted: &str, name: &str) -> bool {
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

fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_with_weight_zero_are_not_accepted() {
        assert!(accepts("gzip, br;q=0.5", "br"));
        assert!(!accepts("gzip, br;q=0", "br"));
        assert!(!accepts("gzip", "br"));
    }

    #[test]
    fn equal_bytes_have_equal_tags_whatever_their_time_and_size() {
        let folder = tempfile::tempdir().expect("a folder");
        let manner = SendOptions {
            revision: RevisionNumber(1),
            status: 200,
            encodings: "",
            cache_control: None,
        };
        let tag = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            Entity::read(&path, &manner).expect("read").etag
        };
        for length in [0, 10, 100_000] {
            let (mut bytes, before) = (vec![1_u8; length], vec![1_u8; length]);
            assert_eq!(tag("a", &before), tag("b", &bytes));
            bytes.push(1);
            assert_ne!(tag("a", &before), tag("b", &bytes));
            bytes.pop();
            if let Some(last) = bytes.last_mut() {
                *last = 2;
                assert_ne!(tag("a", &before), tag("b", &bytes));
            }
        }
    }
}
