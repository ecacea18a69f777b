//! Why a task did not start, and what stood in its way.

use std::str::Utf8Error;

use neargate_core::error_chain::error_chain;
use neargate_core::machine::Obstacle;
use rustix::io::Errno;
use tokio::task::JoinError;

use crate::data::{DataError, DataServiceKind, DataServiceName};
use crate::identity::RegisterError;
use crate::os_error::os_error;
use crate::ports::PortAssignError;
use crate::secrets::SecretsError;
use crate::supervisor::StartError;

/// Why a task did not start, as the machine is told it.
#[derive(Debug)]
pub(super) struct StartFailure {
    /// In words; names what is missing.
    pub reason: String,
    /// The obstacle, when it may go away.
    pub obstacle: Option<Obstacle>,
}

/// Why a task did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum TaskStartError {
    /// It was told to stop before it had a process.
    #[error("it is no longer needed")]
    Unwanted,
    /// There is no port for it.
    #[error(transparent)]
    Port(#[from] PortAssignError),
    /// A database or cache that it uses is not available.
    #[error("{source}")]
    Data {
        /// The database or cache that is missing.
        key: DataServiceName,
        source: DataError,
    },
    /// There is no user for it to run as.
    #[error(transparent)]
    Identity(#[from] RegisterError),
    /// The thread that looked for its user panicked.
    #[error(transparent)]
    IdentityThread(#[from] JoinError),
    /// Its service runs an image.
    #[error("near does not run container images yet")]
    ContainerImage,
    /// Its service is a static site.
    #[error("a static site has no tasks")]
    StaticSite,
    /// One of its variables has no value.
    #[error(transparent)]
    Variables(#[from] TaskVariablesError),
    /// Its process did not start.
    #[error(transparent)]
    Process(#[from] StartError),
}

/// Why a variable of a task has no value.
#[derive(Debug, thiserror::Error)]
pub(super) enum TaskVariablesError {
    /// Where a database or cache is, is not known.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The URL of a database or cache is no text.
    #[error(transparent)]
    DataUrl(#[from] Utf8Error),
    /// A secret cannot be read.
    #[error("{}: set it with `neargate secret set {name}`", error_chain(source))]
    Secret {
        /// Name of the secret in the manifest.
        name: String,
        source: Box<SecretsError>,
    },
    /// A secret holds bytes that are no text.
    #[error("secret `{0}` is not text")]
    SecretNotText(String),
}

impl From<TaskStartError> for StartFailure {
    fn from(error: TaskStartError) -> Self {
        let reason = error_chain(&error);
        let obstacle = match &error {
            TaskStartError::Data { key, .. } => Some(of_data(key)),
            TaskStartError::Process(StartError::Process { os_error, .. }) => of_machine(*os_error),
            _ => of_machine(os_error(&error)),
        };
        Self { reason, obstacle }
    }
}

/// A full disk or a want of descriptors, by the kernel's number.
fn of_machine(os_error: Option<i32>) -> Option<Obstacle> {
    match Errno::from_raw_os_error(os_error?) {
        Errno::NOSPC => Some(Obstacle::DiskFull),
        Errno::MFILE | Errno::NFILE => Some(Obstacle::Descriptors),
        _ => None,
    }
}

/// The obstacle that a data service is while it is not available.
#[must_use]
pub(super) fn of_data(key: &DataServiceName) -> Obstacle {
    let name = key.name.clone();
    match key.kind {
        DataServiceKind::Database => Obstacle::Database(name),
        DataServiceKind::Cache => Obstacle::Cache(name),
    }
}
