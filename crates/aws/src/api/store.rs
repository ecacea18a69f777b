//! The state bucket, with conditional writes, and Terraform's parameter.

use aws_sdk_s3::primitives::ByteStream;

use super::{AwsClients, trouble};
use crate::error::DriverError;
use crate::record::EnvironmentRecord;
use crate::terraform_outputs::{TerraformOutputs, parameter};

/// A record and the version of it that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRecord {
    pub record: EnvironmentRecord,
    /// S3's ETag; `None`: there was no object.
    pub tag: Option<String>,
}

impl AwsClients {
    /// Terraform's outputs for the driver, from the environment's SSM parameter.
    ///
    /// # Errors
    /// The infrastructure is not there, or the call failed.
    pub async fn facts(&self, app: &str, env: &str) -> Result<TerraformOutputs, DriverError> {
        let name = parameter(app, env);
        let answer = self.parameters.get_parameter().name(&name).send().await;
        let answer = match answer {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_parameter_not_found()) =>
            {
                return Err(DriverError::Missing {
                    what: format!(
                        "environment `{env}` is not on AWS in {}: there is no parameter {name}",
                        self.region
                    ),
                    help: format!("create it first: neargate infra apply -e {env}"),
                });
            }
            answer => answer.map_err(trouble("read the parameter", "ssm:GetParameter"))?,
        };
        let value = answer.parameter().and_then(|it| it.value());
        TerraformOutputs::read(&name, value.unwrap_or_default())
    }

    /// Reads a record; an empty one when there is no object.
    ///
    /// # Errors
    /// The call failed, or the object is no record.
    pub async fn read_record(&self, bucket: &str, key: &str) -> Result<StoredRecord, DriverError> {
        let Some((bytes, tag)) = self.object(bucket, key, "read the record").await? else {
            return Ok(StoredRecord {
                record: EnvironmentRecord::default(),
                tag: None,
            });
        };
        Ok(StoredRecord {
            record: EnvironmentRecord::read(key, &bytes)?,
            tag,
        })
    }

    /// Writes a record if nobody wrote it since it was read; its tag is then the new one.
    ///
    /// # Errors
    /// Somebody wrote it, or the call failed. Nothing was written.
    pub async fn write_record(
        &self,
        bucket: &str,
        key: &str,
        stored: &mut StoredRecord,
    ) -> Result<(), DriverError> {
        let text = serde_json::to_vec(&stored.record).map_err(|error| DriverError::Call {
            doing: "write the record".to_owned(),
            code: "json".to_owned(),
            message: error.to_string(),
        })?;
        let put = self.bucket.put_object().bucket(bucket).key(key);
        let put = match &stored.tag {
            Some(tag) => put.if_match(tag),
            None => put.if_none_match("*"),
        };
        let put = put
            .content_type("application/json")
            .body(ByteStream::from(text));
        let answer = put
            .send()
            .await
            .map_err(trouble("write the record", "s3:PutObject"));
        match answer {
            Ok(answer) => {
                stored.tag = answer.e_tag().map(str::to_owned);
                Ok(())
            }
            // S3 API reference, PutObject: both are answers to a conditional write.
            Err(DriverError::Call { code, .. })
                if code == "PreconditionFailed" || code == "ConditionalRequestConflict" =>
            {
                Err(DriverError::Refused {
                    what: "another client wrote the record of this service at the same time"
                        .to_owned(),
                    help: "see what it does: neargate status".to_owned(),
                })
            }
            Err(other) => Err(other),
        }
    }
}
