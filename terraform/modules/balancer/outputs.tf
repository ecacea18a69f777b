output "arn" {
  description = "The load balancer's ARN."
  value       = aws_lb.this.arn
}

output "arn_suffix" {
  description = "app/<name>/<id>: the LoadBalancer dimension of its metrics."
  value       = aws_lb.this.arn_suffix
}

output "dns_name" {
  description = "The name AWS gave it."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Zone of dns_name, for alias records."
  value       = aws_lb.this.zone_id
}

output "listener_arn" {
  description = "The listener that services put their rules on: HTTPS when there is a certificate, else HTTP."
  value       = local.tls ? aws_lb_listener.https[0].arn : aws_lb_listener.http.arn
}

output "listener_port" {
  description = "Port of listener_arn."
  value       = local.tls ? 443 : 80
}

output "security_group_id" {
  description = "The balancer's security group; services let it in and add an egress rule to it."
  value       = aws_security_group.this.id
}

output "log_bucket" {
  description = "Bucket of the access log, or null."
  value       = one(aws_s3_bucket.logs[*].id)
}
