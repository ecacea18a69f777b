//! PostgreSQL as Neargate runs it: one cluster per database of the manifest.
//!
//! Tuned small, because memory near counts; `fsync` and `full_page_writes` stay on, because an
//! acknowledged write must survive a kill. All settings are on the command line (none is a
//! secret), so the data directory holds no file of ours that a later version must change.
//!
//! Invariant: before a start, no process of an earlier run is left and its stale lock files
//! are gone. Refuses data of a version that is not installed.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::cluster::PostgresCluster;
use super::error::DataError;
use super::leftovers;
use super::process_owner::ProcessOwner;
use super::processes::{ServerProcess, ServerStopSignal};
use super::program;
use neargate_core::hex::hex;
use neargate_core::secret::SecretValue;

/// Clean stop: SIGINT, then this long.
pub(super) const STOP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);
/// Opens the directory that the process stands in, and leaves it: the server names it by its
/// descriptor and never needs to walk to it.
const WITH_DIRECTORY: &str = "exec 9<. && cd / && exec \"$0\" \"$@\"";
/// Settings that do not depend on the database.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=.",
    "unix_socket_permissions=0700",
    "max_connections=100",
    "shared_buffers=16MB",
    "maintenance_work_mem=16MB",
    "min_wal_size=32MB",
    "max_wal_size=256MB",
    "wal_level=replica",
    "max_wal_senders=4",
    "max_worker_processes=4",
    "autovacuum_max_workers=2",
    "huge_pages=off",
    "jit=off",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "password_encryption=scram-sha-256",
    "logging_collector=off",
    "log_destination=stderr",
    "log_checkpoints=off",
    "log_line_prefix=",
    "ssl=on",
    "ssl_cert_file=server.crt",
    "ssl_key_file=server.key",
];
/// Version of the rights of an app's user: clusters of an earlier one get these at their start.
const RIGHTS: &str = "rights 1";

/// One database of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PostgresDatabase {
    /// Name in the manifest.
    pub name: String,
    /// Kind and name, `database main`.
    pub label: String,
    /// Its own directory.
    pub directory: PathBuf,
    /// Role and database.
    pub role: String,
    /// Version asked for.
    pub version: Option<String>,
}

impl PostgresDatabase {
    fn data(&self) -> PathBuf {
        self.directory.join("pgdata")
    }

    /// The PostgreSQL that will run it.
    pub(super) fn find_binaries(&self) -> Result<program::PostgresBinaries, DataError> {
        let data = fs::read_to_string(self.data().join("PG_VERSION")).ok();
        let data = data.as_deref().and_then(program::major);
        program::postgres(&self.name, data, self.version.as_deref())
    }

    /// Ends what an earlier run left. Blocks.
    pub(super) fn clear(&self) -> Result<(), DataError> {
        leftovers::end(&self.label, &self.data(), "postgres")
    }

    /// Makes the cluster if there is none, and hands back the process to run.
    pub(super) async fn prepare(
        &self,
        id: &str,
        owner: ProcessOwner,
        port: u16,
        password: &SecretValue,
    ) -> Result<ServerProcess, DataError> {
        let program = self.find_binaries()?;
        let cluster = PostgresCluster {
            label: &self.label,
            bin: &program.bin,
            version: program.version,
            statistics: program.has_statistics(),
            directory: &self.directory,
            owner,
        };
        let mark = self.directory.join("credential");
        let digest = hex(&Sha256::digest(password.expose()));
        let digest = format!("{digest} {RIGHTS}");
        if !self.data().exists() {
            cluster.create(&self.role, &self.role, password).await?;
            self.write_mark(&mark, &digest)?;
        } else {
            self.remove_stale_locks()?;
            cluster.ensure_certificate()?;
            if fs::read_to_string(&mark).ok().as_deref() != Some(&digest) {
                cluster.renew(&self.role, password).await?;
                self.write_mark(&mark, &digest)?;
            }
        }
        Ok(ServerProcess {
            id: id.to_owned(),
            argv: self.arguments(&program, port),
            directory: self.data(),
            owner,
            stop: ServerStopSignal::Interrupt,
            stop_timeout: STOP_TIMEOUT,
        })
    }

    fn arguments(&self, program: &program::PostgresBinaries, port: u16) -> Vec<String> {
        let mut arguments: Vec<String> = ["/bin/sh", "-c", WITH_DIRECTORY]
            .map(str::to_owned)
            .to_vec();
        arguments.push(program.bin.join("postgres").to_string_lossy().into_owned());
        arguments.extend(["-D", "/proc/self/fd/9"].map(str::to_owned));
        let own = [
            format!("port={port}"),
            format!("cluster_name={}", self.role),
        ];
        let statistics = "shared_preload_libraries=pg_stat_statements".to_owned();
        let statistics = program.has_statistics().then_some(statistics);
        let fixed = SETTINGS.iter().map(|text| (*text).to_owned());
        for setting in fixed.chain(own).chain(statistics) {
            arguments.push("-c".to_owned());
            arguments.push(setting);
        }
        arguments
    }

    /// PostgreSQL refuses to start when the pid in an old lock file lives, even as a stranger
    /// of the same user. No server stands in the directory any more, so the locks are stale.
    fn remove_stale_locks(&self) -> Result<(), DataError> {
        let data = self.data();
        let failed = |source| DataError::Files {
            operation: "clear",
            path: data.clone(),
            source,
        };
        for entry in fs::read_dir(&data).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name == "postmaster.pid" || name.starts_with(".s.PGSQL.") {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn write_mark(&self, mark: &Path, digest: &str) -> Result<(), DataError> {
        crate::atomic::write(mark, digest.as_bytes(), 0o600).map_err(|source| DataError::Write {
            service: self.label.clone(),
            source,
        })
    }
}
