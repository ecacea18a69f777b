//! Data services: PostgreSQL for `[database.*]`, Redis or Valkey for `[cache.*]`.
//!
//! They are real: the machine's own programs, run like tasks by whoever implements
//! [`ServerProcesses`], each on a loopback port of its own with a generated password. A service with
//! a `url` in the manifest is somebody else's and only handed on.
//!
//! Invariant: a service that runs is adopted by the next engine on the same port, without a
//! restart; an acknowledged write survives the death of any process; facts and errors hold no
//! password. Refuses to start what the machine has no program for, with the package's name.

mod backoff;
mod cluster;
mod error;
mod leftovers;
mod os_account;
mod ports;
mod postgres;
mod probe;
mod process_owner;
mod processes;
mod program;
pub mod programs;
mod redis;
mod service;
mod service_supervisor;
mod status;
mod url;

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use neargate_core::model::{Cache, CacheEngine, Database};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use error::{DataError, NotStarted};
pub use process_owner::ProcessOwner;
pub use processes::{ServerProcess, ServerProcesses, ServerStopSignal};
pub use status::{DataServiceKind, DataServiceName, DataServiceState, DataServiceStatus};
pub use url::{PostgresVariables, parts, redacted, taken_by_all};

use crate::locked::locked;
use crate::paths::StateDir;
use crate::secrets::{SecretValue, Secrets};
use ports::DataPorts;
use service::{DataEngine, DataService};
use service_supervisor::{DesiredState, ServiceSupervisor, StatusSender};

/// The data services of one environment.
pub struct DataSupervisor<P> {
    state: StateDir,
    app: String,
    processes: Arc<P>,
    ports: DataPorts,
    board: Arc<StatusSender>,
    running: Mutex<BTreeMap<DataServiceName, RequestedService>>,
}

/// A service that was asked for.
enum RequestedService {
    /// Kept by a keeper.
    Kept {
        service: DataService,
        wanted: watch::Sender<DesiredState>,
        keeper: JoinHandle<()>,
    },
    /// The manifest gives a URL: Neargate does not run it.
    External { url: SecretValue },
}

impl<P: ServerProcesses> DataSupervisor<P> {
    /// The data services of the app in this state directory. Starts nothing yet.
    #[must_use]
    pub fn new(state: &StateDir, app: &str, processes: Arc<P>) -> Self {
        Self {
            state: state.clone(),
            app: app.to_owned(),
            processes,
            ports: DataPorts::default(),
            board: Arc::new(watch::Sender::new(BTreeMap::new())),
            running: Mutex::new(BTreeMap::new()),
        }
    }

    /// Starts or adopts a database, and keeps it running. Returns at once; [`DataSupervisor::available`]
    /// waits. One that is kept already is left alone. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the machine lacks something ([`DataError::is_environment`]).
    pub fn start_database(&self, database: &Database) -> Result<(), DataError> {
        let key = DataServiceName::database(&database.name);
        if let Some(url) = &database.url {
            self.hand_on(key, "postgres", url);
            return Ok(());
        }
        let directory = self.directory(&key);
        let engine = DataEngine::Postgres(postgres::PostgresDatabase {
            name: database.name.clone(),
            label: key.label(),
            directory: directory.clone(),
            role: role(&self.app),
            version: database.version.clone(),
        });
        self.keep(DataService {
            key,
            directory,
            state: self.state.clone(),
            engine,
        })
    }

    /// Starts or adopts a cache, as [`DataSupervisor::start_database`].
    ///
    /// # Errors
    /// When the machine lacks something ([`DataError::is_environment`]).
    pub fn start_cache(&self, cache: &Cache) -> Result<(), DataError> {
        let key = DataServiceName::cache(&cache.name);
        let (kind, servers) = match cache.engine {
            CacheEngine::Redis => ("redis", ("redis-server", "valkey-server")),
            CacheEngine::Valkey => ("valkey", ("valkey-server", "redis-server")),
        };
        if let Some(url) = &cache.url {
            self.hand_on(key, kind, url);
            return Ok(());
        }
        let directory = self.directory(&key);
        let engine = DataEngine::Redis(redis::Redis {
            label: key.label(),
            directory: directory.clone(),
            servers,
            eviction: cache.eviction.clone(),
            memory_mib: cache.memory,
        });
        self.keep(DataService {
            key,
            directory,
            state: self.state.clone(),
            engine,
        })
    }

    /// State of every service now.
    #[must_use]
    pub fn facts(&self) -> Vec<DataServiceStatus> {
        self.board.borrow().values().cloned().collect()
    }

