//! The network: zones, the way out, endpoints, the flow log.

use neargate_core::model::{EnvironmentGrade, Manifest, NatKind};
use serde::{Deserialize, Serialize};

/// Two zones are the least that a load balancer and a database take.
const ZONES: u32 = 2;
/// The range of the VPC when none is written.
const CIDR: &str = "10.0.0.0/16";
/// Endpoints that a Fargate task without a way out needs to start and to log (Amazon ECR interface
/// VPC endpoints, considerations for Fargate). The layers of images come from S3, by its gateway.
const NEEDED: [&str; 3] = ["ecr.api", "ecr.dkr", "logs"];

/// The network of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Address range of the VPC.
    pub cidr: String,
    /// Availability zones in use, each with a public, a private and an isolated subnet.
    pub zones: u32,
    /// How private subnets reach the internet.
    pub nat: NatMode,
    /// Services with a gateway endpoint, which costs nothing.
    pub gateway_endpoints: Vec<String>,
    /// Services with an interface endpoint, paid by the hour in each zone.
    pub interface_endpoints: Vec<String>,
    /// Days that the VPC's flow log is kept.
    pub flow_log_days: u32,
}

/// How private subnets reach the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum NatMode {
    /// AWS's NAT gateways, with an address each.
    Gateway {
        /// 1, or one for each zone.
        count: u32,
    },
    /// Small ARM machines (t4g.nano), with an address each.
    Instance {
        /// 1, or one for each zone.
        count: u32,
    },
    /// Not at all.
    None,
}

impl NatMode {
    /// How many there are.
    #[must_use]
    pub fn count(self) -> u32 {
        match self {
            Self::Gateway { count } | Self::Instance { count } => count,
            Self::None => 0,
        }
    }
}

impl Network {
    pub(super) fn of(manifest: &Manifest, grade: EnvironmentGrade, log_days: u32) -> Self {
        let zones = manifest.aws.zones.unwrap_or(ZONES);
        let nat = nat(manifest, grade, zones);
        Self {
            cidr: manifest.aws.cidr.clone().unwrap_or_else(|| CIDR.to_owned()),
            zones,
            nat,
            gateway_endpoints: vec!["s3".to_owned()],
            interface_endpoints: endpoints(manifest, grade, nat),
            flow_log_days: log_days,
        }
    }
}

fn nat(manifest: &Manifest, grade: EnvironmentGrade, zones: u32) -> NatMode {
    let written = manifest.aws.nat.as_ref();
    let kind = written.map(|nat| nat.kind).unwrap_or(match grade {
        EnvironmentGrade::Trial => NatKind::Instance,
        EnvironmentGrade::Production => NatKind::Gateway,
    });
    let per_zone = written.and_then(|nat| nat.per_zone);
    let per_zone = per_zone.unwrap_or(grade == EnvironmentGrade::Production);
    let count = if per_zone { zones } else { 1 };
    match kind {
        NatKind::Gateway => NatMode::Gateway { count },
        NatKind::Instance => NatMode::Instance { count },
        NatKind::None => NatMode::None,
    }
}

fn endpoints(manifest: &Manifest, grade: EnvironmentGrade, nat: NatMode) -> Vec<String> {
    let mut all: Vec<String> = match &manifest.aws.endpoints {
        Some(written) => written.clone(),
        None if nat == NatMode::None => {
            let mut needed: Vec<String> = NEEDED.map(str::to_owned).to_vec();
            let own = manifest.databases.values().any(|d| d.url.is_none());
            if own || !manifest.secrets.is_empty() {
                let store = match grade {
                    EnvironmentGrade::Trial => "ssm",
                    EnvironmentGrade::Production => "secretsmanager",
                };
                needed.push(store.to_owned());
            }
            if manifest.aws.exec {
                needed.push("ssmmessages".to_owned());
            }
            needed
        }
        None => Vec::new(),
    };
    all.sort();
    all.dedup();
    all
}
