//! Snapshots: the bytes that a revision runs, by their digest.
//!
//! `artifacts/<sha256>/` holds a copy of the artifact: a file under its own name, or the
//! contents of a directory. Invariant: a snapshot is whole or not there, never changes, and two
//! equal artifacts share one. Refuses links that lead out of the artifact and special files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use neargate_core::manifest::model::{Runs, Service};
use sha2::{Digest, Sha256};

/// Files in one artifact.
const MOST_FILES: usize = 100_000;

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The artifact does not exist.
    #[error("there is no artifact {0}: does `build` make it?")]
    Missing(PathBuf),
    /// A part of the artifact cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The part.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A link leads out of the artifact.
    #[error("{path} is a link to {to}, outside of the artifact")]
    LinkOutside {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        to: PathBuf,
    },
    /// Neither file, directory nor link.
    #[error("{0} is not a file, directory or link")]
    Special(PathBuf),
    /// More files than a snapshot may have.
    #[error("{0} holds more than {MOST_FILES} files")]
    TooMany(PathBuf),
    /// The copy cannot be written.
    #[error("cannot write the snapshot to {path}")]
    Write {
        /// Where.
        path: PathBuf,
        /// What the kernel said; for example no space left.
        #[source]
        source: io::Error,
    },
}

enum Part {
    File { source: PathBuf, executable: bool },
    Link(PathBuf),
    Directory,
}

/// Copies an artifact below `artifacts` and hands back its digest (hex). `state` is left out
/// when it lies in the artifact, and so is `.git`.
///
/// # Errors
/// [`SnapshotError`]; nothing is left behind.
pub fn snapshot(artifacts: &Path, source: &Path, state: &Path) -> Result<String, SnapshotError> {
    let parts = parts(source, state)?;
    let digest = digest(&parts)?;
    let target = artifacts.join(&digest);
    if target.exists() {
        return Ok(digest);
    }
    let aside = artifacts.join(format!(".{digest}.{}", std::process::id()));
    let written = write(&aside, &parts).and_then(|()| fs::rename(&aside, &target));
    match written {
        Ok(()) => Ok(digest),
        Err(_) if target.exists() => {
            remove(&aside);
            Ok(digest)
        }
        Err(source) => {
            remove(&aside);
            Err(SnapshotError::Write {
                path: target,
                source,
            })
        }
    }
}

/// The digest that a snapshot of this artifact would have.
///
/// # Errors
/// [`SnapshotError`].
pub fn digest_of(source: &Path, state: &Path) -> Result<String, SnapshotError> {
    digest(&parts(source, state)?)
}

/// What of a service is snapshotted: its artifact, or the files of a static site.
#[must_use]
pub fn source(service: &Service) -> Option<&Path> {
    match (&service.runs, &service.artifact) {
        (Runs::Static(site), _) => Some(Path::new(&site.root)),
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
    let mut unused = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| keep.contains(name)) {
            continue;
        }
        let path = entry.path();
        let mut aside = std::ffi::OsString::from(".unused.");
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

fn parts(source: &Path, state: &Path) -> Result<BTreeMap<PathBuf, Part>, SnapshotError> {
    let read = |source_error| SnapshotError::Read {
        path: source.to_owned(),
        source: source_error,
    };
    let found = match fs::metadata(source) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SnapshotError::Missing(source.to_owned()));
        }
        found => found.map_err(read)?,
    };
    let mut parts = BTreeMap::new();
    if found.is_dir() {
        let root = fs::canonicalize(source).map_err(read)?;
        walk(&root, &root, state, &mut parts)?;
    } else {
        let name = source.file_name().unwrap_or(source.as_os_str());
        let executable = found.permissions().mode() & 0o111 != 0;
        parts.insert(
            PathBuf::from(name),
            Part::File {
                source: source.to_owned(),
                executable,
            },
        );
    }
    Ok(parts)
}

fn walk(
    root: &Path,
    directory: &Path,
    state: &Path,
    parts: &mut BTreeMap<PathBuf, Part>,
) -> Result<(), SnapshotError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SnapshotError::Read { path, source }
    };
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let entry = entry.map_err(failed(directory))?;
        let path = entry.path();
        if path == state || entry.file_name() == ".git" {
            continue;
        }
        let kind = entry.file_type().map_err(failed(&path))?;
        let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
        let part = if kind.is_dir() {
            walk(root, &path, state, parts)?;
            Part::Directory
        } else if kind.is_symlink() {
            Part::Link(link(root, &path)?)
        } else if kind.is_file() {
            let mode = entry
                .metadata()
                .map_err(failed(&path))?
                .permissions()
                .mode();
            Part::File {
                source: path,
                executable: mode & 0o111 != 0,
            }
        } else {
            return Err(SnapshotError::Special(path));
        };
        parts.insert(name, part);
        if parts.len() > MOST_FILES {
            return Err(SnapshotError::TooMany(root.to_owned()));
        }
    }
    Ok(())
}

/// Where a link leads, when it stays inside.
fn link(root: &Path, path: &Path) -> Result<PathBuf, SnapshotError> {
    let to = fs::read_link(path).map_err(|source| SnapshotError::Read {
        path: path.to_owned(),
        source,
    })?;
    let outside = || SnapshotError::LinkOutside {
        path: path.to_owned(),
        to: to.clone(),
    };
    let mut depth = path.strip_prefix(root).unwrap_or(path).components().count() - 1;
    for component in to.components() {
        match component {
            Component::ParentDir => depth = depth.checked_sub(1).ok_or_else(outside)?,
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return Err(outside()),
        }
    }
    Ok(to)
}

fn digest(parts: &BTreeMap<PathBuf, Part>) -> Result<String, SnapshotError> {
    let mut hash = Sha256::new();
    for (name, part) in parts {
        let name = name.as_os_str().as_encoded_bytes();
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name);
        match part {
            Part::Directory => hash.update(b"d"),
            Part::Link(to) => {
                hash.update(b"l");
                hash.update(to.as_os_str().as_encoded_bytes());
            }
            Part::File { source, executable } => {
                hash.update(if *executable { b"x" } else { b"f" });
                let length = hash_file(&mut hash, source).map_err(|error| SnapshotError::Read {
                    path: source.clone(),
                    source: error,
                })?;
                hash.update(length.to_be_bytes());
            }
        }
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn hash_file(hash: &mut Sha256, path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut length = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(length);
        }
        hash.update(&buffer[..read]);
        length += read as u64;
    }
}

fn write(aside: &Path, parts: &BTreeMap<PathBuf, Part>) -> io::Result<()> {
    fs::create_dir_all(aside)?;
    for (name, part) in parts {
        let target = aside.join(name);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        match part {
            Part::Directory => fs::create_dir_all(target)?,
            Part::Link(to) => symlink(to, target)?,
            Part::File { source, executable } => {
                fs::copy(source, &target)?;
                let mode = if *executable { 0o555 } else { 0o444 };
                fs::set_permissions(&target, fs::Permissions::from_mode(mode))?;
                File::open(&target)?.sync_all()?;
            }
        }
    }
    // Deepest first: a directory that is read-only takes no more entries.
    for (name, _) in parts
        .iter()
        .rev()
        .filter(|(_, part)| matches!(part, Part::Directory))
    {
        fs::set_permissions(aside.join(name), fs::Permissions::from_mode(0o555))?;
    }
    fs::set_permissions(aside, fs::Permissions::from_mode(0o755))?;
    File::open(aside)?.sync_all()
}
