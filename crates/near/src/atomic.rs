//! Files that survive a kill at any byte, and directories that are the owner's alone.
//!
//! Invariant: a reader sees the old content or the new content of a file, never a part. After
//! [`write()`] has returned, the new content also survives a power cut.
//!
//! Refuses: a state directory that belongs to another user, and one with things in it that
//! others may open (tightening `/tmp` because of a typing error would harm the machine).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

/// Distinguishes the files that this process writes aside at the same moment.
static ASIDE: AtomicU64 = AtomicU64::new(0);

/// Why a file or directory could not be made.
#[derive(Debug, Error)]
pub enum AtomicError {
    /// The file system is full; nothing was changed.
    #[error("no space left to write {}: free some space, nothing was changed", path.display())]
    NoSpace {
        /// File that was to be written.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Writing aside, syncing or renaming failed; the old content is still there.
    #[error("could not write {}", path.display())]
    Write {
        /// File that was to be written.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A directory could not be made or looked at.
    #[error("could not prepare the directory {}", path.display())]
    Directory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The path exists and is something else.
    #[error("{} is not a directory", path.display())]
    NotADirectory { path: PathBuf },
    /// The directory is another user's.
    #[error(
        "{} belongs to user id {owner}, and you are user id {user}: run as its owner, or choose another --state-dir",
        path.display()
    )]
    ForeignOwner {
        path: PathBuf,
        owner: u32,
        /// User id of this process.
        user: u32,
    },
    /// The directory holds files and is open to others.
    #[error(
        "{} is open to other users (mode {mode:o}) and not empty: run chmod 700 on it if it is a state directory, or choose another --state-dir",
        path.display()
    )]
    OpenToOthers {
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// Replaces the content of `path` as one step: aside, synced, renamed, directory synced.
///
/// # Errors
/// [`AtomicError::NoSpace`] and [`AtomicError::Write`]; the old content is kept in both cases.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AtomicError> {
    let aside = aside_of(path);
    let result = write_aside(&aside, bytes, mode)
        .and_then(|()| fs::rename(&aside, path))
        .and_then(|()| sync_directory(path.parent().unwrap_or(Path::new("/"))));
    result.map_err(|source| {
        // The aside file may not exist; the first error is the one to tell.
        let _ = fs::remove_file(&aside);
        failure(path, source)
    })
}

