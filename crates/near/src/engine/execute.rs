//! Does what was decided. Every action may come twice.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use neargate_core::ids::{RevisionNumber, TaskId};
use neargate_core::machine::TaskHealth;
use neargate_core::machine::{
    Action, ProcessExit, RevisionDefinition, ServiceState, Task, TaskLifecycle,
};
use neargate_core::model::{Service, Workload};
use neargate_core::routing::listening::ListenerOwner;
use neargate_core::routing::table::{Admission, EarlierFiles, RoutingTable, Target, TargetHealth};
use neargate_core::time::Timestamp;
use tokio::sync::Notify;

use super::evidence::{Incident, IncidentKind};
use super::routing_table::{self, ExposedService};
use super::start_failure::TaskStartError;
use super::tasks::TaskStart;
use super::{Engine, EngineInput};
use crate::ports::{self, PortAssignError};
use crate::shim_role::{JobRunId, ShimRole};
use crate::supervisor::RunningProcess;

/// A task that has been asked to start and has no process yet.
pub(super) struct StartingTask {
    /// The port that it was given; 0: none.
    port: u16,
    /// Told when it is to stop: then it does not wait for what it needs.
    unwanted: Arc<Notify>,
}

impl Engine {
    pub(super) fn execute(&mut self, action: Action) {
        match action {
            Action::StartTask {
                service,
                revision,
                task,
            } => self.start_task(&service, revision, task),
            Action::StopTask { task } => self.stop_task(task),
            Action::KillTask { task } => self.kill(task.to_string()),
            Action::RunHook {
                release,
                service,
                revision,
                job,
                run,
            } => {
                let run = JobRunId {
                    service,
                    job,
                    release,
                    run,
                };
                self.run_hook(run, revision);
            }
            Action::StopHook {
                release,
                service,
                job,
                run,
            } => {
                let run = JobRunId {
                    service,
                    job,
                    release,
                    run,
                };
                if let Some(check) = self.checks.remove(&run) {
                    check.abort();
                }
                self.kill(run.to_string());
            }
            Action::PublishRoutes => self.publish = true,
        }
    }

