//! A new engine goes on where the last one was: it finds the tasks that run, learns the exits it
//! missed, and asks for what is outstanding.
//!
//! Invariant: a task of the journal is adopted or counted as ended, never started twice; a
//! process that nothing in the journal asks for is ended. Refuses to go on when it cannot be read
//! which tasks run.

use std::collections::BTreeSet;

use neargate_core::ids::{ServiceName, TaskId};
use neargate_core::machine::{self, Event, ProcessExit};

use super::journal_writer::JournalReport;
use super::notes::NoteCause;
use super::{Engine, EngineError, EngineInput, LAST_LINES, log};
use crate::input_channel::InputReceiver;
use crate::logs;
use crate::shim_role::ShimRole;
use crate::supervisor::LeftBehind;

impl Engine {
    /// Goes on where the last engine was: adopts what runs, starts what should run.
    ///
    /// # Errors
    /// [`EngineError::Tasks`]: what runs cannot be told, so nothing may be started or ended.
    pub(super) async fn resume(
        &mut self,
        reports: &mut InputReceiver<JournalReport>,
    ) -> Result<(), EngineError> {
        let found = self.surroundings.supervisor.adopt_all();
        let found = found.map_err(EngineError::Tasks)?;
        let runs = |one: &LeftBehind| matches!(one, LeftBehind::Running(one) if matches!(one.role(), ShimRole::Task(_)));
        self.tasks_found = found.iter().any(runs);
        self.watch_data();
        if self.ledger.state().phase == machine::EnvironmentPhase::Up
            && let Err(problem) = self.provide_again().await
        {
            let note = format!("{}: {}", NoteCause::NotProvided.describe(), problem.error);
            log(&note);
            self.notes.set(NoteCause::NotProvided, &[note]);
        }
        self.adopt_tasks(found, reports).await;
        self.written(reports).await;
        self.tasks_found = false;
        let outstanding = machine::outstanding(self.ledger.state());
        self.act_all(outstanding);
        self.remove_unused_snapshots();
        Ok(())
    }

    async fn adopt_tasks(
        &mut self,
        found: Vec<LeftBehind>,
        reports: &mut InputReceiver<JournalReport>,
    ) {
        let lost = self.lost_all(&found);
        if !lost.is_empty() {
            self.happened(Event::HostRestarted);
            self.written(reports).await;
            for id in lost {
                self.surroundings.supervisor.forget(id.as_str());
            }
        }
        let mut seen = BTreeSet::new();
        for found in found {
            match (found.role(), found) {
                (ShimRole::Task(id), found) if self.knows(&id) => {
                    seen.insert(id.clone());
                    match found {
                        LeftBehind::Running(running) => {
                            self.handle(EngineInput::Started(id, Ok(running)));
                        }
                        LeftBehind::Exited(_, exit) => self.missed_exit(&id, exit),
                    }
                }
                // Data services and jobs are looked for by whoever wants them; tasks that the
                // journal does not know are nobody's.
                (role, found) if self.nobodys(&role) => match found {
                    LeftBehind::Running(running) => self.kill(running.id),
                    LeftBehind::Exited(role, _) => {
                        self.surroundings.supervisor.forget(&role.to_string());
                    }
                },
                _ => {}
            }
        }
        for id in self.task_ids() {
            if self.ran(&id) && !seen.contains(&id) {
                self.missed_exit(&id, ProcessExit::Unknown);
            }
        }
    }

    /// A task ended while no engine looked. The loop has not begun: its lines are read here.
    fn missed_exit(&mut self, id: &TaskId, exit: ProcessExit) {
        let service = self.service_of(id);
        let last_lines = service.map(|service| {
            let (state, id) = (&self.state, id.as_str());
            logs::last_lines(state, &service, id, LAST_LINES)
        });
        let last_lines = last_lines.unwrap_or_default();
        self.exited(id, exit, last_lines);
    }

    /// The tasks of the journal, when some ran, none runs and nobody saw one end: the machine was
    /// restarted, or lost all processes in another way. None otherwise.
    fn lost_all(&self, found: &[LeftBehind]) -> Vec<TaskId> {
        let unseen = |one: &LeftBehind| matches!(one, LeftBehind::Exited(_, ProcessExit::Unknown));
        let survives = |one: &LeftBehind| match one.role() {
            ShimRole::Task(id) => self.knows(&id) && !unseen(one),
            ShimRole::Job(_) | ShimRole::DataServer(_) => false,
        };
        let tasks = self.task_ids();
        let ran = tasks.iter().any(|id| self.ran(id));
        if ran && !found.iter().any(survives) {
            tasks
        } else {
            Vec::new()
        }
    }

    /// Whether a task's process was up once, as far as the journal knows.
    fn ran(&self, id: &TaskId) -> bool {
        let known = self.ledger.state().task(id);
        known.is_some_and(|(_, task)| {
            !matches!(task.lifecycle, machine::TaskLifecycle::Pending { .. })
        })
    }

    pub(super) fn task_ids(&self) -> Vec<TaskId> {
        self.ledger
            .state()
            .services
            .values()
            .flat_map(|service| service.tasks.keys().cloned())
            .collect()
    }

    /// The service of a task that exists.
    pub(super) fn service_of(&self, id: &TaskId) -> Option<ServiceName> {
        let (service, _) = self.ledger.state().task(id)?;
        Some(service.name.clone())
    }

    /// Whether a process is a task or a job that nothing in the state asks for.
    fn nobodys(&self, role: &ShimRole) -> bool {
        let mut services = self.ledger.state().services.values();
        match role {
            ShimRole::Job(run) => !services.any(|service| {
                let release = service.release.as_ref();
                release.is_some_and(|release| release.id == run.release)
            }),
            ShimRole::Task(id) => !self.knows(id),
            ShimRole::DataServer(_) => false,
        }
    }

    pub(super) fn knows(&self, id: &TaskId) -> bool {
        self.ledger.state().task(id).is_some()
    }
}
