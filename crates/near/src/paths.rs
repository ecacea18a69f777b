//! Where everything lies under the state directory.
//!
//! ```text
//! .neargate/                 0700
//!   state.db                 journal and snapshots (SQLite, WAL)
//!   key                      0600, encrypts secrets
//!   secrets.db               secrets, encrypted (SQLite)
//!   cookie-key               0600, seals the cookies of sticky sessions
//!   engine.log               the engine's own log, rotated
//!   audit.log                who asked for what, 0600, rotated
//!   router.log, access.log   the router's, rotated
//!   run/engine.sock          0600, the API
//!   run/router-N.sock        0600, control socket of router N
//!   artifacts/<digest>/      snapshots
//!   tasks/<task id>/         one directory per task (shim)
//!   data/<kind>-<name>/      data services
//!   logs/<service>/          task logs
//! ```

use std::path::{Path, PathBuf};

/// The state directory of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// A state directory at this absolute path.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// SQLite file: journal and snapshots.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join("state.db")
    }

    /// SQLite file: secrets, encrypted.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.0.join("secrets.db")
    }

    /// Key file of the secrets.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.0.join("key")
    }

    /// Key file of sticky sessions.
    #[must_use]
    pub fn cookie_key(&self) -> PathBuf {
        self.0.join("cookie-key")
    }

    /// The engine's own log.
    #[must_use]
    pub fn engine_log(&self) -> PathBuf {
        self.0.join("engine.log")
    }

    /// The audit log.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.0.join("audit.log")
    }

    /// Held by whoever writes the audit log.
    #[must_use]
    pub fn audit_lock(&self) -> PathBuf {
        self.0.join(".audit.lock")
    }

    /// The router's own log.
    #[must_use]
    pub fn router_log(&self) -> PathBuf {
        self.0.join("router.log")
    }

    /// The router's access log.
    #[must_use]
    pub fn access_log(&self) -> PathBuf {
        self.0.join("access.log")
    }

    /// Sockets.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    /// The API socket.
    #[must_use]
    pub fn api_socket(&self) -> PathBuf {
        self.run().join("engine.sock")
    }

    /// Control socket of the router with this number.
    #[must_use]
    pub fn router_socket(&self, number: u64) -> PathBuf {
        self.run().join(format!("router-{number}.sock"))
    }

    /// Snapshots by digest.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        self.0.join("artifacts")
    }

    /// Task directories.
    #[must_use]
    pub fn tasks(&self) -> PathBuf {
        self.0.join("tasks")
    }

    /// Data services.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// Task logs by service.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }
}
