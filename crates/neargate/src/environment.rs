//! An environment as the verbs meet it: near, or on AWS.
//!
//! A verb opens the environment that the command line names, asks it, and prints the answer. What is
//! the same in both is in the verb; what differs is here, once for each. Invariant: opening neither
//! waits nor calls anything; near, without `-e`, it reads no manifest either.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use async_trait::async_trait;
use neargate_core::metrics::report::MetricsReport;
use neargate_core::model::{DeploymentTarget, Manifest};
use neargate_core::preflight_finding::PreflightFinding;
use neargate_core::release_report::{ReleaseRecord, ReleaseResult};
use neargate_core::secret::SecretValue;
use neargate_core::status::Status;
use neargate_core::time::Timestamp;
use neargate_near::api::wire::{Accepted, AlarmRecord, ControlWord};
use neargate_near::logs::LogLine;

use crate::arguments::{DeployArguments, GlobalFlags, LOCAL, LogsArguments, RollbackArguments};
use crate::failure::Failure;
use crate::{output, project};

#[cfg(feature = "aws")]
mod aws;
mod database_url;
mod near;

use near::NearEnvironment;

/// What can be asked of an environment. A verb that has no counterpart on one side is refused there
/// in words, exit 2.
#[async_trait(?Send)]
pub(crate) trait Environment {
    async fn status(&self) -> Result<Status, Failure>;

    /// How long `status --watch` waits between two answers.
    fn status_pace(&self) -> Duration;

    /// The releases of one service, or of all.
    async fn releases(&self, service: Option<&str>) -> Result<Vec<ReleaseRecord>, Failure>;

    /// The alarms and their states.
    async fn alarms(&self) -> Result<AlarmList, Failure>;

    /// How far back metrics are kept.
    fn metrics_retention(&self) -> Duration;

    /// Metrics of one service, or of all, over the last `period`.
    async fn metrics(
        &self,
        service: Option<&str>,
        period: Duration,
    ) -> Result<MetricsReport, Failure>;

    /// The log lines that the options ask for.
    async fn logs(&self, options: &LogsArguments) -> Result<Box<dyn LogSource>, Failure>;

    /// Releases what the manifest asks for, and follows the release to its end.
    async fn deploy(&self, options: &DeployArguments) -> Result<ReleaseEnd, Failure>;

    /// Releases an earlier revision, and follows the release to its end.
    async fn rollback(&self, options: &RollbackArguments) -> Result<ReleaseEnd, Failure>;

    /// Promotes, pauses, resumes or aborts the release in progress.
    async fn control(&self, service: &str, word: ControlWord) -> Result<ControlAnswer, Failure>;

    /// Refuses a service that has no tasks to count.
    async fn require_scalable(&self, service: &str) -> Result<(), Failure>;

    /// Sets the number of tasks.
    async fn scale(&self, service: &str, tasks: u32) -> Result<Accepted, Failure>;

    /// Runs a command in the environment of a service's serving revision; gives its exit code.
    async fn run_command(&self, service: &str, command: &[String]) -> Result<ExitCode, Failure>;

    /// Runs a command in the environment of a running task; gives its exit code where it is known.
    async fn exec_command(
        &self,
        service: &str,
        task: Option<&str>,
        command: &[String],
    ) -> Result<ExitCode, Failure>;

    /// Opens psql or redis-cli on a database or cache.
    async fn connect_to_data(
        &self,
        name: Option<&str>,
        arguments: &[String],
    ) -> Result<ExitCode, Failure>;

    /// Writes a value of a secret that the manifest has.
    async fn set_secret(&self, name: &str, value: &SecretValue) -> Result<SecretWritten, Failure>;

    /// The secrets and their versions.
    async fn secrets(&self) -> Result<Vec<ListedSecret>, Failure>;

    /// The version in use and its value. That somebody reveals it is written down.
    async fn secret(&self, name: &str, reveal: bool) -> Result<(String, SecretValue), Failure>;

