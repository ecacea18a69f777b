//! Values of secrets, in Secrets Manager and Parameter Store.
//!
//! Invariant: a value is in the body of a call or of an answer and nowhere else; AWS's words
//! about a value that it refused are told without it.

use aws_sdk_secretsmanager::types::SecretVersionsListEntry;
use aws_sdk_ssm::types::ParameterType;
use neargate_core::secret::SecretValue;
use neargate_core::time::Timestamp;

use super::{AwsClients, trouble};
use crate::error::DriverError;
use crate::secret_stores::{SecretLocation, UNSET};

/// The label of Secrets Manager on the version in use.
const CURRENT: &str = "AWSCURRENT";
/// The label on the one before it.
const PREVIOUS: &str = "AWSPREVIOUS";
/// Name of the version of a value that was made here. A second one of this name is refused, so
/// of two clients that make one at once, one does (Secrets Manager API reference,
/// PutSecretValue, `ClientRequestToken`: 32 to 64 characters).
const FIRST_VERSION: &str = "neargate-made-the-first-value-0001";
/// Pages that are read of the versions of one secret: both services keep 100 (their quotas), and
/// give at least 10 a page.
const PAGES_MOST: usize = 10;

/// One version of a secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledVersion {
    /// AWS's name of it: a number in Parameter Store.
    pub version: String,
    pub stage: StagingLabel,
    /// When it was written.
    pub at: Timestamp,
}

/// The label on a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StagingLabel {
    /// New tasks get it.
    Current,
    /// It was current before.
    Previous,
    /// Kept, without a label.
    Older,
}

/// Rule for a value when somebody else wrote one meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteConflict {
    /// It becomes the newest.
    Replace,
    /// It is forgotten, where the place can tell.
    Keep,
}

impl AwsClients {
    /// Whether a place has a value.
    ///
    /// # Errors
    /// The call failed, or there is no such place.
    pub async fn has_value(&self, place: &SecretLocation) -> Result<bool, DriverError> {
        match place {
            SecretLocation::Manager(arn) => {
                let call = self.secrets.describe_secret().secret_id(arn);
                let answer = call.send().await.map_err(trouble(
                    "look for the secret",
                    "secretsmanager:DescribeSecret",
                ))?;
                let versions = answer.version_ids_to_stages();
                let current = |labels: &Vec<String>| labels.iter().any(|it| it == CURRENT);
                Ok(versions.is_some_and(|it| it.values().any(current)))
            }
            SecretLocation::Parameter(_) => Ok(self.value(place).await?.is_some()),
        }
    }

    /// The version in use and its value; `None`: there is none yet.
    ///
    /// # Errors
    /// The call failed, or there is no such place.
    pub async fn value(
        &self,
        place: &SecretLocation,
    ) -> Result<Option<(String, SecretValue)>, DriverError> {
        match place {
            SecretLocation::Manager(arn) => {
                let answer = self.secrets.get_secret_value().secret_id(arn).send().await;
                let answer = match answer {
                    // A secret without a version is answered as one that is not there.
                    Err(error)
                        if error
                            .as_service_error()
                            .is_some_and(|e| e.is_resource_not_found_exception()) =>
                    {
                        return Ok(None);
                    }
                    answer => answer
                        .map_err(trouble("read the secret", "secretsmanager:GetSecretValue"))?,
                };
                let value = answer.secret_string().unwrap_or_default();
                let version = answer.version_id().unwrap_or_default();
                Ok(Some((version.to_owned(), SecretValue::new(value))))
            }
            SecretLocation::Parameter(name) => {
                let call = self.parameters.get_parameter().name(name);
                let answer = call.with_decryption(true).send().await;
                let answer = answer.map_err(trouble("read the parameter", "ssm:GetParameter"))?;
                let found = answer.parameter();
                let value = found.and_then(|it| it.value()).unwrap_or(UNSET);
                let version = found.map_or(0, |it| it.version()).to_string();
                Ok((value != UNSET).then(|| (version, SecretValue::new(value))))
            }
        }
    }

    /// Writes a value; gives its version, or `None` when one was there that is kept.
    ///
    /// # Errors
    /// The call failed; what AWS says is told without the value.
    pub async fn put_value(
        &self,
        place: &SecretLocation,
        value: &SecretValue,
        key: Option<&str>,
        over: WriteConflict,
    ) -> Result<Option<String>, DriverError> {
        let text = value.expose_text().unwrap_or_default();
        let written = match place {
            SecretLocation::Manager(arn) => self.put_secret(arn, text, over).await,
            SecretLocation::Parameter(name) => self.put_parameter(name, text, key).await.map(Some),
        };
        written.map_err(|trouble| without(trouble, text))
    }

    async fn put_secret(
        &self,
        arn: &str,
        text: &str,
        over: WriteConflict,
    ) -> Result<Option<String>, DriverError> {
        let call = self.secrets.put_secret_value().secret_id(arn);
        let call = match over {
            WriteConflict::Replace => call,
            WriteConflict::Keep => call.client_request_token(FIRST_VERSION),
        };
        let answer = match call.secret_string(text).send().await {
            Err(error)
                if over == WriteConflict::Keep
                    && error
                        .as_service_error()
                        .is_some_and(|e| e.is_resource_exists_exception()) =>
            {
                return Ok(None);
            }
            answer => {
                answer.map_err(trouble("write the secret", "secretsmanager:PutSecretValue"))?
            }
        };
        Ok(Some(answer.version_id().unwrap_or_default().to_owned()))
    }

