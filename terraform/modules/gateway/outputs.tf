output "api_id" {
  description = "Id of the API, the ApiId dimension of its metrics."
  value       = aws_apigatewayv2_api.this.id
}

output "url" {
  description = "Where the API is reached."
  value       = var.domain == null ? aws_apigatewayv2_api.this.api_endpoint : "https://${var.domain.name}"
}

output "origin_domain" {
  description = "Host name for CloudFront in front of the API (a web ACL cannot be tied to an HTTP API)."
  value       = var.domain == null ? trimprefix(aws_apigatewayv2_api.this.api_endpoint, "https://") : var.domain.name
}

output "security_group_id" {
  description = "The link's security group; the internal load balancer lets it in."
  value       = aws_security_group.link.id
}

output "log_group" {
  description = "Log group of the access log."
  value       = aws_cloudwatch_log_group.this.name
}
