//! An environment on this machine: its engine is asked over its API; logs and secrets need no engine.

mod data_client;
mod logs;
mod releases;
mod secrets;
mod sessions;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use async_trait::async_trait;
use neargate_core::metrics::report::{LONGEST, MetricsReport};
use neargate_core::preflight_finding::PreflightFinding;
use neargate_core::release_report::ReleaseRecord;
use neargate_core::secret::SecretValue;
use neargate_core::status::{ServiceKind, Status};
use neargate_near::api::wire::{Accepted, AlarmRecord, ControlRequest, ControlWord, ScaleRequest};
use neargate_near::paths::StateDir;

use super::{
    AlarmList, ControlAnswer, Environment, ListedSecret, LogSource, ReleaseEnd, SecretWritten,
};
use crate::arguments::{DeployArguments, GlobalFlags, LogsArguments, RollbackArguments};
use crate::client::EngineClient;
use crate::failure::Failure;
use crate::project;

/// An environment near.
pub(super) struct NearEnvironment {
    flags: GlobalFlags,
}

impl NearEnvironment {
    /// The environment of the state directory that the command line means.
    pub(super) fn new(flags: &GlobalFlags) -> Self {
        Self {
            flags: flags.clone(),
        }
    }

    fn state(&self) -> Result<StateDir, Failure> {
        project::own_state(&self.flags)
    }

    async fn engine(&self) -> Result<EngineClient, Failure> {
        EngineClient::connect(&self.state()?).await
    }

    /// Alarms that the manifest has and the engine does not.
    fn unwatched(&self, alarms: &[AlarmRecord]) -> Vec<String> {
        let Ok((_, loaded)) = project::load(&self.flags) else {
            return Vec::new();
        };
        let of_manifest = loaded.manifest.alarms.into_keys();
        of_manifest
            .filter(|name| alarms.iter().all(|known| known.name != *name))
            .map(|name| format!(
                "alarm `{name}` of the manifest is not watched yet: `neargate up` adds it, a deploy does not"
            ))
            .collect()
    }
}

#[async_trait(?Send)]
impl Environment for NearEnvironment {
    async fn status(&self) -> Result<Status, Failure> {
        self.engine().await?.status().await
    }

    fn status_pace(&self) -> Duration {
        Duration::from_millis(500)
    }

    async fn releases(&self, service: Option<&str>) -> Result<Vec<ReleaseRecord>, Failure> {
        let client = self.engine().await?;
        let services = match service {
            Some(service) => vec![client.known_service(service).await?],
            None => client.status().await?.services,
        };
        let mut all: Vec<ReleaseRecord> = Vec::new();
        for service in services {
            let path = format!("/v1/services/{}/releases", service.name);
            all.extend(client.get::<Vec<ReleaseRecord>>(&path).await?);
        }
        Ok(all)
    }

    async fn alarms(&self) -> Result<AlarmList, Failure> {
        let alarms: Vec<AlarmRecord> = self.engine().await?.get("/v1/alarms").await?;
        Ok(AlarmList {
            unwatched: self.unwatched(&alarms),
            alarms,
        })
    }

    fn metrics_retention(&self) -> Duration {
        LONGEST
    }

    async fn metrics(
        &self,
        service: Option<&str>,
        period: Duration,
    ) -> Result<MetricsReport, Failure> {
        let client = self.engine().await?;
        if let Some(service) = service {
            client.known_service(service).await?;
        }
        let path = format!("/v1/metrics?seconds={}", period.as_secs());
        let mut table: MetricsReport = client.get(&path).await?;
        if let Some(service) = service {
            table.rows.retain(|row| row.service == *service);
        }
        Ok(table)
    }

    async fn logs(&self, options: &LogsArguments) -> Result<Box<dyn LogSource>, Failure> {
        logs::open(&self.flags, options)
    }

    async fn deploy(&self, options: &DeployArguments) -> Result<ReleaseEnd, Failure> {
        releases::deploy(&self.flags, options).await
    }

    async fn rollback(&self, options: &RollbackArguments) -> Result<ReleaseEnd, Failure> {
        releases::rollback(&self.flags, options).await
    }

    async fn control(&self, service: &str, word: ControlWord) -> Result<ControlAnswer, Failure> {
        let client = self.engine().await?;
        let known = client.known_service(service).await?;
        let body = ControlRequest {
            steer: word,
            by: project::user(),
        };
        let path = format!("/v1/services/{service}/steer");
        let accepted: Accepted = client.post(&path, &body).await?;
        let text = match word {
            ControlWord::Promote => "takes its next step",
            ControlWord::PromoteFully => "takes all its steps",
            ControlWord::Pause => &format!("is paused; continue with: neargate resume {service}"),
            ControlWord::Resume => "goes on",
            ControlWord::Abort => "goes back",
        };
        let paused = known.release.is_some_and(|release| release.paused);
        let over = match word {
            ControlWord::Promote if paused => {
                "; the pause is over: later steps follow the manifest"
            }
            _ => "",
        };
        Ok(ControlAnswer::Accepted(
            accepted,
            format!("the release {text}{over}"),
        ))
    }

    async fn require_scalable(&self, service: &str) -> Result<(), Failure> {
        match self.engine().await?.known_service(service).await?.kind {
            ServiceKind::Tasks => Ok(()),
            ServiceKind::Static => Err(Failure::Usage(format!(
                "`{service}` is a static site: it has no tasks to scale"
            ))),
        }
    }

    async fn scale(&self, service: &str, tasks: u32) -> Result<Accepted, Failure> {
        let path = format!("/v1/services/{service}/scale");
        let request = ScaleRequest { desired: tasks };
        self.engine().await?.post(&path, &request).await
    }

    async fn run_command(&self, service: &str, command: &[String]) -> Result<ExitCode, Failure> {
        sessions::run(&self.engine().await?, service, command).await
    }

    async fn exec_command(
        &self,
        service: &str,
        task: Option<&str>,
        command: &[String],
    ) -> Result<ExitCode, Failure> {
        sessions::exec(&self.engine().await?, service, task, command).await
    }

    async fn connect_to_data(
        &self,
        name: Option<&str>,
        arguments: &[String],
    ) -> Result<ExitCode, Failure> {
        data_client::connect(&self.engine().await?, name, arguments).await
    }

    async fn set_secret(&self, name: &str, value: &SecretValue) -> Result<SecretWritten, Failure> {
        secrets::set(&self.state()?, name, value)
    }

    async fn secrets(&self) -> Result<Vec<ListedSecret>, Failure> {
        secrets::list(&self.flags, &self.state()?)
    }

    async fn secret(&self, name: &str, reveal: bool) -> Result<(String, SecretValue), Failure> {
        secrets::get(&self.flags, &self.state()?, name, reveal)
    }

    async fn verify(&self) -> Result<Vec<PreflightFinding>, Failure> {
        Err(only_on_aws("verify"))
    }

    async fn drift(&self, _: Option<&str>) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        Err(only_on_aws("drift"))
    }
}

fn only_on_aws(verb: &str) -> Failure {
    Failure::Usage(format!(
        "`{verb}` checks an environment on AWS: name one with neargate {verb} -e ENV (here, use neargate doctor)"
    ))
}
