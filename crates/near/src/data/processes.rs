//! What the data services need of whoever runs processes.
//!
//! The supervisor runs them like tasks, each in a shim that outlives the engine. This trait is
//! the part of it that is needed here, so that data services know no shim.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use super::error::NotStarted;
use super::process_owner::ProcessOwner;

/// A process to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerProcess {
    /// Stable name: `database-main`. At most one process of a name runs.
    pub id: String,
    /// Program (absolute) and arguments. Never holds a secret.
    pub argv: Vec<String>,
    /// Where it stands at its start. Its owner may enter the directory itself, not
    /// necessarily the ones above it.
    pub directory: PathBuf,
    /// Whom it runs as.
    pub owner: ProcessOwner,
    /// How it is asked to stop.
    pub stop: ServerStopSignal,
    /// How long it may take to stop before it is killed.
    pub stop_timeout: Duration,
}

/// The signals that data services stop on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerStopSignal {
    /// SIGINT: PostgreSQL's fast shutdown.
    Interrupt,
    /// SIGTERM, for Redis and Valkey.
    Terminate,
}

/// Runs processes that outlive the engine.
pub trait ServerProcesses: Send + Sync + 'static {
    /// Starts a process and hands back its pid; one of this id that runs already is handed back
    /// instead.
    fn start(
        &self,
        process: &ServerProcess,
    ) -> impl Future<Output = Result<u32, NotStarted>> + Send;

    /// Pid of the process with this id if it runs, checked by its start time too. After an
    /// engine's death this is how the next one finds it.
    fn running(&self, id: &str) -> impl Future<Output = Option<u32>> + Send;

    /// Returns when the process has ended, with how it ended in words: `exit code 1`,
    /// `signal 9`. Returns at once when it does not run.
    fn ended(&self, id: &str) -> impl Future<Output = String> + Send;

    /// Asks it to stop as its [`ServerProcess`] says. Does not wait.
    fn stop(&self, id: &str) -> impl Future<Output = ()> + Send;

    /// Kills it and all that it started. Does not wait.
    fn kill(&self, id: &str) -> impl Future<Output = ()> + Send;

    /// Its last output lines, oldest first.
    fn last_lines(&self, id: &str, count: usize) -> impl Future<Output = Vec<String>> + Send;
}
