//! The journal's tables and how an older file becomes a current one.
//!
//! Invariant: the file's `user_version` is the number of migrations that it has seen; each
//! migration and its number are one transaction. Refuses a number that it does not know.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::{JournalError, translate};

/// Migrations in order. One that was released is never changed, only followed by another.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE journal (
        seq   INTEGER PRIMARY KEY,
        at    INTEGER NOT NULL,
        kind  TEXT NOT NULL,
        entry TEXT NOT NULL
    ) STRICT;
    CREATE TABLE snapshot (
        seq   INTEGER PRIMARY KEY,
        state TEXT NOT NULL
    ) STRICT;
    CREATE TABLE meta (
        key   TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
"];

/// Brings the file to the newest schema.
///
/// # Errors
/// [`JournalError::NewerSchema`], and what SQLite refuses.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), JournalError> {
    let failed = |source| translate(path, "migrate", source);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let found: u32 = transaction
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed)?;
    let known = u32::try_from(MIGRATIONS.len()).expect("a handful of migrations");
    if found > known {
        return Err(JournalError::NewerSchema {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for migration in &MIGRATIONS[found as usize..] {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    transaction
        .pragma_update(None, "user_version", known)
        .map_err(failed)?;
    transaction.commit().map_err(failed)
}
