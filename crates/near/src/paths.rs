//! Where everything lies under the state directory.
//!
//! Invariant: a state directory that a process has [opened](StateDir::opened) is followed when it
//! is renamed: paths are asked of the kernel by its descriptor at every use. One that is gone is
//! [known as such](StateDir::is_gone); nothing of another directory of the same name is touched.
//!
//! ```text
//! .neargate/                 0700
//!   state.db                 journal and snapshots (SQLite, WAL)
//!   key                      0600, encrypts secrets
//!   secrets.db               secrets, encrypted (SQLite)
//!   cookie-key               0600, seals the cookies of sticky sessions
//!   users                    users of services, data services and the router (root only)
//!   engine.log               the engine's own log, rotated
//!   audit.log                who asked for what, 0600, rotated
//!   router.log               the router's own log, rotated
//!   router/access.log        the access log, rotated by the router; `access.log` leads to it
//!   run/engine.sock          0600, the API
//!   run/program              a link to the program that the engine runs
//!   run/watchdog.sock        the watchdog, which starts the engine again
//!   run/router-N.sock        0600, control socket of router N
//!   artifacts/<digest>/      snapshots
//!   artifacts/.records/      what was read for them
//!   tasks/<task id>/         one directory per task (shim)
//!   data/<kind>-<name>/      data services
//!   logs/<service>/          task logs
//! ```

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::atomic::{self, AtomicError};

/// Longest path of a state directory, in bytes: SQLite opens no file under a longer one.
pub const LONGEST: usize = 480;
/// Text that the kernel appends to the name of a directory that was removed.
const DELETED: &[u8] = b" (deleted)";

/// The state directory of one environment.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
    open: Option<Arc<OwnedFd>>,
}

impl PartialEq for StateDir {
    fn eq(&self, other: &Self) -> bool {
        self.path() == other.path()
    }
}

impl Eq for StateDir {}

impl StateDir {
    /// A state directory at this absolute path.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            open: None,
        }
    }

    /// Makes the directory and those in it that every engine has.
    ///
    /// # Errors
    /// Those of [`atomic::private_directory`].
    pub fn make(&self) -> Result<(), AtomicError> {
        atomic::private_directory(&self.path())?;
        for directory in [self.run(), self.tasks(), self.logs(), self.data()] {
            atomic::inner_directory(&directory)?;
        }
        // A router that runs may be in it.
        atomic::group_directory(&self.artifacts(), None)
    }

    /// The same directory, held open: it is found again after a rename of it or above it.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn opened(&self) -> io::Result<Self> {
        let directory = File::open(&self.path)?;
        Ok(Self {
            path: self.path.clone(),
            open: Some(Arc::new(directory.into())),
        })
    }

    /// The directory itself, where it is now; by its descriptor when no path leads to it any more,
    /// so that nothing of another directory is meant.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let Some(open) = &self.open else {
            return self.path.clone();
        };
        let link = descriptor(open);
        match std::fs::read_link(&link) {
            Ok(path) if path.is_absolute() => match without_mark(path) {
                (path, false) if leads_elsewhere(&path, open) => link,
                (path, _) => path,
            },
            _ => self.path.clone(),
        }
    }

    /// Bytes of the path, all symbolic links resolved.
    #[must_use]
    pub fn length(&self) -> usize {
        let path = self.path();
        let resolved = path.ancestors().find_map(|above| {
            let real = above.canonicalize().ok()?;
            Some(real.join(path.strip_prefix(above).ok()?))
        });
        resolved.unwrap_or(path).as_os_str().len()
    }

    /// Whether the directory that was opened has been removed, is being emptied, or lies on a file
    /// system that was unmounted under it (`umount --lazy`).
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let Some(open) = &self.open else {
            return false;
        };
        let removed = rustix::fs::fstat(&**open).is_ok_and(|found| found.st_nlink == 0);
        let lacks = |name: &str| {
            let found = rustix::fs::statat(&**open, name, rustix::fs::AtFlags::empty());
            found.err() == Some(rustix::io::Errno::NOENT)
        };
        removed || lacks("run") || lacks("tasks") || unreachable(open)
    }

    /// SQLite file: journal and snapshots.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path().join("state.db")
    }

    /// SQLite file: secrets, encrypted.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.path().join("secrets.db")
    }

    /// Key file of the secrets.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.path().join("key")
    }

    /// Key file of sticky sessions.
    #[must_use]
    pub fn cookie_key(&self) -> PathBuf {
        self.path().join("cookie-key")
    }

    /// Users that processes of this directory run as, when the engine is root.
    #[must_use]
    pub fn users(&self) -> PathBuf {
        self.path().join("users")
    }

    /// The engine's own log.
    #[must_use]
    pub fn engine_log(&self) -> PathBuf {
        self.path().join("engine.log")
    }

    /// The audit log.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.path().join("audit.log")
    }

    /// Held by whoever writes the audit log.
    #[must_use]
    pub fn audit_lock(&self) -> PathBuf {
        self.path().join(".audit.lock")
    }

    /// The router's own log.
    #[must_use]
    pub fn router_log(&self) -> PathBuf {
        self.path().join("router.log")
    }

    /// The router's access log.
    #[must_use]
    pub fn access_log(&self) -> PathBuf {
        self.router().join("access.log")
    }

    /// Where the access log was before it had a directory, and is found still.
    #[must_use]
    pub fn access_log_link(&self) -> PathBuf {
        self.path().join("access.log")
    }

    /// Directory that is the router's user's alone.
    #[must_use]
    pub fn router(&self) -> PathBuf {
        self.path().join("router")
    }

    /// Directory of sockets, of the watchdog's lock and of the program's link.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.path().join("run")
    }

    /// The API socket.
    #[must_use]
    pub fn api_socket(&self) -> PathBuf {
        self.run().join("engine.sock")
    }

    /// The watchdog's socket.
    #[must_use]
    pub fn watchdog_socket(&self) -> PathBuf {
        self.run().join("watchdog.sock")
    }

    /// Held by the watchdog while it lives.
    #[must_use]
    pub fn watchdog_lock(&self) -> PathBuf {
        self.run().join("watchdog.lock")
    }

    /// A link to the program that the engine runs.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.run().join("program")
    }

    /// Control socket of the router with this number.
    #[must_use]
    pub fn router_socket(&self, number: u64) -> PathBuf {
        self.run().join(format!("router-{number}.sock"))
    }

    /// Snapshots by digest.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        self.path().join("artifacts")
    }

    /// Directory of tasks, which has one directory for each task's id.
    #[must_use]
    pub fn tasks(&self) -> PathBuf {
        self.path().join("tasks")
    }

    /// Directory of databases and caches.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Task logs by service.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.path().join("logs")
    }
}

