//! Notes in PostgreSQL.
//!
//! Invariant: a change is one statement that checks the expected version and raises it by one, so
//! two writers never overwrite each other unseen. Every statement has a time limit. Refuses:
//! nothing; checked drafts come in. An outage is a [`StoreError::Unavailable`], never a panic.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{ConnectOptions, PgPool, Row};

use crate::note::{Draft, Note, Summary};

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection, or it broke, or the server is starting, stopping or overloaded.
    #[error("{operation}: the database is unavailable")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// A table or column does not exist: `notes migrate` has not run.
    #[error("{operation}: the database schema is not migrated")]
    SchemaMissing {
        /// What was tried.
        operation: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// Anything else.
    #[error("{operation}: the database refused")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

impl StoreError {
    fn new(operation: &'static str, source: sqlx::Error) -> Self {
        match kind(&source) {
            Kind::Unavailable => Self::Unavailable { operation, source },
            Kind::SchemaMissing => Self::SchemaMissing { operation, source },
            Kind::Failed => Self::Failed { operation, source },
        }
    }
}

enum Kind {
    Unavailable,
    SchemaMissing,
    Failed,
}

/// Classes of SQLSTATE: PostgreSQL manual, appendix A.
fn kind(error: &sqlx::Error) -> Kind {
    use sqlx::Error::{Database, Io, PoolClosed, PoolTimedOut, Protocol, WorkerCrashed};
    match error {
        Io(_) | PoolTimedOut | PoolClosed | WorkerCrashed | Protocol(_) => Kind::Unavailable,
        Database(error) => match error.code().as_deref().unwrap_or_default() {
            "42P01" | "42703" => Kind::SchemaMissing,
            // Connection exception, insufficient resources, operator intervention (also the
            // statement timeout), read-only after a failover.
            code if ["08", "53", "57"]
                .iter()
                .any(|class| code.starts_with(class))
                || code == "25006" =>
            {
                Kind::Unavailable
            }
            _ => Kind::Failed,
        },
        _ => Kind::Failed,
    }
}

/// How a client's expectation of the current version ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// Done.
    Made(T),
    /// The note has another version: this one.
    Stale(i64),
    /// There is no such note.
    Missing,
}

/// Which versions a client accepts to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Any (`If-Match: *`).
    Any,
    /// One of these.
    OneOf(Vec<i64>),
}

impl Expected {
    fn versions(&self) -> Option<&[i64]> {
        match self {
            Self::Any => None,
            Self::OneOf(versions) => Some(versions),
        }
    }
}

/// Where a page of a search goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rank {
    /// Rank of the last note of the page before.
    pub rank: f32,
    /// Its id.
    pub id: i64,
}

/// The notes in one database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

