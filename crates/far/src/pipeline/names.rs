//! Names that AWS, GitHub and the Terraform modules agree on.
//!
//! Invariant: roles and repositories are called what `terraform/modules/pipeline` and
//! `terraform/modules/cluster` call them.

use neargate_core::model::{DeploymentTarget, Manifest};

use super::PipelineError;

/// The region of an environment.
pub(super) fn region(manifest: &Manifest) -> Result<&str, PipelineError> {
    match &manifest.target {
        DeploymentTarget::Aws { region } => Ok(region),
        DeploymentTarget::Near => Err(PipelineError::NotOnAws {
            env: manifest.env.clone(),
        }),
    }
}

/// A path that no shell and no YAML reads as anything else.
pub(super) fn path(text: &str) -> Result<String, PipelineError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if text.chars().all(allowed) && !text.starts_with(['-', '/']) {
        return Ok(text.to_owned());
    }
    Err(PipelineError::Path {
        path: text.to_owned(),
    })
}

/// The repository variable that holds the account of an environment: twelve digits, no secret.
#[must_use]
pub fn account_variable(env: &str) -> String {
    format!("NEARGATE_ACCOUNT_{}", shouted(env))
}

/// A name as environment variables are written.
pub(super) fn shouted(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

/// The partition of a region. Source: IAM User Guide, "Amazon Resource Names".
fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// A role of `terraform/modules/pipeline`, in the account that a GitHub variable names.
pub(super) fn role(manifest: &Manifest, region: &str, what: &str) -> String {
    let (app, env) = (&manifest.app, &manifest.env);
    format!(
        "arn:{}:iam::${{{{ vars.{} }}}}:role/{app}-{env}-ci-{what}",
        partition(region),
        account_variable(env)
    )
}

/// Whether a text is the number of an AWS account: twelve digits.
#[must_use]
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The image registry of an account in a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// Its host. Source: Amazon ECR User Guide, "Private registry authentication".
    pub host: String,
    pub region: String,
}

impl Registry {
    /// Of an account (see [`is_account`]) in a region.
    #[must_use]
    pub fn of(account: &str, region: &str) -> Self {
        let end = if partition(region) == "aws-cn" {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        Self {
            host: format!("{account}.dkr.ecr.{region}.{end}"),
            region: region.to_owned(),
        }
    }

    /// Name of an image there: `APP-ENV/SERVICE`, as `terraform/modules/cluster` names
    /// repositories, and the image's own digest as its tag. The same content has the same name, so
    /// a push that is done again changes nothing and tags can be immutable.
    #[must_use]
    pub fn reference(&self, manifest: &Manifest, service: &str, image_id: &str) -> String {
        let (app, env) = (&manifest.app, &manifest.env);
        let tag = Self::tag(image_id);
        format!("{}/{app}-{env}/{service}:{tag}", self.host)
    }

    /// The tag of an image by its own digest.
    #[must_use]
    pub fn tag(image_id: &str) -> String {
        let id = image_id.rsplit(':').next().unwrap_or(image_id);
        id.chars().take(TAG).collect()
    }
}

/// Characters of an image's digest that are its tag.
const TAG: usize = 24;

#[cfg(test)]
mod tests {
    use super::{Registry, is_account, path};

    #[test]
    fn registries_have_their_partitions_hosts() {
        let host = |region| Registry::of("123456789012", region).host;
        assert_eq!(
            host("eu-central-1"),
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
        );
        assert_eq!(
            host("cn-north-1"),
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"
        );
    }

    #[test]
    fn only_what_needs_no_quoting_is_a_path() {
        for right in ["", "neargate.toml", "blueprints/1-shibakita", "../x"] {
            assert!(path(right).is_ok(), "{right}");
        }
        for wrong in ["a b", "a;b", "$(a)", "a'b", "-f", "/etc", "a\nb", "ä"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn accounts_are_twelve_digits() {
        assert!(is_account("123456789012"));
        assert!(!is_account("12345678901") && !is_account("12345678901a"));
    }
}
