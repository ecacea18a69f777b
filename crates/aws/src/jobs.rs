//! Jobs of a release: run as ECS tasks, their logs told, their exit codes judged.
//!
//! Invariant: a job has a name of its own in its release, under which ECS starts it once: a
//! client that goes on after another finds the task instead of starting a second.

use std::collections::BTreeSet;

use neargate_core::model::Job;
use neargate_core::time::Timestamp;

use super::api::{JobRequest, JobTask};
use super::environment::{Driver, now};
use super::error::DriverError;

/// Lines of a job's log that are kept as evidence.
const LAST_LINES: usize = 20;
/// How far back CloudWatch's clock may be from this machine's.
const CLOCKS: u64 = 60_000;

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobEnd {
    /// Exit code; `None`: it has none, `reason` says why.
    pub exit: Option<i32>,
    /// ECS's reasons for the stop of task and container; empty: it gave none.
    pub reason: String,
    /// Its last log lines.
    pub last_lines: Vec<String>,
}

impl JobEnd {
    /// In words: `exit code 1`, or why there is none.
    #[must_use]
    pub(super) fn describe(&self) -> String {
        match self.exit {
            Some(code) => format!("exit code {code}"),
            None if self.reason.is_empty() => "it ended without an exit code".to_owned(),
            None => self.reason.clone(),
        }
    }
}

impl Driver {
    /// Runs a command as a one-off task of a service, to its end; its log lines are told.
    ///
    /// # Errors
    /// It could not be started or watched.
    pub(super) async fn run_to_end(
        &self,
        service: &str,
        definition: &str,
        job: &Job,
        run: &str,
    ) -> Result<JobEnd, DriverError> {
        let (_, facts) = self.service(service)?;
        let wanted = JobRequest {
            definition,
            command: job.command(),
            run,
        };
        let since = now();
        let task = self
            .aws
            .start_job(&self.facts.cluster, facts, &wanted)
            .await?;
        let deadline = now().after(job.timeout);
        let mut told = BTreeSet::new();
        let mut last = String::new();
        loop {
            let cluster = &self.facts.cluster;
            let seen = self.aws.job(cluster, &task, &facts.container).await?;
            let lines = self.job_lines(service, &task, since).await?;
            for (id, text) in &lines {
                if told.insert(id.clone()) {
                    self.say(service, &format!("{}| {text}", job.name));
                }
            }
            if seen.status == "STOPPED" {
                return Ok(end(seen, &lines));
            }
            if now() > deadline {
                let why = "it took longer than its timeout";
                self.aws.stop_job(cluster, &task, why).await?;
                return Ok(JobEnd {
                    exit: None,
                    reason: why.to_owned(),
                    last_lines: last_lines(&lines),
                });
            }
            if seen.status != last {
                self.say(
                    service,
                    &format!("job {}: {}", job.name, seen.status.to_lowercase()),
                );
                last = seen.status;
            }
            self.wait().await;
        }
    }

    /// Lines of a job: CloudWatch's id and the text.
    pub(super) async fn job_lines(
        &self,
        service: &str,
        task: &str,
        since: Timestamp,
    ) -> Result<Vec<(String, String)>, DriverError> {
        let (_, facts) = self.service(service)?;
        let since = Timestamp(since.0.saturating_sub(CLOCKS));
        // ECS names the stream prefix/container/task (ECS developer guide, awslogs).
        let id = task.rsplit('/').next().unwrap_or_default();
        let stream = format!("{}/{}/{id}", facts.family, facts.container);
        let lines = self
            .aws
            .log_lines(&facts.log_group, Some(&stream), since)
            .await?;
        // The prefix of a stream's name is asked for; another stream's lines are no evidence.
        let own = lines.into_iter().filter(|line| line.stream == stream);
        Ok(own.map(|line| (line.id, line.text)).collect())
    }
}

fn end(seen: JobTask, lines: &[(String, String)]) -> JobEnd {
    JobEnd {
        exit: seen.exit,
        reason: seen.reason,
        last_lines: last_lines(lines),
    }
}

/// The newest lines, without their ids.
pub(super) fn last_lines(lines: &[(String, String)]) -> Vec<String> {
    let from = lines.len().saturating_sub(LAST_LINES);
    lines[from..].iter().map(|(_, text)| text.clone()).collect()
}
