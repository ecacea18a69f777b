# Static files: a private bucket that only this distribution reads.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  static_bucket = "${var.name}-static-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.id}"
  static_arn    = "arn:${data.aws_partition.current.partition}:s3:::${local.static_bucket}"
}

resource "aws_s3_bucket" "static" {
  #checkov:skip=CKV_AWS_18:CloudFront and the web ACL log who asked; nobody else can
  #checkov:skip=CKV_AWS_144:the files can be built again at any time
  #checkov:skip=CKV_AWS_145:the files are public by purpose; SSE-S3 is enough
  #checkov:skip=CKV2_AWS_62:nobody waits for a file
  count = local.static_bucket_count

  bucket        = local.static_bucket
  force_destroy = var.empty_static_on_destroy
  tags          = var.tags
}

resource "aws_s3_bucket_public_access_block" "static" {
  count = local.static_bucket_count

  bucket                  = aws_s3_bucket.static[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "static" {
  count = local.static_bucket_count

  bucket = aws_s3_bucket.static[0].id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "static" {
  count = local.static_bucket_count

  bucket = aws_s3_bucket.static[0].id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "static" {
  count = local.static_bucket_count

  bucket = aws_s3_bucket.static[0].id
  rule {
    id     = "older-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.static]
}

resource "aws_s3_bucket_policy" "static" {
  count = local.static_bucket_count

  bucket = aws_s3_bucket.static[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "DistributionReads"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = "s3:GetObject"
        # `*` stands for the files of this bucket.
        Resource  = "${local.static_arn}/*"
        Condition = { StringEquals = { "AWS:SourceArn" = aws_cloudfront_distribution.this[0].arn } }
      },
      {
        # With it a file that is not there is a 404; without it S3 says 403.
        Sid       = "DistributionLearnsWhatIsMissing"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = "s3:ListBucket"
        Resource  = local.static_arn
        Condition = { StringEquals = { "AWS:SourceArn" = aws_cloudfront_distribution.this[0].arn } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*" # a refusal, and it is meant for everybody
        Action    = "s3:*"
        Resource  = [local.static_arn, "${local.static_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_cloudfront_origin_access_control" "static" {
  count = local.static_bucket_count

  name                              = "${var.name}-static"
  description                       = "Signs the distribution's requests to the bucket"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

# A function, not CloudFront's custom error pages: those would turn the API's 403 and 404 into pages.
resource "aws_cloudfront_function" "paths" {
  count = local.static_bucket_count

  name    = "${var.name}-paths"
  comment = "Which file a path without one means"
  runtime = "cloudfront-js-2.0"
  publish = true
  code    = file("${path.module}/paths-${var.static == "pages" ? "pages" : "spa"}.js")
}
