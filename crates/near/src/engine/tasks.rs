//! Starts tasks and jobs: from a revision's definition to a process.
//!
//! Invariant: a task starts only when the data services that it uses are available and its
//! secrets are at hand; what is missing is the reason that it did not start, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use neargate_core::ids::RevisionNumber;
use neargate_core::machine::RevisionDefinition;
use neargate_core::model::{UsedResource, Workload};

use super::data_processes::{AVAILABLE_WITHIN, DataProcesses};
use super::environment::{self, VariableSources};
use super::start_failure::{StartFailure, TaskStartError, TaskVariablesError};
use crate::cgroup::ResourceLimits;
use crate::data::{DataServiceName, DataSupervisor};
use crate::identity;
use crate::identity::UserIdentity;
use crate::locked::locked;
use crate::paths::StateDir;
use crate::secrets::{Secrets, VersionSelector};
use crate::shim_role::ShimRole;
use crate::supervisor::{
    LogTarget, OrphanPolicy, RunningProcess, StopPolicy, StopSignal, Supervisor, TaskSpec,
    WorkingDirectory,
};

/// Surroundings of all tasks.
pub(super) struct TaskEnvironment {
    pub app: String,
    pub env: String,
    /// The state directory.
    pub state: StateDir,
    pub supervisor: Supervisor,
    /// Databases and caches.
    pub data: DataSupervisor<DataProcesses>,
    /// Values of the app's secrets; notifications read webhooks' URLs there.
    pub secrets: Arc<Mutex<Secrets>>,
    /// Internal addresses of services by name.
    pub internal: Mutex<BTreeMap<String, SocketAddr>>,
}

/// A process to start: a task of a service, or a job in its environment.
pub(super) struct TaskStart {
    /// The task, or the job.
    pub role: ShimRole,
    pub revision: RevisionNumber,
    pub definition: Arc<RevisionDefinition>,
    /// The port that it must listen on.
    pub port: Option<u16>,
    /// The job's command; `None`: the service's own.
    pub command: Option<Vec<String>>,
}

impl TaskEnvironment {
    /// Those of an app and its environment, in which nothing has been started yet.
    #[must_use]
    pub(super) fn of(
        state: &StateDir,
        supervisor: Supervisor,
        (app, env): (String, String),
        secrets: Arc<Mutex<Secrets>>,
    ) -> Arc<Self> {
        let processes = DataProcesses {
            supervisor: supervisor.clone(),
            state: state.clone(),
        };
        Arc::new(Self {
            data: DataSupervisor::new(state, &app, Arc::new(processes)),
            secrets,
            internal: Mutex::new(BTreeMap::new()),
            state: state.clone(),
            supervisor,
            app,
            env,
        })
    }

    /// Starts a task; why it did not, in words.
    ///
    /// # Errors
    /// The reason names what is missing.
    pub(super) async fn start(&self, start: &TaskStart) -> Result<RunningProcess, StartFailure> {
        self.start_unless(start, std::future::pending()).await
    }

    /// As [`Self::start`]; `unwanted` ends the wait for what the task needs, but no start of a
    /// process that has begun.
    ///
    /// # Errors
    /// The reason names what is missing.
    pub(super) async fn start_unless(
        &self,
        start: &TaskStart,
        unwanted: impl Future<Output = ()>,
    ) -> Result<RunningProcess, StartFailure> {
        tokio::select! {
            biased;
            () = unwanted => return Err(TaskStartError::Unwanted.into()),
            ready = self.wait_for_data(&start.definition) => ready?,
        }
        Ok(self.start_now(start).await?)
    }

    async fn start_now(&self, start: &TaskStart) -> Result<RunningProcess, TaskStartError> {
        let identity = self.identity(&start.definition.service.name).await?;
        let spec = self.spec(start, identity)?;
        Ok(self.supervisor.start(&spec).await?)
    }

    /// Whom the service's tasks run as. The register of users is asked off the engine's loop.
    async fn identity(&self, service: &str) -> Result<Option<UserIdentity>, TaskStartError> {
        let (state, service) = (self.state.clone(), service.to_owned());
        let asked =
            tokio::task::spawn_blocking(move || identity::of_service(&state, &service)).await;
        Ok(asked??)
    }

