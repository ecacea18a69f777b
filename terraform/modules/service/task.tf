# The first task definition and the log group of all.

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  container = "app"
  log_group = "/neargate/${var.cluster_name}/${var.name}"
  log_arn   = "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:log-group:${local.log_group}"
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:logs are always encrypted; kms_key_arn replaces AWS's key by a customer's
  #checkov:skip=CKV_AWS_338:how long logs are kept is the owner's decision and a cost; 30 days by default
  name              = local.log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_ecs_task_definition" "first" {
  #checkov:skip=CKV_AWS_336:the root file system is read-only unless task.read_only = false
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = tostring(var.task.cpu)
  memory                   = tostring(var.task.memory)
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  tags                     = var.tags

  # A rollback may need any revision: none is deregistered from here.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.task.architecture
  }

  # /tmp is the one place where a task with a read-only root may write; it goes with the task.
  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([merge(
    {
      name                   = local.container
      image                  = var.task.image
      essential              = true
      user                   = var.task.user
      readonlyRootFilesystem = var.task.read_only
      stopTimeout            = var.task.stop_seconds
      portMappings           = var.task.port == null ? [] : [{ name = "http", containerPort = var.task.port, hostPort = var.task.port, protocol = "tcp" }]
      mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
      environment            = [for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }]
      secrets                = [for name in sort(keys(var.task.secrets)) : { name = name, valueFrom = var.task.secrets[name] }]
      linuxParameters        = { initProcessEnabled = true }
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this.name
          awslogs-region        = data.aws_region.current.id
          awslogs-stream-prefix = var.name
        }
      }
    },
    var.task.command == null ? {} : { command = var.task.command },
    var.task.check == null ? {} : {
      healthCheck = {
        command     = concat(["CMD"], var.task.check.command)
        interval    = var.task.check.interval
        timeout     = var.task.check.timeout
        retries     = var.task.check.failures
        startPeriod = var.task.check.start
      }
    },
  )])

  lifecycle {
    # The driver registers revisions; this resource is only where they begin.
    ignore_changes = all
  }
}

locals {
  environment = merge(var.task.port == null ? {} : { PORT = tostring(var.task.port) }, var.task.environment)
}
