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
    for_each = local.conditions[each.key]
    content {
      dynamic "host_header" {
        for_each = condition.value.of == "hosts" ? [condition.value.values] : []
        content {
          values = host_header.value
        }
      }
      dynamic "path_pattern" {
        for_each = condition.value.of == "paths" ? [condition.value.values] : []
        content {
          values = path_pattern.value
        }
      }
      dynamic "http_request_method" {
        for_each = condition.value.of == "methods" ? [condition.value.values] : []
        content {
          values = http_request_method.value
        }
      }
      dynamic "source_ip" {
        for_each = condition.value.of == "sources" ? [condition.value.values] : []
        content {
          values = source_ip.value
        }
      }
      dynamic "http_header" {
        for_each = condition.value.of == "header" ? [condition.value] : []
        content {
          http_header_name = http_header.value.name
          values           = http_header.value.values
        }
      }
      dynamic "query_string" {
        for_each = condition.value.query
        content {
          key   = query_string.value.key
          value = query_string.value.value
        }
      }
    }
  }

  lifecycle {
    # ECS and the driver turn this rule round when green has become the group in use.
    ignore_changes = [action]
  }
}
