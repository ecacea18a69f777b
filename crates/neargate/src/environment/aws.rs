//! An environment on AWS: the release driver is asked, and AWS by it. Output and exit codes are near's.

mod account;
mod logs;
mod releases;
mod secrets;
mod sessions;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use neargate_aws::api::Endpoint;
use neargate_aws::environment::{Driver, PACE, ReleaseOperator};
use neargate_aws::error::DriverError;
use neargate_aws::figures::LONGEST;
use neargate_aws::record::LEASE;
use neargate_core::machine::ReleaseControl;
use neargate_core::metrics::report::MetricsReport;
use neargate_core::model::{Manifest, Workload};
use neargate_core::preflight_finding::PreflightFinding;
use neargate_core::release_report::ReleaseRecord;
use neargate_core::secret::SecretValue;
use neargate_core::status::Status;
use neargate_near::api::wire::{Accepted, AlarmRecord, ControlWord, Problem};
use tokio::sync::OnceCell;

use super::{
    AlarmList, ControlAnswer, Environment, ListedSecret, LogSource, ReleaseEnd, SecretWritten,
};
use crate::arguments::{DeployArguments, GlobalFlags, LogsArguments, RollbackArguments};
use crate::failure::{self, Failure};
use crate::{output, project};

/// An environment on AWS.
pub(super) struct AwsEnvironment {
    flags: GlobalFlags,
    manifest: Manifest,
    /// Opened by the first call that needs AWS.
    driver: OnceCell<Rc<Driver>>,
}

impl From<DriverError> for Failure {
    fn from(error: DriverError) -> Self {
        Self::Engine(Problem {
            help: error.help(),
            ..Problem::new(error.exit(), error.to_string())
        })
    }
}

impl AwsEnvironment {
    /// The environment of a manifest whose target is aws.
    pub(super) fn new(flags: &GlobalFlags, manifest: Manifest) -> Self {
        Self {
            flags: flags.clone(),
            manifest,
            driver: OnceCell::new(),
        }
    }

    async fn driver(&self) -> Result<&Rc<Driver>, Failure> {
        self.driver.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<Rc<Driver>, Failure> {
        let cause = project::cause_of(&self.flags);
        let machine = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let operator = ReleaseOperator {
            holder: format!("{}@{machine} ({})", cause.user, std::process::id()),
            user: cause.user,
            git: cause.git,
            overrides: self.flags.overrides.clone(),
            folder: project::folder_of(&self.flags),
            pace: PACE,
            lease: LEASE,
        };
        let tell = Box::new(output::progress);
        let manifest = self.manifest.clone();
        Ok(Rc::new(
            Driver::open(manifest, &Endpoint::default(), operator, tell).await?,
        ))
    }
}

/// No release began if the call failed before one did, or if its client cannot tell.
fn begun(end: Result<ReleaseEnd, Failure>) -> Result<ReleaseEnd, Failure> {
    Ok(end.unwrap_or_else(ReleaseEnd::NotBegun))
}

#[async_trait(?Send)]
impl Environment for AwsEnvironment {
    async fn status(&self) -> Result<Status, Failure> {
        Ok(self.driver().await?.status().await?)
    }

    fn status_pace(&self) -> Duration {
        PACE
    }

    async fn releases(&self, service: Option<&str>) -> Result<Vec<ReleaseRecord>, Failure> {
        let driver = self.driver().await?;
        let names = match service {
            Some(service) => vec![service.to_owned()],
            None => driver.released_names(),
        };
        let mut all = Vec::new();
        for name in &names {
            all.extend(driver.releases(name).await?);
        }
        Ok(all)
    }

    async fn alarms(&self) -> Result<AlarmList, Failure> {
        let mut list = AlarmList {
            alarms: Vec::new(),
            unwatched: Vec::new(),
        };
        for (name, standing) in self.driver().await?.alarms().await? {
            match standing {
                Some(standing) => list.alarms.push(AlarmRecord { name, standing }),
                None => list
                    .unwatched
                    .push(format!("CloudWatch has no alarm of `{name}`")),
            }
        }
        Ok(list)
    }

    fn metrics_retention(&self) -> Duration {
        LONGEST
    }

    async fn metrics(
        &self,
        service: Option<&str>,
        period: Duration,
    ) -> Result<MetricsReport, Failure> {
        Ok(self.driver().await?.figures(service, period).await?)
    }

