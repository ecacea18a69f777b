//! The journal: every decision of the engine, before it is acted on.
//!
//! One SQLite file in WAL mode. `synchronous=FULL` because an entry is the promise that its
//! action may be taken: an action in the world (a task started, a port given) must not be
//! older than what a power cut leaves in the file. A sync takes as long as the disk likes: the
//! engine's loop leaves it to a thread (`engine/journal_writer.rs`). The operator may open the file.
//!
//! Invariant: entries are numbered without a gap from 1; `append` writes all of its entries or
//! none; `load` hands back exactly what rebuilds the state.
//!
//! Refuses: a file of a newer schema, a damaged file, a gap in the numbers.

mod error;
mod lock;
mod schema;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use neargate_core::time::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::private_file;
pub use error::JournalError;
use error::translate;
pub use lock::{EngineLock, holder, lock, lock_when_free};

/// Entries that stay readable as history behind a snapshot.
pub const HISTORY: u64 = 10_000;
/// The write-ahead log is cut back to this many bytes after a checkpoint.
const WAL_BYTES: u64 = 4 << 20;
/// How long to wait for an operator's shell that has the file locked.
const BUSY: Duration = Duration::from_secs(5);
/// Set while no engine has the file open.
const CLEAN: &str = "closed-cleanly";

/// Something that can be written to the journal.
pub trait Recorded: Serialize + DeserializeOwned {
    /// A short name of the kind of entry, for people and queries: `release-started`.
    fn kind(&self) -> &str;
}

/// An entry as the journal holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry<E> {
    /// Its number; entries are numbered from 1 without a gap.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    pub entry: E,
}

/// The source of the state: the snapshot, then the entries after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedJournal<S, E> {
    /// The newest snapshot and the number of the last entry that it holds.
    pub snapshot: Option<(u64, S)>,
    /// Entries after the snapshot, in order.
    pub entries: Vec<StoredEntry<E>>,
}

/// The journal of one environment. It has one writer, the engine.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    path: PathBuf,
    last: u64,
}

