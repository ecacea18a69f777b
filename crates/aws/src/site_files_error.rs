//! Reasons that a site's folder cannot be released, and how much of it may be.

use std::path::PathBuf;

/// Files of one site.
pub(super) const MOST_FILES: usize = 20_000;
/// Bytes of one file: it is held in memory while it is sent.
pub(super) const MOST_BYTES: u64 = 256 << 20;
/// Bytes of a path (S3 User Guide, "Object key names").
pub(super) const LONGEST_PATH: usize = 1024;

/// Why a site's folder cannot be released.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SiteFilesError {
    /// Its `index` is missing.
    #[error("there is no {index} in {}: does `build` make it?", root.display())]
    NoIndex {
        /// The manifest's `index`, a path below `root`.
        index: String,
        /// The site's folder.
        root: PathBuf,
    },
    /// A file is not what it was.
    #[error("{} was changed while it was released", .0.display())]
    Changed(PathBuf),
    /// A name is no text.
    #[error("{} is not UTF-8, and a URL has to be", .0.display())]
    NotUtf8(PathBuf),
    /// S3 takes no such key.
    #[error("the path {0} is longer than {LONGEST_PATH} bytes")]
    LongPath(String),
    /// A link, a socket, a device.
    #[error("{} is a link or no file: a site is files and folders", .0.display())]
    NotAFile(PathBuf),
    /// More than [`MOST_FILES`].
    #[error("{} holds more than {MOST_FILES} files", .0.display())]
    TooMany(PathBuf),
    /// More than [`MOST_BYTES`].
    #[error("{} is larger than {} MiB", .0.display(), MOST_BYTES >> 20)]
    TooLarge(PathBuf),
    /// The kernel refused.
    #[error("cannot read {}: {error}", path.display())]
    Unread {
        path: PathBuf,
        /// The kernel's words.
        error: String,
    },
}
