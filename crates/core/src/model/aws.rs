//! What an environment on AWS is made of, as far as the manifest says it.
//!
//! Shapes: `None` and an empty list mean that nothing is written; the crate for AWS decides then.

use serde::{Deserialize, Serialize};

/// The `[aws]` table: choices that only matter with `target = "aws"`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AwsSettings {
    /// Trial or production: which defaults hold, and what may be deleted.
    pub grade: Option<EnvironmentGrade>,
    /// Part that users meet first.
    pub entry: Option<EntryPoint>,
    /// Availability zones, 2 or 3.
    pub zones: Option<u32>,
    /// Address range of the VPC, /16 to /20.
    pub cidr: Option<String>,
    /// How tasks reach the internet.
    pub nat: Option<NatSettings>,
    /// Interface endpoints, such as `ecr.api`.
    pub endpoints: Option<Vec<String>>,
    /// Processor that tasks run on.
    pub architecture: Architecture,
    /// Percent of tasks beyond the first that run on Fargate Spot.
    pub spot: Option<u32>,
    /// Route 53 zone of `edge.domains`.
    pub hosted_zone: Option<String>,
    /// US dollars a month.
    pub budget: Option<u32>,
    /// Addresses that get mail about alarms and the budget.
    pub emails: Vec<String>,
    /// Days that logs are kept.
    pub log_days: Option<u32>,
    /// Days that CloudTrail's record is kept, 0: no trail.
    pub trail_days: Option<u32>,
    /// CloudWatch Container Insights of the cluster; `None`: as the grade says.
    pub insights: Option<ContainerInsights>,
    /// Whose key encrypts.
    pub key: Option<EncryptionKey>,
    /// Whether people may open sessions in tasks.
    #[serde(default)]
    pub exec: bool,
    /// The bucket of Terraform's state and of the records of releases.
    pub state_bucket: Option<String>,
}

/// Purpose of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvironmentGrade {
    /// Cheap; everything can be deleted with its data.
    Trial,
    /// Loses a zone without an outage; what holds data is protected.
    Production,
}

/// Part that users meet first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryPoint {
    /// A public load balancer.
    Balancer,
    /// CloudFront before an internal load balancer.
    Edge,
    /// An HTTP API before an internal load balancer.
    Gateway,
}

/// How tasks reach the internet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatSettings {
    pub kind: NatKind,
    /// Each zone its own instead of one for all.
    pub per_zone: Option<bool>,
}

/// By what tasks reach the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NatKind {
    /// AWS's NAT gateway.
    Gateway,
    /// A small ARM machine.
    Instance,
    /// Not at all: endpoints only.
    None,
}

/// The processor that tasks run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// Graviton, a fifth cheaper.
    #[default]
    Arm64,
    /// Intel and AMD.
    X86_64,
}

/// CloudWatch Container Insights, by ECS's setting `containerInsights`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerInsights {
    Disabled,
    /// Metrics of each service.
    Enabled,
    /// Metrics of each task and container as well.
    Enhanced,
}

/// Whose key encrypts data, secrets and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncryptionKey {
    /// A key of the account's own, one dollar a month.
    Customer,
    /// Keys that AWS owns, free of charge.
    Aws,
}

/// Rules of the web application firewall, where they are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WafSettings {
    /// Requests of one address in five minutes.
    pub rate_limit: Option<u32>,
    /// AWS's rule groups, in order.
    pub managed: Option<Vec<String>>,
}
