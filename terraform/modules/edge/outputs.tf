output "url" {
  description = "The application's address."
  value       = var.domain != null ? "https://${local.names[0]}" : local.cloudfront ? "https://${aws_cloudfront_distribution.this[0].domain_name}" : "http://${var.balancer.dns_name}"
}

output "distribution_id" {
  description = "CloudFront's distribution, for invalidations, or null."
  value       = one(aws_cloudfront_distribution.this[*].id)
}

output "distribution_arn" {
  description = "Its ARN, for the deploy role, or null."
  value       = one(aws_cloudfront_distribution.this[*].arn)
}

output "static_bucket" {
  description = "Bucket that static files are copied to, or null."
  value       = one(aws_s3_bucket.static[*].id)
}

output "static_bucket_arn" {
  description = "Its ARN, for the deploy role, or null."
  value       = local.files ? local.static_arn : null
}

output "balancer_certificate_arn" {
  description = "Proven certificate for the balancer's HTTPS listener, or null without a domain."
  value       = one(aws_acm_certificate_validation.balancer[*].certificate_arn)
}

output "web_acl_arn" {
  description = "ARN of the web ACL, or null."
  value       = local.web_acl_arn
}
