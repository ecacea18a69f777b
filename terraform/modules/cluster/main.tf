# The ECS cluster: Fargate and Fargate Spot, insights, and a record of every exec session.

resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_65:insights are on unless insights = disabled, which saves money in a trial
  #checkov:skip=CKV_AWS_224:exec sessions go to a log group of their own; kms_key_arn adds a customer key
  name = var.name
  tags = var.tags

  setting {
    name  = "containerInsights"
    value = var.insights
  }

  configuration {
    execute_command_configuration {
      kms_key_id = var.kms_key_arn
      logging    = "OVERRIDE"

      log_configuration {
        cloud_watch_encryption_enabled = var.kms_key_arn != null
        cloud_watch_log_group_name     = aws_cloudwatch_log_group.exec.name
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "exec" {
  #checkov:skip=CKV_AWS_338:a year by default; a trial keeps it as long as its other logs
  #checkov:skip=CKV_AWS_158:logs are always encrypted; kms_key_arn replaces AWS's key by a customer's
  name              = "/neargate/${var.name}/exec"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = var.base_tasks
    weight            = 100 - var.spot_weight
  }

  dynamic "default_capacity_provider_strategy" {
    for_each = var.spot_weight > 0 ? [var.spot_weight] : []
    content {
      capacity_provider = "FARGATE_SPOT"
      weight            = default_capacity_provider_strategy.value
    }
  }
}

resource "aws_service_discovery_private_dns_namespace" "this" {
  count = var.namespace == null ? 0 : 1

  name        = var.namespace
  description = "Services of ${var.name}"
  vpc         = var.vpc_id
  tags        = var.tags
}
