//! What is known about each data service, for status, the engine and the console.

use neargate_core::status::DataStatus;

/// Databases and caches have names of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataServiceKind {
    /// A table `[database.NAME]` of the manifest.
    Database,
    /// A table `[cache.NAME]` of the manifest.
    Cache,
}

impl DataServiceKind {
    /// The manifest's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Cache => "cache",
        }
    }
}

/// Kind and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataServiceName {
    /// Database or cache.
    pub kind: DataServiceKind,
    /// Its name in the manifest.
    pub name: String,
}

impl DataServiceName {
    /// The key of a database.
    #[must_use]
    pub fn database(name: &str) -> Self {
        Self {
            kind: DataServiceKind::Database,
            name: name.to_owned(),
        }
    }

    /// The key of a cache.
    #[must_use]
    pub fn cache(name: &str) -> Self {
        Self {
            kind: DataServiceKind::Cache,
            name: name.to_owned(),
        }
    }

    /// `database main`, for people.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} {}", self.kind.word(), self.name)
    }

    /// `database-main`, the id of its process.
    #[must_use]
    pub fn process(&self) -> String {
        format!("{}-{}", self.kind.word(), self.name)
    }

    /// `database.main`, the name of its password among the secrets.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("{}.{}", self.kind.word(), self.name)
    }
}

/// Where a data service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataServiceState {
    /// On its first way up.
    Starting,
    /// It accepts connections.
    Available,
    /// Ended unexpectedly, or replays its log; it is on its way back.
    Recovering,
    /// Failed several times in a row, or does not come up. Starts go on.
    Failed,
    /// Stopped as asked.
    Stopped,
    /// Somebody else runs it.
    External,
}

impl DataServiceState {
    /// The word in `status --json`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Available => "available",
            Self::Recovering => "recovering",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::External => "external",
        }
    }
}

/// One data service as it is now. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataServiceStatus {
    /// Which it is.
    pub key: DataServiceName,
    /// `postgres 15`, `redis 7.0`.
    pub engine: String,
    /// Where it is in its life.
    pub state: DataServiceState,
    /// Reason for waiting or for a failure; `None` when there is nothing to say.
    pub words: Option<String>,
    /// Its port, once it has one.
    pub port: Option<u16>,
    /// Its process while it runs.
    pub pid: Option<u32>,
    /// Its URL with `***` for the password; empty before it has a port.
    pub url_redacted: String,
}

impl DataServiceStatus {
    /// The part that `status` shows.
    #[must_use]
    pub fn status(&self) -> DataStatus {
        DataStatus {
            name: self.key.name.clone(),
            engine: self.engine.clone(),
            state: self.state.word().into(),
            url_redacted: self.url_redacted.clone(),
            trouble: self.words.clone(),
        }
    }
}
