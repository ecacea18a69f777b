//! Jobs that the clock starts.
//!
//! Invariant: each names a service of the stack. Jobs of releases are the driver's and not here.

use neargate_core::model::Manifest;
use serde::{Deserialize, Serialize};

use super::EcsService;

/// A job on a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledJob {
    /// Its name in the manifest.
    pub name: String,
    /// In whose revision, size and environment it runs.
    pub service: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// `rate(5 minutes)` or `cron(…)` with six fields, UTC.
    pub schedule: String,
}

pub(super) fn jobs(
    manifest: &Manifest,
    services: &[EcsService],
    left_out: &mut Vec<String>,
) -> Vec<ScheduledJob> {
    let mut all = Vec::new();
    for job in manifest.jobs.values() {
        let Some(schedule) = &job.schedule else {
            continue;
        };
        if !services.iter().any(|service| service.name == job.service) {
            left_out.push(format!("job.{}: its service has no tasks", job.name));
            continue;
        }
        all.push(ScheduledJob {
            name: job.name.clone(),
            service: job.service.clone(),
            command: job.command().to_vec(),
            schedule: schedule.clone(),
        });
    }
    all
}
