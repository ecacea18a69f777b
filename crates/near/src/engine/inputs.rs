//! Inputs of the loop: what happened to tasks, jobs, routers and requests.
//!
//! Invariant: an input is a fact that somebody else found out; its handling waits for nothing.

use neargate_core::machine::{Event, Exit, Health, Obstacle};
use neargate_core::routing::table::TargetHealth;
use tokio::sync::mpsc::error::TrySendError;

use super::evidence::{self, Incident};
use super::ids::service_of;
use super::meter::Reading;
use super::notes::Cause;
use super::obstacles::StartFailure;
use super::preparation::{Prepared, Request};
use super::router_process::RouterFact;
use super::routers::Learned;
use super::sequel::Sequel;
use super::{Engine, log, tasks};
use crate::api::wire::{Accepted, Problem};
use crate::logs;
use crate::supervisor::Running;

/// An input of the loop, besides calls and routers.
pub(super) enum Input {
    /// A start succeeded or failed.
    Started(String, Result<Running, StartFailure>),
    /// A task's process ended.
    Exited {
        task: String,
        exit: Exit,
        last_lines: Vec<String>,
    },
    /// A target became healthy or unhealthy.
    HealthChanged {
        task: String,
        health: Health,
        reason: String,
        last_lines: Vec<String>,
    },
    /// A job's process ended, or did not start.
    HookEnded {
        release: u64,
        run: u32,
        id: String,
        exit: Exit,
        last_lines: Vec<String>,
    },
    /// What tasks use was read.
    Used(Reading),
    /// What an `up` needs before any task is there, or is not.
    Provided(Box<Request>, Result<(), Problem>),
    /// The artifacts of an `up` or a `deploy` are there, or are not.
    Prepared(Box<Request>, Result<Prepared, Problem>),
    /// What kept tasks from starting is gone.
    ObstacleRemoved(Obstacle),
    /// What an app that is up lacked is there, or is not.
    ProvidedAgain(Result<(), Problem>),
    /// An app that is up has no router, and why.
    Unserved(Problem),
    /// The data services have stopped, after a `down`.
    DataStopped,
}

impl Engine {
    pub(super) fn take(&mut self, input: Input) {
        match input {
            Input::Started(id, Ok(running)) => {
                self.starting.remove(&id);
                if !self.knows(&id) {
                    self.kill(id);
                    return;
                }
                self.notes.set(Cause::Task(id.clone()), &running.notes);
                self.running.insert(id.clone(), running);
                self.watch(id.clone());
                self.happened(Event::TaskStarted { task: id });
            }
            Input::Started(id, Err(failure)) => {
                self.starting.remove(&id);
                self.surroundings.supervisor.forget(&id);
                self.happened(Event::TaskStartFailed {
                    task: id,
                    reason: failure.reason,
                    obstacle: failure.obstacle,
                });
            }
            Input::ObstacleRemoved(obstacle) => self.happened(Event::ObstacleRemoved { obstacle }),
            Input::ProvidedAgain(provided) => self.provided_again(provided),
            Input::Exited {
                task,
                exit,
                last_lines,
            } => self.exited(&task, exit, last_lines),
            Input::HealthChanged {
                task,
                health,
                reason,
                last_lines,
            } => self.happened(Event::TaskHealthChanged {
                task,
                health,
                reason,
                last_lines,
            }),
            Input::HookEnded {
                release,
                run,
                id,
                exit,
                last_lines,
            } => self.hook_ended(release, run, &id, exit, last_lines),
            Input::Used(reading) => self.used(reading),
            Input::Provided(request, provided) => self.provided(*request, provided),
            Input::Prepared(request, prepared) => self.prepared(*request, prepared),
            Input::Unserved(problem) => self.unserved(&problem),
            Input::DataStopped => self.data_stopped(),
        }
    }

    /// Tells the loop when a task's process ends.
    fn watch(&self, id: String) {
        let (incidents, supervisor) =
            (self.incidents.clone(), self.surroundings.supervisor.clone());
        tokio::spawn(async move {
            let exit = supervisor.exited(&id).await;
            let _ = incidents.send(Incident::Exited(id, exit)).await;
        });
    }

    pub(super) fn exited(&mut self, id: &str, exit: Exit, last_lines: Vec<String>) {
        self.running.remove(id);
        self.notes.clear(&Cause::Task(id.to_owned()));
        if let Some(revision) = self
            .task(id)
            .filter(|task| task.active())
            .map(|t| t.revision)
        {
            self.restarted(service_of(id), revision, id);
        }
        let event = Event::TaskExited {
            task: id.to_owned(),
            exit,
            last_lines,
        };
        self.happened_then(event, Sequel::TaskEnded(id.to_owned()));
    }

    /// Removes what is left of a task that has ended, and logs of tasks that ended long ago.
    pub(super) fn clear_away(&self, id: String) {
        let (supervisor, state) = (self.surroundings.supervisor.clone(), self.state.clone());
        let alive = self.task_ids();
        tokio::task::spawn_blocking(move || {
            supervisor.forget(&id);
            if let Err(error) = logs::prune(&state, service_of(&id), &alive)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                log(&format!(
                    "logs of {} are not pruned: {error}",
                    service_of(&id)
                ));
            }
        });
    }

    pub(super) fn learn(&mut self, number: u64, fact: RouterFact) {
        for learned in self.routers.learn(number, fact) {
            match learned {
                Learned::Health {
                    task,
                    health,
                    reason,
                } => self.health_changed(task, health, reason),
                Learned::Drained { task, cut } => self.happened(Event::TaskDrained { task, cut }),
                Learned::Replaced => {
                    for reply in self.replacing.drain(..) {
                        let _ = reply.send(Ok(Accepted::default()));
                    }
                }
                Learned::NotStarted(error) => {
                    let why = tasks::chain(&error);
                    log(&why);
                    let problem = Problem {
                        error: why,
                        help: None,
                        exit: 1,
                    };
                    self.unserved(&problem);
                    for reply in self.replacing.drain(..) {
                        let _ = reply.send(Err(problem.clone()));
                    }
                }
                Learned::Joined(router) => self.counted.joined(router),
                Learned::Left(router) => self.counted.left(router),
                Learned::Counted {
                    router,
                    stretch,
                    seconds,
                } => self.counted(router, stretch, &seconds),
            }
        }
    }

    fn health_changed(&mut self, task: String, health: TargetHealth, reason: String) {
        let health = match health {
            TargetHealth::Initial => return,
            TargetHealth::Healthy => Health::Healthy,
            TargetHealth::Unhealthy => Health::Unhealthy,
        };
        // A queue that is full means hundreds of changes at once: then this one has no lines.
        if let Err(TrySendError::Full(incident) | TrySendError::Closed(incident)) = self
            .incidents
            .try_send(Incident::HealthChanged(task, health, reason))
        {
            self.take(evidence::input(incident, Vec::new()));
        }
    }
}
