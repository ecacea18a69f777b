//! `notes migrate`: brings the database's schema to what this version needs.
//!
//! Invariant: migrations are in the binary and carry checksums; each runs in a transaction, under a
//! lock that lets one migration process run at a time; a second run does nothing. A database that
//! is ahead (a newer version migrated it, and was rolled back) is left as it is: migrations only
//! add. Refuses: an applied migration whose text has changed since.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, SqlSafeStr};
use sqlx_core::migrate::{Migrate, MigrateError as Cause, Migration, MigrationType};

use crate::config::MigrateConfig;
use crate::fault::Fault;
use crate::log::Log;

/// The version that this binary needs.
pub const NEWEST: i64 = 2;
const TABLE: &str = "_sqlx_migrations";
const CONNECT: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(600);

const FILES: [(i64, &str, &str); NEWEST as usize] = [
    (1, "notes", include_str!("../migrations/0001_notes.sql")),
    (2, "search", include_str!("../migrations/0002_search.sql")),
];

/// Why the schema was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database could not be reached within 30 seconds.
    #[error("connecting to the database")]
    Connect(#[source] sqlx::Error),
    /// The lock or the table of migrations.
    #[error("{operation}")]
    Prepare {
        /// What was tried.
        operation: &'static str,
        /// Why.
        #[source]
        source: Cause,
    },
    /// One migration failed; those before it stay applied.
    #[error("applying migration {version} ({name})")]
    Apply {
        /// Its version.
        version: i64,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// An applied migration is not the one in this binary.
    #[error(
        "migration {version} ({name}) was changed after it was applied; write a new migration instead"
    )]
    Changed {
        /// Its version.
        version: i64,
        /// Its name.
        name: String,
    },
    /// All of it together took over ten minutes.
    #[error("not done within ten minutes")]
    TookTooLong,
}

/// Applies what is missing and logs each step.
pub async fn run(config: &MigrateConfig, log: &Log) -> Result<(), MigrateError> {
    let all = async {
        let mut connection = connect(&config.database_url, log).await?;
        // On an error the connection closes, and with it goes the lock.
        apply(&mut connection, &migrations(&config.faults), log).await
    };
    tokio::time::timeout(WHOLE, all)
        .await
        .unwrap_or(Err(MigrateError::TookTooLong))
}

fn migrations(faults: &[Fault]) -> Vec<Migration> {
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(
            version,
            Cow::Borrowed(name),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    };
    let mut list: Vec<Migration> = FILES.into_iter().map(migration).collect();
    if faults.contains(&Fault::MigrateFail) {
        list.push(migration((
            9999,
            "rehearsed failure",
            "alter table notes add column never integer check (nothing > 0)",
        )));
    }
    list
}

/// A database that is starting refuses connections for a while.
async fn connect(url: &str, log: &Log) -> Result<PgConnection, MigrateError> {
    let options = PgConnectOptions::from_str(url).map_err(MigrateError::Connect)?;
    let options = options
        .application_name("notes migrate")
        .disable_statement_logging();
    let deadline = tokio::time::Instant::now() + CONNECT;
    loop {
        match options.connect().await {
            Ok(connection) => return Ok(connection),
            Err(error) if is_starting(&error) && tokio::time::Instant::now() < deadline => {
                log.info(
                    "waiting for the database",
                    &[("reason", error.to_string().into())],
                );
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(error) => return Err(MigrateError::Connect(error)),
        }
    }
}

fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().as_deref() == Some("57P03"),
        _ => false,
    }
}

/// Applies a migration that is not `known` by its checksum yet; whether it did.
async fn apply_one(
    connection: &mut PgConnection,
    migration: &Migration,
    known: Option<&[u8]>,
    log: &Log,
) -> Result<bool, MigrateError> {
    let (version, name) = (migration.version, migration.description.to_string());
    let fields = |duration: Duration| {
        [
            ("version", version.into()),
            ("name", name.as_str().into()),
            ("duration_ms", (duration.as_millis() as u64).into()),
        ]
    };
    match known {
        Some(checksum) if checksum == migration.checksum.as_ref() => {
            log.debug("migration already applied", &fields(Duration::ZERO));
            Ok(false)
        }
        Some(_) => Err(MigrateError::Changed { version, name }),
        None => match connection.apply(TABLE, migration).await {
            Ok(duration) => {
                log.info("migration applied", &fields(duration));
                Ok(true)
            }
            Err(source) => Err(MigrateError::Apply {
                version,
                name,
                source,
            }),
        },
    }
}

async fn apply(
    connection: &mut PgConnection,
    migrations: &[Migration],
    log: &Log,
) -> Result<(), MigrateError> {
    let prepare = |operation| move |source| MigrateError::Prepare { operation, source };
    connection
        .lock()
        .await
        .map_err(prepare("taking the migration lock"))?;
    connection
        .ensure_migrations_table(TABLE)
        .await
        .map_err(prepare("creating the table of migrations"))?;
    let applied = connection
        .list_applied_migrations(TABLE)
        .await
        .map_err(prepare("listing applied migrations"))?;
    let mut count = 0;
    for migration in migrations {
        let known = applied.iter().find(|one| one.version == migration.version);
        let known = known.map(|one| one.checksum.as_ref());
        count += u32::from(apply_one(connection, migration, known, log).await?);
    }
    let ahead = applied
        .iter()
        .map(|one| one.version)
        .max()
        .filter(|newest| *newest > NEWEST);
    if let Some(newest) = ahead {
        log.warn(
            "the database is ahead of this version; left as it is",
            &[("version", newest.into())],
        );
    }
    connection
        .unlock()
        .await
        .map_err(prepare("releasing the migration lock"))?;
    log.info(
        "the schema is up to date",
        &[
            ("version", ahead.unwrap_or(NEWEST).into()),
            ("applied", count.into()),
        ],
    );
    Ok(())
}
