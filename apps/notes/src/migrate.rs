//! `notes migrate`: brings the database's schema to what this version needs.
//!
//! Invariant: migrations are in the binary and carry checksums; each runs in a transaction, under a
//! lock that lets one migration process run at a time; a second run does nothing. A database that
//! is ahead (a newer version migrated it, and was rolled back) is left as it is: migrations only
//! add. Refuses: an applied migration whose text has changed since.

use std::str::FromStr;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha384};
use tokio_postgres::{Client, Config, Error as Cause, NoTls};

use crate::config::MigrateConfig;
use crate::fault::Fault;
use crate::log::Log;
use crate::store::broken;

/// The version that this binary needs.
pub(crate) const NEWEST: i64 = 2;
/// The table of migrations is as earlier versions made it, by sqlx.
const TABLE: &str = "create table if not exists _sqlx_migrations (
    version bigint primary key,
    description text not null,
    installed_on timestamptz not null default now(),
    success boolean not null,
    checksum bytea not null,
    execution_time bigint not null
)";
/// Advisory lock of the database that a migration holds.
const LOCK: i64 = 0x6e6f_7465_7300;
const CONNECT: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(600);

const FILES: [(i64, &str, &str); NEWEST as usize] = [
    (1, "notes", include_str!("../migrations/0001_notes.sql")),
    (2, "search", include_str!("../migrations/0002_search.sql")),
];

/// Why the schema was not migrated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrateError {
    /// The database could not be reached within 30 seconds.
    #[error("connecting to the database")]
    Connect(#[source] Cause),
    /// The lock or the table of migrations.
    #[error("{operation}")]
    Prepare {
        /// The operation, in words.
        operation: &'static str,
        #[source]
        source: Cause,
    },
    /// One migration failed; those before it stay applied.
    #[error("applying migration {version} ({name})")]
    Apply {
        version: i64,
        name: String,
        #[source]
        source: Cause,
    },
    /// An applied migration is not the one in this binary.
    #[error(
        "migration {version} ({name}) was changed after it was applied; write a new migration instead"
    )]
    Changed { version: i64, name: String },
    /// All of it together took over ten minutes.
    #[error("not done within ten minutes")]
    TookTooLong,
}

/// Applies what is missing and logs each step.
pub(crate) async fn run(config: &MigrateConfig, log: &Log) -> Result<(), MigrateError> {
    let all = async {
        let mut client = connect(&config.database_url, log).await?;
        // On an error the connection closes, and with it goes the lock.
        apply(&mut client, &migrations(&config.faults), log).await
    };
    tokio::time::timeout(WHOLE, all)
        .await
        .unwrap_or(Err(MigrateError::TookTooLong))
}

/// A step of the schema.
struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

impl Migration {
    /// SHA-384 of its text.
    fn checksum(&self) -> Vec<u8> {
        Sha384::digest(self.sql).to_vec()
    }

    /// All of it, with the note that it was applied, or nothing.
    async fn apply(&self, client: &mut Client) -> Result<Duration, Cause> {
        let began = Instant::now();
        let transaction = client.transaction().await?;
        transaction.batch_execute(self.sql).await?;
        let duration = began.elapsed();
        let nanoseconds = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        transaction
            .execute(
                "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values ($1, $2, true, $3, $4)",
                &[&self.version, &self.name, &self.checksum(), &nanoseconds],
            )
            .await?;
        transaction.commit().await?;
        Ok(duration)
    }
}

fn migrations(faults: &[Fault]) -> Vec<Migration> {
    let migration = |(version, name, sql)| Migration { version, name, sql };
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
async fn connect(url: &str, log: &Log) -> Result<Client, MigrateError> {
    let mut config = Config::from_str(url).map_err(MigrateError::Connect)?;
    config.application_name("notes migrate");
    let deadline = tokio::time::Instant::now() + CONNECT;
    loop {
        match config.connect(NoTls).await {
            Ok((client, connection)) => {
                // It ends with the client; an error of it is the error of the client's statement.
                tokio::spawn(connection);
                return Ok(client);
            }
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

fn is_starting(error: &Cause) -> bool {
    broken(error) || error.code().is_some_and(|code| code.code() == "57P03")
}

/// Applies a migration that is not `known` by its checksum yet; whether it did.
async fn apply_one(
    client: &mut Client,
    migration: &Migration,
    known: Option<&[u8]>,
    log: &Log,
) -> Result<bool, MigrateError> {
    let (version, name) = (migration.version, migration.name.to_owned());
    let fields = |duration: Duration| {
        [
            ("version", version.into()),
            ("name", name.as_str().into()),
            ("duration_ms", (duration.as_millis() as u64).into()),
        ]
    };
    match known {
        Some(checksum) if checksum == migration.checksum() => {
            log.debug("migration already applied", &fields(Duration::ZERO));
            Ok(false)
        }
        Some(_) => Err(MigrateError::Changed { version, name }),
        None => match migration.apply(client).await {
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

/// Versions and checksums of what was applied.
async fn applied(client: &Client) -> Result<Vec<(i64, Vec<u8>)>, Cause> {
    let sql = "select version, checksum from _sqlx_migrations order by version";
    let rows = client.query(sql, &[]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("version")?, row.try_get("checksum")?)))
        .collect()
}

async fn apply(
    client: &mut Client,
    migrations: &[Migration],
    log: &Log,
) -> Result<(), MigrateError> {
    let prepare = |operation| move |source| MigrateError::Prepare { operation, source };
    client
        .execute("select pg_advisory_lock($1)", &[&LOCK])
        .await
        .map_err(prepare("taking the migration lock"))?;
    client
        .batch_execute(TABLE)
        .await
        .map_err(prepare("creating the table of migrations"))?;
    let applied = applied(client)
        .await
        .map_err(prepare("listing applied migrations"))?;
    let mut count = 0;
    for migration in migrations {
        let known = applied
            .iter()
            .find(|(version, _)| *version == migration.version);
        let known = known.map(|(_, checksum)| checksum.as_slice());
        count += u32::from(apply_one(client, migration, known, log).await?);
    }
    let ahead = applied
        .iter()
        .map(|(version, _)| *version)
        .max()
        .filter(|newest| *newest > NEWEST);
    if let Some(newest) = ahead {
        log.warn(
            "the database is ahead of this version; left as it is",
            &[("version", newest.into())],
        );
    }
    client
        .execute("select pg_advisory_unlock($1)", &[&LOCK])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_those_that_databases_of_earlier_versions_know() {
        let checksums = migrations(&[])
            .iter()
            .map(|migration| u64::from_be_bytes(migration.checksum()[..8].try_into().unwrap()))
            .collect::<Vec<_>>();
        assert_eq!(checksums, [0x4e86_6bd2_2db5_1fba, 0xd597_6803_bf61_dee8]);
    }
}