    /// Told at every change of the facts.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<BTreeMap<DataServiceName, DataServiceStatus>> {
        self.board.subscribe()
    }

    /// Waits until a service can be used.
    ///
    /// # Errors
    /// [`DataError::NotAvailable`] after the deadline, with what it was doing;
    /// [`DataError::Unknown`] when it was not started.
    pub async fn available(
        &self,
        key: &DataServiceName,
        deadline: Duration,
    ) -> Result<(), DataError> {
        let mut board = self.board.subscribe();
        let usable = |state| {
            matches!(
                state,
                DataServiceState::Available | DataServiceState::External
            )
        };
        let wait = board.wait_for(|board| board.get(key).is_none_or(|facts| usable(facts.state)));
        let done = match tokio::time::timeout(deadline, wait).await {
            Ok(board) => board.is_ok_and(|board| board.contains_key(key)),
            Err(_) => {
                let board = self.board.borrow();
                let facts = board.get(key);
                let words = facts.and_then(|facts| facts.words.clone());
                return Err(DataError::NotAvailable {
                    service: key.label(),
                    seconds: deadline.as_secs(),
                    words: words.unwrap_or_default(),
                });
            }
        };
        if done {
            Ok(())
        } else {
            Err(DataError::Unknown {
                service: key.label(),
            })
        }
    }

    /// The URL with its password, for the environment of tasks that use the service. It is
    /// known once the service was available for the first time.
    ///
    /// # Errors
    /// [`DataError::Unknown`], [`DataError::Password`].
    pub fn url(&self, key: &DataServiceName) -> Result<SecretValue, DataError> {
        let running = locked(&self.running);
        match running.get(key) {
            Some(RequestedService::External { url }) => Ok(url.clone()),
            Some(RequestedService::Kept { service, .. }) => {
                let service = service.located();
                service.address().map(|address| service.url(&address))
            }
            None => Err(DataError::Unknown {
                service: key.label(),
            }),
        }
    }

    /// Whether the server is ours: near, not at a URL of the manifest.
    #[must_use]
    pub fn is_own(&self, key: &DataServiceName) -> bool {
        let running = locked(&self.running);
        matches!(running.get(key), Some(RequestedService::Kept { .. }))
    }

    /// A person asked for something: what waits before its next start is started at once.
    pub fn start_waiting(&self) {
        let running = locked(&self.running);
        for entry in running.values() {
            if let RequestedService::Kept { wanted, .. } = entry {
                wanted.send_replace(DesiredState::Run);
            }
        }
    }

    /// Stops all services cleanly and returns when they have ended. All stop at the same time.
    pub async fn stop_all(&self) {
        let running = {
            let mut running = locked(&self.running);
            std::mem::take(&mut *running)
        };
        let mut keepers = Vec::new();
        for entry in running.into_values() {
            if let RequestedService::Kept { wanted, keeper, .. } = entry {
                // A keeper that is gone has nothing to stop.
                let _ = wanted.send(DesiredState::Stop);
                keepers.push((wanted, keeper));
            }
        }
        for (_wanted, keeper) in keepers {
            let _ = keeper.await;
        }
    }

    fn directory(&self, key: &DataServiceName) -> std::path::PathBuf {
        let kind = match key.kind {
            DataServiceKind::Database => "postgres",
            DataServiceKind::Cache => "redis",
        };
        self.state.data().join(format!("{kind}-{}", key.name))
    }

    fn hand_on(&self, key: DataServiceName, engine: &str, url: &str) {
        self.board.send_modify(|board| {
            board.insert(
                key.clone(),
                DataServiceStatus {
                    key: key.clone(),
                    engine: engine.to_owned(),
                    state: DataServiceState::External,
                    words: None,
                    port: None,
                    pid: None,
                    url_redacted: redacted(url),
                },
            );
        });
        let mut running = locked(&self.running);
        let url = SecretValue::new(url);
        running.insert(key, RequestedService::External { url });
    }

    fn keep(&self, service: DataService) -> Result<(), DataError> {
        let mut running = locked(&self.running);
        if let Some(RequestedService::Kept { wanted, .. }) = running.get(&service.key) {
            // One that waits before its next start waits no longer.
            wanted.send_replace(DesiredState::Run);
            return Ok(());
        }
        let facts = DataServiceStatus {
            key: service.key.clone(),
            engine: service.find_binaries()?,
            state: DataServiceState::Starting,
            words: None,
            port: None,
            pid: None,
            url_redacted: String::new(),
        };
        self.board.send_modify(|board| {
            board.insert(service.key.clone(), facts);
        });
        let wanted = watch::Sender::new(DesiredState::Run);
        let keeper = ServiceSupervisor {
            service: service.clone(),
            processes: Arc::clone(&self.processes),
            ports: self.ports.clone(),
            board: Arc::clone(&self.board),
            wanted: wanted.subscribe(),
        };
        let key = service.key.clone();
        let keeper = tokio::spawn(keeper.run());
        running.insert(
            key,
            RequestedService::Kept {
                service,
                wanted,
                keeper,
            },
        );
        Ok(())
    }
}

/// Removes all data of a stopped environment, and the passwords that opened it.
///
/// # Errors
/// [`DataError::Files`], [`DataError::Password`].
pub fn purge(state: &StateDir) -> Result<(), DataError> {
    let path = state.data();
    match fs::remove_dir_all(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(DataError::Files {
                operation: "remove",
                path,
                source,
            });
        }
        _ => {}
    }
    let forget = || {
        let mut secrets = Secrets::open(state)?;
        let mut names: Vec<String> = secrets.list()?.into_iter().map(|v| v.name).collect();
        names.dedup();
        for name in names.iter().filter(|name| name.contains('.')) {
            secrets.remove(name)?;
        }
        Ok(())
    };
    forget().map_err(|source| DataError::Password {
        service: "the data services".to_owned(),
        source: Box::new(source),
    })
}

/// Role and database are named after the app. PostgreSQL keeps names that begin with `pg_`
/// and its templates' for itself.
fn role(app: &str) -> String {
    match app {
        "template0" | "template1" | "public" | "none" => format!("app-{app}"),
        _ => app.to_owned(),
    }
}
