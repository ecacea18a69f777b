# One replication group in the isolated tier: TLS on the way, encrypted at rest.

locals {
  version = coalesce(var.engine_version, var.engine == "valkey" ? "8.0" : "7.1")
  family  = var.engine == "valkey" ? "valkey${split(".", local.version)[0]}" : "redis7"
  port    = 6379
}

resource "aws_elasticache_replication_group" "this" {
  #checkov:skip=CKV_AWS_31:the security group is the lock by default; user_group_ids adds log-ins
  #checkov:skip=CKV_AWS_191:always encrypted; kms_key_arn replaces AWS's key by a customer's
  #checkov:skip=CKV2_AWS_50:failover is on as soon as there is a replica
  replication_group_id = var.name
  description          = "Cache ${var.name}"
  engine               = var.engine
  engine_version       = local.version
  node_type            = var.node_type
  port                 = local.port
  parameter_group_name = aws_elasticache_parameter_group.this.name

  num_cache_clusters         = var.replicas + 1
  automatic_failover_enabled = var.replicas > 0
  multi_az_enabled           = var.replicas > 0

  subnet_group_name  = aws_elasticache_subnet_group.this.name
  security_group_ids = [aws_security_group.this.id]

  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  kms_key_id                 = var.kms_key_arn
  user_group_ids             = length(var.user_group_ids) > 0 ? var.user_group_ids : null

  snapshot_retention_limit   = var.snapshot_days
  snapshot_window            = var.snapshot_days > 0 ? var.snapshot_window : null
  final_snapshot_identifier  = var.snapshot_days > 0 ? "${var.name}-final" : null
  maintenance_window         = var.maintenance_window
  auto_minor_version_upgrade = true
  tags                       = var.tags

  log_delivery_configuration {
    destination      = aws_cloudwatch_log_group.slow.name
    destination_type = "cloudwatch-logs"
    log_format       = "json"
    log_type         = "slow-log"
  }
}

resource "aws_elasticache_parameter_group" "this" {
  name        = "${var.name}-${local.family}"
  family      = local.family
  description = "Parameters of ${var.name}"
  tags        = var.tags

  parameter {
    name  = "maxmemory-policy"
    value = var.eviction
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_elasticache_subnet_group" "this" {
  name        = var.name
  description = "Isolated subnets"
  subnet_ids  = var.subnet_ids
  tags        = var.tags
}

resource "aws_cloudwatch_log_group" "slow" {
  #checkov:skip=CKV_AWS_158:logs are always encrypted; kms_key_arn replaces AWS's key by a customer's
  #checkov:skip=CKV_AWS_338:how long logs are kept is the owner's decision and a cost; 30 days by default
  name              = "/neargate/cache/${var.name}/slow"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

# No egress rule: a cache calls nobody.
resource "aws_security_group" "this" {
  name_prefix = "${var.name}-cache-"
  description = "Cache: lets in its clients"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-cache" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = var.client_security_group_ids

  security_group_id            = aws_security_group.this.id
  description                  = "From ${each.key}"
  referenced_security_group_id = each.value
  from_port                    = local.port
  to_port                      = local.port
  ip_protocol                  = "tcp"
}
