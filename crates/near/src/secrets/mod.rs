//! Secrets: encrypted at rest, versioned, staged as AWS Secrets Manager stages them.
//!
//! They live in a file of their own, `secrets.db`, not in the journal's: the command line
//! writes it without an engine or beside one, while the journal has one writer; and a journal
//! that is moved aside must not take the passwords of living databases with it.
//!
//! Invariant: `CURRENT` is on exactly one version of a secret that has any, `PREVIOUS` on at
//! most one; versions are immutable; a value leaves only as a [`SecretValue`].
//!
//! Refuses: a key file that others may read, a wrong key, a changed row, values over 64 KiB.
//!
//! Neargate's own secrets have a dot in their name (`database.main`), which a manifest's
//! names cannot have, so neither can be mistaken for the other.

mod error;
mod seal;
mod value;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use neargate_core::model::SecretGenerator;
use neargate_core::time::Timestamp;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

pub use error::SecretsError;
pub use neargate_core::secret::{MAX_BYTES, SecretValue};
use seal::{MissingKeyPolicy, Seal};

use crate::paths::StateDir;
use crate::private_file;

/// Versions kept of each secret.
pub const VERSIONS: u32 = 10;
/// Longest name in bytes.
const MAX_NAME: usize = 128;
/// How long one writer waits for another.
const BUSY: Duration = Duration::from_secs(10);
/// The only schema there has been.
const SCHEMA: u32 = 1;
/// Name under which a known value is sealed, to tell a wrong key from a changed row. It is
/// no valid name, so no secret can have it.
const PROOF: &str = "\u{1}proof";

const TABLES: &str = "
    CREATE TABLE secret (
        name    TEXT NOT NULL,
        version INTEGER NOT NULL,
        at      INTEGER NOT NULL,
        stage   TEXT CHECK (stage IN ('CURRENT', 'PREVIOUS')),
        sealed  BLOB NOT NULL,
        PRIMARY KEY (name, version),
        UNIQUE (name, stage)
    ) STRICT;
    CREATE TABLE proof (sealed BLOB NOT NULL) STRICT;
";

/// Which version is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionSelector {
    /// The one in use.
    Current,
    /// The one before it.
    Previous,
    /// The version of this number.
    Version(u32),
}

/// The label on a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionStage {
    /// The one that tasks get.
    Current,
    /// In use before.
    Previous,
    /// Kept, without a label.
    Older,
}

/// One version of one secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretVersion {
    /// The secret's name.
    pub name: String,
    /// Versions are numbered from 1.
    pub version: u32,
    pub stage: VersionStage,
    /// When it was set.
    pub at: Timestamp,
}

