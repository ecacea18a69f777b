output "name" {
  description = "Name of the service."
  value       = aws_ecs_service.this.name
}

output "arn" {
  description = "ARN of the service."
  value       = aws_ecs_service.this.id
}

output "family" {
  description = "Family under which the driver registers revisions."
  value       = aws_ecs_task_definition.first.family
}

output "container" {
  description = "Name of the container that takes requests."
  value       = local.container
}

output "port" {
  description = "Port the container listens on, or null."
  value       = var.task.port
}

output "execution_role_arn" {
  description = "Role that starts tasks, for every revision."
  value       = aws_iam_role.execution.arn
}

output "task_role_arn" {
  description = "Role of the application, for every revision."
  value       = aws_iam_role.task.arn
}

output "task_role_name" {
  description = "Name of the application's role, to attach more policies to."
  value       = aws_iam_role.task.name
}

output "log_group" {
  description = "Log group of the service and its jobs."
  value       = aws_cloudwatch_log_group.this.name
}

output "subnet_ids" {
  description = "Subnets of its tasks, for jobs as well."
  value       = var.subnet_ids
}

output "security_group_id" {
  description = "Security group of its tasks; databases and caches let it in, jobs run in it."
  value       = aws_security_group.this.id
}

output "target_groups" {
  description = "blue and green, each with arn and arn_suffix; empty without routes."
  value = {
    for colour, group in aws_lb_target_group.this : colour => { arn = group.arn, arn_suffix = group.arn_suffix }
  }
}

output "rule_arns" {
  description = "Listener rules whose weights a release moves, by route."
  value       = { for route, rule in aws_lb_listener_rule.production : route => rule.arn }
}

output "test_rule_arns" {
  description = "Listener rules of test traffic, by route."
  value       = { for route, rule in aws_lb_listener_rule.test : route => rule.arn }
}

output "traffic_role_arn" {
  description = "Role with which ECS moves the weights, or null with ROLLING."
  value       = one(aws_iam_role.traffic[*].arn)
}

output "deployment" {
  description = "What the manifest asks of a release, in the units of the ECS API. The driver sends it with each UpdateService."
  value = {
    strategy                  = var.deployment.strategy
    minimum_healthy_percent   = var.deployment.minimum_percent
    maximum_percent           = var.deployment.maximum_percent
    circuit_breaker           = var.deployment.breaker
    alarm_names               = var.deployment.alarm_names
    bake_time_minutes         = var.deployment.bake_minutes
    linear_step_percent       = var.deployment.step_percent
    linear_step_bake_minutes  = var.deployment.step_bake_minutes
    canary_percent            = var.deployment.canary_percent
    canary_bake_time_minutes  = var.deployment.canary_bake_minutes
    production_listener_rule  = local.balanced && local.shifting ? one(values(aws_lb_listener_rule.production)[*].arn) : null
    test_listener_rule        = local.balanced && local.shifting ? one(values(aws_lb_listener_rule.test)[*].arn) : null
    alternate_target_group    = local.balanced && local.shifting ? aws_lb_target_group.this["green"].arn : null
    load_balancer_access_role = one(aws_iam_role.traffic[*].arn)
  }
}

output "user" {
  description = "User and group of tasks. The driver gives every later task definition the same."
  value       = var.task.user
}

output "read_only" {
  description = "Whether tasks can write to /tmp only. The driver gives every later task definition the same."
  value       = var.task.read_only
}

output "scaling_resource_id" {
  description = "Resource id in Application Auto Scaling, or null."
  value       = one(aws_appautoscaling_target.this[*].resource_id)
}
