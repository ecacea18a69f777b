//! What of an artifact goes into its snapshot: files, links and directories by their name in it.
//!
//! Left out: `.git`, `.neargate` and the state directory, and what the artifact's own
//! [`IGNORE_FILE`] names. Refuses what is neither file, directory nor link. Where links may lead is
//! for [`links`](super::links) to say.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use neargate_core::ignore_list::IgnoreList;

use super::error::{SnapshotError, reading};
use super::progress::SnapshotProgress;
use super::{IGNORE_FILE, MOST_FILES};

/// Never part of an artifact, wherever they are in it.
const NEVER: [&str; 2] = [".git", ".neargate"];

/// Marks by which a file is known to be the one that was read. A change of its bytes, mode or name
/// gives it another `ctime`, which nobody can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileStamp {
    pub(super) size: u64,
    pub(super) inode: u64,
    /// Last change of the bytes: seconds and nanoseconds since the epoch.
    pub(super) modified: (i64, i64),
    /// Last change of anything.
    pub(super) changed: (i64, i64),
    pub(super) executable: bool,
}

impl FileStamp {
    pub(super) fn of(found: &Metadata) -> Self {
        Self {
            size: found.len(),
            inode: found.ino(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
            executable: found.mode() & 0o111 != 0,
        }
    }
}

/// A file of an artifact.
#[derive(Debug, Clone)]
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    pub(super) stamp: FileStamp,
    /// Bytes that it takes on disk; a sparse file takes less than its size.
    pub(super) on_disk: u64,
}

/// A part of an artifact.
#[derive(Debug, Clone)]
pub(super) enum ArtifactPart {
    File(SourceFile),
    Link(PathBuf),
    Directory,
}

/// Parts by their name in the artifact; parents come before what is in them.
pub(super) type ArtifactTree = BTreeMap<PathBuf, ArtifactPart>;

/// Reads what an artifact holds.
pub(super) fn read(
    source: &Path,
    state: &Path,
    progress: &SnapshotProgress,
) -> Result<ArtifactTree, SnapshotError> {
    let found = match fs::metadata(source) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SnapshotError::Missing(source.to_owned()));
        }
        found => found.map_err(reading(source))?,
    };
    let real = fs::canonicalize(source).map_err(reading(source))?;
    let mut tree = ArtifactTree::new();
    if found.is_dir() {
        let mut walk = ArtifactWalk {
            left_out: left_out(&real)?,
            root: &real,
            state,
            progress,
            tree: &mut tree,
        };
        walk.directory(&real)?;
    } else if found.is_file() {
        let name = source.file_name().unwrap_or(source.as_os_str());
        tree.insert(PathBuf::from(name), file(real, &found));
    } else {
        return Err(SnapshotError::Special(source.to_owned()));
    }
    let sizes = tree.values().filter_map(|part| match part {
        ArtifactPart::File(source) => Some(source.stamp.size),
        ArtifactPart::Link(_) | ArtifactPart::Directory => None,
    });
    progress.found(sizes.clone().count() as u64, sizes.sum());
    Ok(tree)
}

fn left_out(root: &Path) -> Result<IgnoreList, SnapshotError> {
    let path = root.join(IGNORE_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => {
            IgnoreList::read(&text).map_err(|source| SnapshotError::IgnoreFile { path, source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(IgnoreList::nothing()),
        Err(error) => Err(reading(&path)(error)),
    }
}

fn file(path: PathBuf, found: &Metadata) -> ArtifactPart {
    ArtifactPart::File(SourceFile {
        path,
        stamp: FileStamp::of(found),
        on_disk: found.blocks() * 512,
    })
}

struct ArtifactWalk<'a> {
    left_out: IgnoreList,
    root: &'a Path,
    state: &'a Path,
    progress: &'a SnapshotProgress,
    tree: &'a mut ArtifactTree,
}

impl ArtifactWalk<'_> {
    fn directory(&mut self, directory: &Path) -> Result<(), SnapshotError> {
        for entry in fs::read_dir(directory).map_err(reading(directory))? {
            let entry = entry.map_err(reading(directory))?;
            let path = entry.path();
            let found = match entry.metadata() {
                // It went away since its name was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found.map_err(reading(&path))?,
            };
            self.part(&path, &found)?;
            if self.progress.given_up() {
                return Err(SnapshotError::GivenUp);
            }
        }
        Ok(())
    }

    fn part(&mut self, path: &Path, found: &Metadata) -> Result<(), SnapshotError> {
        let name = path.strip_prefix(self.root).unwrap_or(path).to_owned();
        if path == self.state || NEVER.iter().any(|never| path.ends_with(never)) {
            return Ok(());
        }
        if name == Path::new(IGNORE_FILE) || self.left_out.holds(&name, found.is_dir()) {
            self.progress.left_out();
            return Ok(());
        }
        let part = if found.is_dir() {
            self.directory(path)?;
            ArtifactPart::Directory
        } else if found.is_symlink() {
            ArtifactPart::Link(fs::read_link(path).map_err(reading(path))?)
        } else if found.is_file() {
            file(path.to_owned(), found)
        } else {
            return Err(SnapshotError::Special(path.to_owned()));
        };
        self.tree.insert(name, part);
        if self.tree.len() > MOST_FILES {
            return Err(SnapshotError::TooMany(self.root.to_owned()));
        }
        Ok(())
    }
}
