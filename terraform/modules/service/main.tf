# The ECS service. Terraform makes it and keeps its network, its role in the load balancer and its
# limits. The driver owns task_definition and desired_count.

locals {
  # The strategies in which two target groups share the traffic of a rule.
  shifting = var.deployment.strategy != "ROLLING"
}

resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = var.cluster_name
  task_definition = aws_ecs_task_definition.first.arn
  desired_count   = var.first_desired_count
  launch_type     = var.capacity == "fargate" ? "FARGATE" : null

  deployment_minimum_healthy_percent = var.deployment.minimum_percent
  deployment_maximum_percent         = var.deployment.maximum_percent
  availability_zone_rebalancing      = var.deployment.maximum_percent > 100 ? "ENABLED" : "DISABLED"
  health_check_grace_period_seconds  = local.balanced ? var.health.grace : null

  enable_execute_command  = var.exec
  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"
  wait_for_steady_state   = false
  tags                    = var.tags

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.this.id]
    assign_public_ip = false
  }

  deployment_controller {
    type = "ECS"
  }

  deployment_circuit_breaker {
    enable   = var.deployment.breaker
    rollback = var.deployment.breaker
  }

  dynamic "alarms" {
    for_each = length(var.deployment.alarm_names) > 0 ? [var.deployment.alarm_names] : []
    content {
      alarm_names = alarms.value
      enable      = true
      rollback    = true
    }
  }

  dynamic "load_balancer" {
    for_each = local.balanced ? [1] : []
    content {
      target_group_arn = aws_lb_target_group.this["blue"].arn
      container_name   = local.container
      container_port   = var.task.port
    }
  }

  dynamic "service_registries" {
    for_each = aws_service_discovery_service.this
    content {
      registry_arn = service_registries.value.arn
    }
  }

  lifecycle {
    # A release writes these: the revision, the count, and which of the two groups is in use.
    ignore_changes = [task_definition, desired_count, load_balancer]
  }

  # ECS takes a target group only when a listener rule uses it.
  depends_on = [
    aws_lb_listener_rule.production,
    aws_lb_listener_rule.test,
    aws_iam_role_policy.execution,
    aws_iam_role_policy_attachment.traffic,
  ]
}

resource "aws_service_discovery_service" "this" {
  count = var.discovery == null ? 0 : 1

  name = coalesce(var.discovery.name, var.name)
  tags = var.tags

  dns_config {
    namespace_id   = var.discovery.namespace_id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 10
    }
  }
}

resource "aws_security_group" "this" {
  name_prefix = "${var.name}-tasks-"
  description = "Tasks of ${var.name}"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-tasks" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  count = local.balanced ? 1 : 0

  security_group_id            = aws_security_group.this.id
  description                  = "Requests and health checks of the load balancer"
  referenced_security_group_id = var.balancer_security_group_id
  from_port                    = var.task.port
  to_port                      = var.task.port
  ip_protocol                  = "tcp"
}

# The balancer's side of the same way: it may call these tasks, on this port, and nothing else.
resource "aws_vpc_security_group_egress_rule" "balancer" {
  count = local.balanced ? 1 : 0

  security_group_id            = var.balancer_security_group_id
  description                  = "To tasks of ${var.name}"
  referenced_security_group_id = aws_security_group.this.id
  from_port                    = var.task.port
  to_port                      = var.task.port
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = var.client_security_group_ids

  security_group_id            = aws_security_group.this.id
  description                  = "Requests of ${each.key}"
  referenced_security_group_id = each.value
  from_port                    = var.task.port
  to_port                      = var.task.port
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "out" {
  #checkov:skip=CKV_AWS_382:what an application calls is not known here; egress_cidrs narrows it
  for_each = toset(var.egress_cidrs)

  security_group_id = aws_security_group.this.id
  description       = "Calls to ${each.key}"
  cidr_ipv4         = each.key
  ip_protocol       = "-1"
}
