//! The machine-wide register of users: which state directory has which number for which name.
//!
//! It lies in `/var/lib/neargate`, root's alone. Each state directory keeps its own numbers too
//! (`users`), with a random name of its own, so a directory that is moved keeps them, and a
//! register that was lost is written again from the directories.
//!
//! Invariant: under the lock, a number is written to the register before anybody gets it; both
//! files are replaced as one step, so a kill at any byte loses nothing. Never handed out: a
//! number of another directory, of a running process, of an account of the machine. A copy of a
//! state directory gets numbers of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::in_use;
use super::user_numbers::UserNumbers;
use crate::atomic::{self, AtomicError};
use crate::paths::StateDir;

/// systemd's range for dynamic users: no account of the machine has one of them.
const FIRST: u32 = 61_184;
const COUNT: u32 = 4_336;
/// How long another process may hold the lock.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why there is no user.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The register cannot be read, locked or made.
    #[error("cannot use the register of users {}", path.display())]
    Register {
        /// File or directory.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Somebody other than root could change it.
    #[error(
        "the register of users {} is not root's alone: run chown root and chmod 700 on it",
        path.display()
    )]
    Open {
        /// Directory of the register.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] AtomicError),
    /// Every number is taken.
    #[error(
        "all {count} users that Neargate hands out ({first} to {last}) are taken: end an app that is not needed with `neargate down --purge`; {} names them",
        register.display()
    )]
    Exhausted {
        /// User id of the first.
        first: u32,
        /// User id of the last.
        last: u32,
        /// How many there are.
        count: u32,
        /// File of the register.
        register: PathBuf,
    },
}

/// The register's content.
#[derive(Debug, Default, Serialize, Deserialize)]
struct RegisterContent {
    /// Where the search for a free number begins.
    next: u32,
    /// By the directory's random name.
    directories: BTreeMap<String, RegisteredDirectory>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct RegisteredDirectory {
    /// Where it was seen last.
    path: PathBuf,
    users: BTreeMap<String, u32>,
}

/// The register of one machine.
#[derive(Debug, Clone)]
pub struct UserRegister {
    place: PathBuf,
    first: u32,
    count: u32,
}

impl UserRegister {
    /// The machine's: `/var/lib/neargate`, numbers 61184 to 65519.
    #[must_use]
    pub fn of_machine() -> Self {
        Self::at("/var/lib/neargate", FIRST, COUNT)
    }

    /// A register in this directory that hands out `count` numbers from `first` on.
    #[must_use]
    pub fn at(place: impl Into<PathBuf>, first: u32, count: u32) -> Self {
        Self {
            place: place.into(),
            first,
            count,
        }
    }

    /// The user of a name, the same for the life of the state directory. Blocks.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn user(&self, state: &StateDir, name: &str) -> Result<u32, RegisterError> {
        let _lock = self.lock()?;
        let mut content = self.read()?;
        let path = real(&state.path());
        let mut own = UserNumbers::read(&state.users()).unwrap_or_default();
        if own.directory.is_empty() || self.is_copy(&content, &own, &path) {
            own = UserNumbers {
                directory: random_name().map_err(|source| self.failed(source))?,
                users: BTreeMap::new(),
            };
            // Its name is down before the register knows it: numbers have an owner at any time.
            write_own(state, &own)?;
        }
        let mut changed = self.take_in(&mut content, &own, &path);
        let mine = content.directories.entry(own.directory.clone());
        let mine = mine.or_default();
        changed |= mine.path != path;
        mine.path = path;
        let uid = match mine.users.get(name) {
            Some(uid) => *uid,
            None => {
                let uid = self.free(&mut content)?;
                let mine = content.directories.entry(own.directory.clone());
                mine.or_default().users.insert(name.to_owned(), uid);
                changed = true;
                uid
            }
        };
        if changed {
            self.write(&content)?;
        }
        let users = &content.directories[&own.directory].users;
        if own.users != *users {
            own.users.clone_from(users);
            write_own(state, &own)?;
        }
        Ok(uid)
    }

