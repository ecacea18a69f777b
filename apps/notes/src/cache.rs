//! A read-through cache in Redis.
//!
//! Invariant: after a write was acknowledged no reader gets what was there before it, while Redis
//! answers. A note's entry only ever moves to a higher version; the first page's entry counts only
//! while it carries the current generation, and every write sets a new one. When Redis is down,
//! reads go to the database; an entry that could not be dropped lives [`TTL`] at most.
//! Refuses: waiting. A command has 250 ms, and after a failure Redis is left alone for a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, FromRedisValue, RedisError};

use crate::sign::hex;

/// How long an entry lives.
pub(crate) const TTL: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(1);
const GENERATION: &str = "notes:v1:generation";

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    /// `REDIS_URL` cannot be read.
    #[error("reading REDIS_URL")]
    Url(#[source] RedisError),
    /// Redis did not answer.
    #[error("{operation}: Redis does not answer")]
    Unavailable {
        /// The operation, in words.
        operation: &'static str,
        #[source]
        source: RedisError,
    },
    /// It failed less than a second ago and was not asked.
    #[error("Redis failed a moment ago")]
    Paused,
}

/// Result of a look-up of the first page.
#[derive(Debug)]
pub(crate) struct Page {
    /// The page's JSON, when it is current.
    pub json: Option<String>,
    /// Under which generation a fresh page may be stored.
    pub generation: String,
}

/// The cache of one task.
pub(crate) struct Cache {
    redis: ConnectionManager,
    started: Instant,
    /// Milliseconds since `started` until which Redis is left alone.
    paused_until: AtomicU64,
}

/// Stores (version, JSON) unless a version at least as high is there.
const STORE: &str = "local at = redis.call('HGET', KEYS[1], 'v')
if at and tonumber(at) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'd', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1";

/// Higher than any version; marks a removed note, so that a slow reader cannot bring it back.
const REMOVED: i64 = 1 << 53;

impl Cache {
    /// A cache at `url`; connects when it is first used.
    pub(crate) fn new(url: &str) -> Result<Self, CacheError> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(20))
            .set_connection_timeout(Some(Duration::from_millis(500)))
            .set_response_timeout(Some(Duration::from_millis(250)));
        let client = Client::open(url).map_err(CacheError::Url)?;
        let redis =
            ConnectionManager::new_lazy_with_config(client, config).map_err(CacheError::Url)?;
        Ok(Self {
            redis,
            started: Instant::now(),
            paused_until: AtomicU64::new(0),
        })
    }

    /// Asks Redis for a sign of life, also during a pause.
    pub(crate) async fn ping(&self) -> Result<(), CacheError> {
        let answer: Result<String, _> = redis::cmd("PING")
            .query_async(&mut self.redis.clone())
            .await;
        answer
            .map(|_| ())
            .map_err(|source| CacheError::Unavailable {
                operation: "ping",
                source,
            })
    }

    /// A note's version and JSON.
    pub(crate) async fn note(&self, id: i64) -> Result<Option<(i64, String)>, CacheError> {
        let command = redis::cmd("HMGET")
            .arg(note_key(id))
            .arg("v")
            .arg("d")
            .to_owned();
        let (version, json): (Option<i64>, Option<String>) =
            self.run("reading a note", &command).await?;
        Ok(version.zip(json).filter(|(version, _)| *version < REMOVED))
    }

    /// Keeps a note that was read or written.
    pub(crate) async fn keep_note(
        &self,
        id: i64,
        version: i64,
        json: &str,
    ) -> Result<(), CacheError> {
        let command = store(id, version, json);
        self.run::<i64>("keeping a note", &command)
            .await
            .map(|_| ())
    }

    /// A note was removed.
    pub(crate) async fn forget_note(&self, id: i64) -> Result<(), CacheError> {
        self.run::<i64>("forgetting a note", &store(id, REMOVED, ""))
            .await
            .map(|_| ())
    }

    /// The first page of the plain list with this limit.
    pub(crate) async fn page(&self, limit: i64) -> Result<Page, CacheError> {
        let command = redis::cmd("MGET")
            .arg(GENERATION)
            .arg(page_key(limit))
            .to_owned();
        let (generation, entry): (Option<String>, Option<String>) =
            self.run("reading a page", &command).await?;
        let Some(generation) = generation else {
            return Ok(Page {
                json: None,
                generation: self.first_generation().await?,
            });
        };
        let json = entry.and_then(|entry| {
            let (of, json) = entry.split_once('\n')?;
            (of == generation).then(|| json.to_owned())
        });
        Ok(Page { json, generation })
    }

    /// Keeps the first page, read from the database after `generation` was seen.
    pub(crate) async fn keep_page(
        &self,
        limit: i64,
        generation: &str,
        json: &str,
    ) -> Result<(), CacheError> {
        let mut command = redis::cmd("SET");
        command
            .arg(page_key(limit))
            .arg(format!("{generation}\n{json}"))
            .arg("PX")
            .arg(TTL.as_millis() as u64);
        self.run::<()>("keeping a page", &command).await
    }

    /// Some note changed: every kept page is old.
    pub(crate) async fn forget_pages(&self) -> Result<(), CacheError> {
        let command = redis::cmd("SET")
            .arg(GENERATION)
            .arg(generation())
            .to_owned();
        self.run::<()>("forgetting pages", &command).await
    }

    async fn first_generation(&self) -> Result<String, CacheError> {
        let fresh = generation();
        let command = redis::cmd("SET")
            .arg(GENERATION)
            .arg(&fresh)
            .arg("NX")
            .arg("GET")
            .to_owned();
        let other: Option<String> = self.run("starting a generation", &command).await?;
        Ok(other.unwrap_or(fresh))
    }

    /// Runs a command, unless Redis failed a moment ago.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<T, CacheError> {
        let now = self.started.elapsed().as_millis() as u64;
        if now < self.paused_until.load(Ordering::Relaxed) {
            return Err(CacheError::Paused);
        }
        command
            .query_async(&mut self.redis.clone())
            .await
            .map_err(|source| {
                let until = self.started.elapsed() + PAUSE;
                self.paused_until
                    .store(until.as_millis() as u64, Ordering::Relaxed);
                CacheError::Unavailable { operation, source }
            })
    }
}

fn store(id: i64, version: i64, json: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command
        .arg(STORE)
        .arg(1)
        .arg(note_key(id))
        .arg(version)
        .arg(json)
        .arg(TTL.as_millis() as u64);
    command
}

fn note_key(id: i64) -> String {
    format!("notes:v1:note:{id}")
}

fn page_key(limit: i64) -> String {
    format!("notes:v1:page:{limit}")
}

/// Never the same twice.
fn generation() -> String {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).expect("Linux always has random bytes");
    hex(&bytes)
}
