# The same routes with a header on top: they reach the green group before any user does.

resource "aws_lb_listener_rule" "test" {
  for_each = var.test_header == null ? {} : var.routes

  listener_arn = var.listener_arn
  priority     = coalesce(each.value.test_priority, each.value.priority - 1)
  tags         = merge(var.tags, { Name = "${var.name}-${each.key}-test" })

  action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.this["blue"].arn
        weight = 0
      }
      target_group {
        arn    = aws_lb_target_group.this["green"].arn
        weight = 100
      }
    }
  }

  condition {
    http_header {
      http_header_name = var.test_header.name
      values           = [var.test_header.value]
    }
  }

  dynamic "condition" {
    for_each = length(each.value.hosts) > 0 ? [each.value.hosts] : []
    content {
      host_header {
        values = condition.value
      }
    }
  }

  dynamic "condition" {
    for_each = length(each.value.paths) > 0 ? [each.value.paths] : []
    content {
      path_pattern {
        values = condition.value
      }
    }
  }

  dynamic "condition" {
    for_each = length(each.value.methods) > 0 ? [each.value.methods] : []
    content {
      http_request_method {
        values = condition.value
      }
    }
  }

  dynamic "condition" {
    for_each = each.value.headers
    content {
      http_header {
        http_header_name = condition.key
        values           = condition.value
      }
    }
  }

  dynamic "condition" {
    for_each = length(each.value.query) > 0 ? [each.value.query] : []
    content {
      dynamic "query_string" {
        for_each = condition.value
        content {
          key   = query_string.value.key
          value = query_string.value.value
        }
      }
    }
  }

  dynamic "condition" {
    for_each = length(each.value.sources) > 0 ? [each.value.sources] : []
    content {
      source_ip {
        values = condition.value
      }
    }
  }

  lifecycle {
    # ECS and the driver turn this rule round when green has become the group in use.
    ignore_changes = [action]
  }
}
