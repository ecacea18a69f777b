//! Runs the jobs of releases: commands in the new revision, HTTP checks of it.
//!
//! Invariant: a command that ended while no engine looked is not run twice.

use std::sync::Arc;
use std::time::Duration;

use neargate_core::ids::RevisionNumber;
use neargate_core::machine::{Event, ProcessExit};
use neargate_core::model::{HttpCheck, JobWork};

use super::follow_up::FollowUp;
use super::http_checks::{self, PendingCheck};
use super::tasks::TaskStart;
use super::{Engine, EngineInput, evidence};
use crate::logs::writer::LogWriter;
use crate::shim_role::{JobRunId, ShimRole};

impl Engine {
    pub(super) fn run_hook(&mut self, run: JobRunId, revision: RevisionNumber) {
        let Some(found) = self
            .ledger
            .state()
            .services
            .get(&run.service)
            .and_then(|s| s.revisions.get(&revision))
        else {
            return;
        };
        let definition = Arc::clone(&found.definition);
        let Some(job) = definition.jobs.get(&run.job) else {
            return;
        };
        let command = match &job.work {
            JobWork::Command(command) => command.clone(),
            JobWork::Http(check) => {
                let (check, timeout) = (check.clone(), job.timeout);
                return self.run_check(run, revision, check, timeout);
            }
        };
        let start = TaskStart {
            role: ShimRole::Job(run.clone()),
            revision,
            definition,
            port: None,
            command: Some(command),
        };
        let (surroundings, inputs) = (self.surroundings.clone(), self.inputs.clone());
        let state = self.state.clone();
        tokio::spawn(async move {
            let id = run.to_string();
            let exit = match surroundings.supervisor.ended(&id) {
                // It ended while no engine looked; it must not run twice.
                Some(exit) => exit,
                None => match surroundings.start(&start).await {
                    Ok(_) => surroundings.supervisor.exited(&id).await,
                    Err(failure) => ProcessExit::NotStarted(failure.reason),
                },
            };
            let last_lines = evidence::last_lines(&state, &run.service, &id).await;
            let ended = EngineInput::HookEnded {
                run,
                exit,
                last_lines,
            };
            let _ = inputs.send(ended).await;
        });
    }

    /// Asks the new revision. What is asked twice after an engine's death does no harm.
    fn run_check(
        &mut self,
        run: JobRunId,
        revision: RevisionNumber,
        check: HttpCheck,
        timeout: Duration,
    ) {
        if self.checks.contains_key(&run) {
            return;
        }
        let address = self.surroundings.internal_address(&run.service);
        let logs = self.surroundings.state.logs().join(run.service.as_str());
        let (inputs, asking, state) = (self.inputs.clone(), run.clone(), self.state.clone());
        let asked = tokio::spawn(async move {
            let id = run.to_string();
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
                None => ProcessExit::NotStarted(format!("`{}` has no address", run.service)),
            };
            let last_lines = evidence::last_lines(&state, &run.service, &id).await;
            let ended = EngineInput::HookEnded {
                run,
                exit,
                last_lines,
            };
            let _ = inputs.send(ended).await;
        });
        self.checks.insert(asking, asked.abort_handle());
    }

    /// A job ended.
    pub(super) fn hook_ended(&mut self, run: JobRunId, exit: ProcessExit, last_lines: Vec<String>) {
        self.checks.remove(&run);
        let event = Event::HookFinished {
            release: run.release,
            run: run.run,
            exit,
            last_lines,
        };
        self.happened_then(event, FollowUp::JobEnded(run));
    }

    /// Removes what is left of a job; before its end is written, it would be run again.
    pub(super) fn forget_job(&self, run: JobRunId) {
        let supervisor = self.surroundings.supervisor.clone();
        tokio::task::spawn_blocking(move || supervisor.forget(&run.to_string()));
    }
}
