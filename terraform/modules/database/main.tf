# One PostgreSQL instance in the isolated tier, its parameters, its lock and its logs.

locals {
  port   = 5432
  family = "postgres${split(".", var.engine_version)[0]}"
  multi  = var.availability == "multi-zone"
  logs   = toset(["postgresql", "upgrade"])
}

resource "aws_db_instance" "this" {
  #checkov:skip=CKV_AWS_133:backup.days is 1 to 35, by validation
  #checkov:skip=CKV_AWS_157:availability is the owner's decision and doubles the price
  #checkov:skip=CKV_AWS_293:protection is on unless protect = false
  #checkov:skip=CKV_AWS_354:insights are always encrypted; kms_key_arn replaces AWS's key by a customer's
  #checkov:skip=CKV_AWS_118:enhanced monitoring is on unless monitoring_seconds = 0
  #checkov:skip=CKV2_AWS_69:rds.force_ssl is 1 in the parameter group
  identifier     = var.name
  engine         = "postgres"
  engine_version = var.engine_version
  instance_class = var.instance_class
  db_name        = var.database_name
  port           = local.port
  multi_az       = local.multi

  username                            = var.username
  password_wo                         = var.password
  password_wo_version                 = local.version
  iam_database_authentication_enabled = true

  storage_type          = "gp3"
  allocated_storage     = var.storage.size
  max_allocated_storage = var.storage.most == 0 ? null : var.storage.most
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.this.id]
  publicly_accessible    = false
  parameter_group_name   = aws_db_parameter_group.this.name
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  backup_retention_period    = var.backup.days
  backup_window              = var.backup.window
  maintenance_window         = var.maintenance_window
  copy_tags_to_snapshot      = true
  delete_automated_backups   = !var.protect
  auto_minor_version_upgrade = true
  apply_immediately          = var.apply == "at-once"

  deletion_protection       = var.protect
  skip_final_snapshot       = !var.protect
  final_snapshot_identifier = var.protect ? "${var.name}-final" : null

  monitoring_interval                   = var.monitoring_seconds
  monitoring_role_arn                   = one(aws_iam_role.monitoring[*].arn)
  performance_insights_enabled          = true
  performance_insights_retention_period = 7
  performance_insights_kms_key_id       = var.kms_key_arn
  enabled_cloudwatch_logs_exports       = local.logs
  tags                                  = var.tags

  lifecycle {
    # A minor version that AWS has applied in the window is not taken back.
    ignore_changes = [engine_version]
  }

  depends_on = [aws_cloudwatch_log_group.this]
}

resource "aws_db_instance" "replica" {
  #checkov:skip=CKV_AWS_157:a replica is itself the second copy
  #checkov:skip=CKV_AWS_293:a replica can be made again; the primary is protected
  #checkov:skip=CKV_AWS_354:insights are always encrypted; kms_key_arn replaces AWS's key by a customer's
  #checkov:skip=CKV_AWS_118:enhanced monitoring is on unless monitoring_seconds = 0
  #checkov:skip=CKV2_AWS_69:rds.force_ssl is 1 in the parameter group
  #checkov:skip=CKV_AWS_133:backups are the primary's
  count = var.replicas

  identifier                          = "${var.name}-replica-${count.index + 1}"
  replicate_source_db                 = aws_db_instance.this.identifier
  instance_class                      = var.instance_class
  storage_type                        = "gp3"
  storage_encrypted                   = true
  max_allocated_storage               = var.storage.most == 0 ? null : var.storage.most
  iam_database_authentication_enabled = true

  vpc_security_group_ids = [aws_security_group.this.id]
  publicly_accessible    = false
  parameter_group_name   = aws_db_parameter_group.this.name
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  maintenance_window         = var.maintenance_window
  copy_tags_to_snapshot      = true
  auto_minor_version_upgrade = true
  apply_immediately          = var.apply == "at-once"
  skip_final_snapshot        = true

  monitoring_interval                   = var.monitoring_seconds
  monitoring_role_arn                   = one(aws_iam_role.monitoring[*].arn)
  performance_insights_enabled          = true
  performance_insights_retention_period = 7
  performance_insights_kms_key_id       = var.kms_key_arn
  enabled_cloudwatch_logs_exports       = local.logs
  tags                                  = var.tags
}

resource "aws_db_parameter_group" "this" {
  name        = "${var.name}-${local.family}"
  family      = local.family
  description = "Parameters of ${var.name}"
  tags        = var.tags

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = tostring(var.slow_query_milliseconds)
  }

  # What changes the schema is logged; data is not, it may be personal.
  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  dynamic "parameter" {
    for_each = var.parameters
    content {
      name  = parameter.key
      value = parameter.value
      # Whether a parameter is static is not known here; this serves both kinds.
      apply_method = "pending-reboot"
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_subnet_group" "this" {
  name        = var.name
  description = "Isolated subnets"
  subnet_ids  = var.subnet_ids
  tags        = var.tags
}

# RDS would make these itself, to be kept for ever.
resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:logs are always encrypted; kms_key_arn replaces AWS's key by a customer's
  #checkov:skip=CKV_AWS_338:how long logs are kept is the owner's decision and a cost; 30 days by default
  for_each = local.logs

  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

# No egress rule: a database calls nobody.
resource "aws_security_group" "this" {
  name_prefix = "${var.name}-database-"
  description = "Database: lets in its clients"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-database" })

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

data "aws_partition" "current" {}

resource "aws_iam_role" "monitoring" {
  count = var.monitoring_seconds > 0 ? 1 : 0

  name_prefix = "${substr(var.name, 0, 25)}-monitoring-"
  description = "Writes enhanced monitoring of ${var.name}"
  tags        = var.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "monitoring.rds.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  count = length(aws_iam_role.monitoring)

  role       = aws_iam_role.monitoring[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}
