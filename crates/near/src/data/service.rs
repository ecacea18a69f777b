//! One data service: what is the same for databases and caches, and where they differ.

use std::path::PathBuf;
use std::time::Duration;

use neargate_core::model::SecretGenerator;

use super::error::DataError;
use super::ports::{DataPorts, TakenPortPolicy, remembered_port};
use super::postgres::PostgresDatabase;
use super::probe::{self, ProbeResult};
use super::process_owner::ProcessOwner;
use super::processes::ServerProcess;
use super::redis::Redis;
use super::status::DataServiceName;
use super::url;
use crate::atomic::private_directory;
use crate::clock::now;
use crate::paths::StateDir;
use crate::secrets::{SecretValue, Secrets};

/// Bytes of a generated password: 32 letters.
const PASSWORD: SecretGenerator = SecretGenerator::Base64(24);

/// The server that runs a data service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DataEngine {
    Postgres(PostgresDatabase),
    Redis(Redis),
}

/// One data service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DataService {
    /// Which it is.
    pub key: DataServiceName,
    /// Its own directory.
    pub directory: PathBuf,
    /// Where its password lies.
    pub state: StateDir,
    /// The server that runs it.
    pub engine: DataEngine,
}

/// How to reach it.
#[derive(Debug, Clone)]
pub(super) struct DataServiceAddress {
    /// Port on 127.0.0.1.
    pub port: u16,
    pub password: SecretValue,
}

impl DataService {
    /// The same service where the state directory is now: it may have been renamed.
    pub(super) fn located(&self) -> Self {
        let mut located = self.clone();
        if let Some(name) = self.directory.file_name() {
            located.directory = self.state.data().join(name);
        }
        match &mut located.engine {
            DataEngine::Postgres(postgres) => postgres.directory.clone_from(&located.directory),
            DataEngine::Redis(redis) => redis.directory.clone_from(&located.directory),
        }
        located
    }

    /// `postgres 15`; fails when the machine lacks what it needs.
    pub(super) fn find_binaries(&self) -> Result<String, DataError> {
        match &self.engine {
            DataEngine::Postgres(postgres) => {
                let program = postgres.find_binaries()?;
                Ok(format!("postgres {}", program.version))
            }
            DataEngine::Redis(redis) => redis.find_binaries().map(|program| program.words),
        }
    }

    /// How to reach it, when it was prepared before.
    pub(super) fn address(&self) -> Result<DataServiceAddress, DataError> {
        let port = remembered_port(&self.port_file()).ok_or_else(|| DataError::Unknown {
            service: self.key.label(),
        })?;
        let password = self.password()?;
        Ok(DataServiceAddress { port, password })
    }

    /// Everything that must be there before its process starts.
    pub(super) async fn prepare(
        &self,
        ports: &DataPorts,
        taken: TakenPortPolicy,
    ) -> Result<(ServerProcess, DataServiceAddress), DataError> {
        let (service, ports) = (self.clone(), ports.clone());
        let (address, owner) = tokio::task::spawn_blocking(move || service.ground(&ports, taken))
            .await
            .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        let id = self.key.process();
        let process = match &self.engine {
            DataEngine::Postgres(postgres) => {
                postgres
                    .prepare(&id, owner, address.port, &address.password)
                    .await?
            }
            DataEngine::Redis(redis) => {
                redis.prepare(&id, owner, address.port, &address.password)?
            }
        };
        Ok((process, address))
    }

    /// Directory, no leftovers, owner, port, password. Blocks.
    fn ground(
        &self,
        ports: &DataPorts,
        taken: TakenPortPolicy,
    ) -> Result<(DataServiceAddress, ProcessOwner), DataError> {
        let label = self.key.label();
        if self.state.is_gone() {
            return Err(DataError::Lost { service: label });
        }
        let data = self.state.data();
        for path in [&self.state.path(), &data, &self.directory] {
            private_directory(path).map_err(|source| DataError::Write {
                service: label.clone(),
                source,
            })?;
        }
        match &self.engine {
            DataEngine::Postgres(postgres) => postgres.clear()?,
            DataEngine::Redis(redis) => redis.clear()?,
        }
        let preferred = match &self.engine {
            DataEngine::Postgres(_) => "postgres",
            DataEngine::Redis(_) => "redis",
        };
        let owner = ProcessOwner::of(&self.state, &label, preferred)?;
        for data in ["pgdata", "home/data"] {
            owner.take_over(&self.directory.join(data))?;
        }
        let port = ports.assign(&label, &self.port_file(), taken)?;
        let password = self.password()?;
        Ok((DataServiceAddress { port, password }, owner))
    }

    /// Whether it accepts connections.
    pub(super) async fn probe(&self, address: &DataServiceAddress) -> ProbeResult {
        match &self.engine {
            DataEngine::Postgres(postgres) => {
                probe::postgres(address.port, &postgres.role, &postgres.role).await
            }
            DataEngine::Redis(_) => match address.password.expose_text() {
                Ok(password) => probe::redis(address.port, password).await,
                Err(error) => ProbeResult::NotYet(error.to_string()),
            },
        }
    }

    /// The URL that its users get.
    pub(super) fn url(&self, address: &DataServiceAddress) -> SecretValue {
        let password = String::from_utf8_lossy(address.password.expose());
        match &self.engine {
            DataEngine::Postgres(postgres) => {
                url::postgres(&postgres.role, &password, address.port, &postgres.role)
            }
            DataEngine::Redis(_) => url::redis(&password, address.port),
        }
    }

    /// How long a clean stop may take.
    pub(super) fn stop_timeout(&self) -> Duration {
        super::postgres::STOP_TIMEOUT
    }

    fn port_file(&self) -> PathBuf {
        self.directory.join("port")
    }

    fn password(&self) -> Result<SecretValue, DataError> {
        let name = self.key.secret();
        let read = || {
            let mut secrets = Secrets::open(&self.state)?;
            let version = secrets.ensure(now(), &name, PASSWORD)?;
            secrets.get(&name, crate::secrets::VersionSelector::Version(version))
        };
        read()
            .map(|(_, password)| password)
            .map_err(|source| DataError::Password {
                service: self.key.label(),
                source: Box::new(source),
            })
    }
}
