# ECS's own traffic strategies, which provider 6.x can write and 5.100 cannot. This is an override
# file: copied beside main.tf it is merged into the service there. See the module's README.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.21, < 7.0"
    }
  }
}

resource "aws_ecs_service" "this" {
  deployment_configuration {
    strategy             = var.deployment.strategy
    bake_time_in_minutes = local.shifting ? tostring(var.deployment.bake_minutes) : null

    dynamic "linear_configuration" {
      for_each = var.deployment.strategy == "LINEAR" ? [1] : []
      content {
        step_percent              = var.deployment.step_percent
        step_bake_time_in_minutes = tostring(var.deployment.step_bake_minutes)
      }
    }

    dynamic "canary_configuration" {
      for_each = var.deployment.strategy == "CANARY" ? [1] : []
      content {
        canary_percent              = var.deployment.canary_percent
        canary_bake_time_in_minutes = tostring(var.deployment.canary_bake_minutes)
      }
    }
  }

  dynamic "load_balancer" {
    for_each = local.balanced ? [1] : []
    content {
      target_group_arn = aws_lb_target_group.this["blue"].arn
      container_name   = local.container
      container_port   = var.task.port

      dynamic "advanced_configuration" {
        for_each = local.shifting ? [1] : []
        content {
          alternate_target_group_arn = aws_lb_target_group.this["green"].arn
          production_listener_rule   = one(values(aws_lb_listener_rule.production)[*].arn)
          test_listener_rule         = one(values(aws_lb_listener_rule.test)[*].arn)
          role_arn                   = aws_iam_role.traffic[0].arn
        }
      }
    }
  }
}
