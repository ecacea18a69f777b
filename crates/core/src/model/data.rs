//! What holds data in the checked model: databases, caches, secrets. No value of a secret.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A table `[database.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// The database's name.
    pub name: String,
    pub engine: DatabaseEngine,
    /// Major version wanted; near runs what the machine has and says so.
    pub version: Option<String>,
    /// An external server instead of one that near runs.
    pub url: Option<String>,
    /// Automatic backups on AWS; `None`: as the grade says.
    pub backup: Option<Backup>,
    /// Far: instance class.
    pub size: Option<String>,
    /// Far: a standby in another zone.
    pub multi_az: bool,
    /// Far: GiB at the start.
    pub storage: Option<u32>,
    /// Far: deletion protection.
    pub protect: bool,
    /// Far: weekly window in UTC, `mon:04:00-mon:05:00`.
    pub maintenance: Option<String>,
}

/// Engines of databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseEngine {
    Postgres,
}

/// Backups of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// From 0 to 35 days; 0: no backups.
    #[serde(with = "crate::duration")]
    pub retention: Duration,
    /// `03:00-04:00`, UTC, at least 30 minutes.
    pub window: Option<String>,
}

/// A table `[cache.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// The cache's name.
    pub name: String,
    pub engine: CacheEngine,
    /// Version of the engine that is wanted.
    pub version: Option<String>,
    /// An external server instead of one that near runs.
    pub url: Option<String>,
    /// Value of the server's `maxmemory-policy`.
    pub eviction: String,
    /// MiB near (`maxmemory`).
    pub memory: u32,
    /// Far: node type.
    pub size: Option<String>,
    /// Far: replicas per shard.
    pub replicas: u32,
    /// Far: days that snapshots are kept.
    #[serde(with = "crate::duration")]
    pub snapshots: Duration,
}

/// Engines of caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheEngine {
    Redis,
    Valkey,
}

/// A table `[secret.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// The secret's name.
    pub name: String,
    /// Made by Neargate when it does not exist; `None`: set by hand.
    pub generate: Option<SecretGenerator>,
    /// Rotated this often.
    pub rotate_seconds: Option<u64>,
    /// Must exist before its users start (default true).
    pub required: bool,
}

/// Random bytes and their text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "encoding", content = "bytes")]
pub enum SecretGenerator {
    /// URL-safe, no padding.
    Base64(u16),
    /// Hexadecimal digits, lower case.
    Hex(u16),
}