/// The secrets of one environment. Several processes may have it open.
pub struct Secrets {
    connection: Connection,
    store: PathBuf,
    seal: Seal,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Secrets")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Secrets {
    /// Opens the secrets of a state directory; makes the store and its key at the first time.
    ///
    /// # Errors
    /// [`SecretsError`]: the key is missing, open to others or the wrong one, or the file
    /// cannot be opened.
    pub fn open(state: &StateDir) -> Result<Self, SecretsError> {
        crate::atomic::state_directory(&state.path())
            .map_err(|source| SecretsError::MakeKey { source })?;
        let store = state.secrets();
        let failed = |source| translate(&store, "open", source);
        let mut connection = connect(&store)?;
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        make_tables(&transaction, &store)?;
        let proof: Option<Vec<u8>> = transaction
            .query_row("SELECT sealed FROM proof", [], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        let missing = match proof {
            None => MissingKeyPolicy::Make,
            Some(_) => MissingKeyPolicy::Refuse,
        };
        let seal = Seal::open(&state.key(), &store, missing)?;
        match proof {
            None => {
                let sealed = seal.seal(PROOF, 0, &SecretValue::new(PROOF))?;
                transaction
                    .execute("INSERT INTO proof (sealed) VALUES (?1)", [sealed])
                    .map_err(failed)?;
            }
            Some(sealed) if seal.unseal(PROOF, 0, &sealed).is_none() => {
                return Err(SecretsError::WrongKey {
                    key: state.key(),
                    store,
                });
            }
            Some(_) => {}
        }
        transaction.commit().map_err(failed)?;
        Ok(Self {
            connection,
            store,
            seal,
        })
    }

    /// The current version, made by the rule when the secret has no value yet.
    ///
    /// # Errors
    /// [`SecretsError::Name`], and what writing refuses.
    pub fn ensure(
        &mut self,
        now: Timestamp,
        name: &str,
        rule: SecretGenerator,
    ) -> Result<u32, SecretsError> {
        check_name(name)?;
        self.write(|transaction, seal| {
            if let Some(version) = current(transaction, name)? {
                return Ok(version);
            }
            let value = value::generate(rule)
                .map_err(|source| SecretChangeError::Secrets(SecretsError::Random { source }))?;
            insert(transaction, seal, now, name, &value)
        })
    }

    /// Makes this the current value; the one before becomes the previous. Hands back the new
    /// version. Versions beyond the last [`VERSIONS`] are dropped.
    ///
    /// # Errors
    /// [`SecretsError::Name`], [`SecretsError::Size`], and what writing refuses.
    pub fn set(
        &mut self,
        now: Timestamp,
        name: &str,
        value: &SecretValue,
    ) -> Result<u32, SecretsError> {
        check_name(name)?;
        let bytes = value.expose().len();
        if bytes == 0 || bytes > MAX_BYTES {
            return Err(SecretsError::Size {
                name: name.to_owned(),
                bytes,
            });
        }
        self.write(|transaction, seal| insert(transaction, seal, now, name, value))
    }

    /// A version's number and value.
    ///
    /// # Errors
    /// [`SecretsError::Missing`], [`SecretsError::Tampered`], and what reading refuses.
    pub fn get(
        &self,
        name: &str,
        which: VersionSelector,
    ) -> Result<(u32, SecretValue), SecretsError> {
        let (condition, what) = match which {
            VersionSelector::Current => ("stage = 'CURRENT'".to_owned(), "has no value".to_owned()),
            VersionSelector::Previous => (
                "stage = 'PREVIOUS'".to_owned(),
                "has no previous value".to_owned(),
            ),
            VersionSelector::Version(version) => (
                format!("version = {version}"),
                format!("has no version {version}"),
            ),
        };
        let found: Option<(u32, Vec<u8>)> = self
            .connection
            .query_row(
                &format!("SELECT version, sealed FROM secret WHERE name = ?1 AND {condition}"),
                [name],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(|source| translate(&self.store, "read", source))?;
        let (version, sealed) = found.ok_or_else(|| SecretsError::Missing {
            name: name.to_owned(),
            what,
        })?;
        match self.seal.unseal(name, version, &sealed) {
            Some(value) => Ok((version, value)),
            None => Err(SecretsError::Tampered {
                name: name.to_owned(),
                version,
            }),
        }
    }

    /// Every version of every secret by name, newest first. Never a value.
    ///
    /// # Errors
    /// What reading refuses.
    pub fn list(&self) -> Result<Vec<SecretVersion>, SecretsError> {
        let failed = |source| translate(&self.store, "read", source);
        let mut select = self
            .connection
            .prepare("SELECT name, version, stage, at FROM secret ORDER BY name, version DESC")
            .map_err(failed)?;
        let rows = select
            .query_map([], |row| {
                let stage: Option<String> = row.get(2)?;
                Ok(SecretVersion {
                    name: row.get(0)?,
                    version: row.get(1)?,
                    stage: match stage.as_deref() {
                        Some("CURRENT") => VersionStage::Current,
                        Some(_) => VersionStage::Previous,
                        None => VersionStage::Older,
                    },
                    at: Timestamp(row.get(3)?),
                })
            })
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// Drops every version of a secret, as `down --purge` does for a database's password.
    ///
    /// # Errors
    /// What writing refuses.
    pub fn remove(&mut self, name: &str) -> Result<(), SecretsError> {
        self.write(|transaction, _| {
            transaction.execute("DELETE FROM secret WHERE name = ?1", [name])?;
            Ok(())
        })
    }

    fn write<T>(
        &mut self,
        change: impl FnOnce(&Transaction<'_>, &Seal) -> Result<T, SecretChangeError>,
    ) -> Result<T, SecretsError> {
        let failed = |source| translate(&self.store, "write", source);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let result = change(&transaction, &self.seal).map_err(|refused| match refused {
            SecretChangeError::Sqlite(source) => failed(source),
            SecretChangeError::Secrets(error) => error,
        })?;
        transaction.commit().map_err(failed)?;
        Ok(result)
    }
}

/// Why a change inside a transaction stopped; the path is added outside.
enum SecretChangeError {
    Sqlite(rusqlite::Error),
    Secrets(SecretsError),
}

impl From<rusqlite::Error> for SecretChangeError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sqlite(source)
    }
}

impl From<SecretsError> for SecretChangeError {
    fn from(error: SecretsError) -> Self {
        Self::Secrets(error)
    }
}

/// Names of the secrets that have a value. Reads only: nothing is made, and no key is needed.
///
/// # Errors
/// There is a store that cannot be read.
pub fn names(state: &StateDir) -> Result<BTreeSet<String>, SecretsError> {
    let store = state.secrets();
    if !store.exists() {
        return Ok(BTreeSet::new());
    }
    let failed = |source| translate(&store, "read", source);
    let connection =
        Connection::open_with_flags(&store, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let mut select = connection
        .prepare("SELECT DISTINCT name FROM secret")
        .map_err(failed)?;
    let names = select.query_map([], |row| row.get(0)).map_err(failed)?;
    names.collect::<Result<_, _>>().map_err(failed)
}

fn current(transaction: &Transaction<'_>, name: &str) -> Result<Option<u32>, rusqlite::Error> {
    transaction
        .query_row(
            "SELECT version FROM secret WHERE name = ?1 AND stage = 'CURRENT'",
            [name],
            |row| row.get(0),
        )
        .optional()
}

fn insert(
    transaction: &Transaction<'_>,
    seal: &Seal,
    now: Timestamp,
    name: &str,
    value: &SecretValue,
) -> Result<u32, SecretChangeError> {
    let newest: u32 = transaction.query_row(
        "SELECT coalesce(max(version), 0) FROM secret WHERE name = ?1",
        [name],
        |row| row.get(0),
    )?;
    let version = newest + 1;
    let sealed = seal.seal(name, version, value)?;
    transaction.execute(
        "UPDATE secret SET stage = NULL WHERE name = ?1 AND stage = 'PREVIOUS'",
        [name],
    )?;
    transaction.execute(
        "UPDATE secret SET stage = 'PREVIOUS' WHERE name = ?1 AND stage = 'CURRENT'",
        [name],
    )?;
    transaction.execute(
        "INSERT INTO secret (name, version, at, stage, sealed) VALUES (?1, ?2, ?3, 'CURRENT', ?4)",
        params![name, version, now.0, sealed],
    )?;
    transaction.execute(
        "DELETE FROM secret WHERE name = ?1 AND version <= ?2 AND stage IS NULL",
        params![name, version.saturating_sub(VERSIONS)],
    )?;
    Ok(version)
}

fn check_name(name: &str) -> Result<(), SecretsError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(allowed) {
        return Err(SecretsError::Name {
            name: name.to_owned(),
        });
    }
    Ok(())
}

fn make_tables(transaction: &Transaction<'_>, store: &std::path::Path) -> Result<(), SecretsError> {
    let failed = |source| translate(store, "make", source);
    let found: u32 = transaction
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed)?;
    match found {
        0 => {
            transaction.execute_batch(TABLES).map_err(failed)?;
            transaction
                .pragma_update(None, "user_version", SCHEMA)
                .map_err(failed)
        }
        SCHEMA => Ok(()),
        found => Err(SecretsError::NewerSchema {
            path: store.to_owned(),
            found,
        }),
    }
}

fn connect(store: &std::path::Path) -> Result<Connection, SecretsError> {
    let failed = |source| translate(store, "open", source);
    private_file::append(store).map_err(|source| SecretsError::MakeStore {
        path: store.to_owned(),
        source,
    })?;
    let connection = Connection::open(store).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    // A rollback journal, not WAL: two processes that open a new file at once may both ask
    // for WAL, which SQLite answers with an error that no timeout covers. Writes are rare.
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(failed)?;
    // What is replaced shall not stay in freed pages.
    connection
        .pragma_update(None, "secure_delete", "ON")
        .map_err(failed)?;
    Ok(connection)
}

fn translate(
    store: &std::path::Path,
    operation: &'static str,
    source: rusqlite::Error,
) -> SecretsError {
    let path = store.to_owned();
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => SecretsError::NoSpace { path, source },
        _ => SecretsError::Sqlite {
            operation,
            path,
            source,
        },
    }
}
