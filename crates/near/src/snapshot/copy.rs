//! Writes a snapshot aside: directories, links and files; files that the snapshot before has are
//! shared with it.
//!
//! Invariant: a shared file was never the source's: it is a file of ours, read-only, of a user that
//! no task runs as. Where tasks run as the engine's own user ([`FileSharing::Never`]) every snapshot
//! has files of its own, for a task could open them for writing.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::artifact_tree::{ArtifactPart, ArtifactTree, SourceFile};
use super::content::{self, CopyBuffer};
use super::error::{SnapshotError, writing};
use super::progress::SnapshotProgress;
use super::record::SnapshotRecord;
use super::{Digest, FileSharing};

/// So few files are synced one by one: a whole file system may have much else to write.
const FEW: usize = 64;
/// Space that is left to others: the journal is on the same file system.
const SPARE: u64 = 32 << 20;

/// Writes the snapshot of a tree to `aside`. `digests` holds the files that are known, and then
/// all of them.
pub(super) fn write(
    aside: &Path,
    tree: &mut ArtifactTree,
    digests: &mut BTreeMap<PathBuf, Digest>,
    record: &SnapshotRecord,
    (sharing, progress): (FileSharing, &SnapshotProgress),
) -> Result<(), SnapshotError> {
    let mut copy = FileCopier {
        aside,
        record,
        sharing,
        progress,
        buffer: CopyBuffer::new(),
    };
    copy.require_space(tree, digests)?;
    copy.directory(aside)?;
    for (name, part) in tree.iter_mut() {
        let target = aside.join(name);
        match part {
            ArtifactPart::Directory => copy.directory(&target)?,
            ArtifactPart::Link(to) => symlink(to, &target).map_err(writing(&target))?,
            ArtifactPart::File(source) => {
                let known = digests.get(name).copied();
                let digest = copy.file(name, source, known)?;
                digests.insert(name.clone(), digest);
            }
        }
        if progress.given_up() {
            return Err(SnapshotError::GivenUp);
        }
    }
    close(aside, tree).map_err(writing(aside))?;
    let few = tree.len() <= FEW;
    sync(aside, tree, few).map_err(writing(aside))
}

struct FileCopier<'a> {
    aside: &'a Path,
    record: &'a SnapshotRecord,
    sharing: FileSharing,
    progress: &'a SnapshotProgress,
    buffer: CopyBuffer,
}

impl FileCopier<'_> {
    fn directory(&self, target: &Path) -> Result<(), SnapshotError> {
        let made = DirBuilder::new().mode(0o700).create(target);
        made.map_err(writing(target))
    }

    /// Refuses what the disk cannot hold, before it is full.
    fn require_space(
        &self,
        tree: &ArtifactTree,
        digests: &BTreeMap<PathBuf, Digest>,
    ) -> Result<(), SnapshotError> {
        let artifacts = self.aside.parent().unwrap_or(self.aside);
        let copied = tree.iter().filter_map(|(name, part)| match part {
            ArtifactPart::File(source) => {
                let executable = source.stamp.executable;
                let shared = self.sharing == FileSharing::Links
                    && digests.get(name).is_some_and(|digest| {
                        self.record.equal(name, digest, executable).is_some()
                    });
                (!shared).then_some(source.on_disk)
            }
            ArtifactPart::Link(_) | ArtifactPart::Directory => None,
        });
        let needed: u64 = copied.sum();
        let found = rustix::fs::statvfs(artifacts);
        let found = found.map_err(|error| writing(artifacts)(error.into()))?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if needed + SPARE > free {
            return Err(SnapshotError::NoSpace {
                path: artifacts.to_owned(),
                needed,
                spare: SPARE,
                free,
            });
        }
        Ok(())
    }

    fn file(
        &mut self,
        name: &Path,
        source: &mut SourceFile,
        known: Option<Digest>,
    ) -> Result<Digest, SnapshotError> {
        let target = self.aside.join(name);
        if let (FileSharing::Links, Some(digest)) = (self.sharing, known)
            && let Some(equal) = self.record.equal(name, &digest, source.stamp.executable)
            && shared(&equal, &target, source).map_err(writing(&target))?
        {
            self.progress.shared(source.stamp.size);
            return Ok(digest);
        }
        let (digest, stamp) = content::copy(source, &target, &mut self.buffer, self.progress)?;
        source.stamp = stamp;
        self.progress.file_done();
        Ok(digest)
    }
}

/// Links a file of the snapshot before; `false`: it cannot be, or it is not as it was written.
fn shared(equal: &Path, target: &Path, source: &SourceFile) -> io::Result<bool> {
    if fs::hard_link(equal, target).is_err() {
        return Ok(false);
    }
    let found = fs::symlink_metadata(target)?;
    let mode = content::mode(source.stamp.executable).as_raw_mode();
    let intact = found.is_file()
        && found.len() == source.stamp.size
        && found.mode() & 0o7777 == mode
        && found.uid() == rustix::process::geteuid().as_raw();
    if !intact {
        fs::remove_file(target)?;
    }
    Ok(intact)
}

/// Deepest first: a directory that is read-only takes no more entries.
fn close(aside: &Path, tree: &ArtifactTree) -> io::Result<()> {
    for name in directories(tree).rev() {
        fs::set_permissions(aside.join(name), Permissions::from_mode(0o555))?;
    }
    fs::set_permissions(aside, Permissions::from_mode(0o755))
}

fn directories(tree: &ArtifactTree) -> impl DoubleEndedIterator<Item = &PathBuf> {
    tree.iter()
        .filter(|(_, part)| matches!(part, ArtifactPart::Directory))
        .map(|(name, _)| name)
}

/// Returns when everything survives a power cut.
fn sync(aside: &Path, tree: &ArtifactTree, few: bool) -> io::Result<()> {
    if !few {
        return Ok(rustix::fs::syncfs(File::open(aside)?)?);
    }
    for (name, part) in tree {
        if !matches!(part, ArtifactPart::Link(_)) {
            File::open(aside.join(name))?.sync_all()?;
        }
    }
    File::open(aside)?.sync_all()
}
