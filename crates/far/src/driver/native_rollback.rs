//! The end of a release that ECS moved, and the way back when a job after it fails.
//!
//! Invariant: going back is in the record before ECS is told, so a client that goes on neither
//! runs the jobs again nor tells ECS twice. `on-rollback` jobs run in the new revision, as near,
//! after any way back but one that somebody asked for: that goes to what ran before, at once.

use neargate_core::machine::ReleaseKind;
use neargate_core::model::Service;

use super::aws::{ReleaseWanted, StoredRecord};
use super::definition::number;
use super::deploy::Jobs;
use super::environment::Driver;
use super::error::DriverError;
use super::record::{OpenRelease, RecordedEnd, ReleasePhase};

impl Driver {
    /// Follows a release by ECS, or its way back, from wherever it is.
    pub(super) async fn drive_native(
        &self,
        service: &str,
        stored: &mut StoredRecord,
    ) -> Result<RecordedEnd, DriverError> {
        let spec = self.spec(service)?;
        let drive = stored.record.open.as_ref().map(|open| &open.drive);
        let end = match drive {
            Some(ReleasePhase::Back { .. }) => self.go_back(service, stored).await?,
            _ => {
                let end = self.follow_native(service, stored).await?;
                match end.outcome {
                    "done" => self.finish_native(service, spec, stored, end).await?,
                    _ => end,
                }
            }
        };
        if end.outcome != "rolled-back" {
            return Ok(end);
        }
        let jobs = &spec.release.on_rollback;
        match self.jobs(service, stored, jobs, "back").await? {
            Jobs::Done => Ok(end),
            // A rollback that has begun is not replaced by another.
            Jobs::Failed(failed) => Ok(RecordedEnd {
                reason: format!("{}; {}", end.reason, failed.reason),
                evidence: [end.evidence, failed.evidence].concat(),
                ..end
            }),
        }
    }

    /// The outcome is checked against ECS's own record; then come the jobs after the release.
    async fn finish_native(
        &self,
        service: &str,
        spec: &Service,
        stored: &mut StoredRecord,
        end: RecordedEnd,
    ) -> Result<RecordedEnd, DriverError> {
        let wanted = stored.record.open.as_ref().map(|open| open.to.clone());
        let wanted = wanted.unwrap_or_default();
        let seen = self.service_state(service).await?;
        if number(&seen.definition) != number(&wanted) {
            return Ok(RecordedEnd {
                outcome: "failed",
                reason: format!(
                    "ECS says that the deployment succeeded, but revision {} serves",
                    number(&seen.definition)
                ),
                evidence: vec![seen.said],
            });
        }
        match self
            .jobs(service, stored, &spec.release.after, "after")
            .await?
        {
            Jobs::Done => Ok(end),
            Jobs::Failed(failed) => self.take_back(service, stored, failed).await,
        }
    }

    /// Goes back to the former task definition; from a first release there is no way back.
    async fn take_back(
        &self,
        service: &str,
        stored: &mut StoredRecord,
        failed: RecordedEnd,
    ) -> Result<RecordedEnd, DriverError> {
        let open = stored.record.open.clone();
        let Some(open) = open.filter(|open| !open.from.is_empty()) else {
            let reason = format!("{}; no revision served before this one", failed.reason);
            return Ok(RecordedEnd { reason, ..failed });
        };
        let words = format!(
            "{}: rolls back to revision {}",
            failed.reason,
            number(&open.from)
        );
        self.say(service, &words);
        let (_, facts) = self.service(service)?;
        let cluster = &self.facts.cluster;
        let before = self.aws.newest_deployment(cluster, &facts.name).await?;
        let back = ReleasePhase::Back {
            before: before.unwrap_or_default(),
            deployment: String::new(),
            reason: failed.reason,
            evidence: failed.evidence,
        };
        self.change(service, stored, |record| {
            record.add_event(super::environment::now(), &words);
            if let Some(open) = &mut record.open {
                open.drive = back.clone();
                open.jobs_done = 0;
            }
        })
        .await?;
        self.go_back(service, stored).await
    }

    async fn go_back(
        &self,
        service: &str,
        stored: &mut StoredRecord,
    ) -> Result<RecordedEnd, DriverError> {
        let Some(open) = stored.record.open.clone() else {
            return Err(DriverError::Failed(
                "the release has ended already".to_owned(),
            ));
        };
        let ReleasePhase::Back {
            before,
            deployment,
            reason,
            evidence,
        } = &open.drive
        else {
            return Err(DriverError::Failed(
                "the release is not rolling back".to_owned(),
            ));
        };
        let mut arn = deployment.clone();
        if arn.is_empty() {
            arn = self.start_back(service, &open, before).await?;
            self.change(service, stored, |record| {
                let drive = record.open.as_mut().map(|open| &mut open.drive);
                if let Some(ReleasePhase::Back { deployment, .. }) = drive {
                    deployment.clone_from(&arn);
                }
            })
            .await?;
        }
        let (from, to) = (number(&open.from), number(&open.to));
        let end = self.watch_native(service, stored, (from, to), &arn).await?;
        Ok(match end.outcome {
            "done" => RecordedEnd {
                outcome: "rolled-back",
                reason: format!("{reason}; revision {from} serves again"),
                evidence: evidence.clone(),
            },
            _ => RecordedEnd {
                outcome: "failed",
                reason: format!("{reason}; and the rollback failed: {}", end.reason),
                evidence: [evidence.clone(), end.evidence].concat(),
            },
        })
    }

    async fn start_back(
        &self,
        service: &str,
        open: &OpenRelease,
        before: &str,
    ) -> Result<String, DriverError> {
        let (spec, facts) = self.service(service)?;
        let native = self.native(spec, facts, &open.from, ReleaseKind::Rollback);
        let wanted = ReleaseWanted {
            definition: &open.from,
            tasks: None,
            native: &native,
            group: None,
            port: spec.port,
        };
        self.start_deployment(service, &wanted, before).await
    }
}