    async fn logs(&self, options: &LogsArguments) -> Result<Box<dyn LogSource>, Failure> {
        let driver = Rc::clone(self.driver().await?);
        Ok(Box::new(logs::LogEvents::open(driver, options).await?))
    }

    async fn deploy(&self, options: &DeployArguments) -> Result<ReleaseEnd, Failure> {
        begun(
            async {
                releases::require_deploy_options(options)?;
                releases::deploy(self.driver().await?, &self.flags, options).await
            }
            .await,
        )
    }

    async fn rollback(&self, options: &RollbackArguments) -> Result<ReleaseEnd, Failure> {
        begun(
            async {
                releases::require_attached(options.detach)?;
                releases::rollback(self.driver().await?, &self.flags, options).await
            }
            .await,
        )
    }

    async fn control(&self, service: &str, word: ControlWord) -> Result<ControlAnswer, Failure> {
        let driver = self.driver().await?;
        let control = match word {
            ControlWord::Promote => ReleaseControl::Promote,
            ControlWord::PromoteFully => ReleaseControl::PromoteFully,
            ControlWord::Pause => ReleaseControl::Pause,
            ControlWord::Resume => ReleaseControl::Resume,
            ControlWord::Abort => {
                return Ok(ControlAnswer::Ended(driver.abort_release(service).await?));
            }
        };
        driver.steer(service, control).await?;
        let recorded = match word {
            ControlWord::Pause => "the pause is recorded",
            ControlWord::Resume => "the end of the pause is recorded",
            _ => "the promotion is recorded",
        };
        Ok(ControlAnswer::Accepted(
            Accepted::default(),
            format!("{recorded}; the client that drives the release acts on it"),
        ))
    }

    async fn require_scalable(&self, service: &str) -> Result<(), Failure> {
        let services = &self.manifest.services;
        match services.get(service).map(|found| &found.runs) {
            Some(Workload::Static(_)) => Err(Failure::Usage(format!(
                "`{service}` is a static site: it has no tasks to scale"
            ))),
            Some(_) => Ok(()),
            None => Err(failure::not_in_manifest(
                "service",
                service,
                services.keys(),
            )),
        }
    }

    async fn scale(&self, service: &str, tasks: u32) -> Result<Accepted, Failure> {
        let note = self.driver().await?.scale(service, tasks).await?;
        Ok(Accepted {
            notes: note.into_iter().collect(),
            ..Accepted::default()
        })
    }

    async fn run_command(&self, service: &str, command: &[String]) -> Result<ExitCode, Failure> {
        let code = self.driver().await?.run(service, command).await?;
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
    }

    async fn exec_command(
        &self,
        service: &str,
        task: Option<&str>,
        command: &[String],
    ) -> Result<ExitCode, Failure> {
        sessions::exec(self.driver().await?, service, task, command).await
    }

    async fn connect_to_data(
        &self,
        name: Option<&str>,
        arguments: &[String],
    ) -> Result<ExitCode, Failure> {
        sessions::connect(self.driver().await?, name, arguments).await
    }

    async fn set_secret(&self, name: &str, value: &SecretValue) -> Result<SecretWritten, Failure> {
        Ok(SecretWritten {
            version: self.driver().await?.set_secret(name, value).await?,
            taken_by: "the next deploy of its users takes it",
        })
    }

    async fn secrets(&self) -> Result<Vec<ListedSecret>, Failure> {
        secrets::list(self.driver().await?).await
    }

    async fn secret(&self, name: &str, _: bool) -> Result<(String, SecretValue), Failure> {
        Ok(self.driver().await?.secret(name).await?)
    }

    async fn verify(&self) -> Result<Vec<PreflightFinding>, Failure> {
        let driver = self.driver().await?;
        let mut findings = driver.verify().await?;
        findings.extend(account::findings(driver));
        Ok(findings)
    }

    async fn drift(&self, service: Option<&str>) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let driver = self.driver().await?;
        let names = match service {
            Some(name) => vec![name.to_owned()],
            None => driver.released_names(),
        };
        let mut found = BTreeMap::new();
        for name in names {
            let lines = driver.drift(&name).await?;
            found.insert(name, lines);
        }
        Ok(found)
    }
}
