output "secret_arns" {
  description = "ARN of each secret, by name."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
}

output "parameter_arns" {
  description = "ARN of each parameter, by name."
  value       = { for name, parameter in aws_ssm_parameter.this : name => parameter.arn }
}

output "kms_key_arn" {
  description = "The customer key for the other modules' kms_key_arn, or null."
  value       = local.key_arn
}