macro_rules! note_columns {
    () => {
        "id, title, body, tags, version,
         to_char(created_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as created_at,
         to_char(updated_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as updated_at"
    };
}

macro_rules! summary_columns {
    () => {
        "id, title, left(body, 280) as excerpt, tags, version,
         to_char(created_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as created_at,
         to_char(updated_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as updated_at"
    };
}

/// Plain words match as prefixes, so that a search finds while one types; anything with an
/// operator (quotes, minus, `or`) is read as web search syntax.
const SEARCH: &str = concat!(
    "with query as (select case when $2 then to_tsquery('english', $1)
                                else websearch_to_tsquery('english', $1) end as q),
     found as (select notes.*, ts_rank(search, q) as rank from notes, query where search @@ q)
     select ",
    summary_columns!(),
    ", rank from found
     where $3::real is null or (rank, id) < ($3, $4)
     order by rank desc, id desc limit $5"
);

impl Store {
    /// A pool for `url`; connects when it is first used.
    pub fn new(url: &str, connections: u32) -> Result<Self, StoreError> {
        let fail = |source| StoreError::new("reading DATABASE_URL", source);
        let options = PgConnectOptions::from_str(url)
            .map_err(fail)?
            .application_name("notes")
            .options([("statement_timeout", "5s"), ("lock_timeout", "3s")])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(2))
            .idle_timeout(Duration::from_secs(300))
            .max_lifetime(Duration::from_secs(1800))
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// Open connections: (all, idle).
    pub fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// Closes every connection after its statement.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The newest migration that was applied; 0: none.
    pub async fn schema(&self) -> Result<i64, StoreError> {
        let row = sqlx::query(
            "select coalesce(max(version), 0) as version from _sqlx_migrations where success",
        )
        .fetch_one(&self.pool)
        .await;
        row.and_then(|row| row.try_get("version"))
            .map_err(|source| StoreError::new("reading the schema version", source))
    }

    /// One note.
    pub async fn get(&self, id: i64) -> Result<Option<Note>, StoreError> {
        let row = sqlx::query(concat!(
            "select ",
            note_columns!(),
            " from notes where id = $1"
        ))
        .bind(id)
        .fetch_optional(&self.pool)
        .await;
        row.and_then(|row| row.as_ref().map(note).transpose())
            .map_err(|source| StoreError::new("reading a note", source))
    }

    /// Newest notes first, older than `before`.
    pub async fn list(&self, before: Option<i64>, limit: i64) -> Result<Vec<Summary>, StoreError> {
        let sql = concat!(
            "select ",
            summary_columns!(),
            " from notes
             where $1::bigint is null or id < $1 order by id desc limit $2"
        );
        let rows = sqlx::query(sql)
            .bind(before)
            .bind(limit)
            .fetch_all(&self.pool)
            .await;
        rows.and_then(|rows| rows.iter().map(summary).collect())
            .map_err(|source| StoreError::new("listing notes", source))
    }

    /// Best matches first, worse than `after`.
    pub async fn search(
        &self,
        q: &str,
        after: Option<Rank>,
        limit: i64,
    ) -> Result<Vec<(Summary, f32)>, StoreError> {
        let (text, prefixes) = search_text(q);
        let rows = sqlx::query(SEARCH)
            .bind(text)
            .bind(prefixes)
            .bind(after.map(|after| after.rank))
            .bind(after.map(|after| after.id))
            .bind(limit)
            .fetch_all(&self.pool)
            .await;
        let found = |row: &PgRow| Ok((summary(row)?, row.try_get("rank")?));
        rows.and_then(|rows| rows.iter().map(found).collect())
            .map_err(|source| StoreError::new("searching notes", source))
    }

    /// Adds a note.
    pub async fn create(&self, draft: &Draft) -> Result<Note, StoreError> {
        let sql = concat!(
            "insert into notes (title, body, tags) values ($1, $2, $3) returning ",
            note_columns!()
        );
        let row = sqlx::query(sql)
            .bind(&draft.title)
            .bind(&draft.body)
            .bind(&draft.tags)
            .fetch_one(&self.pool)
            .await;
        row.and_then(|row| note(&row))
            .map_err(|source| StoreError::new("adding a note", source))
    }

    /// Changes the fields that the draft has.
    pub async fn update(
        &self,
        id: i64,
        draft: &Draft,
        expected: &Expected,
    ) -> Result<Change<Note>, StoreError> {
        let sql = concat!(
            "update notes set title = coalesce($2, title), body = coalesce($3, body), tags = coalesce($4, tags),
             version = version + 1, updated_at = now()
             where id = $1 and ($5::bigint[] is null or version = any($5)) returning ",
            note_columns!()
        );
        let row = sqlx::query(sql)
            .bind(id)
            .bind(&draft.title)
            .bind(&draft.body)
            .bind(&draft.tags)
            .bind(expected.versions())
            .fetch_optional(&self.pool)
            .await
            .and_then(|row| row.as_ref().map(note).transpose())
            .map_err(|source| StoreError::new("changing a note", source))?;
        match row {
            Some(note) => Ok(Change::Made(note)),
            None => self.refused(id).await,
        }
    }

    /// Removes a note.
    pub async fn delete(&self, id: i64, expected: &Expected) -> Result<Change<()>, StoreError> {
        let done = sqlx::query(
            "delete from notes where id = $1 and ($2::bigint[] is null or version = any($2))",
        )
        .bind(id)
        .bind(expected.versions())
        .execute(&self.pool)
        .await
        .map_err(|source| StoreError::new("removing a note", source))?;
        match done.rows_affected() {
            0 => self.refused(id).await,
            _ => Ok(Change::Made(())),
        }
    }

    async fn refused<T>(&self, id: i64) -> Result<Change<T>, StoreError> {
        Ok(match self.get(id).await? {
            Some(note) => Change::Stale(note.version),
            None => Change::Missing,
        })
    }
}

/// The text for PostgreSQL, and whether it is a list of prefixes.
fn search_text(q: &str) -> (String, bool) {
    let plain = q.chars().all(|c| c.is_alphanumeric() || c.is_whitespace());
    let words: Vec<&str> = q.split_whitespace().collect();
    if !plain || words.is_empty() || words.iter().any(|word| word.eq_ignore_ascii_case("or")) {
        return (q.to_owned(), false);
    }
    let prefixes: Vec<String> = words.iter().map(|word| format!("{word}:*")).collect();
    (prefixes.join(" & "), true)
}

fn note(row: &PgRow) -> Result<Note, sqlx::Error> {
    Ok(Note {
        id: row.try_get("id")?,
        title: row.try_get("title")?,
        body: row.try_get("body")?,
        tags: row.try_get("tags")?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn summary(row: &PgRow) -> Result<Summary, sqlx::Error> {
    Ok(Summary {
        id: row.try_get("id")?,
        title: row.try_get("title")?,
        excerpt: row.try_get("excerpt")?,
        tags: row.try_get("tags")?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
