//! What can go wrong with data services, in words that say what to do.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::atomic::AtomicError;
use crate::identity::RegisterError;
use crate::secrets::SecretsError;

/// Why a process did not start, in words that name the program.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct NotStarted(pub String);

/// Why a data service could not be prepared, started or asked.
#[derive(Debug, Error)]
pub enum DataError {
    /// The machine has no such program (exit code 3).
    #[error("{program} is not installed: apt-get install {package}")]
    NotInstalled {
        /// Name of the program, `postgres` or `redis-server`.
        program: String,
        /// Debian's package that has the program.
        package: String,
    },
    /// The data was written by a version that the machine does not have (exit code 3).
    #[error(
        "database {name} holds data of PostgreSQL {version}, which is not installed: apt-get install postgresql-{version}"
    )]
    OtherVersion {
        /// Name in the manifest.
        name: String,
        /// Major version of its data.
        version: String,
    },
    /// As root: no unprivileged user to run it as (exit code 3).
    #[error(
        "there is no user {name} and no user nobody to run it as: add one of them to /etc/passwd"
    )]
    NoUser {
        /// The preferred user.
        name: String,
    },
    /// As root: no user of its own (exit code 3).
    #[error("there is no user to run {service} as")]
    Identity {
        /// Kind and name, as in all variants: `database main`.
        service: String,
        #[source]
        source: RegisterError,
    },
    /// The state directory is being removed: nothing is made in it again.
    #[error("the state directory of {service} is gone")]
    Lost { service: String },
    /// No port is free.
    #[error("no port between {first} and {last} is free for {service}")]
    NoPort {
        service: String,
        /// First port tried.
        first: u16,
        /// Last port tried.
        last: u16,
    },
    /// The port of a running environment was taken by something else.
    #[error("port {port} of {service} was taken by {holder} while {service} was down")]
    PortTaken {
        service: String,
        /// The port that its users know.
        port: u16,
        /// The process that has it, in words.
        holder: String,
    },
    /// A file or directory of the service could not be made or read.
    #[error("could not {operation} {}", path.display())]
    Files {
        /// The operation that failed, in words.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file could not be written as one step.
    #[error("could not write a file of {service}")]
    Write {
        service: String,
        #[source]
        source: AtomicError,
    },
    /// A program that prepares the data failed.
    #[error("{program} failed for {service}: {words}")]
    Prepare {
        /// `initdb`, `postgres --single`.
        program: &'static str,
        service: String,
        /// Its last lines.
        words: String,
    },
    /// Processes of an earlier run do not end.
    #[error("processes of an earlier run of {service} do not end: {pids:?}")]
    Leftovers { service: String, pids: Vec<i32> },
    /// The process did not start.
    #[error("could not start {service}")]
    Start {
        service: String,
        #[source]
        source: NotStarted,
    },
    /// Its password could not be read or made.
    #[error("could not read the password of {service}")]
    Password {
        service: String,
        #[source]
        source: Box<SecretsError>,
    },
    /// The manifest has no such database or cache, or it was not started.
    #[error("there is no {service}")]
    Unknown { service: String },
    /// It did not become available in time.
    #[error("{service} did not become available within {seconds} s: {words}")]
    NotAvailable {
        service: String,
        /// How long was waited.
        seconds: u64,
        /// The last thing that it did, in words.
        words: String,
    },
}

impl DataError {
    /// Whether the machine lacks something (exit code 3) rather than the operation failing.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        matches!(
            self,
            Self::NotInstalled { .. }
                | Self::OtherVersion { .. }
                | Self::NoUser { .. }
                | Self::Identity { .. }
                | Self::NoPort { .. }
        )
    }
}
