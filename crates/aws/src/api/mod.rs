//! The calls on AWS, each as one function of plain values.
//!
//! Invariant: no decision is made here; a call's failure becomes a [`DriverError`] with what was
//! being done. Throttled and broken calls are tried again by the SDK's standard mode: at most
//! [`ATTEMPTS`], with exponential waits, full jitter, and at most [`LONGEST_WAIT`] each. Refuses
//! nothing that AWS does not refuse.

mod balancer;
mod definitions;
mod ecs;
mod jobs;
mod native;
mod objects;
mod secrets;
mod sessions;
mod store;
mod watch;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_ecs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use super::error::DriverError;
use super::session_manager_plugin::SsmEndpoint;

pub use balancer::RuleWeights;
pub use ecs::{EcsServiceState, EcsTask, GreenServiceRequest, ServiceDeployment};
pub use jobs::{JobRequest, JobTask};
pub use native::ReleaseWanted;
pub use objects::ObjectCopy;
pub use secrets::{LabelledVersion, StagingLabel, WriteConflict};
pub use store::StoredRecord;
pub use watch::LogEvent;

/// How often a call is tried.
pub const ATTEMPTS: u32 = 6;
/// The first wait between tries, before jitter.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest wait between tries.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The longest time that one try may take.
const TRY_TIMEOUT: Duration = Duration::from_secs(30);

/// Where to call, for tests and AWS-compatible endpoints.
#[derive(Debug, Clone, Default)]
pub struct Endpoint {
    /// Instead of AWS's own; `None`: AWS, or `AWS_ENDPOINT_URL`.
    pub url: Option<String>,
    /// Key id and secret instead of those of the environment.
    pub keys: Option<(String, String)>,
}

/// Clients of one region.
#[derive(Debug, Clone)]
pub struct AwsClients {
    ecs: aws_sdk_ecs::Client,
    balancer: aws_sdk_elasticloadbalancingv2::Client,
    alarms: aws_sdk_cloudwatch::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    bucket: aws_sdk_s3::Client,
    parameters: aws_sdk_ssm::Client,
    secrets: aws_sdk_secretsmanager::Client,
    identity: aws_sdk_sts::Client,
    pub region: String,
    /// Another address of AWS's APIs.
    elsewhere: Option<String>,
}

impl AwsClients {
    /// Clients with the credentials of the environment, as every AWS tool finds them.
    pub async fn connect(region: &str, endpoint: &Endpoint) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(FIRST_WAIT)
            .with_max_backoff(LONGEST_WAIT);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(region.to_owned()))
            .retry_config(retries)
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(TRY_TIMEOUT)
                    .build(),
            );
        if let Some(url) = &endpoint.url {
            loader = loader.endpoint_url(url);
        }
        if let Some((id, secret)) = &endpoint.keys {
            let keys = aws_sdk_sts::config::Credentials::new(id, secret, None, None, "given");
            loader = loader.credentials_provider(keys);
        }
        let config = loader.load().await;
        // Another endpoint has no host name for each bucket.
        let plain = config.endpoint_url().is_some();
        let bucket = aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(plain)
            .build();
        Self {
            ecs: aws_sdk_ecs::Client::new(&config),
            balancer: aws_sdk_elasticloadbalancingv2::Client::new(&config),
            alarms: aws_sdk_cloudwatch::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            bucket: aws_sdk_s3::Client::from_conf(bucket),
            parameters: aws_sdk_ssm::Client::new(&config),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            identity: aws_sdk_sts::Client::new(&config),
            region: region.to_owned(),
            elsewhere: config.endpoint_url().map(str::to_owned),
        }
    }

    /// Where the plugin finds sessions.
    #[must_use]
    pub fn sessions(&self) -> SsmEndpoint {
        // China's regions have a domain of their own (SSM endpoints and quotas).
        let domain = match self.region.starts_with("cn-") {
            true => "amazonaws.com.cn",
            false => "amazonaws.com",
        };
        let own = format!("https://ssm.{}.{domain}", self.region);
        SsmEndpoint {
            region: self.region.clone(),
            profile: std::env::var("AWS_PROFILE").unwrap_or_default(),
            endpoint: self.elsewhere.clone().unwrap_or(own),
        }
    }

    /// The ARN of whoever calls.
    ///
    /// # Errors
    /// The credentials are no good.
    pub async fn who(&self) -> Result<String, DriverError> {
        let answer = self.identity.get_caller_identity().send().await;
        let answer = answer.map_err(trouble("ask AWS who is calling", "sts:GetCallerIdentity"))?;
        Ok(answer.arn().unwrap_or_default().to_owned())
    }
}

/// Turns an SDK's error into words.
fn trouble<E, R>(doing: &str, action: &str) -> impl FnOnce(SdkError<E, R>) -> DriverError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    move |error| match &error {
        SdkError::ServiceError(service) => {
            let meta = service.err().meta();
            let message = meta.message().map(str::to_owned);
            let message = message.unwrap_or_else(|| DisplayErrorContext(&error).to_string());
            DriverError::of_call(doing, action, meta.code().unwrap_or("no code"), &message)
        }
        _ => {
            let message = DisplayErrorContext(&error).to_string();
            if lacks_credentials(&error, &message) {
                return DriverError::Credentials {
                    code: "none found".to_owned(),
                    message: "no provider gave credentials".to_owned(),
                };
            }
            DriverError::Call {
                doing: doing.to_owned(),
                code: kind(&error).to_owned(),
                message,
            }
        }
    }
}

/// Whether nothing was sent for want of credentials. Their error has a type,
/// `aws_credential_types::provider::error::CredentialsError`, which none of the SDK's crates here
/// names again: what is no error of the connection is told apart by its words.
fn lacks_credentials<E, R>(error: &SdkError<E, R>, words: &str) -> bool {
    let own = matches!(error, SdkError::DispatchFailure(failure) if failure.is_other());
    own && words.contains("credential")
}

fn kind<E, R>(error: &SdkError<E, R>) -> &'static str {
    match error {
        SdkError::TimeoutError(_) => "no answer in time",
        SdkError::DispatchFailure(_) => "no connection",
        SdkError::ResponseError(_) => "an unreadable answer",
        _ => "not sent",
    }
}

/// The SDK's builders refuse what lacks a required field; what is given here never does.
fn built<T, E: std::error::Error>(doing: &str, built: Result<T, E>) -> Result<T, DriverError> {
    built.map_err(|error| DriverError::Call {
        doing: doing.to_owned(),
        code: "incomplete".to_owned(),
        message: error.to_string(),
    })
}

/// AWS's numbers of tasks are never negative.
fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// AWS takes 32-bit signed numbers; the manifest is far below.
fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
