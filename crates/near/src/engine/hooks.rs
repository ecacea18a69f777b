//! Runs the jobs of releases: commands in the new revision, HTTP checks of it.
//!
//! Invariant: a command that ended while no engine looked is not run twice.

use std::sync::Arc;
use std::time::Duration;

use neargate_core::machine::{Event, ProcessExit};
use neargate_core::model::{HttpCheck, JobWork};

use super::follow_up::FollowUp;
use super::http_checks::{self, PendingCheck};
use super::ids::{job_of, service_of_job};
use super::tasks::TaskStart;
use super::{Engine, EngineInput, evidence};
use crate::logs::writer::LogWriter;

impl Engine {
    pub(super) fn run_hook(&mut self, id: String, release: u64, run: u32, revision: u32) {
        let service = service_of_job(&id);
        let Some(found) = self
            .ledger
            .state()
            .services
            .get(service)
            .and_then(|s| s.revisions.get(&revision))
        else {
            return;
        };
        let definition = Arc::clone(&found.definition);
        let job = job_of(&id);
        let Some(job) = definition.jobs.get(job) else {
            return;
        };
        let command = match &job.work {
            JobWork::Command(command) => command.clone(),
            JobWork::Http(check) => {
                let (check, timeout) = (check.clone(), job.timeout);
                return self.run_check(id, (release, run, revision), check, timeout);
            }
        };
        let start = TaskStart {
            id: id.clone(),
            revision,
            definition,
            port: None,
            command: Some(command),
        };
        let (surroundings, inputs) = (self.surroundings.clone(), self.inputs.clone());
        let state = self.state.clone();
        tokio::spawn(async move {
            let exit = match surroundings.supervisor.ended(&id) {
                // It ended while no engine looked; it must not run twice.
                Some(exit) => exit,
                None => match surroundings.start(&start).await {
                    Ok(_) => surroundings.supervisor.exited(&id).await,
                    Err(failure) => ProcessExit::NotStarted(failure.reason),
                },
            };
            let last_lines = evidence::last_lines(&state, service_of_job(&id), &id).await;
            let ended = EngineInput::HookEnded {
                release,
                run,
                id,
                exit,
                last_lines,
            };
            let _ = inputs.send(ended).await;
        });
    }

    /// Asks the new revision. What is asked twice after an engine's death does no harm.
    fn run_check(
        &mut self,
        id: String,
        (release, run, revision): (u64, u32, u32),
        check: HttpCheck,
        timeout: Duration,
    ) {
        if self.checks.contains_key(&id) {
            return;
        }
        let service = service_of_job(&id).to_owned();
        let address = self.surroundings.internal_address(&service);
        let logs = self.surroundings.state.logs().join(&service);
        let (inputs, name, state) = (self.inputs.clone(), id.clone(), self.state.clone());
        let asked = tokio::spawn(async move {
            let exit = match address {
                Some(address) => {
                    let asking = PendingCheck {
                        address,
                        revision,
                        check,
                        timeout,
                    };
                    // Without a log the check still counts; the release keeps its answer.
                    let mut log = LogWriter::open(&logs, &id, revision).ok();
                    http_checks::ask(&asking, &mut log).await
                }
                None => ProcessExit::NotStarted(format!("`{service}` has no address")),
            };
            let last_lines = evidence::last_lines(&state, service_of_job(&id), &id).await;
            let ended = EngineInput::HookEnded {
                release,
                run,
                id,
                exit,
                last_lines,
            };
            let _ = inputs.send(ended).await;
        });
        self.checks.insert(name, asked.abort_handle());
    }

    /// A job ended.
    pub(super) fn hook_ended(
        &mut self,
        release: u64,
        run: u32,
        id: &str,
        exit: ProcessExit,
        last_lines: Vec<String>,
    ) {
        self.checks.remove(id);
        let event = Event::HookFinished {
            release,
            run,
            exit,
            last_lines,
        };
        self.happened_then(event, FollowUp::JobEnded(id.to_owned()));
    }

    /// Removes what is left of a job; before its end is written, it would be run again.
    pub(super) fn forget_job(&self, id: String) {
        let supervisor = self.surroundings.supervisor.clone();
        tokio::task::spawn_blocking(move || supervisor.forget(&id));
    }
}
