# Two target groups and the rules that divide requests between them. Terraform makes the rules with
# all traffic on blue; whoever releases (ECS or the driver) owns the weights from then on.

locals {
  balanced = length(var.routes) > 0
  groups   = local.balanced ? toset(["blue", "green"]) : toset([])

  # A target group's name has at most 32 characters; a longer one keeps its start and a digest.
  group_name = length(var.name) <= 26 ? var.name : "${trimsuffix(substr(var.name, 0, 19), "-")}-${substr(sha1(var.name), 0, 6)}"

  # The conditions of each route, for both of its rules.
  conditions = { for key, route in var.routes : key => concat(
    [for of in ["hosts", "paths", "methods", "sources"] : { of = of, name = null, values = route[of], query = [] } if length(route[of]) > 0],
    [for name, values in route.headers : { of = "header", name = name, values = values, query = [] }],
    [for query in [route.query] : { of = "query", name = null, values = [], query = query } if length(query) > 0],
  ) }
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; tasks listen in private subnets and let only it in
  for_each = local.groups

  name                          = "${local.group_name}-${each.key}"
  port                          = var.task.port
  protocol                      = "HTTP"
  target_type                   = "ip"
  vpc_id                        = var.vpc_id
  deregistration_delay          = tostring(var.deregistration_delay_seconds)
  slow_start                    = var.slow_start_seconds
  load_balancing_algorithm_type = var.balancing
  tags                          = merge(var.tags, { Colour = each.key })

  load_balancing_anomaly_mitigation = var.balancing == "weighted_random" ? "on" : "off"

  health_check {
    path                = var.health.path
    protocol            = "HTTP"
    port                = "traffic-port"
    interval            = var.health.interval
    timeout             = var.health.timeout
    healthy_threshold   = var.health.healthy
    unhealthy_threshold = var.health.unhealthy
    matcher             = var.health.matcher
  }

  stickiness {
    enabled         = var.stickiness_seconds > 0
    type            = var.stickiness_cookie == null ? "lb_cookie" : "app_cookie"
    cookie_name     = var.stickiness_cookie
    cookie_duration = max(var.stickiness_seconds, 1)
  }
}

resource "aws_lb_listener_rule" "production" {
  for_each = var.routes

  listener_arn = var.listener_arn
  priority     = each.value.priority
  tags         = merge(var.tags, { Name = "${var.name}-${each.key}" })

  action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.this["blue"].arn
        weight = 100
      }
      target_group {
        arn    = aws_lb_target_group.this["green"].arn
        weight = 0
      }
      stickiness {
        enabled  = var.stickiness_seconds > 0
        duration = max(var.stickiness_seconds, 1)
      }
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
    # The weights move in every release; they are not Terraform's.
    ignore_changes = [action]
  }
}