impl Journal {
    /// Opens or makes the journal, brings it to the newest schema, and checks the whole file
    /// when the last engine did not close it.
    ///
    /// # Errors
    /// [`JournalError::Damaged`], [`JournalError::NewerSchema`], [`JournalError::NoSpace`], and
    /// what SQLite refuses.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let mut connection = connect(path)?;
        schema::migrate(&mut connection, path)?;
        let failed = |source| translate(path, "read", source);
        let last: u64 = connection
            .query_row(
                "SELECT max(coalesce((SELECT max(seq) FROM journal), 0),
                            coalesce((SELECT max(seq) FROM snapshot), 0))",
                [],
                |row| row.get(0),
            )
            .map_err(failed)?;
        let journal = Self {
            connection,
            path: path.to_owned(),
            last,
        };
        if journal.get_meta(CLEAN)?.is_none() && last > 0 {
            journal.check()?;
        }
        journal
            .connection
            .execute("DELETE FROM meta WHERE key = ?1", [CLEAN])
            .map_err(|source| translate(path, "write", source))?;
        Ok(journal)
    }

    /// The number of the newest entry; 0 when there is none.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// When the newest entry was written; the beginning of time when there is none.
    ///
    /// # Errors
    /// What SQLite refuses.
    pub fn latest(&self) -> Result<Timestamp, JournalError> {
        let newest = "SELECT coalesce(max(at), 0) FROM journal";
        let found = self.connection.query_row(newest, [], |row| row.get(0));
        found
            .map(Timestamp)
            .map_err(|source| translate(&self.path, "read", source))
    }

    /// Writes entries as one transaction and returns the number of the last one. When it has
    /// returned, they survive a power cut.
    ///
    /// # Errors
    /// [`JournalError::NoSpace`]: nothing was written and the same call works when there is
    /// space; [`JournalError::Encode`], and what SQLite refuses.
    pub fn append<E: Recorded>(
        &mut self,
        now: Timestamp,
        entries: &[E],
    ) -> Result<u64, JournalError> {
        self.write(now, entries, &[])
    }

    /// Writes entries and facts that are no entries (see [`Journal::put_meta`]) as one transaction,
    /// as [`Journal::append`] does.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn write<E: Recorded>(
        &mut self,
        now: Timestamp,
        entries: &[E],
        facts: &[(String, String)],
    ) -> Result<u64, JournalError> {
        let failed = |source| translate(&self.path, "write", source);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let mut seq = self.last;
        {
            let mut insert = transaction
                .prepare_cached(
                    "INSERT INTO journal (seq, at, kind, entry) VALUES (?1, ?2, ?3, ?4)",
                )
                .map_err(failed)?;
            for entry in entries {
                seq += 1;
                let text = encode("an entry", entry)?;
                insert
                    .execute(params![seq, now.0, entry.kind(), text])
                    .map_err(failed)?;
            }
        }
        for (key, value) in facts {
            put(&transaction, key, value).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        self.last = seq;
        Ok(seq)
    }

    /// Everything that rebuilds the state.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when an entry cannot be read or one is missing.
    pub fn load<S: DeserializeOwned, E: Recorded>(
        &self,
    ) -> Result<LoadedJournal<S, E>, JournalError> {
        load(&self.connection, &self.path)
    }

    /// Writes the state after entry `seq` as the new snapshot, and drops entries that are
    /// neither after it nor among the last [`HISTORY`].
    ///
    /// # Errors
    /// As [`Journal::append`]; the old snapshot and all entries are kept then.
    ///
    /// # Panics
    /// When `seq` is not the number of an entry that was written.
    pub fn compact<S: Serialize>(&mut self, seq: u64, state: &S) -> Result<(), JournalError> {
        assert!(
            seq <= self.last,
            "snapshot {seq} of a journal that ends at {}",
            self.last
        );
        let text = encode("a snapshot", state)?;
        let oldest = seq.min(self.last.saturating_sub(HISTORY));
        let failed = |source| translate(&self.path, "compact", source);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        transaction
            .execute("DELETE FROM snapshot", [])
            .map_err(failed)?;
        transaction
            .execute(
                "INSERT INTO snapshot (seq, state) VALUES (?1, ?2)",
                params![seq, text],
            )
            .map_err(failed)?;
        transaction
            .execute("DELETE FROM journal WHERE seq <= ?1", [oldest])
            .map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    /// Writes a fact that is no entry, such as the endpoint's port.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn put_meta(&mut self, key: &str, value: &str) -> Result<(), JournalError> {
        put(&self.connection, key, value).map_err(|source| translate(&self.path, "write", source))
    }

    /// Reads a fact that [`Journal::put_meta`] wrote.
    ///
    /// # Errors
    /// What SQLite refuses.
    pub fn get_meta(&self, key: &str) -> Result<Option<String>, JournalError> {
        self.connection
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
                row.get(0)
            })
            .optional()
            .map_err(|source| translate(&self.path, "read", source))
    }

    /// All facts that are no entries, by their key.
    ///
    /// # Errors
    /// What SQLite refuses.
    pub fn all_meta(&self) -> Result<BTreeMap<String, String>, JournalError> {
        let failed = |source| translate(&self.path, "read", source);
        let mut select = self
            .connection
            .prepare("SELECT key, value FROM meta")
            .map_err(failed)?;
        let rows = select
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// Closes the file and notes that it was closed cleanly, so that the next start need not
    /// check all of it.
    ///
    /// # Errors
    /// What SQLite refuses; the journal itself is safe then.
    pub fn close(mut self) -> Result<(), JournalError> {
        self.put_meta(CLEAN, "yes")?;
        let Self {
            connection, path, ..
        } = self;
        connection
            .close()
            .map_err(|(_, source)| translate(&path, "close", source))
    }

    fn check(&self) -> Result<(), JournalError> {
        let verdict: String = self
            .connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(|source| translate(&self.path, "check", source))?;
        if verdict == "ok" {
            Ok(())
        } else {
            Err(damaged(&self.path, verdict))
        }
    }
}

/// A reader of a journal that somebody else writes; it never waits for the writer, nor the
/// writer for it.
#[derive(Debug)]
pub struct JournalReader {
    connection: Connection,
    path: PathBuf,
}