    fn start_task(&mut self, service: &str, revision: RevisionNumber, task: TaskId) {
        if self.running.contains_key(&task) || self.starting.contains_key(&task) {
            return;
        }
        let Some(definition) = self.definition_of(service, revision) else {
            return;
        };
        let port = definition.service.port.map(|_| self.assign_port());
        let port = port.transpose();
        let start = TaskStart {
            role: ShimRole::Task(task.clone()),
            revision,
            definition,
            port: port.as_ref().ok().copied().flatten(),
            command: None,
        };
        if let Err(error) = port {
            let inputs = self.inputs.clone();
            tokio::spawn(async move {
                let error = TaskStartError::from(error);
                let failed = EngineInput::Started(task, Err(error.into()));
                let _ = inputs.send(failed).await;
            });
            return;
        }
        let unwanted = Arc::new(Notify::new());
        let starting = StartingTask {
            port: start.port.unwrap_or(0),
            unwanted: unwanted.clone(),
        };
        self.starting.insert(task.clone(), starting);
        let (surroundings, inputs) = (self.surroundings.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let started = surroundings.start_unless(&start, unwanted.notified());
            let result = started.await;
            let _ = inputs.send(EngineInput::Started(task, result)).await;
        });
    }

    fn definition_of(
        &self,
        service: &str,
        revision: RevisionNumber,
    ) -> Option<Arc<RevisionDefinition>> {
        let service = self.ledger.state().services.get(service)?;
        let found = service.revisions.get(&revision)?;
        Some(Arc::clone(&found.definition))
    }

    /// A port that no task, no internal listener and nobody else has.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn assign_port(&self) -> Result<u16, PortAssignError> {
        let mut taken: BTreeSet<u16> = self.starting.values().map(|one| one.port).collect();
        taken.extend(self.running.values().filter_map(|running| running.port));
        ports::assign(&taken)
    }

    fn stop_task(&self, task: TaskId) {
        let supervisor = self.surroundings.supervisor.clone();
        let incidents = self.incidents.clone();
        let starting = self.starting.get(&task);
        if let Some(starting) = starting {
            starting.unwanted.notify_one();
        }
        let starting = starting.is_some();
        let service = self.service_of(&task);
        tokio::task::spawn_blocking(move || {
            if supervisor.running(task.as_str()).is_some() {
                supervisor.stop(task.as_str());
            } else if let (false, Some(service)) = (starting, service) {
                // It never ran, or its end was not seen.
                let _ = incidents.blocking_send(Incident {
                    task,
                    service,
                    kind: IncidentKind::Exited(ProcessExit::Unknown),
                });
            }
        });
    }

    /// Ends a task or a job at once. Does not wait, nor does the loop for the record of its process.
    pub(super) fn kill(&self, id: String) {
        let supervisor = self.surroundings.supervisor.clone();
        tokio::task::spawn_blocking(move || supervisor.kill(&id));
    }

    /// The routing table of the present state.
    pub(super) fn table(&self) -> RoutingTable {
        let state = self.ledger.state();
        let directories: Vec<PathBuf> = state
            .services
            .values()
            .map(|service| {
                let definition = service.definition(service.primary);
                definition
                    .map(|found| self.surroundings.directory(found))
                    .unwrap_or_default()
            })
            .collect();
        let exposed = state
            .services
            .values()
            .zip(&directories)
            .filter_map(|(service, directory)| {
                let definition = service.definition(service.primary).or_else(|| {
                    let release = service.release.as_ref()?;
                    service.definition(release.to)
                })?;
                Some(ExposedService {
                    service: &definition.service,
                    revision: service.primary,
                    directory,
                    earlier: self.earlier(service, &definition.service),
                    targets: self.targets(service),
                    shares: service.shares(),
                })
            })
            .collect();
        let edge = self.definition.as_ref().map(|found| &found.manifest.edge);
        let trusted = edge.map_or(&[][..], |edge| edge.trusted.as_slice());
        routing_table::table(
            self.routers.version() + 1,
            (edge.is_some_and(|edge| edge.expose), trusted),
            &self.cookie_key,
            exposed,
        )
    }

    /// The files that pages of earlier revisions still ask for.
    fn earlier(&self, service: &ServiceState, present: &Service) -> Vec<EarlierFiles> {
        let Workload::Static(site) = &present.runs else {
            return Vec::new();
        };
        let files = |(revision, until): (RevisionNumber, Timestamp)| {
            let definition = service.definition(revision)?;
            definition.artifact.as_ref()?;
            let directory = self.surroundings.directory(definition);
            Some(EarlierFiles {
                revision,
                directory: directory.display().to_string(),
                until: self.ledger.clock().monotonic(until),
            })
        };
        let earlier = routing_table::earlier(service, site.keep);
        earlier.into_iter().filter_map(files).collect()
    }

    fn targets(&self, service: &ServiceState) -> Vec<Target> {
        service
            .tasks
            .values()
            .filter_map(|task| {
                let admission = admission(service, task)?;
                let running = self.running.get(&task.id)?;
                let port = running.port?;
                Some(Target {
                    task: task.id.clone(),
                    revision: task.revision,
                    address: SocketAddr::from(([127, 0, 0, 1], port)),
                    owner: listener_owner(running),
                    admission,
                    health: match task.health {
                        TaskHealth::Unknown => TargetHealth::Initial,
                        TaskHealth::Healthy => TargetHealth::Healthy,
                        TaskHealth::Unhealthy => TargetHealth::Unhealthy,
                    },
                })
            })
            .collect()
    }
}

/// The owner that a task's port must have: the task's user, which is its service's alone, or a
/// process of the task.
fn listener_owner(running: &RunningProcess) -> Option<ListenerOwner> {
    match running.user {
        Some(user) => Some(ListenerOwner::User(user)),
        // The shim of a version before did not write the user down.
        None if rustix::process::geteuid().is_root() => None,
        None => Some(ListenerOwner::DescendantOf(running.shim.pid)),
    }
}

/// Whether and how a task stands in the table.
fn admission(service: &ServiceState, task: &Task) -> Option<Admission> {
    match task.lifecycle {
        TaskLifecycle::Running { .. } => Some(Admission::Admitted),
        TaskLifecycle::Deactivating { .. } => {
            let drain = service
                .definition(task.revision)
                .map_or_else(Default::default, |found| found.service.drain);
            Some(Admission::Draining {
                delay_ms: u64::try_from(drain.as_millis()).unwrap_or(u64::MAX),
            })
        }
        TaskLifecycle::Pending { .. } | TaskLifecycle::Stopping { .. } => None,
    }
}
