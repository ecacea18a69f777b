//! What can go wrong with secrets, never with a value in it.

use std::path::PathBuf;

use thiserror::Error;

use crate::atomic::AtomicError;

/// Why the secrets store refused.
#[derive(Debug, Error)]
pub enum SecretsError {
    /// The key file may be read by others.
    #[error(
        "the key file {} is open to other users (mode {mode:o}): run chmod 600 {}",
        path.display(),
        path.display()
    )]
    KeyOpen {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There are secrets and no key for them.
    #[error(
        "the key file {} is missing: put it back from your backup; without it the secrets in {} cannot be read",
        key.display(),
        store.display()
    )]
    KeyMissing {
        /// The key file.
        key: PathBuf,
        store: PathBuf,
    },
    /// The key file holds something else.
    #[error("the key file {} does not hold a key (64 hexadecimal digits): put it back from your backup", path.display())]
    KeyMalformed {
        /// The key file.
        path: PathBuf,
    },
    /// The key is not the one that the secrets were encrypted with.
    #[error("the key in {} is not the one that encrypted {}: put the right key back", key.display(), store.display())]
    WrongKey {
        /// The key file.
        key: PathBuf,
        store: PathBuf,
    },
    /// The key file could not be read.
    #[error("could not read the key file {}", path.display())]
    ReadKey {
        /// The key file.
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The key or the state directory could not be made.
    #[error("could not make the key of the secrets")]
    MakeKey {
        #[source]
        source: AtomicError,
    },
    /// The store could not be made.
    #[error("could not make {}", path.display())]
    MakeStore {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A stored value was changed by something that does not hold the key.
    #[error(
        "version {version} of secret {name} was changed in the store: set it again with `neargate secret set {name}`"
    )]
    Tampered { name: String, version: u32 },
    /// No such secret, or it has no such version any more.
    #[error("secret {name} {what}: set it with `neargate secret set {name}`")]
    Missing {
        name: String,
        /// `has no value`, `has no version 3`.
        what: String,
    },
    /// The value is empty or too large.
    #[error("secret {name} cannot hold a value of {bytes} bytes: use 1 to 65536 bytes")]
    Size {
        name: String,
        /// Bytes of the refused value.
        bytes: usize,
    },
    /// Not a name.
    #[error("{name:?} cannot be a secret's name: use 1 to 128 letters, digits, '-', '_', '.'")]
    Name {
        /// The refused name.
        name: String,
    },
    /// The system has no random source.
    #[error("the system gave no random bytes")]
    Random {
        #[source]
        source: getrandom::Error,
    },
    /// The file system is full; nothing was written.
    #[error("no space left for the secrets in {}: free some space; nothing was written", path.display())]
    NoSpace {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    /// A later version of Neargate wrote the store.
    #[error("the secrets in {} have schema {found}, newer than this version of neargate knows: use the newer version again", path.display())]
    NewerSchema {
        path: PathBuf,
        /// Schema of the file.
        found: u32,
    },
    /// Anything else SQLite refused.
    #[error("could not {operation} the secrets in {}", path.display())]
    Sqlite {
        /// The operation, in words.
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
}
