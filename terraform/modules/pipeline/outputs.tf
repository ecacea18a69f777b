output "provider_arn" {
  description = "GitHub's OIDC provider."
  value       = local.provider
}

output "plan_role_arns" {
  description = "Role that reads, by environment."
  value       = { for name, role in aws_iam_role.plan : name => role.arn }
}

output "deploy_role_arns" {
  description = "Role of the release driver, by environment."
  value       = { for name, role in aws_iam_role.deploy : name => role.arn }
}

output "infrastructure_role_arns" {
  description = "Role of terraform apply, by environment."
  value       = { for name, role in aws_iam_role.infrastructure : name => role.arn }
}