    async fn put_parameter(
        &self,
        name: &str,
        text: &str,
        key: Option<&str>,
    ) -> Result<String, DriverError> {
        let call = self.parameters.put_parameter().name(name).value(text);
        // Without a key AWS would take its own, whatever key the parameter had before.
        let call = call
            .r#type(ParameterType::SecureString)
            .set_key_id(key.map(str::to_owned))
            .overwrite(true);
        let answer = call.send().await;
        let answer = answer.map_err(trouble("write the parameter", "ssm:PutParameter"))?;
        Ok(answer.version().to_string())
    }

    /// Versions of a place that have a value, newest first.
    ///
    /// # Errors
    /// A call failed.
    pub async fn versions(
        &self,
        place: &SecretLocation,
    ) -> Result<Vec<LabelledVersion>, DriverError> {
        let mut found = match place {
            SecretLocation::Manager(arn) => self.secret_versions(arn).await?,
            SecretLocation::Parameter(name) => self.parameter_versions(name).await?,
        };
        found.sort_by_key(|it| (it.stage as u8, std::cmp::Reverse(it.at)));
        Ok(found)
    }

    async fn secret_versions(&self, arn: &str) -> Result<Vec<LabelledVersion>, DriverError> {
        let mut found = Vec::new();
        let mut next = None;
        for _ in 0..PAGES_MOST {
            let call = self.secrets.list_secret_version_ids().secret_id(arn);
            let call = call.include_deprecated(true).set_next_token(next.take());
            let answer = call.send().await.map_err(trouble(
                "list the versions of the secret",
                "secretsmanager:ListSecretVersionIds",
            ))?;
            found.extend(answer.versions().iter().map(labelled));
            next = token(answer.next_token());
            if next.is_none() {
                break;
            }
        }
        Ok(found)
    }

    async fn parameter_versions(&self, name: &str) -> Result<Vec<LabelledVersion>, DriverError> {
        let mut found = Vec::new();
        let mut next = None;
        for _ in 0..PAGES_MOST {
            let call = self.parameters.get_parameter_history().name(name);
            let call = call.with_decryption(true).set_next_token(next.take());
            let answer = call.send().await.map_err(trouble(
                "list the versions of the parameter",
                "ssm:GetParameterHistory",
            ))?;
            let set = answer.parameters().iter();
            let set = set.filter(|it| it.value() != Some(UNSET));
            found.extend(set.map(|it| (it.version(), it.last_modified_date().copied())));
            next = token(answer.next_token());
            if next.is_none() {
                break;
            }
        }
        found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
        let numbered = found.into_iter().enumerate();
        Ok(numbered.map(|(age, it)| of_age(age, it)).collect())
    }
}

/// The next page, if there is one.
fn token(given: Option<&str>) -> Option<String> {
    given.filter(|it| !it.is_empty()).map(str::to_owned)
}

fn of_age(
    age: usize,
    (version, at): (i64, Option<aws_sdk_ssm::primitives::DateTime>),
) -> LabelledVersion {
    let stage = match age {
        0 => StagingLabel::Current,
        1 => StagingLabel::Previous,
        _ => StagingLabel::Older,
    };
    let millis = at.and_then(|at| at.to_millis().ok());
    LabelledVersion {
        version: version.to_string(),
        stage,
        at: moment(millis),
    }
}

fn labelled(entry: &SecretVersionsListEntry) -> LabelledVersion {
    let has = |label: &str| entry.version_stages().iter().any(|it| it == label);
    let stage = match (has(CURRENT), has(PREVIOUS)) {
        (true, _) => StagingLabel::Current,
        (false, true) => StagingLabel::Previous,
        (false, false) => StagingLabel::Older,
    };
    LabelledVersion {
        version: entry.version_id().unwrap_or_default().to_owned(),
        stage,
        at: moment(entry.created_date().and_then(|at| at.to_millis().ok())),
    }
}

fn moment(millis: Option<i64>) -> Timestamp {
    Timestamp(u64::try_from(millis.unwrap_or(0)).unwrap_or(0))
}

/// The same trouble, with nothing of the value in AWS's words.
fn without(trouble: DriverError, value: &str) -> DriverError {
    match trouble {
        DriverError::Call {
            doing,
            code,
            message,
        } if !value.is_empty() => DriverError::Call {
            doing,
            code,
            message: message.replace(value, "…"),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_aws_are_told_without_the_value() {
        let said = "Value 'hunter2' at 'value' failed to satisfy constraint";
        let told = without(
            DriverError::of_call("write", "ssm:PutParameter", "No", said),
            "hunter2",
        );
        assert!(!format!("{told} {told:?}").contains("hunter2"), "{told}");
        assert!(told.to_string().contains("failed to satisfy"), "{told}");
    }
}