fn descriptor(open: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", open.as_raw_fd()).into()
}

/// Whether the path that the kernel tells of an open directory leads to nothing, or elsewhere.
fn unreachable(open: &OwnedFd) -> bool {
    let path = || std::fs::read_link(descriptor(open)).ok();
    // Not when it was renamed in between.
    path().is_some_and(|before| leads_elsewhere(&before, open) && path() == Some(before))
}

fn leads_elsewhere(path: &Path, open: &OwnedFd) -> bool {
    let Ok(own) = rustix::fs::fstat(open) else {
        return false;
    };
    match rustix::fs::stat(path) {
        Ok(there) => (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino),
        Err(error) => error == rustix::io::Errno::NOENT,
    }
}

/// A path as the kernel tells it of a process, without its mark, and whether it had the mark.
#[must_use]
pub fn without_mark(path: PathBuf) -> (PathBuf, bool) {
    match path.as_os_str().as_bytes().strip_suffix(DELETED) {
        Some(name) => {
            let name = std::ffi::OsString::from_vec(name.to_vec());
            (name.into(), true)
        }
        None => (path, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opened_directory_is_followed_and_its_end_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path().canonicalize().expect("its path");
        StateDir::at(base.join("a")).make().expect("it is made");
        let state = StateDir::at(base.join("a")).opened().expect("it opens");
        std::fs::rename(base.join("a"), base.join("b")).expect("a rename");
        assert_eq!(state.database(), base.join("b/state.db"));
        assert!(!state.is_gone());
        std::fs::create_dir_all(base.join("a/run")).expect("another of the old name");
        std::fs::remove_dir_all(base.join("b")).expect("removed");
        assert!(state.is_gone());
        assert_eq!(state.path(), base.join("b"));
    }

    #[test]
    fn a_directory_whose_file_system_is_unmounted_under_it_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().canonicalize().expect("its path");
        let run = |program: &str, arguments: &[&str]| {
            let mut command = std::process::Command::new(program);
            let output = command.args(arguments).arg(&path).output();
            output.is_ok_and(|output| output.status.success())
        };
        if !run("mount", &["-t", "tmpfs", "-o", "size=1m", "none"]) {
            println!("nothing may be mounted here: not tried");
            return;
        }
        StateDir::at(path.join("a")).make().expect("it is made");
        let state = StateDir::at(path.join("a")).opened().expect("it opens");
        std::fs::rename(path.join("a"), path.join("b")).expect("a rename");
        let before = state.is_gone();
        assert!(run("umount", &["--lazy"]));
        assert!(!before);
        assert!(state.is_gone());
        assert!(state.run().is_dir(), "{}", state.run().display());
    }

    #[test]
    fn a_directory_that_was_emptied_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state");
        for part in ["run", "tasks"] {
            let state = StateDir::at(&path);
            state.make().expect("it is made");
            let state = state.opened().expect("it opens");
            assert!(!state.is_gone());
            std::fs::remove_dir(path.join(part)).expect("being emptied");
            assert!(state.is_gone(), "{part}");
        }
    }
}
