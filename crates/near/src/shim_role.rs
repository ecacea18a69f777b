//! What a process under the state directory is for, as whoever starts it says it and its shim writes it down.
//!
//! Invariant: an engine that adopts a process reads its role from the shim's record. Names are read only for records
//! of versions that wrote no role, in [`ShimRole::in_earlier_name`].

use std::fmt;

use neargate_core::ids::{ReleaseId, ServiceName, TaskId};
use serde::{Deserialize, Serialize};

/// Purpose of a process under the state directory. Its text is the name of its directory and of its
/// log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShimRole {
    /// A task of a service.
    Task(TaskId),
    /// A job of a release.
    Job(JobRunId),
    /// A server of a database or cache, by its name under the state directory: `database-main`.
    DataServer(String),
}

/// One run of a job of a release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobRunId {
    /// The service that is released.
    pub service: ServiceName,
    /// Name of the job.
    pub job: String,
    pub release: ReleaseId,
    /// Which run of the release's jobs, from 1.
    pub run: u32,
}

impl fmt::Display for JobRunId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            job,
            release,
            run,
        } = self;
        write!(out, "job.{service}.{job}.{release}.{run}")
    }
}

impl fmt::Display for ShimRole {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(id) => id.fmt(out),
            Self::Job(run) => run.fmt(out),
            Self::DataServer(name) => name.fmt(out),
        }
    }
}

impl ShimRole {
    /// The role of a process whose shim wrote none down: a version before wrote only the name, and a process that did
    /// not start left nothing but its directory. The only place that reads such a name.
    #[must_use]
    pub fn in_earlier_name(name: &str) -> Self {
        if let Some(run) = name.strip_prefix("job.").and_then(job_run) {
            return Self::Job(run);
        }
        let rest = name.rsplit_once("-r").map(|(_, rest)| rest);
        let numbered = rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if numbered && !name.contains('.') {
            Self::Task(name.into())
        } else {
            Self::DataServer(name.to_owned())
        }
    }
}

fn job_run(name: &str) -> Option<JobRunId> {
    let mut parts = name.split('.');
    let (service, job) = (ServiceName::from(parts.next()?), parts.next()?.to_owned());
    Some(JobRunId {
        service,
        job,
        release: parts.next()?.parse().ok()?,
        run: parts.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_earlier_versions_tell_tasks_jobs_and_data_servers_apart() {
        let run = JobRunId {
            service: "api".into(),
            job: "migrate".to_owned(),
            release: ReleaseId(7),
            run: 1,
        };
        assert_eq!(run.to_string(), "job.api.migrate.7.1");
        for (name, role) in [
            ("job.api.migrate.7.1", ShimRole::Job(run)),
            ("api-r3-7", ShimRole::Task("api-r3-7".into())),
            (
                "database-main",
                ShimRole::DataServer("database-main".to_owned()),
            ),
            ("cache-red", ShimRole::DataServer("cache-red".to_owned())),
        ] {
            assert_eq!(ShimRole::in_earlier_name(name), role);
            assert_eq!(role.to_string(), name);
        }
    }

    #[test]
    fn a_role_is_written_with_its_parts() {
        let role = ShimRole::in_earlier_name("job.api.migrate.7.1");
        let text = r#"{"job":{"service":"api","job":"migrate","release":7,"run":1}}"#;
        assert_eq!(serde_json::to_string(&role).expect("it is JSON"), text);
        let task = ShimRole::Task("api-r3-7".into());
        assert_eq!(
            serde_json::to_string(&task).expect("it is JSON"),
            r#"{"task":"api-r3-7"}"#
        );
    }
}