impl JournalReader {
    /// Opens a journal that is there.
    ///
    /// # Errors
    /// What SQLite refuses.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |source| translate(path, "open", source);
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let connection = connection.map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        let path = path.to_owned();
        Ok(Self { connection, path })
    }

    /// As [`Journal::load`].
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when an entry cannot be read or one is missing.
    pub fn load<S: DeserializeOwned, E: Recorded>(
        &self,
    ) -> Result<LoadedJournal<S, E>, JournalError> {
        load(&self.connection, &self.path)
    }

    /// At most `limit` entries after number `after`, in order. Older ones than the history
    /// keeps are gone.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when an entry cannot be read.
    pub fn read<E: Recorded>(
        &self,
        after: u64,
        limit: u64,
    ) -> Result<Vec<StoredEntry<E>>, JournalError> {
        read_entries(&self.connection, &self.path, after, limit)
    }
}

fn damaged(path: &Path, detail: String) -> JournalError {
    let path = path.to_owned();
    JournalError::Damaged { path, detail }
}

fn put(connection: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    let put = "INSERT INTO meta (key, value) VALUES (?1, ?2)
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    connection.execute(put, [key, value]).map(drop)
}

fn load<S: DeserializeOwned, E: Recorded>(
    connection: &Connection,
    path: &Path,
) -> Result<LoadedJournal<S, E>, JournalError> {
    let newest = "SELECT seq, state FROM snapshot ORDER BY seq DESC LIMIT 1";
    let found = connection
        .query_row(newest, [], |row| {
            Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?))
        })
        .optional()
        .map_err(|source| translate(path, "read", source))?;
    let snapshot = match found {
        None => None,
        Some((seq, text)) => Some((
            seq,
            serde_json::from_str(&text)
                .map_err(|error| damaged(path, format!("snapshot {seq}: {error}")))?,
        )),
    };
    let after = snapshot.as_ref().map_or(0, |(seq, _)| *seq);
    let entries: Vec<StoredEntry<E>> = read_entries(connection, path, after, u64::MAX)?;
    for (expected, stored) in (after + 1..).zip(&entries) {
        if stored.seq != expected {
            return Err(damaged(path, format!("entry {expected} is missing")));
        }
    }
    Ok(LoadedJournal { snapshot, entries })
}

fn read_entries<E: Recorded>(
    connection: &Connection,
    path: &Path,
    after: u64,
    limit: u64,
) -> Result<Vec<StoredEntry<E>>, JournalError> {
    let failed = |source| translate(path, "read", source);
    // SQLite's integers are signed.
    let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut select = connection
        .prepare_cached("SELECT seq, at, entry FROM journal WHERE seq > ?1 ORDER BY seq LIMIT ?2")
        .map_err(failed)?;
    let mut rows = select.query([bound(after), bound(limit)]).map_err(failed)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let seq: u64 = row.get(0).map_err(failed)?;
        let at = Timestamp(row.get(1).map_err(failed)?);
        let text: String = row.get(2).map_err(failed)?;
        let entry = serde_json::from_str(&text)
            .map_err(|error| damaged(path, format!("entry {seq}: {error}")))?;
        entries.push(StoredEntry { seq, at, entry });
    }
    Ok(entries)
}

/// A value of a journal's `meta`, without opening it for an engine; nothing when there is none.
#[must_use]
pub fn read_meta(path: &Path, key: &str) -> Option<String> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    connection.busy_timeout(BUSY).ok()?;
    let found = connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
        row.get(0)
    });
    found.optional().ok()?
}

/// Opens a SQLite file as every file of the state directory is opened: mode 0600, WAL, FULL.
fn connect(path: &Path) -> Result<Connection, JournalError> {
    let failed = |source| translate(path, "open", source);
    // SQLite would make the file with the umask's mode; its -wal and -shm files follow it.
    let made = private_file::append(path)
        .and_then(|file| file.set_permissions(Permissions::from_mode(0o600)));
    made.map_err(|source| JournalError::Make {
        path: path.to_owned(),
        source,
    })?;
    let connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(failed)?;
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(failed)?;
    connection
        .pragma_update(None, "journal_size_limit", WAL_BYTES)
        .map_err(failed)?;
    Ok(connection)
}

fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<String, JournalError> {
    serde_json::to_string(value).map_err(|source| JournalError::Encode { what, source })
}
