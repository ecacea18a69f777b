//! Jobs of a release: ECS tasks that the journal asks for, looked at and never waited for.
//!
//! Invariant: each run of a job has a name of its own in its release, under which ECS starts it once: a client that
//! goes on after another finds the task instead of starting a second.

use std::collections::BTreeSet;

use neargate_core::ids::ReleaseId;
use neargate_core::machine::{Action, Event, ProcessExit};

use super::api::JobRequest;
use super::environment::Driver;
use super::error::DriverError;
use super::jobs::last_lines;
use super::release_journal::ReleaseJournal;

/// The jobs of one release, as one client sees them.
pub(super) struct ReleaseJobs<'a> {
    driver: &'a Driver,
    service: &'a str,
    running: Option<RunningJob>,
}

/// The job that this client started or found.
struct RunningJob {
    run: u32,
    task: String,
    status: String,
    lines: BTreeSet<String>,
}

impl<'a> ReleaseJobs<'a> {
    pub(super) fn new(driver: &'a Driver, service: &'a str) -> Self {
        Self {
            driver,
            service,
            running: None,
        }
    }

    /// Starts the job that the release asks for, or looks at it; gives its end.
    pub(super) async fn observed(
        &mut self,
        journal: &ReleaseJournal<'_>,
    ) -> Result<Option<Event>, DriverError> {
        let release = journal
            .service_state()
            .and_then(|service| service.release.as_ref());
        let hook = release.and_then(|release| Some((release, release.hook.as_ref()?)));
        let (Some((release, hook)), Some(open)) = (hook, journal.open_release()) else {
            self.running = None;
            return Ok(None);
        };
        let Some(job) = self.driver.manifest.jobs.get(&hook.job) else {
            let words = format!("the manifest has no job `{}`", hook.job);
            return Err(DriverError::Usage(words));
        };
        let (_, facts) = self.driver.service(self.service)?;
        let cluster = &self.driver.facts.cluster;
        let aws = &self.driver.aws;
        if self.running.as_ref().is_none_or(|job| job.run != hook.run) {
            let name = run_name(self.service, open.id, hook.run);
            let wanted = JobRequest {
                definition: open.revision_name(release.to)?,
                command: job.command(),
                run: &name,
            };
            self.running = Some(RunningJob {
                run: hook.run,
                task: aws.start_job(cluster, facts, &wanted).await?,
                status: String::new(),
                lines: BTreeSet::new(),
            });
        }
        let Some(running) = &mut self.running else {
            return Ok(None);
        };
        let seen = aws.job(cluster, &running.task, &facts.container).await?;
        let lines = self
            .driver
            .job_lines(self.service, &running.task, open.started_at)
            .await?;
        for (id, text) in &lines {
            if running.lines.insert(id.clone()) {
                let line = format!("{}| {text}", job.name);
                self.driver.say(self.service, &line);
            }
        }
        if seen.status != "STOPPED" {
            if seen.status != running.status {
                let line = format!("job {}: {}", job.name, seen.status.to_lowercase());
                self.driver.say(self.service, &line);
                running.status = seen.status;
            }
            return Ok(None);
        }
        Ok(Some(Event::HookFinished {
            release: release.id,
            run: hook.run,
            exit: match (seen.exit, seen.reason) {
                (Some(code), _) => ProcessExit::Code(code),
                (None, reason) if reason.is_empty() => ProcessExit::Unknown,
                (None, reason) => ProcessExit::NotStarted(reason),
            },
            last_lines: last_lines(&lines),
        }))
    }

    /// Stops the jobs that these actions name.
    pub(super) async fn stop_those_of(
        &mut self,
        actions: &[Action],
        journal: &ReleaseJournal<'_>,
    ) -> Result<(), DriverError> {
        for action in actions {
            let (Action::StopHook { run, .. }, Some(open)) = (action, journal.open_release())
            else {
                continue;
            };
            let cluster = &self.driver.facts.cluster;
            let name = run_name(self.service, open.id, *run);
            if let Some(task) = self.driver.aws.running_job(cluster, &name).await? {
                let why = "the release does not wait for it any more";
                self.driver.aws.stop_job(cluster, &task, why).await?;
            }
        }
        Ok(())
    }
}

/// At most 36 characters, as ECS takes them: service names have at most 32, so they are cut.
fn run_name(service: &str, release: ReleaseId, run: u32) -> String {
    let short: String = service.chars().take(12).collect();
    format!("ng-{short}-{release}-job-{run}")
        .chars()
        .take(36)
        .collect()
}
