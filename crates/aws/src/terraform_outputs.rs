//! What Terraform tells the driver: names, ARNs and settings of one environment.
//!
//! Terraform's root module writes its `driver` output, as JSON, to the SSM parameter
//! `/<app>/<env>/neargate/driver`: whoever may deploy can read it, without Terraform's state.
//! Unknown fields are ignored: a newer root module may say more. Refuses a parameter that lacks
//! what a release needs, and names the field.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::error::DriverError;

/// The name of the SSM parameter of an environment.
#[must_use]
pub fn parameter(app: &str, env: &str) -> String {
    format!("/{app}/{env}/neargate/driver")
}

/// Facts about one environment that Terraform writes into its SSM parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TerraformOutputs {
    /// Name of the ECS cluster.
    pub cluster: String,
    /// Bucket that keeps the records of releases.
    #[serde(default, deserialize_with = "or_empty")]
    pub state_bucket: String,
    /// Where users reach the app.
    #[serde(default, deserialize_with = "or_empty")]
    pub url: String,
    /// Services by their name in the manifest.
    pub services: BTreeMap<String, ServiceFacts>,
    /// CloudWatch's names of alarms, by their name in the manifest.
    #[serde(default, deserialize_with = "or_empty")]
    pub alarms: BTreeMap<String, String>,
    /// Repositories of built images by service: `ACCOUNT.dkr.ecr.REGION.amazonaws.com/APP-ENV/SERVICE`.
    #[serde(default, deserialize_with = "or_empty")]
    pub repositories: BTreeMap<String, String>,
    /// Bucket that the edge serves static files from; there is one site.
    #[serde(default)]
    pub static_bucket: Option<String>,
    /// Where values of secrets are: ARNs by name; `database.NAME` is the URL of a database.
    #[serde(default, deserialize_with = "or_empty")]
    pub secrets: BTreeMap<String, String>,
    /// ARN of the key that encrypts them; `None`: AWS's own.
    #[serde(default)]
    pub kms_key: Option<String>,
    /// Databases by their name in the manifest.
    #[serde(default, deserialize_with = "or_empty")]
    pub databases: BTreeMap<String, DatabaseFacts>,
    /// URLs of caches by their name in the manifest.
    #[serde(default, deserialize_with = "or_empty")]
    pub caches: BTreeMap<String, String>,
}

/// One database, as `terraform/modules/database` puts it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFacts {
    /// Host name, known inside the VPC only.
    pub address: String,
    pub port: u16,
    /// Name of the secret that holds its URL.
    pub url_secret: String,
}

/// One service, as `terraform/modules/service` puts it out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceFacts {
    /// Name of the ECS service.
    pub name: String,
    /// Family of its task definitions.
    pub family: String,
    /// Name of the container that takes requests.
    pub container: String,
    /// ARN of the role that starts tasks.
    pub execution_role: String,
    /// ARN of the application's role.
    pub task_role: String,
    /// Subnets of tasks and jobs.
    pub subnets: Vec<String>,
    /// Security group of tasks and jobs.
    pub security_group: String,
    /// CloudWatch's log group.
    pub log_group: String,
    /// `blue` and `green`; empty without routes.
    #[serde(default, deserialize_with = "or_empty")]
    pub target_groups: BTreeMap<String, AwsTargetGroup>,
    /// Listener rules by route.
    #[serde(default, deserialize_with = "or_empty")]
    pub rules: BTreeMap<String, String>,
    /// Facts about releases that ECS's calls need.
    #[serde(default, deserialize_with = "or_empty")]
    pub deployment: DeploymentFacts,
    /// Mover of weights in the applied infrastructure: `ecs` or `driver`.
    #[serde(default)]
    pub weights_by: Option<String>,
    /// `ARM64` or `X86_64`.
    #[serde(default = "arm")]
    pub architecture: String,
    /// User and group of tasks, as in the first task definition.
    #[serde(default = "nobody")]
    pub user: String,
    /// Whether tasks can write to `/tmp` only, as in the first task definition.
    #[serde(default = "yes")]
    pub read_only: bool,
    /// Variables that Terraform knows, such as addresses of caches.
    #[serde(default, deserialize_with = "or_empty")]
    pub environment: BTreeMap<String, String>,
    /// Whether sessions may be opened in its tasks (ECS Exec).
    #[serde(default)]
    pub exec: bool,
    /// Variables that hold secrets: ARNs, with ECS's `:key:stage:version` if wanted.
    #[serde(default, deserialize_with = "or_empty")]
    pub secrets: BTreeMap<String, String>,
}

