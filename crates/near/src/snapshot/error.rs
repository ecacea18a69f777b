//! Why there is no snapshot, in words that name the part in the way.

use std::io;
use std::path::{Path, PathBuf};

use neargate_core::ignore_list::IgnoreListError;

use super::{IGNORE_FILE, MOST_FILES};

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The artifact does not exist.
    #[error("there is no artifact {0}: does `build` make it?")]
    Missing(PathBuf),
    /// A part of the artifact cannot be read.
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A line of the list of what is left out has no meaning.
    #[error("{path}: {source}")]
    IgnoreFile {
        /// The file with the list.
        path: PathBuf,
        source: IgnoreListError,
    },
    /// A link leads out of the artifact.
    #[error(
        "{} is a link to {}, outside of the artifact: {}",
        path.display(),
        to.display(),
        instead_of_link(path)
    )]
    LinkOutside {
        /// Path of the link.
        path: PathBuf,
        /// Where it leads.
        to: PathBuf,
    },
    /// A link names a part of the artifact by its whole path.
    #[error(
        "{path} is a link to {to}, in the artifact, by its whole path, where the snapshot is not: make it relative (`ln -sfnr`)"
    )]
    LinkAbsolute {
        /// Path of the link.
        path: PathBuf,
        /// Where it leads.
        to: PathBuf,
    },
    /// A link leads to what the snapshot leaves out.
    #[error(
        "{path} is a link to {to}, which is left out of the snapshot: leave the link out in {IGNORE_FILE} too, or keep what it leads to"
    )]
    LinkLeftOut {
        /// Path of the link.
        path: PathBuf,
        /// Where it leads.
        to: PathBuf,
    },
    /// Neither file, directory nor link.
    #[error("{0} is not a file, directory or link: remove it, or leave it out in {IGNORE_FILE}")]
    Special(PathBuf),
    /// More files than a snapshot may have.
    #[error("{0} holds more than {MOST_FILES} files: leave some out in {IGNORE_FILE}")]
    TooMany(PathBuf),
    /// A part of the artifact changed again and again while it was copied.
    #[error("{0} changes while it is copied: end what writes it, or leave it out in {IGNORE_FILE}")]
    Changing(PathBuf),
    /// The file system does not have the space that the copy takes.
    #[error(
        "the snapshot needs {} MB, {} MB are held back for the journal and the logs, and {} has {} MB left: free some space, or leave files out in {IGNORE_FILE}",
        needed.div_ceil(1_000_000),
        spare.div_ceil(1_000_000),
        path.display(),
        free / 1_000_000
    )]
    NoSpace {
        /// Where it was to be written.
        path: PathBuf,
        /// Bytes that would be written.
        needed: u64,
        /// Bytes that are left to others.
        spare: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The copy cannot be written.
    #[error("cannot write the snapshot to {path}")]
    Write {
        /// Path in the copy.
        path: PathBuf,
        /// The kernel's reason; for example no space left.
        #[source]
        source: io::Error,
    },
    /// Nobody waits for it any more.
    #[error("the copy of the artifact was cancelled")]
    GivenUp,
}

/// Makes an error of reading a part of the artifact.
pub(super) fn reading(path: &Path) -> impl FnOnce(io::Error) -> SnapshotError {
    move |source| SnapshotError::Read {
        path: path.to_owned(),
        source,
    }
}

/// Makes an error of writing a part of the snapshot.
pub(super) fn writing(path: &Path) -> impl FnOnce(io::Error) -> SnapshotError {
    move |source| SnapshotError::Write {
        path: path.to_owned(),
        source,
    }
}

/// Advice about a link that leads out of the artifact. An interpreter is not copied alone: its
/// library stays where it is.
fn instead_of_link(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with("python") {
        return "create the environment with a system interpreter: /usr/bin/python3 -m venv .venv"
            .to_owned();
    }
    format!("copy what it leads to, or leave it out in {IGNORE_FILE}")
}
