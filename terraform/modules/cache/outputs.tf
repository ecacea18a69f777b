output "id" {
  description = "Id of the replication group."
  value       = aws_elasticache_replication_group.this.id
}

output "address" {
  description = "Name of the primary; it follows a failover."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "reader_address" {
  description = "Name that goes round the replicas."
  value       = aws_elasticache_replication_group.this.reader_endpoint_address
}

output "port" {
  description = "Port."
  value       = local.port
}

output "url" {
  description = "REDIS_URL of a service, with TLS and without a log-in."
  value       = "rediss://${aws_elasticache_replication_group.this.primary_endpoint_address}:${local.port}"
}

output "node_ids" {
  description = "Ids of the nodes, the CacheClusterId dimension of their metrics."
  value       = [for index in range(var.replicas + 1) : format("%s-%03d", var.name, index + 1)]
}

output "security_group_id" {
  description = "The cache's security group."
  value       = aws_security_group.this.id
}
