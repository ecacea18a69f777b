//! Snapshots: the bytes that a revision runs, by their digest.
//!
//! `artifacts/<sha256>/` holds a copy of the artifact: a file under its own name, or the
//! contents of a directory. Invariant: a snapshot is whole or not there, also after a power cut;
//! it never changes, and two equal artifacts share one. Files that have not changed since the
//! snapshot before are not read again, and shared with it (decision 0010).

mod artifact_tree;
mod content;
mod copy;
mod error;
mod links;
mod progress;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use neargate_core::hex::hex;
use neargate_core::model::{Service, Workload};
use sha2::{Digest as _, Sha256};

use artifact_tree::{ArtifactPart, ArtifactTree};
use content::CopyBuffer;
pub use error::SnapshotError;
use error::writing;
pub use progress::SnapshotProgress;
use record::SnapshotRecord;

/// Files in one artifact.
const MOST_FILES: usize = 100_000;
/// In the artifact's folder: what of it is left out, as git's ignore files say it.
pub const IGNORE_FILE: &str = ".neargateignore";
/// How often an artifact that changes is read again.
const ATTEMPTS: u32 = 3;

/// Begins the name of a snapshot that is being removed.
const UNUSED: &str = ".unused.";

/// SHA-256 of a file.
type Digest = [u8; 32];

/// Whether snapshots share files by hard links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSharing {
    /// Tasks run as other users, which cannot write to files of ours.
    Links,
    /// Tasks run as this user, which may write to its files.
    Never,
}

impl FileSharing {
    /// The sharing that this process may use: only root's tasks run as other users.
    #[must_use]
    pub fn allowed() -> Self {
        match rustix::process::geteuid().is_root() {
            true => Self::Links,
            false => Self::Never,
        }
    }
}

/// Copies an artifact below `artifacts` and hands back its digest (hex). `state` is left out
/// when it lies in the artifact.
///
/// # Errors
/// [`SnapshotError`]; nothing is left behind.
pub fn snapshot(
    artifacts: &Path,
    source: &Path,
    state: &Path,
    sharing: FileSharing,
    progress: &SnapshotProgress,
) -> Result<String, SnapshotError> {
    again(|| {
        progress.begin();
        let began = SystemTime::now();
        let mut reading = read(artifacts, source, state, progress)?;
        let digest = match reading.digest() {
            Some(digest) if artifacts.join(&digest).exists() => digest,
            _ => write(artifacts, &mut reading, sharing, progress)?,
        };
        sync_directory(artifacts).map_err(writing(artifacts))?;
        let read = (&reading.tree, &reading.digests);
        record::write(artifacts, source, &digest, read, began);
        Ok(digest)
    })
}

/// Names, links and kinds of the parts that a snapshot of an artifact would hold, without content.
#[derive(Debug)]
pub struct ArtifactContents(ArtifactTree);

impl ArtifactContents {
    /// Reads names, links and kinds of at most [`MOST_FILES`] parts; no file's content.
    ///
    /// # Errors
    /// [`SnapshotError`]: there would be no snapshot.
    pub fn of(source: &Path, state: &Path) -> Result<Self, SnapshotError> {
        read_tree(source, state, &SnapshotProgress::default()).map(Self)
    }

    /// Whether it holds a part, or a link on the way to it.
    #[must_use]
    pub fn holds(&self, name: &Path) -> bool {
        let on_the_way = name.ancestors().skip(1);
        let mut links = on_the_way.map(|folder| self.0.get(folder));
        self.0.contains_key(name) || links.any(|part| matches!(part, Some(ArtifactPart::Link(_))))
    }
}

/// The digest that a snapshot of this artifact would have.
///
/// # Errors
/// [`SnapshotError`].
pub fn digest_of(artifacts: &Path, source: &Path, state: &Path) -> Result<String, SnapshotError> {
    let progress = SnapshotProgress::default();
    again(|| {
        let mut reading = read(artifacts, source, state, &progress)?;
        let mut buffer = CopyBuffer::new();
        for (name, part) in &mut reading.tree {
            if let ArtifactPart::File(file) = part
                && !reading.digests.contains_key(name)
            {
                let (digest, stamp) = content::digest(file, &mut buffer, &progress)?;
                file.stamp = stamp;
                reading.digests.insert(name.clone(), digest);
            }
        }
        let digest = reading.digest();
        digest.ok_or_else(|| SnapshotError::Changing(source.to_owned()))
    })
}

/// Tries again while the artifact changes.
fn again<T>(mut attempt: impl FnMut() -> Result<T, SnapshotError>) -> Result<T, SnapshotError> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(SnapshotError::Changing(_)) => {}
            done => return done,
        }
    }
    attempt()
}

/// Files of an artifact, and their digests as far as they are known.
struct ArtifactContent {
    tree: ArtifactTree,
    digests: BTreeMap<PathBuf, Digest>,
    record: SnapshotRecord,
}

