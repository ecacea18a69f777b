//! A new engine goes on where the last one was: it finds the tasks that run, learns the exits it
//! missed, and asks for what is outstanding.
//!
//! Invariant: a task of the journal is adopted or counted as ended, never started twice; a
//! process that nothing in the journal asks for is ended. Refuses to go on when it cannot be read
//! which tasks run.

use std::collections::BTreeSet;

use neargate_core::machine::{self, Event, ProcessExit};

use super::ids::{is_task, service_of};
use super::journal_writer::JournalReport;
use super::notes::NoteCause;
use super::{Engine, EngineError, EngineInput, LAST_LINES, log};
use crate::input_channel::InputReceiver;
use crate::logs;
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
        let runs = |one: &LeftBehind| matches!(one, LeftBehind::Running(one) if is_task(&one.id));
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
                self.surroundings.supervisor.forget(&id);
            }
        }
        let mut seen = BTreeSet::new();
        for found in found {
            match found {
                LeftBehind::Running(running) if self.knows(&running.id) => {
                    seen.insert(running.id.clone());
                    self.handle(EngineInput::Started(running.id.clone(), Ok(running)));
                }
                LeftBehind::Exited(id, exit) if self.knows(&id) => {
                    seen.insert(id.clone());
                    self.missed_exit(&id, exit);
                }
                // Data services and jobs are looked for by whoever wants them; tasks that the
                // journal does not know are nobody's.
                LeftBehind::Running(running) if self.nobodys(&running.id) => {
                    self.kill(running.id);
                }
                LeftBehind::Exited(id, _) if self.nobodys(&id) => {
                    self.surroundings.supervisor.forget(&id);
                }
                LeftBehind::Running(_) | LeftBehind::Exited(..) => {}
            }
        }
        for id in self.task_ids() {
            if self.ran(&id) && !seen.contains(&id) {
                self.missed_exit(&id, ProcessExit::Unknown);
            }
        }
    }

    /// A task ended while no engine looked. The loop has not begun: its lines are read here.
    fn missed_exit(&mut self, id: &str, exit: ProcessExit) {
        let last_lines = logs::last_lines(&self.state, service_of(id), id, LAST_LINES);
        self.exited(id, exit, last_lines);
    }

    /// The tasks of the journal, when some ran, none runs and nobody saw one end: the machine was
    /// restarted, or lost all processes in another way. None otherwise.
    fn lost_all(&self, found: &[LeftBehind]) -> Vec<String> {
        let survives = |found: &LeftBehind| match found {
            LeftBehind::Running(running) => self.knows(&running.id),
            LeftBehind::Exited(id, exit) => self.knows(id) && *exit != ProcessExit::Unknown,
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
            .is_some_and(|task| !matches!(task.lifecycle, machine::TaskLifecycle::Pending { .. }))
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