    /// Gives all users of a state directory back. Blocks.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn give_back(&self, state: &StateDir) -> Result<(), RegisterError> {
        let _lock = self.lock()?;
        let mut content = self.read()?;
        let (before, path) = (content.directories.len(), real(&state.path()));
        let own = UserNumbers::read(&state.users()).unwrap_or_default();
        let copied = self.is_copy(&content, &own, &path);
        content.directories.retain(|name, directory| {
            let same = (*name == own.directory && !copied) || directory.path == path;
            !same
        });
        if content.directories.len() != before {
            self.write(&content)?;
        }
        let _ = fs::remove_file(state.users());
        Ok(())
    }

    /// Whether the register knows the same directory at another place where it still is.
    fn is_copy(&self, content: &RegisterContent, own: &UserNumbers, path: &Path) -> bool {
        content
            .directories
            .get(&own.directory)
            .filter(|known| known.path != path)
            .is_some_and(|known| {
                UserNumbers::read(&StateDir::at(&known.path).users())
                    .is_some_and(|there| there.directory == own.directory)
            })
    }

    /// Takes in numbers that a directory has and the register has lost. One that is another's
    /// now stays with the other.
    fn take_in(&self, content: &mut RegisterContent, own: &UserNumbers, path: &Path) -> bool {
        let range = self.first..self.first + self.count;
        let taken: BTreeSet<u32> = content
            .directories
            .iter()
            .filter(|(name, _)| **name != own.directory)
            .flat_map(|(_, directory)| directory.users.values().copied())
            .collect();
        let mine = content.directories.entry(own.directory.clone());
        let mine = mine.or_default();
        let before = mine.users.len();
        mine.path = path.to_owned();
        for (name, uid) in &own.users {
            let mut others = mine.users.values();
            if range.contains(uid) && !taken.contains(uid) && others.all(|other| other != uid) {
                mine.users.entry(name.clone()).or_insert(*uid);
            }
        }
        mine.users.len() != before
    }

    /// The next free number.
    fn free(&self, content: &mut RegisterContent) -> Result<u32, RegisterError> {
        for (path, numbers) in in_use::state_directories() {
            if !content.directories.contains_key(&numbers.directory) {
                self.take_in(content, &numbers, &real(&path));
            }
        }
        let in_use = in_use::numbers();
        if let Some(uid) = self.next(content, &in_use) {
            return Ok(uid);
        }
        // Directories that were removed without `down --purge` give theirs back.
        content.directories.retain(|name, directory| {
            let own = UserNumbers::read(&StateDir::at(&directory.path).users());
            own.is_some_and(|own| own.directory == *name)
        });
        self.next(content, &in_use)
            .ok_or_else(|| RegisterError::Exhausted {
                first: self.first,
                last: self.first + self.count - 1,
                count: self.count,
                register: self.file(),
            })
    }

    fn next(&self, content: &mut RegisterContent, in_use: &BTreeSet<u32>) -> Option<u32> {
        let mut taken = in_use.clone();
        for directory in content.directories.values() {
            taken.extend(directory.users.values());
        }
        let found = (0..self.count)
            .map(|step| (content.next + step) % self.count)
            .find(|offset| !taken.contains(&(self.first + offset)))?;
        content.next = (found + 1) % self.count;
        Some(self.first + found)
    }

    fn file(&self) -> PathBuf {
        self.place.join("users")
    }

    /// The content; that of a register that was lost or spoiled is empty.
    fn read(&self) -> Result<RegisterContent, RegisterError> {
        match fs::read(self.file()) {
            Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(RegisterContent::default()),
            Err(source) => Err(self.failed(source)),
        }
    }

    fn write(&self, content: &RegisterContent) -> Result<(), RegisterError> {
        let text = serde_json::to_vec_pretty(content)
            .map_err(|error| self.failed(io::Error::other(error)))?;
        Ok(atomic::write(&self.file(), &text, 0o600)?)
    }

    fn lock(&self) -> Result<File, RegisterError> {
        let failed = |source| self.failed(source);
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.place);
        made.map_err(failed)?;
        let found = fs::metadata(&self.place).map_err(failed)?;
        let user = rustix::process::geteuid().as_raw();
        if found.uid() != user || found.mode() & 0o022 != 0 {
            return Err(RegisterError::Open {
                path: self.place.clone(),
            });
        }
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.place.join("users.lock"))
            .map_err(failed)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(lock),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
    }

    fn failed(&self, source: io::Error) -> RegisterError {
        RegisterError::Register {
            path: self.file(),
            source,
        }
    }
}

fn write_own(state: &StateDir, own: &UserNumbers) -> Result<(), RegisterError> {
    let text = serde_json::to_vec_pretty(own).map_err(|error| RegisterError::Register {
        path: state.users(),
        source: io::Error::other(error),
    })?;
    Ok(atomic::write(&state.users(), &text, 0o600)?)
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn random_name() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(neargate_core::hex::hex(&bytes))
}
