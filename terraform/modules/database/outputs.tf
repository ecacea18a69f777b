output "identifier" {
  description = "Identifier of the instance, the DBInstanceIdentifier dimension of its metrics."
  value       = aws_db_instance.this.identifier
}

output "arn" {
  description = "ARN of the instance."
  value       = aws_db_instance.this.arn
}

output "address" {
  description = "Host name; it follows a failover."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Port."
  value       = local.port
}

output "database_name" {
  description = "Name of the first database."
  value       = var.database_name
}

output "username" {
  description = "Name of the master user."
  value       = var.username
}

output "url_arn" {
  description = "ARN of the secret or parameter that holds the URL. Whoever reads it here waits until it is written."
  value       = var.url.store == "secret" ? var.url.secret_arn : aws_ssm_parameter.url[0].arn
  depends_on  = [aws_secretsmanager_secret_version.url]
}

output "replica_addresses" {
  description = "Host names to read from."
  value       = aws_db_instance.replica[*].address
}

output "security_group_id" {
  description = "The database's security group."
  value       = aws_security_group.this.id
}
