# The access log's bucket: closed, encrypted, TLS only, emptied after a while.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  log_buckets = var.access_logs > 0 ? [1] : []
  log_bucket  = "${var.name}-lb-logs-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.id}"
  log_arn     = "arn:${data.aws_partition.current.partition}:s3:::${local.log_bucket}"
}

resource "aws_s3_bucket" "logs" {
  #checkov:skip=CKV_AWS_18:this bucket holds the log; a log of the log would not end
  #checkov:skip=CKV_AWS_144:an access log does not need a second region
  #checkov:skip=CKV_AWS_145:the load balancer writes only to buckets with SSE-S3
  #checkov:skip=CKV2_AWS_62:nobody waits for an access log file
  count = length(local.log_buckets)

  bucket        = local.log_bucket
  force_destroy = !var.keep_logs_on_destroy
  tags          = var.tags
}

resource "aws_s3_bucket_public_access_block" "logs" {
  count = length(local.log_buckets)

  bucket                  = aws_s3_bucket.logs[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "logs" {
  count = length(local.log_buckets)

  bucket = aws_s3_bucket.logs[0].id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "logs" {
  count = length(local.log_buckets)

  bucket = aws_s3_bucket.logs[0].id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "logs" {
  count = length(local.log_buckets)

  bucket = aws_s3_bucket.logs[0].id
  rule {
    id     = "expire"
    status = "Enabled"
    filter {}
    expiration {
      days = var.access_logs
    }
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_policy" "logs" {
  count = length(local.log_buckets)

  bucket = aws_s3_bucket.logs[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "LoadBalancerWrites"
        Effect    = "Allow"
        Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
        Action    = "s3:PutObject"
        # `*` stands for the objects below this account's prefix, which AWS names itself.
        Resource  = "${local.log_arn}/AWSLogs/${data.aws_caller_identity.current.account_id}/*"
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*" # a refusal, and it is meant for everybody
        Action    = "s3:*"
        Resource  = [local.log_arn, "${local.log_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}
