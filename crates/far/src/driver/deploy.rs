//! `deploy`: from a checked manifest to a revision that serves, or back.
//!
//! The order: record read, preflight, image, secrets that are made, task definition (only when
//! something changed), the record of the release, jobs before it, the move of the service, jobs
//! after it, the outcome checked against ECS's own record. A release that another client left is gone on with first.

use neargate_core::machine::{ReleaseKind, strategy};
use neargate_core::model::Service;

use super::aws::{EcsServiceState, StoredRecord};
use super::definition::{self, ReleasedDefinition, number};
use super::environment::{Driver, ReleaseEnd, ReleaseRequest};
use super::error::DriverError;
use super::record::{RecordedEnd, ReleasePhase};
use super::terraform_outputs::ServiceFacts;
use crate::ecs_strategy::{Mover, NativeDeployment, NativeStrategy, ReleaseStart, mover};

/// How the jobs of one stage ended.
pub(super) enum Jobs {
    Done,
    Failed(RecordedEnd),
}

impl Driver {
    /// Where the image of a release that can begin is to be pushed; `None`: a release is in
    /// progress, and no image is needed to go on with it.
    ///
    /// # Errors
    /// A release could not begin, or there is no repository.
    pub async fn image_wanted(&self, service: &str) -> Result<Option<String>, DriverError> {
        let (spec, _) = self.service(service)?;
        if self.read(service).await?.record.open.is_some() {
            return Ok(None);
        }
        self.preflight(service).await?;
        self.quiet_guards(spec).await?;
        let repository = self.facts.repositories.get(service).cloned();
        repository.map(Some).ok_or_else(|| DriverError::Missing {
            what: format!("there is no repository for images of `{service}`"),
            help: "apply the infrastructure first: neargate infra apply".to_owned(),
        })
    }

    /// Releases what the manifest asks for, or goes on with a release that was left.
    ///
    /// # Errors
    /// It could not begin, or could not be followed. A release that failed is no error: its
    /// outcome says so.
    pub async fn deploy(
        &self,
        service: &str,
        image: Option<&str>,
    ) -> Result<ReleaseEnd, DriverError> {
        match (self.site(service)?, image) {
            (Some((spec, site)), None) => return self.deploy_site(spec, site).await,
            (Some(_), Some(_)) => {
                let words = format!("`{service}` is a static site: it has no image");
                return Err(DriverError::Usage(words));
            }
            (None, _) => {}
        }
        let (spec, facts) = self.service(service)?;
        let mut stored = self.read(service).await?;
        if let Some(open) = &stored.record.open {
            let id = open.id;
            self.take_lease(&mut stored.record)?;
            self.say(
                service,
                &format!("resumes release {id}, whose client is gone"),
            );
            self.write(service, &mut stored).await?;
            return self.drive(service, stored).await;
        }
        let seen = self.service_state(service).await?;
        self.preflight(service).await?;
        let image = definition::image(spec, image)?;
        let told = self.with_values(spec, facts).await?;
        let wanted = ReleasedDefinition::of_service(spec, &told, &self.aws.region, &image);
        let present = self
            .aws
            .definition(&seen.definition, &facts.container)
            .await?;
        let changes = present.as_ref().map(|(_, it)| wanted.changes(it));
        if changes.as_ref().is_some_and(Vec::is_empty) && seen.desired > 0 {
            return Ok(self.nothing_to_release(service, number(&seen.definition)));
        }
        self.quiet_guards(spec).await?;
        for change in changes.unwrap_or_default() {
            self.say(service, &change);
        }
        let to = self.registered(service, facts, &wanted).await?;
        let wish = ReleaseRequest {
            kind: ReleaseKind::Deploy,
            from: if seen.desired == 0 {
                String::new()
            } else {
                seen.definition
            },
            to,
            strategy: strategy::name(&spec.release.strategy).to_owned(),
            drive: ReleasePhase::Prepared,
        };
        self.begin(service, &mut stored, wish).await?;
        self.drive(service, stored).await
    }

    pub(super) async fn service_state(
        &self,
        service: &str,
    ) -> Result<EcsServiceState, DriverError> {
        let (_, facts) = self.service(service)?;
        let seen = self.aws.service(&self.facts.cluster, &facts.name).await?;
        seen.ok_or_else(|| DriverError::Missing {
            what: format!(
                "the cluster {} has no service {}",
                self.facts.cluster, facts.name
            ),
            help: "create it again: neargate infra apply".to_owned(),
        })
    }

    pub(super) fn nothing_to_release(&self, service: &str, revision: u32) -> ReleaseEnd {
        let reason =
            format!("revision {revision} is what the manifest asks for: nothing to release");
        self.say(service, &reason);
        ReleaseEnd {
            outcome: "done".to_owned(),
            reason,
            evidence: Vec::new(),
            service: service.to_owned(),
            release: 0,
            revision,
        }
    }

    /// The newest task definition when it is the one wanted already (a release of it failed, or
    /// never began), otherwise a new one.
    async fn registered(
        &self,
        service: &str,
        facts: &ServiceFacts,
        wanted: &ReleasedDefinition,
    ) -> Result<String, DriverError> {
        let newest = self.aws.definition(&facts.family, &facts.container).await?;
        if let Some((arn, _)) = newest.filter(|(_, it)| wanted.changes(it).is_empty()) {
            self.say(
                service,
                &format!("revision {} is registered already", number(&arn)),
            );
            return Ok(arn);
        }
        let tags = [
            ("neargate:app".to_owned(), self.manifest.app.clone()),
            ("neargate:env".to_owned(), self.manifest.env.clone()),
            ("neargate:service".to_owned(), service.to_owned()),
            ("neargate:by".to_owned(), self.asker.user.clone()),
            (
                "neargate:git".to_owned(),
                self.asker.git.clone().unwrap_or_else(|| "none".to_owned()),
            ),
        ];
        let arn = self.aws.register(wanted, &tags).await?;
        self.say(service, &format!("revision {} is registered", number(&arn)));
        Ok(arn)
    }

