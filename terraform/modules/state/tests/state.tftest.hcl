mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { id = "eu-central-1", name = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

variables {
  name = "notes"
}

run "the_bucket_is_versioned_encrypted_and_closed" {
  command = plan

  assert {
    condition     = aws_s3_bucket.this.bucket == "notes-state-123456789012-eu-central-1"
    error_message = "the name is unique by account and region"
  }
  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled" && aws_s3_bucket_public_access_block.this.restrict_public_buckets
    error_message = "versions are kept, the public stays out"
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "encrypted with AWS's key"
  }
  assert {
    condition     = output.backend.use_lockfile && output.backend.region == "eu-central-1"
    error_message = "S3 holds the lock"
  }
}

run "a_customer_key_is_used_when_given" {
  command = plan
  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-1111-1111-1111-111111111111"
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
    error_message = "encrypted with the customer's key"
  }
}

run "bad_values_are_refused" {
  command = plan
  variables {
    name      = "Notes_State"
    kept_days = 0
  }
  expect_failures = [var.name, var.kept_days]
}
