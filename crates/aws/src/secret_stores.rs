//! Where the value of a secret is on AWS, and what a release does about one that is not there.
//!
//! Pure. Terraform makes the places without values: secrets of Secrets Manager without a version,
//! or encrypted parameters whose value is [`UNSET`]. Refuses values that ECS cannot put into a
//! variable, and those that the place does not take.

use neargate_core::model::{Manifest, SecretGenerator, Service, UsedResource};
use neargate_core::secret::{MAX_BYTES, SecretValue};

use neargate_far::stack::url_secret;

/// The value of a parameter that nobody wrote yet (`terraform/modules/secrets`).
pub const UNSET: &str = "unset";
/// Most bytes of a parameter of the standard tier (SSM API reference, PutParameter).
pub const PARAMETER_MOST: usize = 4096;

/// A place for a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretLocation {
    /// A secret of Secrets Manager, by ARN.
    Manager(String),
    /// An encrypted parameter, by name.
    Parameter(String),
}

impl SecretLocation {
    /// The place of an ARN; `None`: it is of neither service.
    #[must_use]
    pub fn of(arn: &str) -> Option<Self> {
        let rest = arn.strip_prefix("arn:")?;
        let (_partition, rest) = rest.split_once(':')?;
        let (service, _) = rest.split_once(':')?;
        match service {
            "secretsmanager" => Some(Self::Manager(arn.to_owned())),
            // The name of a parameter with a path begins with a slash, its ARN does not double it.
            "ssm" => {
                let (_, name) = rest.split_once(":parameter/")?;
                Some(Self::Parameter(format!("/{name}")))
            }
            _ => None,
        }
    }

    /// Why this value cannot be kept here, in words without the value; `None`: it can.
    #[must_use]
    pub fn refuses(&self, value: &SecretValue) -> Option<String> {
        let bytes = value.expose().len();
        let most = match self {
            Self::Manager(_) => MAX_BYTES,
            Self::Parameter(_) => PARAMETER_MOST,
        };
        if bytes == 0 || bytes > most {
            return Some(format!("it has {bytes} bytes, not 1 to {most}"));
        }
        if value.expose_text().is_err() {
            return Some("it is not UTF-8: ECS gives tasks text only".to_owned());
        }
        let mark = matches!(self, Self::Parameter(_)) && value.expose() == UNSET.as_bytes();
        mark.then(|| format!("`{UNSET}` is the mark of a parameter without a value"))
    }
}

/// A secret that a service needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededSecret {
    /// As the manifest names it: `secret.session`, `database.main`.
    pub label: String,
    /// Its name among the places.
    pub place: String,
    /// Rule when it has no value.
    pub without: MissingSecretRule,
}

/// Rule of a release about a secret without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingSecretRule {
    /// Makes one by this rule.
    Make(SecretGenerator),
    /// Leaves the variable out: the manifest says that it is not required.
    LeaveOut,
    /// Does not begin; a person sets it.
    SetIt,
    /// Does not begin; Terraform writes it.
    ApplyIt,
}

/// Secrets that a service needs, in the order of its `uses`. A variable of its own `env` needs
/// none.
#[must_use]
pub fn needed(manifest: &Manifest, service: &Service) -> Vec<NeededSecret> {
    let own = |name: &str| {
        service
            .env
            .contains_key(&name.to_uppercase().replace('-', "_"))
    };
    let need = |used: &UsedResource| match used {
        UsedResource::Secret(name) if !own(name) => {
            let secret = manifest.secrets.get(name)?;
            Some(NeededSecret {
                label: format!("secret.{name}"),
                place: name.clone(),
                without: match (secret.generate, secret.required) {
                    (Some(rule), _) => MissingSecretRule::Make(rule),
                    (None, true) => MissingSecretRule::SetIt,
                    (None, false) => MissingSecretRule::LeaveOut,
                },
            })
        }
        UsedResource::Database(name) => {
            let ours = manifest.databases.get(name)?.url.is_none();
            ours.then(|| NeededSecret {
                label: format!("database.{name}"),
                place: url_secret(name),
                without: MissingSecretRule::ApplyIt,
            })
        }
        UsedResource::Secret(_) | UsedResource::Cache(_) => None,
    };
    service.uses.iter().filter_map(need).collect()
}

impl NeededSecret {
    /// The command that gives it a value; `None`: none is needed.
    #[must_use]
    pub fn command(&self, env: &str) -> Option<String> {
        match self.without {
            MissingSecretRule::SetIt => {
                Some(format!("neargate secret set {} -e {env}", self.place))
            }
            MissingSecretRule::ApplyIt => Some(format!("neargate infra apply -e {env}")),
            MissingSecretRule::Make(_) | MissingSecretRule::LeaveOut => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_says_where_a_value_is() {
        let manager = "arn:aws:secretsmanager:eu-central-1:1:secret:notes-prod/session-AbCdEf";
        let rows = [
            (manager, Some(SecretLocation::Manager(manager.to_owned()))),
            (
                "arn:aws-cn:ssm:cn-north-1:1:parameter/notes-dev/session",
                Some(SecretLocation::Parameter("/notes-dev/session".to_owned())),
            ),
            ("arn:aws:s3:::notes", None),
            ("notes-prod/session", None),
            ("", None),
        ];
        for (arn, place) in rows {
            assert_eq!(SecretLocation::of(arn), place, "{arn}");
        }
    }

    #[test]
    fn a_value_that_a_place_does_not_take_is_refused_without_being_said() {
        let manager = SecretLocation::Manager(String::new());
        let parameter = SecretLocation::Parameter(String::new());
        let long = "x".repeat(PARAMETER_MOST + 1);
        let rows: [(&SecretLocation, &[u8], Option<&str>); 9] = [
            (&manager, b"unset", None),
            (&manager, long.as_bytes(), None),
            (&manager, b"", Some("0 bytes")),
            (&manager, &[b'x'; MAX_BYTES + 1], Some("65537 bytes")),
            (&manager, &[0xff], Some("not UTF-8")),
            (&parameter, b"hunter2", None),
            (&parameter, long.as_bytes(), Some("1 to 4096")),
            (&parameter, b"unset", Some("mark of a parameter")),
            (&parameter, &[b'x', 0xff], Some("not UTF-8")),
        ];
        for (place, value, words) in rows {
            let said = place.refuses(&SecretValue::new(value));
            match words {
                None => assert_eq!(said, None),
                Some(words) => {
                    let said = said.expect("it is refused");
                    assert!(said.contains(words) && !said.contains("xx"), "{said}");
                }
            }
        }
    }
}
