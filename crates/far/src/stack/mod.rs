//! What an environment has on AWS, as a pure value made from the checked manifest.
//!
//! Invariant: every default that the manifest leaves open for AWS is decided here and nowhere
//! else, so that what is rendered, priced and audited is the same. Two environments with equal
//! manifests have equal stacks. Refuses an environment whose target is not AWS.

mod data;
mod ingress;
mod jobs;
mod network;
mod observability;
mod service;

use neargate_core::model::{
    ContainerInsights, DeploymentTarget, EncryptionKey, EnvironmentGrade, Manifest,
};
use serde::{Deserialize, Serialize};

pub use data::{RdsInstance, ReplicationGroup, SecretSlot, SecretStore, url_of, url_secret};
pub use ingress::{
    Balancer, Domain, EdgeKind, EdgeStack, Gateway, Ingress, LoadBalancerScheme, SiteBucket,
    SiteStyle, WebAcl,
};
pub use jobs::ScheduledJob;
pub use network::{NatMode, Network};
pub use observability::{
    AlarmSource, CloudWatchAlarm, DashboardRow, Dimension, Metric, SloAlarms, TargetGroupColour,
};
pub use service::{
    ContainerHealthCheck, DeploymentConfiguration, EcsService, EcsStrategy, ScalableTarget,
    TargetGroupHealthCheck, VariableValue,
};

/// Everything of one environment on AWS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    pub app: String,
    pub env: String,
    /// For example `eu-central-1`.
    pub region: String,
    /// Which defaults hold, and whether what holds data is protected.
    pub grade: EnvironmentGrade,
    /// Whose key encrypts data, secrets and logs.
    pub key: EncryptionKey,
    pub network: Network,
    /// Parts between users and tasks.
    pub front: Ingress,
    /// The ECS cluster.
    pub cluster: EcsCluster,
    /// Services on ECS, by name.
    pub services: Vec<EcsService>,
    /// Jobs on a schedule, by name.
    pub jobs: Vec<ScheduledJob>,
    /// RDS instances, by name.
    pub databases: Vec<RdsInstance>,
    /// ElastiCache groups, by name.
    pub caches: Vec<ReplicationGroup>,
    /// Places of secrets, by name.
    pub secrets: Vec<SecretSlot>,
    /// Where those are.
    pub secret_store: SecretStore,
    /// Alarms, by name: the manifest's and the usual ones.
    pub alarms: Vec<CloudWatchAlarm>,
    /// Service level objectives that CloudWatch judges.
    pub slos: Vec<SloAlarms>,
    /// Rows of the dashboard; empty: none.
    pub dashboard: Vec<DashboardRow>,
    /// Days that logs are kept.
    pub log_days: u32,
    /// Days that CloudTrail's record is kept; 0: no trail.
    pub trail_days: u32,
    /// US dollars a month.
    pub budget: Option<u32>,
    /// Addresses that get mail.
    pub emails: Vec<String>,
    /// The bucket of Terraform's state and of releases; `None`: a local file.
    pub state_bucket: Option<String>,
    /// Whether sessions may be opened in tasks (ECS Exec).
    pub exec: bool,
    /// Wishes of the manifest that this environment does not fulfil, one sentence each.
    pub left_out: Vec<String>,
}

/// The ECS cluster and its image repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EcsCluster {
    pub insights: ContainerInsights,
    /// Image repositories, one for each service whose image is ours.
    pub repositories: Vec<String>,
    /// Tagged images that a repository keeps.
    pub kept_images: u32,
    /// Whether services find one another by name.
    pub discovery: bool,
}

/// Why there is no stack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StackError {
    /// The environment is near.
    #[error("environment `{0}` is near: its target is not aws")]
    Near(String),
}

impl Stack {
    /// The parts of this environment on AWS.
    ///
    /// # Errors
    /// [`StackError::Near`] when the target is not AWS.
    pub fn of(manifest: &Manifest) -> Result<Self, StackError> {
        let DeploymentTarget::Aws { region } = &manifest.target else {
            return Err(StackError::Near(manifest.env.clone()));
        };
        let aws = &manifest.aws;
        let grade = aws.grade.unwrap_or_else(|| grade(manifest));
        let production = grade == EnvironmentGrade::Production;
        let log_days = aws.log_days.unwrap_or(if production { 30 } else { 7 });
        let front = Ingress::of(manifest, grade, log_days);
        let spot = aws.spot.unwrap_or(if production { 0 } else { 100 });
        let services = service::services(manifest, &front, spot);
        let mut left_out = data::never_rotated(manifest);
        let jobs = jobs::jobs(manifest, &services, &mut left_out);
        let mut stack = Self {
            app: manifest.app.clone(),
            env: manifest.env.clone(),
            region: region.clone(),
            grade,
            key: aws.key.unwrap_or(match grade {
                EnvironmentGrade::Trial => EncryptionKey::Aws,
                EnvironmentGrade::Production => EncryptionKey::Customer,
            }),
            network: Network::of(manifest, grade, log_days),
            front,
            cluster: cluster(manifest, &services, grade),
            services,
            jobs,
            databases: data::databases(manifest, grade),
            caches: data::caches(manifest),
            secrets: data::secrets(manifest),
            secret_store: match grade {
                EnvironmentGrade::Trial => SecretStore::Parameters,
                EnvironmentGrade::Production => SecretStore::SecretsManager,
            },
            alarms: Vec::new(),
            slos: Vec::new(),
            dashboard: Vec::new(),
            log_days,
            trail_days: aws.trail_days.unwrap_or(0),
            budget: aws.budget,
            emails: aws.emails.clone(),
            state_bucket: aws.state_bucket.clone(),
            exec: aws.exec,
            left_out,
        };
        observability::watch(manifest, &mut stack);
        Ok(stack)
    }

    /// Beginning of every name: `APP-ENV`.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("{}-{}", self.app, self.env)
    }

    /// Whether what holds data is protected from being deleted.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.grade == EnvironmentGrade::Production
    }
}

/// Production when something of the data is worth it.
fn grade(manifest: &Manifest) -> EnvironmentGrade {
    let kept = manifest.databases.values().any(|d| d.protect || d.multi_az);
    if kept {
        EnvironmentGrade::Production
    } else {
        EnvironmentGrade::Trial
    }
}

fn cluster(manifest: &Manifest, services: &[EcsService], grade: EnvironmentGrade) -> EcsCluster {
    let insights = manifest.aws.insights.unwrap_or(match grade {
        EnvironmentGrade::Trial => ContainerInsights::Disabled,
        EnvironmentGrade::Production => ContainerInsights::Enabled,
    });
    let own = services.iter().filter(|service| service.image.is_none());
    EcsCluster {
        insights,
        repositories: own.map(|service| service.name.clone()).collect(),
        kept_images: 10,
        discovery: services.iter().any(|service| !service.callers.is_empty()),
    }
}