    async fn wait_for_data(&self, definition: &RevisionDefinition) -> Result<(), TaskStartError> {
        for used in &definition.service.uses {
            let key = match used {
                UsedResource::Database(name) => DataServiceName::database(name),
                UsedResource::Cache(name) => DataServiceName::cache(name),
                UsedResource::Secret(_) => continue,
            };
            self.data
                .available(&key, AVAILABLE_WITHIN)
                .await
                .map_err(|source| TaskStartError::Data { key, source })?;
        }
        Ok(())
    }

    fn spec(
        &self,
        start: &TaskStart,
        identity: Option<UserIdentity>,
    ) -> Result<TaskSpec, TaskStartError> {
        let service = &start.definition.service;
        let argv = match (&start.command, &service.runs) {
            (Some(command), _) | (None, Workload::Command(command)) => command.clone(),
            (None, Workload::Image { .. }) => return Err(TaskStartError::ContainerImage),
            (None, Workload::Static(_)) => return Err(TaskStartError::StaticSite),
        };
        let id = start.role.to_string();
        Ok(TaskSpec {
            env: self.variables(&start.definition, start.revision, &id, start.port)?,
            id,
            role: Some(start.role.clone()),
            log: LogTarget {
                service: service.name.clone(),
                revision: start.revision,
            },
            argv,
            place: WorkingDirectory::Snapshot(self.directory(&start.definition)),
            identity,
            limits: Some(ResourceLimits {
                cpu_units: service.size.cpu,
                memory_mib: service.size.memory,
                processes: ResourceLimits::processes(),
            }),
            port: start.port,
            stop: StopPolicy {
                signal: StopSignal::Terminate,
                timeout: service.stop_timeout,
                children: OrphanPolicy::Asked,
            },
        })
    }

    /// Where a revision's tasks run: its snapshot, or the manifest's folder.
    #[must_use]
    pub(super) fn directory(&self, definition: &RevisionDefinition) -> PathBuf {
        match &definition.artifact {
            Some(digest) => self.state.artifacts().join(digest),
            None => Path::new(&definition.root).to_owned(),
        }
    }

    /// The variables of a task. They hold secrets.
    ///
    /// # Errors
    /// Names the secret or data service that is missing.
    pub(super) fn variables(
        &self,
        definition: &RevisionDefinition,
        revision: RevisionNumber,
        task: &str,
        port: Option<u16>,
    ) -> Result<BTreeMap<String, String>, TaskVariablesError> {
        let (mut databases, mut caches, mut secrets) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut own_databases = BTreeSet::new();
        for used in &definition.service.uses {
            match used {
                UsedResource::Database(name) => {
                    let key = DataServiceName::database(name);
                    databases.insert(name.clone(), self.url(&key)?);
                    if self.data.is_own(&key) {
                        own_databases.insert(name.clone());
                    }
                }
                UsedResource::Cache(name) => {
                    caches.insert(name.clone(), self.url(&DataServiceName::cache(name))?);
                }
                UsedResource::Secret(name) => {
                    secrets.insert(
                        name.clone(),
                        self.secret(name, definition.secrets.get(name).copied())?,
                    );
                }
            }
        }
        let internal = locked(&self.internal);
        Ok(environment::variables(&VariableSources {
            app: &self.app,
            env: &self.env,
            service: &definition.service,
            revision,
            task,
            port,
            databases: &databases,
            own_databases: &own_databases,
            caches: &caches,
            secrets: &secrets,
            internal: &internal,
        }))
    }

    /// URL of a data service with its password.
    ///
    /// # Errors
    /// It is not known yet.
    pub(super) fn url(&self, key: &DataServiceName) -> Result<String, TaskVariablesError> {
        Ok(self.data.url(key)?.expose_text()?.to_owned())
    }

    /// Where other tasks reach a service.
    #[must_use]
    pub(super) fn internal_address(&self, service: &str) -> Option<SocketAddr> {
        let internal = locked(&self.internal);
        internal.get(service).copied()
    }

    fn secret(&self, name: &str, version: Option<u32>) -> Result<String, TaskVariablesError> {
        let secrets = locked(&self.secrets);
        let which = version.map_or(VersionSelector::Current, VersionSelector::Version);
        let (_, value) = secrets
            .get(name, which)
            .map_err(|source| TaskVariablesError::Secret {
                name: name.to_owned(),
                source: Box::new(source),
            })?;
        let text = value.expose_text();
        let text = text.map_err(|_| TaskVariablesError::SecretNotText(name.to_owned()))?;
        Ok(text.to_owned())
    }
}
