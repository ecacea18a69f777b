# One job of a service, started by the clock, and the role that may start it and nothing else.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  # Without a number it is the newest revision: the one that was released last.
  family = "arn:${local.partition}:ecs:${data.aws_region.current.id}:${local.account}:task-definition/${var.family}"
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297:a schedule holds a command and ARNs, no secret; it is encrypted by AWS's key
  name                = var.name
  description         = "Runs a job of ${var.family}"
  schedule_expression = var.expression
  state               = "ENABLED"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.cluster_arn
    role_arn = aws_iam_role.this.arn
    input    = jsonencode({ containerOverrides = [{ name = var.container, command = var.command }] })

    ecs_parameters {
      task_definition_arn = local.family
      launch_type         = "FARGATE"
      task_count          = 1

      network_configuration {
        subnets          = var.subnet_ids
        security_groups  = [var.security_group_id]
        assign_public_ip = false
      }
    }

    # A task that could not be started is tried again for a while, then left for the next time.
    retry_policy {
      maximum_retry_attempts       = 3
      maximum_event_age_in_seconds = 900
    }
  }
}

resource "aws_iam_role" "this" {
  name_prefix = "${substr(var.name, 0, 27)}-schedule-"
  description = "Starts the tasks of the schedule ${var.name}"
  tags        = var.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "run-task"
  role = aws_iam_role.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "RunTask"
        Effect = "Allow"
        Action = "ecs:RunTask"
        # `*` stands for the revisions of this one family.
        Resource  = [local.family, "${local.family}:*"]
        Condition = { ArnEquals = { "ecs:cluster" = var.cluster_arn } }
      },
      {
        Sid       = "PassRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = [var.execution_role_arn, var.task_role_arn]
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
    ]
  })
}