    /// Checks everything that could stop a release.
    async fn verify(&self) -> Result<Vec<PreflightFinding>, Failure>;

    /// What differs from the last release, by service.
    async fn drift(&self, service: Option<&str>) -> Result<BTreeMap<String, Vec<String>>, Failure>;
}

/// The alarms, for `neargate alarms`.
pub(crate) struct AlarmList {
    /// Those that are watched.
    pub alarms: Vec<AlarmRecord>,
    /// Those of the manifest that are not, each as a sentence.
    pub unwatched: Vec<String>,
}

/// How a request for a release ended.
pub(crate) enum ReleaseEnd {
    /// No release began, for this reason.
    NotBegun(Failure),
    /// Every release ended, well or not; or there was nothing to release.
    Ended(Vec<ReleaseResult>),
    /// The release of this service began, and goes on without this command, as was asked.
    Detached(String, Accepted),
    /// The person left the release of this service; it goes on.
    Left(String),
}

/// What became of a word about a release.
pub(crate) enum ControlAnswer {
    /// The release acts on it; a sentence about the service says how.
    Accepted(Accepted, String),
    /// The release has ended by it: on AWS, where the command drives it to its end.
    #[cfg(feature = "aws")]
    Ended(ReleaseResult),
}

/// A value of a secret that was written.
pub(crate) struct SecretWritten {
    /// A number near and in Parameter Store; an id in Secrets Manager.
    pub version: String,
    /// When tasks get it.
    pub taken_by: &'static str,
}

/// One line of `neargate secret list`.
pub(crate) enum ListedSecret {
    /// One version; its value is never in the list.
    Version {
        /// The secret's name.
        name: String,
        /// A number near and in Parameter Store; an id in Secrets Manager.
        version: String,
        /// `current`, `previous` or `older`.
        stage: &'static str,
        /// When it was written.
        at: Timestamp,
    },
    /// The manifest has the secret, and it has no value.
    Unset {
        /// The secret's name.
        name: String,
        /// How it gets one.
        remedy: String,
    },
}

/// Log lines, oldest first.
#[async_trait(?Send)]
pub(crate) trait LogSource {
    /// The next line; `None`: no more are there now.
    async fn next_line(&mut self) -> Result<Option<LogLine>, Failure>;

    /// Waits a while, and looks for lines that came since.
    async fn wait_for_more(&mut self) -> Result<(), Failure>;
}

/// The environment that the command line names.
///
/// # Errors
/// The manifest of an environment that `-e` names is wrong, the state directory is another
/// environment's, or it is on AWS and this program was built without that.
pub(crate) fn open(flags: &GlobalFlags) -> Result<Box<dyn Environment>, Failure> {
    if flags.env() != LOCAL && project::find(flags).is_ok() {
        let (_, loaded) = project::load(flags)?;
        if let DeploymentTarget::Aws { .. } = loaded.manifest.target {
            if !loaded.warnings.is_empty() {
                output::diagnostics(&loaded.warnings);
            }
            return on_aws(flags, loaded.manifest);
        }
    }
    Ok(Box::new(NearEnvironment::new(flags)))
}

#[cfg(feature = "aws")]
#[expect(clippy::unnecessary_wraps, reason = "the other build refuses")]
fn on_aws(flags: &GlobalFlags, manifest: Manifest) -> Result<Box<dyn Environment>, Failure> {
    Ok(Box::new(aws::AwsEnvironment::new(flags, manifest)))
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::needless_pass_by_value, reason = "the other build hands it on")]
fn on_aws(_: &GlobalFlags, manifest: Manifest) -> Result<Box<dyn Environment>, Failure> {
    Err(Failure::Environment(format!(
        "environment `{}` is on AWS, and this neargate was built without it: build it with \
         `cargo build --release -p neargate`",
        manifest.env
    )))
}
