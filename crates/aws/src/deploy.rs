//! `deploy`: from a checked manifest to a release that has begun, which is then driven to its end.
//!
//! The order: record read, preflight, image, secrets that are made, task definition (only when something
//! changed), the record of the release. A release that another client left is gone on with instead.

use neargate_core::ids::RevisionNumber;
use neargate_core::machine::{Capacity, DeploymentCapacity, ObservedServices, ReleaseKind};
use neargate_core::model::Service;
use neargate_core::release_report::ReleaseResult;

use super::api::{EcsServiceState, StoredRecord};
use super::definition::{self, ReleasedDefinition, number};
use super::environment::Driver;
use super::error::DriverError;
use super::release_start::ReleaseRequest;
use super::terraform_outputs::ServiceFacts;
use neargate_far::ecs_strategy::{Mover, NativeDeployment, NativeStrategy, ReleaseStart, mover};

/// A release that can begin, or go on: what it needs was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedRelease {
    service: String,
    need: ImageNeed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ImageNeed {
    /// A static site has none, and a release in progress has its own.
    None,
    /// One in this repository; `None`: the infrastructure has none.
    In(Option<String>),
}

impl PreparedRelease {
    /// Where an image that is built for it is to be pushed; `None`: it needs no image.
    ///
    /// # Errors
    /// The infrastructure has no repository.
    pub fn repository(&self) -> Result<Option<&str>, DriverError> {
        match &self.need {
            ImageNeed::None => Ok(None),
            ImageNeed::In(Some(repository)) => Ok(Some(repository)),
            ImageNeed::In(None) => Err(DriverError::Missing {
                what: format!("there is no repository for images of `{}`", self.service),
                help: "apply the infrastructure first: neargate infra apply".to_owned(),
            }),
        }
    }
}

impl Driver {
    /// Looks at everything that a release of a service needs, before an image is built for it.
    ///
    /// # Errors
    /// It could not begin.
    pub async fn prepare(&self, service: &str) -> Result<PreparedRelease, DriverError> {
        let spec = self.spec(service)?;
        let prepared = |need| PreparedRelease {
            service: service.to_owned(),
            need,
        };
        if self.is_site(service)? {
            return Ok(prepared(ImageNeed::None));
        }
        self.service(service)?;
        if self.read(service).await?.record.open.is_some() {
            return Ok(prepared(ImageNeed::None));
        }
        self.preflight(service).await?;
        // The machine judges them again when the release begins: a build takes minutes.
        self.quiet_guards(spec).await?;
        let repository = self.facts.repositories.get(service).cloned();
        Ok(prepared(ImageNeed::In(repository)))
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
    ) -> Result<ReleaseResult, DriverError> {
        let prepared = self.prepare(service).await?;
        self.release(&prepared, image).await
    }

    /// Releases an image, or a site's files; or goes on with a release that was left.
    ///
    /// # Errors
    /// It could not begin, or could not be followed.
    pub async fn release(
        &self,
        prepared: &PreparedRelease,
        image: Option<&str>,
    ) -> Result<ReleaseResult, DriverError> {
        let service = prepared.service.as_str();
        let mut stored = self.read(service).await?;
        if let Some(open) = &stored.record.open {
            let words = format!("resumes release {}, whose client is gone", open.id);
            self.take_lease(&mut stored.record)?;
            self.say(service, &words);
            self.write(service, &mut stored).await?;
            return self.drive(service, stored, None).await;
        }
        match (self.site(service)?, image) {
            (Some((spec, site)), None) => self.release_site(spec, site, stored).await,
            (Some(_), Some(_)) => {
                let words = format!("`{service}` is a static site: it has no image");
                Err(DriverError::Usage(words))
            }
            (None, image) => self.release_image(service, image, stored).await,
        }
    }

    async fn release_image(
        &self,
        service: &str,
        image: Option<&str>,
        mut stored: StoredRecord,
    ) -> Result<ReleaseResult, DriverError> {
        let (spec, facts) = self.service(service)?;
        let seen = self.service_state(service).await?;
        let image = definition::image(spec, image)?;
        let given = self.with_values(spec, facts).await?;
        let wanted = ReleasedDefinition::of_service(spec, &given, &self.aws.region, &image);
        let present = self
            .aws
            .definition(&seen.definition, &facts.container)
            .await?;
        let changes = present.as_ref().map(|(_, it)| wanted.changes(it));
        if changes.as_ref().is_some_and(Vec::is_empty) && seen.desired > 0 {
            return Ok(self.nothing_to_release(service, number(&seen.definition)));
        }
        for change in changes.unwrap_or_default() {
            self.say(service, &change);
        }
        let to = self.registered(service, facts, &wanted).await?;
        let from = match seen.desired {
            0 => String::new(),
            _ => seen.definition,
        };
        let request = ReleaseRequest {
            kind: ReleaseKind::Deploy,
            strategy: (&spec.release.strategy).into(),
            capacity: self.capacity(service, &from, ReleaseKind::Deploy).await?,
            desired: seen.desired.max(1),
            from,
            to,
        };
        self.begin(service, &mut stored, request).await?;
        self.drive(service, stored, None).await
    }

    /// The capacity of a release that begins now: the mover of its revisions, as it is.
    pub(super) async fn capacity(
        &self,
        service: &str,
        from: &str,
        kind: ReleaseKind,
    ) -> Result<Capacity, DriverError> {
        let (spec, facts) = self.service(service)?;
        match self.mover(spec, facts, from, kind) {
            Mover::Native(native) => {
                let word = native.strategy.word();
                self.say(service, &format!("ECS moves the service ({word})"));
                let newest = self.aws.newest_deployment(&self.facts.cluster, &facts.name);
                Ok(Capacity::Deployment(DeploymentCapacity {
                    newest: newest.await?.unwrap_or_default(),
                    requested: None,
                }))
            }
            Mover::Weights { why } => {
                let words = format!("neargate moves the listener's weights: {why}");
                self.say(service, &words);
                let (services, _) = self.services_seen(service).await?;
                Ok(Capacity::Services(ObservedServices {
                    services,
                    in_stage: false,
                }))
            }
        }
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

    pub(super) fn nothing_to_release(
        &self,
        service: &str,
        revision: RevisionNumber,
    ) -> ReleaseResult {
        let result = ReleaseResult::nothing_to_release(service, revision);
        self.say(service, &result.reason);
        result
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

    /// A rollback rolls: it goes to what ran before, at once. So does what has no listener rule.
    fn mover(&self, spec: &Service, facts: &ServiceFacts, from: &str, kind: ReleaseKind) -> Mover {
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