    /// Drives the open release to its end, from wherever it is.
    pub(super) async fn drive(
        &self,
        service: &str,
        mut stored: StoredRecord,
    ) -> Result<ReleaseEnd, DriverError> {
        let (spec, _) = self.service(service)?;
        let Some(open) = stored.record.open.clone() else {
            return Err(DriverError::Failed(
                "the release has ended already".to_owned(),
            ));
        };
        if open.drive == ReleasePhase::Prepared {
            let jobs = self
                .jobs(service, &mut stored, &spec.release.before, "before")
                .await?;
            if let Jobs::Failed(end) = jobs {
                return self.close(service, &mut stored, &end).await;
            }
            let next = self.first_move(service, &stored).await?;
            self.change(service, &mut stored, |record| {
                if let Some(open) = &mut record.open {
                    open.drive = next.clone();
                    open.jobs_done = 0;
                }
            })
            .await?;
        }
        let drive = stored.record.open.as_ref().map(|open| &open.drive);
        let end = match drive {
            Some(ReleasePhase::Native { .. } | ReleasePhase::Back { .. }) => {
                self.drive_native(service, &mut stored).await?
            }
            _ => self.follow_weights(service, &mut stored).await?,
        };
        self.close(service, &mut stored, &end).await
    }

    /// Runs the jobs of a stage, one after another; those that succeeded are remembered.
    pub(super) async fn jobs(
        &self,
        service: &str,
        stored: &mut StoredRecord,
        names: &[String],
        stage: &str,
    ) -> Result<Jobs, DriverError> {
        let Some(open) = stored.record.open.clone() else {
            return Ok(Jobs::Done);
        };
        if open.kind == ReleaseKind::Rollback {
            return Ok(Jobs::Done);
        }
        for (at, name) in names.iter().enumerate().skip(open.jobs_done as usize) {
            let Some(job) = self.manifest.jobs.get(name) else {
                return Err(DriverError::Usage(format!(
                    "the manifest has no job `{name}`"
                )));
            };
            self.say(
                service,
                &format!("runs job {name} in revision {}", number(&open.to)),
            );
            let run = run_name(service, open.id, stage, at);
            let end = self.run_to_end(service, &open.to, job, &run).await?;
            if end.exit != Some(0) {
                return Ok(Jobs::Failed(job_failed(name, stage, &end)));
            }
            self.change(service, stored, |record| {
                record.add_event(super::environment::now(), &format!("job {name} succeeded"));
                if let Some(open) = &mut record.open {
                    open.jobs_done = u32::try_from(at + 1).unwrap_or(u32::MAX);
                }
            })
            .await?;
        }
        Ok(Jobs::Done)
    }

    /// Who moves the service, and what that needs to be remembered.
    async fn first_move(
        &self,
        service: &str,
        stored: &StoredRecord,
    ) -> Result<ReleasePhase, DriverError> {
        let (spec, facts) = self.service(service)?;
        let Some(open) = &stored.record.open else {
            return Err(DriverError::Failed(
                "the release has ended already".to_owned(),
            ));
        };
        match self.mover(spec, facts, &open.from, open.kind) {
            Mover::Native(native) => {
                let word = native.strategy.word();
                self.say(service, &format!("ECS moves the service ({word})"));
                let before = self
                    .aws
                    .newest_deployment(&self.facts.cluster, &facts.name)
                    .await?;
                Ok(ReleasePhase::Native {
                    before: before.unwrap_or_default(),
                    deployment: String::new(),
                })
            }
            Mover::Weights { why } => {
                self.say(
                    service,
                    &format!("neargate moves the listener's weights: {why}"),
                );
                self.seeded(service, open).await
            }
        }
    }

    /// A rollback rolls: it goes to what ran before, at once. So does what has no listener rule.
    pub(super) fn mover(
        &self,
        spec: &Service,
        facts: &ServiceFacts,
        from: &str,
        kind: ReleaseKind,
    ) -> Mover {
        let begin = match kind {
            ReleaseKind::Deploy if !from.is_empty() => ReleaseStart::Rules(facts.rules.len()),
            _ => ReleaseStart::First,
        };
        mover(&spec.release, begin)
    }

    /// The settings of a release by ECS.
    pub(super) fn native(
        &self,
        spec: &Service,
        facts: &ServiceFacts,
        from: &str,
        kind: ReleaseKind,
    ) -> NativeDeployment {
        match self.mover(spec, facts, from, kind) {
            Mover::Native(native) => native,
            // The manifest was changed while the release went on: it ends as it began, by ECS.
            Mover::Weights { .. } => NativeDeployment {
                strategy: NativeStrategy::Rolling,
                minimum: 100,
                maximum: 200,
                breaker: spec.release.breaker,
            },
        }
    }
}

/// At most 36 characters, as ECS takes them: service names have at most 32, so they are cut.
pub(super) fn run_name(service: &str, release: u64, stage: &str, at: usize) -> String {
    let short: String = service.chars().take(12).collect();
    format!("ng-{short}-{release}-{stage}-{at}")
        .chars()
        .take(36)
        .collect()
}

fn job_failed(name: &str, stage: &str, end: &super::jobs::JobEnd) -> RecordedEnd {
    let when = if stage == "before" {
        " before any new task was started"
    } else {
        ""
    };
    RecordedEnd {
        outcome: "failed",
        reason: format!("job `{name}` failed{when}: {}", end.describe()),
        evidence: end.last_lines.clone(),
    }
}