/// Terraform writes null where it has nothing.
fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The defaults of `terraform/modules/service`, for infrastructure that does not tell.
fn nobody() -> String {
    "65532:65532".to_owned()
}

fn yes() -> bool {
    true
}

fn arm() -> String {
    "ARM64".to_owned()
}

/// A target group of the load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwsTargetGroup {
    pub arn: String,
}

/// The parts of `deployment` that only Terraform knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentFacts {
    /// The strategy that the infrastructure was applied for: `ROLLING`, …
    #[serde(default, deserialize_with = "or_empty")]
    pub strategy: String,
    /// CloudWatch's names of the alarms that roll a release back.
    #[serde(default, deserialize_with = "or_empty")]
    pub alarm_names: Vec<String>,
    /// The rule whose weights ECS moves.
    #[serde(default)]
    pub production_listener_rule: Option<String>,
    /// The rule of test traffic.
    #[serde(default)]
    pub test_listener_rule: Option<String>,
    /// The other target group.
    #[serde(default)]
    pub alternate_target_group: Option<String>,
    /// The role with which ECS moves weights.
    #[serde(default)]
    pub load_balancer_access_role: Option<String>,
}

impl TerraformOutputs {
    /// Reads the parameter's value.
    ///
    /// # Errors
    /// It is not what the root module writes.
    pub fn read(name: &str, text: &str) -> Result<Self, DriverError> {
        let facts: Self = serde_json::from_str(text).map_err(|error| DriverError::Missing {
            what: format!("the parameter {name} is not what the driver reads: {error}"),
            help: "render and apply the infrastructure again: neargate infra render, \
                   neargate infra apply"
                .to_owned(),
        })?;
        if facts.state_bucket.is_empty() {
            return Err(DriverError::Missing {
                what: "there is no bucket for the records of releases".to_owned(),
                help: "write its name as aws.state-bucket and apply the infrastructure: \
                       neargate infra apply"
                    .to_owned(),
            });
        }
        Ok(facts)
    }

    /// The facts of a service.
    ///
    /// # Errors
    /// The infrastructure was applied before the service was in the manifest.
    pub fn service(&self, name: &str) -> Result<&ServiceFacts, DriverError> {
        self.services.get(name).ok_or_else(|| DriverError::Missing {
            what: format!("the service `{name}` is not on AWS"),
            help: "apply the infrastructure first: neargate infra apply".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_without_a_field_is_refused_by_its_name() {
        let trouble = TerraformOutputs::read("/a/b/neargate/driver", r#"{"services":{}}"#);
        let trouble = trouble.expect_err("it has no cluster");
        assert!(trouble.to_string().contains("cluster"), "{trouble}");
        assert_eq!(trouble.exit().number(), 3);
    }

    #[test]
    fn what_terraform_writes_as_null_is_nothing_and_a_bucket_is_needed() {
        let text = |bucket: &str| {
            format!(
                r#"{{"cluster":"c","services":{{}},"url":null,"alarms":null,"state_bucket":{bucket}}}"#
            )
        };
        let facts =
            TerraformOutputs::read("/a/b/neargate/driver", &text("\"records\"")).expect("facts");
        assert!(facts.url.is_empty() && facts.alarms.is_empty());
        let trouble =
            TerraformOutputs::read("/a/b/neargate/driver", &text("null")).expect_err("no bucket");
        let help = trouble.help().unwrap_or_default();
        assert!(help.contains("aws.state-bucket"), "{trouble}: {help}");
    }
}
