//! Files in buckets: written once by their digest, copied with their headers, listed, deleted.

use std::collections::BTreeMap;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::MetadataDirective;

use super::{AwsClients, trouble};
use crate::error::DriverError;

/// An object's bytes and S3's ETag.
pub(super) type StoredObject = (Vec<u8>, Option<String>);

/// A copy from the bucket of records to a site's bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectCopy {
    /// `bucket/key` of the source; both without characters that need an escape.
    pub source: String,
    /// The site's bucket.
    pub bucket: String,
    /// The file's path.
    pub key: String,
    /// The object's `Content-Type`.
    pub content_type: String,
    /// The object's `Cache-Control`.
    pub cache_control: String,
}

impl AwsClients {
    /// An object, `None` when there is none.
    ///
    /// # Errors
    /// The call failed.
    pub(super) async fn object(
        &self,
        bucket: &str,
        key: &str,
        doing: &str,
    ) -> Result<Option<StoredObject>, DriverError> {
        let call = self.bucket.get_object().bucket(bucket).key(key);
        let answer = match call.send().await {
            Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_key()) => {
                return Ok(None);
            }
            answer => answer.map_err(trouble(doing, "s3:GetObject"))?,
        };
        let tag = answer.e_tag().map(str::to_owned);
        let bytes = answer
            .body
            .collect()
            .await
            .map_err(|error| DriverError::Call {
                doing: doing.to_owned(),
                code: "broken off".to_owned(),
                message: error.to_string(),
            })?;
        Ok(Some((bytes.into_bytes().to_vec(), tag)))
    }

    /// The bytes of a site's list of files, `None` when there is none.
    ///
    /// # Errors
    /// The call failed.
    pub async fn site_list(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, DriverError> {
        let found = self.object(bucket, key, "read the site's files").await?;
        Ok(found.map(|(bytes, _)| bytes))
    }

    /// Writes an object that never changes. False: there is one already, and it stays.
    ///
    /// # Errors
    /// The call failed. Nothing was written.
    pub async fn put_new(
        &self,
        bucket: &str,
        key: &str,
        bytes: Vec<u8>,
    ) -> Result<bool, DriverError> {
        let call = self
            .bucket
            .put_object()
            .bucket(bucket)
            .key(key)
            .if_none_match("*")
            .body(ByteStream::from(bytes));
        let answer = call.send().await;
        match answer.map_err(trouble(&format!("write {key}"), "s3:PutObject")) {
            Ok(_) => Ok(true),
            // S3 API reference, PutObject: If-None-Match with an object that exists.
            Err(DriverError::Call { code, .. }) if code == "PreconditionFailed" => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Copies a file into a site's bucket, with the headers that it is sent with.
    ///
    /// # Errors
    /// The call failed.
    pub async fn copy(&self, copy: &ObjectCopy) -> Result<(), DriverError> {
        let call = self
            .bucket
            .copy_object()
            .copy_source(&copy.source)
            .bucket(&copy.bucket)
            .key(&copy.key)
            .metadata_directive(MetadataDirective::Replace)
            .content_type(&copy.content_type)
            .cache_control(&copy.cache_control);
        let doing = format!("copy {} to the site", copy.key);
        call.send().await.map_err(trouble(&doing, "s3:PutObject"))?;
        Ok(())
    }

    /// Every file of a bucket whose key begins so, with its size in bytes.
    ///
    /// # Errors
    /// The call failed.
    pub async fn files(
        &self,
        bucket: &str,
        begins: &str,
    ) -> Result<BTreeMap<String, u64>, DriverError> {
        let mut found = BTreeMap::new();
        let mut next: Option<String> = None;
        loop {
            let call = self.bucket.list_objects_v2().bucket(bucket).prefix(begins);
            let answer = call.set_continuation_token(next).send().await;
            let answer = answer.map_err(trouble(&format!("list {bucket}"), "s3:ListBucket"))?;
            for object in answer.contents() {
                let size = u64::try_from(object.size().unwrap_or(0)).unwrap_or(0);
                found.insert(object.key().unwrap_or_default().to_owned(), size);
            }
            next = answer.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// Deletes a file; one that is not there is deleted already.
    ///
    /// # Errors
    /// The call failed.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), DriverError> {
        let call = self.bucket.delete_object().bucket(bucket).key(key);
        let doing = format!("delete {key} of {bucket}");
        call.send()
            .await
            .map_err(trouble(&doing, "s3:DeleteObject"))?;
        Ok(())
    }
}
