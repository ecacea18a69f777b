output "name" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.this.name
}

output "arn" {
  description = "ARN of the cluster."
  value       = aws_ecs_cluster.this.arn
}

output "exec_log_group" {
  description = "Log group of exec sessions."
  value       = aws_cloudwatch_log_group.exec.name
}

output "repository_urls" {
  description = "Where images are pushed, by short name."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "repository_arns" {
  description = "ARN of each repository, for the deploy role, by short name."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.arn }
}

output "namespace_id" {
  description = "The service discovery namespace, or null."
  value       = one(aws_service_discovery_private_dns_namespace.this[*].id)
}