/// Reads the tree of an artifact, with links that lead where they may.
fn read_tree(
    source: &Path,
    state: &Path,
    progress: &SnapshotProgress,
) -> Result<ArtifactTree, SnapshotError> {
    let tree = artifact_tree::read(source, state, progress)?;
    links::check(source, &tree)?;
    Ok(tree)
}

/// Reads an artifact; bytes are read of files that may be as they were.
fn read(
    artifacts: &Path,
    source: &Path,
    state: &Path,
    progress: &SnapshotProgress,
) -> Result<ArtifactContent, SnapshotError> {
    let record = SnapshotRecord::newest(artifacts, source);
    let mut tree = read_tree(source, state, progress)?;
    let mut digests = BTreeMap::new();
    let mut buffer = CopyBuffer::new();
    for (name, part) in &mut tree {
        let ArtifactPart::File(file) = part else {
            continue;
        };
        if let Some(digest) = record.unchanged(name, &file.stamp) {
            digests.insert(name.clone(), digest);
        } else if record.may_equal(name, &file.stamp) {
            let (digest, stamp) = content::digest(file, &mut buffer, progress)?;
            file.stamp = stamp;
            digests.insert(name.clone(), digest);
        }
    }
    Ok(ArtifactContent {
        tree,
        digests,
        record,
    })
}

impl ArtifactContent {
    /// The digest of the snapshot; nothing while a file's is missing.
    fn digest(&self) -> Option<String> {
        let mut hash = Sha256::new();
        hash.update(b"neargate snapshot 2");
        for (name, part) in &self.tree {
            let name_bytes = name.as_os_str().as_encoded_bytes();
            hash.update((name_bytes.len() as u64).to_be_bytes());
            hash.update(name_bytes);
            match part {
                ArtifactPart::Directory => hash.update(b"d"),
                ArtifactPart::Link(to) => {
                    let to = to.as_os_str().as_encoded_bytes();
                    hash.update(b"l");
                    hash.update((to.len() as u64).to_be_bytes());
                    hash.update(to);
                }
                ArtifactPart::File(file) => {
                    hash.update(if file.stamp.executable { b"x" } else { b"f" });
                    hash.update(self.digests.get(name)?);
                }
            }
        }
        Some(hex(&hash.finalize()))
    }
}

/// Writes the snapshot aside and gives it its name as the last step.
fn write(
    artifacts: &Path,
    reading: &mut ArtifactContent,
    sharing: FileSharing,
    progress: &SnapshotProgress,
) -> Result<String, SnapshotError> {
    let aside = artifacts.join(format!(".copy.{}.{}", std::process::id(), next_number()));
    let (tree, digests) = (&mut reading.tree, &mut reading.digests);
    let written = copy::write(&aside, tree, digests, &reading.record, (sharing, progress));
    let named = written.and_then(|()| {
        let digest = reading.digest();
        let digest = digest.ok_or_else(|| SnapshotError::Changing(aside.clone()))?;
        let target = artifacts.join(&digest);
        match fs::rename(&aside, &target) {
            // Another request was faster.
            Err(_) if target.exists() => remove(&aside),
            renamed => renamed.map_err(writing(&target))?,
        }
        Ok(digest)
    });
    if named.is_err() {
        remove(&aside);
    }
    named
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Distinguishes what this process writes aside at the same moment.
fn next_number() -> u64 {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    NUMBER.fetch_add(1, Relaxed)
}

/// The part of a service that is snapshotted: its artifact, or the files of a static site.
#[must_use]
pub fn source(service: &Service) -> Option<&Path> {
    match (&service.runs, &service.artifact) {
        (Workload::Static(site), _) => Some(Path::new(&site.root)),
        (_, Some(artifact)) => Some(Path::new(artifact)),
        (_, None) => None,
    }
}

/// Removes snapshots that no revision holds.
pub fn remove_unused(artifacts: &Path, keep: &BTreeSet<String>) {
    for aside in set_aside_unused(artifacts, keep) {
        remove(&aside);
    }
}

/// Renames snapshots that no revision holds, so that nobody takes them for whole any more; where
/// they are then, to be removed.
#[must_use]
pub fn set_aside_unused(artifacts: &Path, keep: &BTreeSet<String>) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(artifacts) else {
        return Vec::new();
    };
    record::remove_unused(artifacts, keep);
    let mut unused = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let kept = |name: &str| keep.contains(name) || name == record::RECORDS;
        if name.to_str().is_some_and(kept) {
            continue;
        }
        let path = entry.path();
        // A removal that was interrupted goes on.
        if name.as_encoded_bytes().starts_with(UNUSED.as_bytes()) {
            unused.push(path);
            continue;
        }
        let mut aside = std::ffi::OsString::from(UNUSED);
        aside.push(&name);
        let aside = artifacts.join(aside);
        unused.push(match fs::rename(&path, &aside) {
            Ok(()) => aside,
            Err(_) => path,
        });
    }
    unused
}

/// Removes a snapshot. Read-only directories do not let go of their entries.
pub fn remove(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir_all(directory);
}
