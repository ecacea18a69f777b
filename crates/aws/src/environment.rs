//! One command on one environment: its clients, its facts, its record.
//!
//! Invariant: the record is written before what it says is done, and only by the holder of the
//! lease. When somebody else wrote it meanwhile (a person who aborts), it is read again.

use std::time::Duration;

use neargate_core::model::{DeploymentTarget, Manifest, Service, Workload};
use neargate_core::time::Timestamp;

use super::api::{AwsClients, Endpoint, StoredRecord};
use super::error::DriverError;
use super::record::{EnvironmentRecord, LeaseHold, key};
use super::terraform_outputs::{ServiceFacts, TerraformOutputs};

/// The person and client that ask, and how often AWS is asked.
#[derive(Debug, Clone)]
pub struct ReleaseOperator {
    /// Login name on this machine.
    pub user: String,
    /// This client and no other: user, machine, process.
    pub holder: String,
    /// Git revision of the manifest's folder.
    pub git: Option<String>,
    /// `--set` as written.
    pub overrides: Vec<String>,
    /// The manifest's folder: files of static sites are below it.
    pub folder: std::path::PathBuf,
    /// Between two looks at AWS.
    pub pace: Duration,
    /// How long this client is taken to be alive after its last write.
    pub lease: Duration,
}

/// Between two looks at AWS, unless a test is in a hurry.
pub const PACE: Duration = Duration::from_secs(5);

/// Receiver of progress while something goes on: the service, and a line.
pub type ProgressSink = Box<dyn Fn(&str, &str)>;

/// The driver of one environment.
pub struct Driver {
    pub(super) aws: AwsClients,
    pub(super) facts: TerraformOutputs,
    pub(super) manifest: Manifest,
    pub(super) asker: ReleaseOperator,
    tell: ProgressSink,
}

/// Whether a write took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteOutcome {
    /// The record was written.
    Yes,
    /// Somebody wrote before; the record was read again and what was decided is forgotten.
    ReadAgain,
}

impl Driver {
    /// Finds the environment.
    ///
    /// # Errors
    /// It is not on AWS, the credentials are no good, or the infrastructure is not there.
    pub async fn open(
        manifest: Manifest,
        endpoint: &Endpoint,
        asker: ReleaseOperator,
        tell: ProgressSink,
    ) -> Result<Self, DriverError> {
        let DeploymentTarget::Aws { region } = &manifest.target else {
            return Err(DriverError::Usage(format!(
                "environment `{}` is not on AWS",
                manifest.env
            )));
        };
        let aws = AwsClients::connect(region, endpoint).await;
        let facts = aws.facts(&manifest.app, &manifest.env).await?;
        Ok(Self {
            aws,
            facts,
            manifest,
            asker,
            tell,
        })
    }

    /// The manifest that the environment is to have.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Terraform's outputs, as they were read.
    #[must_use]
    pub fn facts(&self) -> &TerraformOutputs {
        &self.facts
    }

    /// Where it is.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.aws.region
    }

    /// Services of the manifest that are on ECS.
    #[must_use]
    pub fn service_names(&self) -> Vec<String> {
        self.names(|name, _| self.facts.services.contains_key(name))
    }

    /// Names of all that has releases: services on ECS, and the static site.
    #[must_use]
    pub fn released_names(&self) -> Vec<String> {
        let site = self.facts.static_bucket.is_some();
        self.names(|name, service| match service.runs {
            Workload::Static(_) => site,
            _ => self.facts.services.contains_key(name),
        })
    }

    fn names(&self, wanted: impl Fn(&str, &Service) -> bool) -> Vec<String> {
        let all = self.manifest.services.iter();
        all.filter(|(name, service)| wanted(name, service))
            .map(|(name, _)| name.clone())
            .collect()
    }

    pub(super) fn say(&self, service: &str, text: &str) {
        (self.tell)(service, text);
    }

    pub(super) fn spec(&self, name: &str) -> Result<&Service, DriverError> {
        self.manifest.services.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.manifest.services.keys().map(String::as_str).collect();
            DriverError::Usage(format!(
                "the manifest has no service `{name}`; it has {}",
                names.join(", ")
            ))
        })
    }

    pub(super) fn service(&self, name: &str) -> Result<(&Service, &ServiceFacts), DriverError> {
        Ok((self.spec(name)?, self.facts.service(name)?))
    }

    pub(super) fn take_lease(&self, record: &mut EnvironmentRecord) -> Result<(), DriverError> {
        record.take_lease(&self.asker.holder, now(), self.asker.lease)
    }

    pub(super) fn lease_is_old(&self, record: &EnvironmentRecord) -> bool {
        record.lease_is_old(now(), self.asker.lease)
    }

    fn key(&self, service: &str) -> String {
        key(&self.manifest.app, &self.manifest.env, service)
    }

    pub(super) async fn read(&self, service: &str) -> Result<StoredRecord, DriverError> {
        let bucket = &self.facts.state_bucket;
        self.aws.read_record(bucket, &self.key(service)).await
    }

    /// Writes the record, with the lease renewed.
    pub(super) async fn write(
        &self,
        service: &str,
        stored: &mut StoredRecord,
    ) -> Result<WriteOutcome, DriverError> {
        self.write_record(service, stored, LeaseHold::Driver).await
    }

    /// Writes the record; who drives renews the lease with it.
    pub(super) async fn write_record(
        &self,
        service: &str,
        stored: &mut StoredRecord,
        hold: LeaseHold,
    ) -> Result<WriteOutcome, DriverError> {
        let bucket = &self.facts.state_bucket;
        if hold == LeaseHold::Driver {
            self.take_lease(&mut stored.record)?;
        }
        let conflict = match self
            .aws
            .write_record(bucket, &self.key(service), stored)
            .await
        {
            Ok(()) => return Ok(WriteOutcome::Yes),
            Err(conflict @ DriverError::Refused { .. }) => conflict,
            Err(other) => return Err(other),
        };
        let fresh = self.read(service).await?;
        let lease = fresh.record.lease.as_ref();
        let own = lease.is_some_and(|lease| lease.holder == self.asker.holder);
        if own || hold == LeaseHold::Bystander {
            *stored = fresh;
            return Ok(WriteOutcome::ReadAgain);
        }
        Err(conflict)
    }

    pub(super) async fn wait(&self) {
        tokio::time::sleep(self.asker.pace).await;
    }
}

/// The clock of this machine.
#[must_use]
pub fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
