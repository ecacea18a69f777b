//! Ids of processes: what an id says of its service, and the ids of jobs.

/// `api-r3-7` is a task of `api`; a job's id begins with `job.`.
pub(super) fn service_of(task: &str) -> &str {
    task.rsplit_once("-r").map_or(task, |(service, _)| service)
}

pub(super) fn is_task(id: &str) -> bool {
    !id.contains('.')
        && id
            .rsplit_once("-r")
            .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// `job.api.migrate.7.1` ran for `api`.
pub(super) fn service_of_job(id: &str) -> &str {
    id.split('.').nth(1).unwrap_or(id)
}

/// Id of a job's process: `job.api.migrate.7.1` is the first job of release 7.
pub(super) fn hook_id(service: &str, job: &str, release: u64, run: u32) -> String {
    format!("job.{service}.{job}.{release}.{run}")
}

pub(super) fn job_of(id: &str) -> &str {
    id.split('.').nth(2).unwrap_or_default()
}
