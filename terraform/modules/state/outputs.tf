output "bucket" {
  description = "Name of the bucket; the driver keeps its records under releases/."
  value       = aws_s3_bucket.this.bucket
}

output "arn" {
  description = "ARN of the bucket."
  value       = local.arn
}

output "backend" {
  description = "Settings of Terraform's s3 backend; the key is one per environment. The lock is S3's own, no table."
  value = {
    bucket       = aws_s3_bucket.this.bucket
    region       = data.aws_region.current.id
    encrypt      = true
    use_lockfile = true
  }
}
