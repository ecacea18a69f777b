//! Redis or Valkey as Neargate runs it: a cache, as ElastiCache is without replicas.
//!
//! Nothing is written to disk (`save ""`, no append-only file): ElastiCache replaces a failed
//! node by an empty one, and a cache that came back full near would hide what production does.
//!
//! Invariant: the password is in `home/redis.conf` only, mode 0600, in a directory that the
//! server cannot write to; it is not on the command line.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::DataError;
use super::leftovers;
use super::process_owner::ProcessOwner;
use super::processes::{ServerProcess, ServerStopSignal};
use super::program;
use neargate_core::secret::SecretValue;

/// Clean stop: SIGTERM, then this long.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The server makes a file's name absolute and could not walk there, so it reads its
/// configuration from stdin.
const WITH_CONFIGURATION: &str = "exec \"$0\" - <redis.conf";

/// One cache of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redis {
    /// Kind and name, `cache main`.
    pub label: String,
    /// Its own directory.
    pub directory: PathBuf,
    /// Server wanted first, and its sibling.
    pub servers: (&'static str, &'static str),
    /// Value of the server's `maxmemory-policy`.
    pub eviction: String,
    /// `maxmemory` in MiB.
    pub memory_mib: u32,
}

impl Redis {
    fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    fn data(&self) -> PathBuf {
        self.home().join("data")
    }

    /// The server that will run it.
    pub(super) fn find_binaries(&self) -> Result<program::CacheBinaries, DataError> {
        let (wanted, sibling) = self.servers;
        program::cache(wanted, sibling)
    }

    /// Ends what an earlier run left. Blocks.
    pub(super) fn clear(&self) -> Result<(), DataError> {
        let (wanted, sibling) = self.servers;
        for server in [wanted, sibling] {
            leftovers::end(&self.label, &self.data(), server)?;
        }
        Ok(())
    }

    /// Writes the configuration and hands back the process to run.
    pub(super) fn prepare(
        &self,
        id: &str,
        owner: ProcessOwner,
        port: u16,
        password: &SecretValue,
    ) -> Result<ServerProcess, DataError> {
        let program = self.find_binaries()?;
        self.make_directories(owner)?;
        let text = self.configuration(port, password);
        let path = self.home().join("redis.conf");
        crate::atomic::write(&path, text.as_bytes(), 0o600).map_err(|source| DataError::Write {
            service: self.label.clone(),
            source,
        })?;
        give(&path, owner)?;
        Ok(ServerProcess {
            id: id.to_owned(),
            argv: vec![
                "/bin/sh".to_owned(),
                "-c".to_owned(),
                WITH_CONFIGURATION.to_owned(),
                program.server.to_string_lossy().into_owned(),
            ],
            directory: self.home(),
            owner,
            stop: ServerStopSignal::Terminate,
            stop_timeout: STOP_TIMEOUT,
        })
    }

    /// `home` is the engine's, so that the server cannot put anything in place of its
    /// configuration; `data` is the server's.
    fn make_directories(&self, owner: ProcessOwner) -> Result<(), DataError> {
        for (path, mode) in [(self.home(), 0o711), (self.data(), 0o700)] {
            fs::create_dir_all(&path)
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
                .map_err(|source| DataError::Files {
                    operation: "make",
                    path: path.clone(),
                    source,
                })?;
        }
        give(&self.data(), owner)
    }

    fn configuration(&self, port: u16, password: &SecretValue) -> String {
        let password = String::from_utf8_lossy(password.expose());
        format!(
            "# Written by Neargate at every start.\n\
             bind 127.0.0.1\n\
             port {port}\n\
             protected-mode yes\n\
             requirepass {password}\n\
             dir data\n\
             unixsocket redis.sock\n\
             unixsocketperm 700\n\
             daemonize no\n\
             logfile \"\"\n\
             save \"\"\n\
             appendonly no\n\
             maxmemory {memory}mb\n\
             maxmemory-policy {eviction}\n",
            memory = self.memory_mib,
            eviction = self.eviction,
        )
    }
}

fn give(path: &Path, owner: ProcessOwner) -> Result<(), DataError> {
    let Some((uid, gid)) = owner.ids() else {
        return Ok(());
    };
    chown(path, Some(uid), Some(gid)).map_err(|source| DataError::Files {
        operation: "give away",
        path: path.to_owned(),
        source,
    })
}