/// Makes `path` with this content unless something is there already. `true` when it was made.
///
/// Of several processes that do this at once, one wins, and the others see the whole file.
///
/// # Errors
/// As [`write()`].
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<bool, AtomicError> {
    let aside = aside_of(path);
    let result = write_aside(&aside, bytes, mode).and_then(|()| fs::hard_link(&aside, path));
    let _ = fs::remove_file(&aside);
    match result {
        Ok(()) => sync_directory(path.parent().unwrap_or(Path::new("/")))
            .map(|()| true)
            .map_err(|source| failure(path, source)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(failure(path, source)),
    }
}

/// Makes a directory (and its parents) that only its owner may enter, mode 0700.
///
/// # Errors
/// [`AtomicError::ForeignOwner`], [`AtomicError::OpenToOthers`], [`AtomicError::NotADirectory`]
/// and [`AtomicError::Directory`].
pub fn private_directory(path: &Path) -> Result<(), AtomicError> {
    let failed = |source| AtomicError::Directory {
        path: path.to_owned(),
        source,
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let found = fs::metadata(path).map_err(failed)?;
    if !found.is_dir() {
        return Err(AtomicError::NotADirectory {
            path: path.to_owned(),
        });
    }
    let user = rustix::process::geteuid().as_raw();
    if found.uid() != user {
        return Err(AtomicError::ForeignOwner {
            path: path.to_owned(),
            owner: found.uid(),
            user,
        });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    if fs::read_dir(path).map_err(failed)?.next().is_some() {
        return Err(AtomicError::OpenToOthers {
            path: path.to_owned(),
            mode,
        });
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)
}

/// Makes a directory that its owner has and one group may enter, without seeing what is in it:
/// mode 0710; 0700 until there is a group.
///
/// # Errors
/// As [`inner_directory`].
pub fn group_directory(path: &Path, group: Option<u32>) -> Result<(), AtomicError> {
    const ENTERED: u32 = 0o710;
    let failed = |source| AtomicError::Directory {
        path: path.to_owned(),
        source,
    };
    let mode = fs::metadata(path).map_or(0, |found| found.mode() & 0o7777);
    if mode != ENTERED {
        inner_directory(path)?;
    }
    let Some(group) = group else { return Ok(()) };
    std::os::unix::fs::chown(path, None, Some(group)).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(ENTERED)).map_err(failed)
}

/// Makes a directory inside of a private one, mode 0700; one of ours that was left there more open
/// is closed, because nobody else could have come to it.
///
/// # Errors
/// As [`private_directory`], but never [`AtomicError::OpenToOthers`].
pub fn inner_directory(path: &Path) -> Result<(), AtomicError> {
    match private_directory(path) {
        Err(AtomicError::OpenToOthers { .. }) => {
            let private = fs::Permissions::from_mode(0o700);
            fs::set_permissions(path, private).map_err(|source| AtomicError::Directory {
                path: path.to_owned(),
                source,
            })
        }
        made => made,
    }
}

fn aside_of(path: &Path) -> PathBuf {
    let number = ASIDE.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{number}.aside", std::process::id()));
    path.with_file_name(name)
}

fn write_aside(aside: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(aside)?;
    // The umask may have taken bits away, and a left-over file keeps its own mode.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(path)?.sync_all()
}

fn failure(path: &Path, source: io::Error) -> AtomicError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            AtomicError::NoSpace { path, source }
        }
        _ => AtomicError::Write { path, source },
    }
}

/// Makes a state directory as [`private_directory`] does; git leaves out everything in it.
///
/// # Errors
/// Those of [`private_directory`]. A `.gitignore` that cannot be written stops nothing.
pub fn state_directory(path: &Path) -> Result<(), AtomicError> {
    private_directory(path)?;
    let ignored = path.join(".gitignore");
    if !ignored.exists() {
        let _ = write(&ignored, b"*\n", 0o600);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn write_replaces_the_content_and_leaves_nothing_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path, b"one", 0o600).unwrap();
        write(&path, b"two", 0o640).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(mode(&path), 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn create_keeps_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        assert!(create(&path, b"one", 0o600).unwrap());
        assert!(!create(&path, b"two", 0o600).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn private_directory_is_made_0700_and_may_exist_already() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        private_directory(&path).unwrap();
        private_directory(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn a_state_directory_is_ignored_by_git_and_keeps_what_people_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".neargate");
        state_directory(&path).unwrap();
        let ignored = path.join(".gitignore");
        assert_eq!(fs::read(&ignored).unwrap(), b"*\n");
        fs::write(&ignored, "own").unwrap();
        state_directory(&path).unwrap();
        assert_eq!(fs::read(&ignored).unwrap(), b"own");
    }

    #[test]
    fn empty_open_directory_is_tightened_and_a_full_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("open");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        private_directory(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        fs::write(path.join("x"), "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let error = private_directory(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 700"), "{error}");
        assert_eq!(mode(&path), 0o755);
    }

    #[test]
    fn directory_of_another_user_is_refused() {
        // Root owns /proc; root itself meets another user's directory by giving one away.
        let dir = tempfile::tempdir().unwrap();
        let root = rustix::process::geteuid().is_root();
        let path = if root {
            let path = dir.path().join("given");
            fs::create_dir(&path).unwrap();
            std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
            path
        } else {
            PathBuf::from("/proc")
        };
        let error = private_directory(&path).unwrap_err();
        assert!(matches!(error, AtomicError::ForeignOwner { .. }), "{error}");
    }
}
