# Application Auto Scaling. It owns desired_count between min and max; a release never lowers it.

resource "aws_appautoscaling_target" "this" {
  count = var.scale == null ? 0 : 1

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster_name}/${aws_ecs_service.this.name}"
  min_capacity       = var.scale.min
  max_capacity       = var.scale.max
  tags               = var.tags
}

locals {
  tracked = var.scale == null ? {} : {
    for metric, target in {
      ECSServiceAverageCPUUtilization    = var.scale.cpu
      ECSServiceAverageMemoryUtilization = var.scale.memory
    } : metric => target if target != null
  }
}

resource "aws_appautoscaling_policy" "utilization" {
  for_each = local.tracked

  name               = "${var.name}-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value
    scale_out_cooldown = var.scale.out_cooldown
    scale_in_cooldown  = var.scale.in_cooldown
    disable_scale_in   = var.scale.scale_in_disabled

    predefined_metric_specification {
      predefined_metric_type = each.key
    }
  }
}

# Requests per task over both groups. AWS's own metric (ALBRequestCountPerTarget) knows one group,
# and would read nothing once a release has moved the users to the other.
resource "aws_appautoscaling_policy" "requests" {
  count = try(var.scale.requests, null) == null ? 0 : 1

  name               = "${var.name}-requests"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.scale.requests
    scale_out_cooldown = var.scale.out_cooldown
    scale_in_cooldown  = var.scale.in_cooldown
    disable_scale_in   = var.scale.scale_in_disabled

    customized_metric_specification {
      metrics {
        id          = "total"
        label       = "Requests per task and minute, both groups"
        expression  = "FILL(blue, 0) + FILL(green, 0)"
        return_data = true
      }

      dynamic "metrics" {
        for_each = aws_lb_target_group.this
        content {
          id          = metrics.key
          return_data = false
          metric_stat {
            stat = "Sum"
            metric {
              namespace   = "AWS/ApplicationELB"
              metric_name = "RequestCountPerTarget"
              dimensions {
                name  = "TargetGroup"
                value = metrics.value.arn_suffix
              }
            }
          }
        }
      }
    }
  }
}

resource "aws_appautoscaling_scheduled_action" "this" {
  for_each = var.schedule

  name               = "${var.name}-${each.key}"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id
  schedule           = each.value.expression
  timezone           = each.value.timezone

  scalable_target_action {
    min_capacity = each.value.min
    max_capacity = each.value.max
  }
}
