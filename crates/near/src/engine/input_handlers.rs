//! What the loop does with its inputs, and with what routers say.
//!
//! Invariant: the handling of an input waits for nothing.

use neargate_core::error_chain::error_chain;
use neargate_core::ids::{ServiceName, TaskId};
use neargate_core::machine::{Event, ProcessExit, TaskHealth};
use neargate_core::routing::table::TargetHealth;
use tokio::sync::mpsc::error::TrySendError;

use super::evidence::{self, Incident, IncidentKind};
use super::follow_up::FollowUp;
use super::last_check::LastCheck;
use super::notes::NoteCause;
use super::router_process::RouterEvent;
use super::routers::RouterOutcome;
use super::{Engine, EngineInput, log};
use crate::api::wire::{Accepted, Problem};
use crate::logs;

impl Engine {
    pub(super) fn handle(&mut self, input: EngineInput) {
        match input {
            EngineInput::Started(id, Ok(running)) => {
                self.starting.remove(&id);
                if !self.knows(&id) {
                    self.kill(id.to_string());
                    return;
                }
                self.notes.set(NoteCause::Task(id.clone()), &running.notes);
                self.running.insert(id.clone(), running);
                self.watch(id.clone());
                self.happened(Event::TaskStarted { task: id });
            }
            EngineInput::Started(id, Err(failure)) => {
                self.starting.remove(&id);
                self.surroundings.supervisor.forget(id.as_str());
                self.happened(Event::TaskStartFailed {
                    task: id,
                    reason: failure.reason,
                    obstacle: failure.obstacle,
                });
            }
            EngineInput::ObstacleRemoved(obstacle) => {
                self.happened(Event::ObstacleRemoved { obstacle });
            }
            EngineInput::ProvidedAgain(provided) => self.provided_again(provided),
            EngineInput::Exited {
                task,
                exit,
                last_lines,
            } => self.exited(&task, exit, last_lines),
            EngineInput::HealthChanged {
                task,
                health,
                reason,
                last_lines,
            } => {
                self.last_checks.remove(&task);
                self.happened(Event::TaskHealthChanged {
                    task,
                    health,
                    reason,
                    last_lines,
                });
            }
            EngineInput::Checked { task, check } => self.checked(task, check),
            EngineInput::HookEnded {
                run,
                exit,
                last_lines,
            } => self.hook_ended(run, exit, last_lines),
            EngineInput::Used(reading) => self.used(reading),
            EngineInput::Provided(request, provided) => self.provided(*request, provided),
            EngineInput::Prepared(request, prepared) => self.prepared(*request, prepared),
            EngineInput::Unserved(problem) => self.unserved(&problem),
            EngineInput::DataStopped => self.data_stopped(),
        }
    }

    /// Tells the loop when a task's process ends.
    fn watch(&self, task: TaskId) {
        let Some(service) = self.service_of(&task) else {
            return;
        };
        let (incidents, supervisor) =
            (self.incidents.clone(), self.surroundings.supervisor.clone());
        tokio::spawn(async move {
            let exit = supervisor.exited(task.as_str()).await;
            let ended = Incident {
                task,
                service,
                kind: IncidentKind::Exited(exit),
            };
            let _ = incidents.send(ended).await;
        });
    }

    pub(super) fn exited(&mut self, task: &TaskId, exit: ProcessExit, last_lines: Vec<String>) {
        self.running.remove(task);
        self.last_checks.remove(task);
        self.notes.clear(&NoteCause::Task(task.clone()));
        let known = self.ledger.state().task(task);
        let service = known.map(|(service, _)| service.name.clone());
        let unasked = known.filter(|(_, task)| task.active());
        let unasked = unasked.map(|(service, task)| (service.name.clone(), task.revision));
        if let Some((service, revision)) = unasked {
            self.restarted(&service, revision, task);
        }
        let event = Event::TaskExited {
            task: task.clone(),
            exit,
            last_lines,
        };
        let task = task.clone();
        self.happened_then(event, FollowUp::TaskEnded { task, service });
    }

    /// Removes what is left of a task that has ended, and logs of tasks that ended long ago.
    pub(super) fn clear_away(&self, task: TaskId, service: Option<ServiceName>) {
        let (supervisor, state) = (self.surroundings.supervisor.clone(), self.state.clone());
        let alive = self.task_ids();
        tokio::task::spawn_blocking(move || {
            supervisor.forget(task.as_str());
            let Some(service) = service else { return };
            if let Err(error) = logs::prune(&state, &service, &alive)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                log(&format!("logs of {service} are not pruned: {error}"));
            }
        });
    }

    pub(super) fn learn(&mut self, number: u64, fact: RouterEvent) {
        for learned in self.routers.learn(number, fact) {
            match learned {
                RouterOutcome::Health {
                    task,
                    health,
                    check,
                } => self.health_told(&task, health, check),
                RouterOutcome::Drained { task, cut } => {
                    self.happened(Event::TaskDrained { task, cut });
                }
                RouterOutcome::Replaced => {
                    for reply in self.replacing.drain(..) {
                        let _ = reply.send(Ok(Accepted::default()));
                    }
                }
                RouterOutcome::NotStarted(error) => {
                    let why = error_chain(&error);
                    log(&why);
                    let problem = Problem::failed(why);
                    self.unserved(&problem);
                    for reply in self.replacing.drain(..) {
                        let _ = reply.send(Err(problem.clone()));
                    }
                }
                RouterOutcome::Joined(router) => self.counted.joined(router),
                RouterOutcome::Left(router) => self.counted.left(router),
                RouterOutcome::Counted {
                    router,
                    stretch,
                    seconds,
                } => self.counted(router, stretch, &seconds),
            }
        }
    }

    fn health_told(&mut self, task: &TaskId, health: TargetHealth, check: LastCheck) {
        let Some(service) = self.service_of(task) else {
            return;
        };
        let incident = |kind| Incident {
            task: task.clone(),
            service: service.clone(),
            kind,
        };
        let state = match health {
            TargetHealth::Initial => None,
            TargetHealth::Healthy => Some(TaskHealth::Healthy),
            TargetHealth::Unhealthy => Some(TaskHealth::Unhealthy),
        };
        if let Some(state) = state {
            let reason = check.reason.clone();
            self.incident(incident(IncidentKind::HealthChanged(state, reason)));
        }
        if health != TargetHealth::Unhealthy && check.failed() {
            self.incident(incident(IncidentKind::Checked(check)));
        }
    }

    fn incident(&mut self, incident: Incident) {
        // A queue that is full means hundreds of changes at once: then this one has no lines.
        if let Err(TrySendError::Full(incident) | TrySendError::Closed(incident)) =
            self.incidents.try_send(incident)
        {
            self.handle(evidence::input(incident, Vec::new()));
        }
    }

    fn checked(&mut self, task: TaskId, check: LastCheck) {
        if self.running.contains_key(&task) {
            self.last_checks.insert(task, check);
        }
    }
}
