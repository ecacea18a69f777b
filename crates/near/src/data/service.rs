//! One data service: what is the same for databases and caches, and where they differ.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use neargate_core::manifest::model::Generate;
use neargate_core::time::Timestamp;

use super::error::DataError;
use super::facts::Key;
use super::owner::Owner;
use super::ports::{Ports, WhenTaken, known};
use super::postgres::Postgres;
use super::probe::{self, Answer};
use super::processes::Process;
use super::redis::Redis;
use super::url;
use crate::atomic::private_directory;
use crate::paths::StateDir;
use crate::secrets::{SecretValue, Secrets};

/// Bytes of a generated password: 32 letters.
const PASSWORD: Generate = Generate::Base64(24);

/// What runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Engine {
    /// A database.
    Postgres(Postgres),
    /// A cache.
    Redis(Redis),
}

/// One data service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// Which it is.
    pub key: Key,
    /// Its own directory.
    pub directory: PathBuf,
    /// Where its password lies.
    pub state: StateDir,
    /// What runs it.
    pub engine: Engine,
}

/// How to reach it.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// Loopback port.
    pub port: u16,
    /// Password.
    pub password: SecretValue,
}

impl Service {
    /// The same service where the state directory is now: it may have been renamed.
    pub(super) fn located(&self) -> Self {
        let mut located = self.clone();
        if let Some(name) = self.directory.file_name() {
            located.directory = self.state.data().join(name);
        }
        match &mut located.engine {
            Engine::Postgres(postgres) => postgres.directory.clone_from(&located.directory),
            Engine::Redis(redis) => redis.directory.clone_from(&located.directory),
        }
        located
    }

    /// `postgres 15`; fails when the machine lacks what it needs.
    pub(super) fn look(&self) -> Result<String, DataError> {
        match &self.engine {
            Engine::Postgres(postgres) => {
                let program = postgres.look()?;
                Ok(format!("postgres {}", program.version))
            }
            Engine::Redis(redis) => redis.look().map(|program| program.words),
        }
    }

    /// How to reach it, when it was prepared before.
    pub(super) fn address(&self) -> Result<Address, DataError> {
        let port = known(&self.port_file()).ok_or_else(|| DataError::Unknown {
            service: self.key.label(),
        })?;
        let password = self.password()?;
        Ok(Address { port, password })
    }

    /// Everything that must be there before its process starts.
    pub(super) async fn prepare(
        &self,
        ports: &Ports,
        taken: WhenTaken,
    ) -> Result<(Process, Address), DataError> {
        let (service, ports) = (self.clone(), ports.clone());
        let (address, owner) = tokio::task::spawn_blocking(move || service.ground(&ports, taken))
            .await
            .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        let id = self.key.process();
        let process = match &self.engine {
            Engine::Postgres(postgres) => {
                postgres
                    .prepare(&id, owner, address.port, &address.password)
                    .await?
            }
            Engine::Redis(redis) => redis.prepare(&id, owner, address.port, &address.password)?,
        };
        Ok((process, address))
    }

    /// Directory, no leftovers, owner, port, password. Blocks.
    fn ground(&self, ports: &Ports, taken: WhenTaken) -> Result<(Address, Owner), DataError> {
        let label = self.key.label();
        if self.state.gone() {
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
            Engine::Postgres(postgres) => postgres.clear()?,
            Engine::Redis(redis) => redis.clear()?,
        }
        let preferred = match &self.engine {
            Engine::Postgres(_) => "postgres",
            Engine::Redis(_) => "redis",
        };
        let owner = Owner::of(&self.state, &label, preferred)?;
        for data in ["pgdata", "home/data"] {
            owner.take_over(&self.directory.join(data))?;
        }
        let port = ports.assign(&label, &self.port_file(), taken)?;
        let password = self.password()?;
        Ok((Address { port, password }, owner))
    }

    /// Whether it accepts connections.
    pub(super) async fn probe(&self, address: &Address) -> Answer {
        match &self.engine {
            Engine::Postgres(postgres) => {
                probe::postgres(address.port, &postgres.role, &postgres.role).await
            }
            Engine::Redis(_) => match address.password.expose_text() {
                Ok(password) => probe::redis(address.port, password).await,
                Err(error) => Answer::NotYet(error.to_string()),
            },
        }
    }

    /// The URL that its users get.
    pub(super) fn url(&self, address: &Address) -> SecretValue {
        let password = String::from_utf8_lossy(address.password.expose());
        match &self.engine {
            Engine::Postgres(postgres) => {
                url::postgres(&postgres.role, &password, address.port, &postgres.role)
            }
            Engine::Redis(_) => url::redis(&password, address.port),
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
            secrets.get(&name, crate::secrets::Which::Version(version))
        };
        read()
            .map(|(_, password)| password)
            .map_err(|source| DataError::Password {
                service: self.key.label(),
                source: Box::new(source),
            })
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
