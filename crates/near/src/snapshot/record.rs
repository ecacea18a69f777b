//! What was read of an artifact when a snapshot of it was taken: a digest of every file, and what
//! tells that the file has not changed since.
//!
//! `artifacts/.records/<source>.<snapshot>`, one for each source and snapshot. The newest one whose
//! snapshot is there says which files need not be read again, and where in that snapshot equal
//! ones are. A record that cannot be read is none: everything is read and copied then.
//!
//! Invariant: a file is taken for unchanged only if it could not have changed after it was read
//! without another [`FileStamp`]: one that changed shortly before it was read is read again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use neargate_core::hex::{hex, unhex};

use super::artifact_tree::{ArtifactPart, FileStamp};
use super::{ArtifactTree, Digest};

/// Where records are, in the directory of the snapshots.
pub(super) const RECORDS: &str = ".records";
const HEAD: &str = "neargate record 1";
/// A file that changed less than this before it was read may change again without another time:
/// the time stamps of file systems are as coarse as two seconds.
const SETTLED: Duration = Duration::from_secs(2);

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownFile {
    pub(super) digest: Digest,
    pub(super) stamp: FileStamp,
    /// Whether another change would have given another stamp.
    pub(super) settled: bool,
}

/// The record of a snapshot.
#[derive(Debug, Default)]
pub(super) struct SnapshotRecord {
    /// Where that snapshot is; none for an artifact of which there is none.
    pub(super) snapshot: Option<PathBuf>,
    files: HashMap<PathBuf, KnownFile>,
    by_digest: HashMap<(Digest, bool), PathBuf>,
}

impl SnapshotRecord {
    /// The newest one of this source.
    pub(super) fn newest(artifacts: &Path, source: &Path) -> Self {
        let prefix = format!("{}.", source_name(source));
        let entries = fs::read_dir(artifacts.join(RECORDS));
        let mut found: Vec<_> = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let snapshot = artifacts.join(name.strip_prefix(&prefix)?);
                let modified = entry.metadata().and_then(|found| found.modified()).ok()?;
                snapshot
                    .is_dir()
                    .then(|| (modified, entry.path(), snapshot))
            })
            .collect();
        found.sort();
        let newest = found.pop();
        newest
            .and_then(|(_, path, snapshot)| Self::read(&path, snapshot))
            .unwrap_or_default()
    }

    fn read(path: &Path, snapshot: PathBuf) -> Option<Self> {
        let bytes = fs::read(path).ok()?;
        let mut lines = bytes.strip_suffix(b"\0")?.split(|byte| *byte == 0);
        if lines.next()? != HEAD.as_bytes() {
            return None;
        }
        let mut record = Self {
            snapshot: Some(snapshot),
            ..Self::default()
        };
        let mut ended = false;
        for line in lines {
            if ended {
                return None;
            }
            if line == b"end" {
                ended = true;
                continue;
            }
            let (name, known) = read_line(line)?;
            let key = (known.digest, known.stamp.executable);
            record.by_digest.insert(key, name.clone());
            record.files.insert(name, known);
        }
        ended.then_some(record)
    }

    /// The digest of a file that has not changed since it was read.
    pub(super) fn unchanged(&self, name: &Path, stamp: &FileStamp) -> Option<Digest> {
        let known = self.files.get(name)?;
        (known.settled && known.stamp == *stamp).then_some(known.digest)
    }

    /// Whether the file may have these bytes still, judged by its size.
    pub(super) fn may_equal(&self, name: &Path, stamp: &FileStamp) -> bool {
        let known = self.files.get(name);
        known.is_some_and(|known| known.stamp.size == stamp.size)
    }

    /// A file of the snapshot with these bytes and this mode.
    pub(super) fn equal(&self, name: &Path, digest: &Digest, executable: bool) -> Option<PathBuf> {
        let here = self
            .files
            .get(name)
            .is_some_and(|known| known.digest == *digest && known.stamp.executable == executable);
        let name = match here {
            true => name,
            false => self.by_digest.get(&(*digest, executable))?,
        };
        Some(self.snapshot.as_ref()?.join(name))
    }
}

/// Notes what was read for a snapshot that is there. Without a record the next one takes longer.
pub(super) fn write(
    artifacts: &Path,
    source: &Path,
    snapshot: &str,
    (tree, digests): (&ArtifactTree, &BTreeMap<PathBuf, Digest>),
    began: SystemTime,
) {
    let settled_before = began
        .checked_sub(SETTLED)
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    let mut bytes = HEAD.as_bytes().to_vec();
    bytes.push(0);
    for (name, part) in tree {
        let (ArtifactPart::File(file), Some(digest)) = (part, digests.get(name)) else {
            continue;
        };
        let FileStamp { size, inode, .. } = file.stamp;
        let ((modified, modified_ns), (changed, changed_ns)) =
            (file.stamp.modified, file.stamp.changed);
        let executable = u8::from(file.stamp.executable);
        let settled = u8::from(changed < settled_before);
        let head = format!(
            "{} {size} {inode} {modified} {modified_ns} {changed} {changed_ns} {executable} {settled} ",
            hex(digest)
        );
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(name.as_os_str().as_bytes());
        bytes.push(0);
    }
    bytes.extend_from_slice(b"end\0");
    let records = artifacts.join(RECORDS);
    let path = records.join(format!("{}.{snapshot}", source_name(source)));
    let aside = records.join(format!(".{}.{}", std::process::id(), super::next_number()));
    let written = fs::create_dir_all(&records)
        .and_then(|()| fs::write(&aside, bytes))
        .and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        let _ = fs::remove_file(aside);
    }
}

/// Removes the records of snapshots that are not kept.
pub(super) fn remove_unused(artifacts: &Path, keep: &BTreeSet<String>) {
    let entries = fs::read_dir(artifacts.join(RECORDS));
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name();
        let snapshot = name.to_str().and_then(|name| name.split_once('.'));
        if !snapshot.is_some_and(|(_, snapshot)| keep.contains(snapshot)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn source_name(source: &Path) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(source.as_os_str().as_bytes());
    hex(digest.as_slice())[..16].to_owned()
}

fn read_line(line: &[u8]) -> Option<(PathBuf, KnownFile)> {
    let mut fields = line.splitn(10, |byte| *byte == b' ');
    let digest: Digest = unhex(std::str::from_utf8(fields.next()?).ok()?)?
        .try_into()
        .ok()?;
    let (size, inode) = (number(fields.next())?, number(fields.next())?);
    let modified = (number(fields.next())?, number(fields.next())?);
    let changed = (number(fields.next())?, number(fields.next())?);
    let executable = number::<u8>(fields.next())? == 1;
    let settled = number::<u8>(fields.next())? == 1;
    let name = PathBuf::from(OsString::from_vec(fields.next()?.to_vec()));
    let stamp = FileStamp {
        size,
        inode,
        modified,
        changed,
        executable,
    };
    let known = KnownFile {
        digest,
        stamp,
        settled,
    };
    Some((name, known))
}

fn number<T: FromStr>(field: Option<&[u8]>) -> Option<T> {
    std::str::from_utf8(field?).ok()?.parse().ok()
}
