# CloudTrail: who called what, in every region, in a bucket that only CloudTrail writes to.

locals {
  trail_count  = var.trail > 0 ? 1 : 0
  trail_bucket = "${var.name}-trail-${local.account}-${data.aws_region.current.id}"
  bucket_arn   = "arn:${data.aws_partition.current.partition}:s3:::${local.trail_bucket}"
  trail_arn    = "arn:${data.aws_partition.current.partition}:cloudtrail:${data.aws_region.current.id}:${local.account}:trail/${var.name}"
}

resource "aws_cloudtrail" "this" {
  #checkov:skip=CKV_AWS_35:kms_key_arn encrypts with a customer's key; SSE-S3 without one
  #checkov:skip=CKV_AWS_252:the trail is read when it is needed; nobody waits for its files
  #checkov:skip=CKV2_AWS_10:a copy in CloudWatch Logs costs by the gigabyte; the bucket can be searched with Athena
  count = local.trail_count

  name                          = var.name
  s3_bucket_name                = aws_s3_bucket.trail[0].id
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true
  kms_key_id                    = var.kms_key_arn
  tags                          = var.tags

  depends_on = [aws_s3_bucket_policy.trail]
}

resource "aws_s3_bucket" "trail" {
  #checkov:skip=CKV_AWS_18:CloudTrail itself records who reads this bucket
  #checkov:skip=CKV_AWS_144:a second region for the record is the owner's decision
  #checkov:skip=CKV_AWS_145:kms_key_arn encrypts with a customer's key; SSE-S3 without one
  #checkov:skip=CKV2_AWS_62:nobody waits for its files
  count = local.trail_count

  bucket        = local.trail_bucket
  force_destroy = !var.keep_trail_on_destroy
  tags          = var.tags
}

resource "aws_s3_bucket_public_access_block" "trail" {
  count = local.trail_count

  bucket                  = aws_s3_bucket.trail[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "trail" {
  count = local.trail_count

  bucket = aws_s3_bucket.trail[0].id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "trail" {
  count = local.trail_count

  bucket = aws_s3_bucket.trail[0].id
  rule {
    bucket_key_enabled = var.kms_key_arn != null
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "trail" {
  count = local.trail_count

  bucket = aws_s3_bucket.trail[0].id
  rule {
    id     = "expire"
    status = "Enabled"
    filter {}
    expiration {
      days = var.trail
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_policy" "trail" {
  count = local.trail_count

  bucket = aws_s3_bucket.trail[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TrailLooks"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = "s3:GetBucketAcl"
        Resource  = local.bucket_arn
        Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
      },
      {
        Sid       = "TrailWrites"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = "s3:PutObject"
        # `*` stands for the files below this account's prefix, which CloudTrail names itself.
        Resource  = "${local.bucket_arn}/AWSLogs/${local.account}/*"
        Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn, "s3:x-amz-acl" = "bucket-owner-full-control" } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*" # a refusal, and it is meant for everybody
        Action    = "s3:*"
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}
