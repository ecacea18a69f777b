//! A new engine goes on where the last one was: it finds the tasks that run, learns the exits it
//! missed, and asks for what is outstanding.
//!
//! Invariant: a task of the journal is adopted or counted as ended, never started twice; a
//! process that nothing in the journal asks for is ended. Refuses to go on when it cannot be read
//! which tasks run.

use std::collections::BTreeSet;

use neargate_core::machine::{self, Event, Exit};

use super::ids::{is_task, service_of};
use super::journal_writer::Report;
use super::notes::Cause;
use super::{Engine, EngineError, Input, LAST_LINES, log};
use crate::arrivals::Receiver;
use crate::logs;
use crate::supervisor::Found;

impl Engine {
    /// Goes on where the last engine was: adopts what runs, starts what should run.
    ///
    /// # Errors
    /// [`EngineError::Tasks`]: what runs cannot be told, so nothing may be started or ended.
    pub(super) async fn resume(
        &mut self,
        reports: &mut Receiver<Report>,
    ) -> Result<(), EngineError> {
        let found = self.surroundings.supervisor.adopt_all();
        let found = found.map_err(EngineError::Tasks)?;
        let runs = |one: &Found| matches!(one, Found::Running(one) if is_task(&one.id));
        self.tasks_found = found.iter().any(runs);
        self.watch_data();
        if self.ledger.state().phase == machine::Phase::Up
            && let Err(problem) = self.provide_again().await
        {
            let note = format!("{}: {}", Cause::NotProvided.words(), problem.error);
            log(&note);
            self.notes.set(Cause::NotProvided, &[note]);
        }
        self.adopt_tasks(found, reports).await;
        self.written(reports).await;
        self.tasks_found = false;
        let outstanding = machine::outstanding(self.ledger.state());
        self.act_all(outstanding);
        self.remove_unused_snapshots();
        Ok(())
    }

    async fn adopt_tasks(&mut self, found: Vec<Found>, reports: &mut Receiver<Report>) {
        let lost = self.lost_all(&found);
        if !lost.is_empty() {
            self.happened(Event::HostRestarted);
            self.written(reports).await;
            for id in lost {
                self.surroundings.supervisor.forget(&id);
            }
        }
        let mut seen = BTreeSet::new();
        for found in found {
            match found {
                Found::Running(running) if self.knows(&running.id) => {
                    seen.insert(running.id.clone());
                    self.take(Input::Started(running.id.clone(), Ok(running)));
                }
                Found::Exited(id, exit) if self.knows(&id) => {
                    seen.insert(id.clone());
                    self.missed_exit(&id, exit);
                }
                // Data services and jobs are looked for by whoever wants them; tasks that the
                // journal does not know are nobody's.
                Found::Running(running) if self.nobodys(&running.id) => {
                    self.kill(running.id);
                }
                Found::Exited(id, _) if self.nobodys(&id) => {
                    self.surroundings.supervisor.forget(&id);
                }
                Found::Running(_) | Found::Exited(..) => {}
            }
        }
        for id in self.task_ids() {
            if self.ran(&id) && !seen.contains(&id) {
                self.missed_exit(&id, Exit::Unknown);
            }
        }
    }

    /// A task ended while no engine looked. The loop has not begun: its lines are read here.
    fn missed_exit(&mut self, id: &str, exit: Exit) {
        let last_lines = logs::last_lines(&self.state, service_of(id), id, LAST_LINES);
        self.exited(id, exit, last_lines);
    }

    /// The tasks of the journal, when some ran, none runs and nobody saw one end: the machine was
    /// restarted, or lost all processes in another way. None otherwise.
    fn lost_all(&self, found: &[Found]) -> Vec<String> {
        let survives = |found: &Found| match found {
            Found::Running(running) => self.knows(&running.id),
            Found::Exited(id, exit) => self.knows(id) && *exit != Exit::Unknown,
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
    fn ran(&self, id: &str) -> bool {
        self.task(id)
            .is_some_and(|task| !matches!(task.lifecycle, machine::Lifecycle::Pending { .. }))
    }

    pub(super) fn task_ids(&self) -> Vec<String> {
        self.ledger
            .state()
            .services
            .values()
            .flat_map(|service| service.tasks.keys().cloned())
            .collect()
    }

    pub(super) fn task(&self, id: &str) -> Option<&machine::Task> {
        self.ledger
            .state()
            .services
            .values()
            .find_map(|service| service.tasks.get(id))
    }

    /// Whether a process is a task or a job that nothing in the state asks for.
    pub(super) fn nobodys(&self, id: &str) -> bool {
        let mut services = self.ledger.state().services.values();
        match id.strip_prefix("job.") {
            Some(_) => !services.any(|service| {
                let of = |release: u64| id.split('.').nth(3) == Some(&release.to_string());
                service
                    .release
                    .as_ref()
                    .is_some_and(|release| of(release.id))
            }),
            None => is_task(id) && !self.knows(id),
        }
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.task(id).is_some()
    }
}
