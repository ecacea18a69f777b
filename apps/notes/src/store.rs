//! Notes in PostgreSQL.
//!
//! Invariant: a change is one statement that checks the expected version and raises it by one, so
//! two writers never overwrite each other unseen. Every statement has a time limit. Refuses:
//! nothing; checked drafts come in. An outage is a [`StoreError::Unavailable`], never a panic.

use std::error::Error as _;
use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
    TimeoutType,
};
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

use crate::note::{Draft, Note, Summary};

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// No connection, or it broke, or the server is starting, stopping or overloaded.
    #[error("{operation}: the database is unavailable")]
    Unavailable {
        /// The operation, in words.
        operation: &'static str,
        #[source]
        source: PoolError,
    },
    /// A table or column does not exist: `notes migrate` has not run.
    #[error("{operation}: the database schema is not migrated")]
    SchemaMissing {
        operation: &'static str,
        #[source]
        source: PoolError,
    },
    /// Any other error of the database.
    #[error("{operation}: the database refused")]
    Failed {
        operation: &'static str,
        #[source]
        source: PoolError,
    },
}

impl StoreError {
    fn new(operation: &'static str, source: PoolError) -> Self {
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
fn kind(error: &PoolError) -> Kind {
    let error = match error {
        PoolError::Backend(error) => error,
        _ => return Kind::Unavailable,
    };
    match error.code().map(|code| code.code()) {
        Some("42P01" | "42703") => Kind::SchemaMissing,
        // Connection exception, insufficient resources, operator intervention (also the
        // statement timeout), read-only after a failover.
        Some(code)
            if ["08", "53", "57"]
                .iter()
                .any(|class| code.starts_with(class))
                || code == "25006" =>
        {
            Kind::Unavailable
        }
        Some(_) => Kind::Failed,
        None if error.is_closed() || broken(error) => Kind::Unavailable,
        None => Kind::Failed,
    }
}

/// Whether the connection did not come about, or broke.
pub(crate) fn broken(error: &tokio_postgres::Error) -> bool {
    error
        .source()
        .is_some_and(|source| source.is::<std::io::Error>())
}

/// How a client's expectation of the current version ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change<T> {
    /// The change was made.
    Made(T),
    /// The note has another version: this one.
    Stale(i64),
    /// There is no such note.
    Missing,
}

/// Which versions a client accepts to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
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
pub(crate) struct Rank {
    /// Rank of the last note of the page before.
    pub rank: f32,
    /// Id of that note.
    pub id: i64,
}

/// So long a request waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(2);

/// A connection is replaced after it.
const LIFETIME: Duration = Duration::from_secs(1800);

/// The notes in one database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pool: Pool,
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
    pub(crate) fn new(url: &str, connections: u32) -> Result<Self, StoreError> {
        let fail = |source| StoreError::new("reading DATABASE_URL", PoolError::Backend(source));
        let mut config = tokio_postgres::Config::from_str(url).map_err(fail)?;
        config
            .application_name("notes")
            .options("-c statement_timeout=5s -c lock_timeout=3s");
        let verified = ManagerConfig {
            recycling_method: RecyclingMethod::Verified,
        };
        let old = Hook::sync_fn(|_, metrics| match metrics.age() > LIFETIME {
            true => Err(HookError::message("it is old")),
            false => Ok(()),
        });
        let pool = Pool::builder(Manager::from_config(config, NoTls, verified))
            .max_size(connections as usize)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(ACQUIRE))
            .create_timeout(Some(ACQUIRE))
            .recycle_timeout(Some(ACQUIRE))
            .pre_recycle(old)
            .build()
            .expect("a runtime is named");
        Ok(Self { pool })
    }

    async fn connection(&self, operation: &'static str) -> Result<Object, StoreError> {
        let connection = tokio::time::timeout(ACQUIRE, self.pool.get()).await;
        connection
            .unwrap_or(Err(PoolError::Timeout(TimeoutType::Wait)))
            .map_err(|source| StoreError::new(operation, source))
    }

    /// The rows of a statement, which each connection prepares once.
    async fn rows(
        &self,
        operation: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let connection = self.connection(operation).await?;
        let rows = async {
            let statement = connection.prepare_cached(sql).await?;
            connection.query(&statement, parameters).await
        };
        rows.await
            .map_err(|source| StoreError::new(operation, PoolError::Backend(source)))
    }

    /// Open connections: (all, idle).
    pub(crate) fn connections(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size, status.available)
    }

    /// Closes every connection after its statement.
    pub(crate) fn close(&self) {
        self.pool.close();
    }

    /// The newest migration that was applied; 0: none.
    pub(crate) async fn schema(&self) -> Result<i64, StoreError> {
        let operation = "reading the schema version";
        let sql = "select coalesce(max(version), 0) as version from _sqlx_migrations where success";
        let rows = self.rows(operation, sql, &[]).await?;
        let version = rows.first().map_or(Ok(0), |row| row.try_get("version"));
        version.map_err(|source| StoreError::new(operation, PoolError::Backend(source)))
    }

    /// The note with this id, if there is one.
    pub(crate) async fn get(&self, id: i64) -> Result<Option<Note>, StoreError> {
        let sql = concat!("select ", note_columns!(), " from notes where id = $1");
        let rows = self.rows("reading a note", sql, &[&id]).await?;
        first("reading a note", &rows)
    }

    /// Newest notes first, older than `before`.
    pub(crate) async fn list(
        &self,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Summary>, StoreError> {
        let sql = concat!(
            "select ",
            summary_columns!(),
            " from notes
             where $1::bigint is null or id < $1 order by id desc limit $2"
        );
        let rows = self.rows("listing notes", sql, &[&before, &limit]).await?;
        each("listing notes", &rows, summary)
    }

    /// Best matches first, worse than `after`.
    pub(crate) async fn search(
        &self,
        q: &str,
        after: Option<Rank>,
        limit: i64,
    ) -> Result<Vec<(Summary, f32)>, StoreError> {
        let (text, prefixes) = search_text(q);
        let (rank, id) = (after.map(|after| after.rank), after.map(|after| after.id));
        let parameters: [&(dyn ToSql + Sync); 5] = [&text, &prefixes, &rank, &id, &limit];
        let rows = self.rows("searching notes", SEARCH, &parameters).await?;
        each("searching notes", &rows, |row| {
            Ok((summary(row)?, row.try_get("rank")?))
        })
    }

    /// Adds a note.
    pub(crate) async fn create(&self, draft: &Draft) -> Result<Note, StoreError> {
        let sql = concat!(
            "insert into notes (title, body, tags) values ($1, $2, $3) returning ",
            note_columns!()
        );
        let parameters: [&(dyn ToSql + Sync); 3] = [&draft.title, &draft.body, &draft.tags];
        let rows = self.rows("adding a note", sql, &parameters).await?;
        let note = rows.first().map(note).expect("an insert returns its row");
        note.map_err(|source| StoreError::new("adding a note", PoolError::Backend(source)))
    }

    /// Changes the fields that the draft has.
    pub(crate) async fn update(
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
        let versions = expected.versions();
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&id, &draft.title, &draft.body, &draft.tags, &versions];
        let rows = self.rows("changing a note", sql, &parameters).await?;
        match first("changing a note", &rows)? {
            Some(note) => Ok(Change::Made(note)),
            None => self.refused(id).await,
        }
    }

    /// Removes a note.
    pub(crate) async fn delete(
        &self,
        id: i64,
        expected: &Expected,
    ) -> Result<Change<()>, StoreError> {
        let sql = "delete from notes where id = $1 and ($2::bigint[] is null or version = any($2))
                   returning id";
        let parameters: [&(dyn ToSql + Sync); 2] = [&id, &expected.versions()];
        match self.rows("removing a note", sql, &parameters).await?.len() {
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

fn first(operation: &'static str, rows: &[Row]) -> Result<Option<Note>, StoreError> {
    let row = rows.first().map(note).transpose();
    row.map_err(|source| StoreError::new(operation, PoolError::Backend(source)))
}

fn each<T>(
    operation: &'static str,
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, tokio_postgres::Error>,
) -> Result<Vec<T>, StoreError> {
    let rows: Result<_, _> = rows.iter().map(read).collect();
    rows.map_err(|source| StoreError::new(operation, PoolError::Backend(source)))
}

fn note(row: &Row) -> Result<Note, tokio_postgres::Error> {
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

fn summary(row: &Row) -> Result<Summary, tokio_postgres::Error> {
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
