mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { id = "eu-central-1", name = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

variables {
  name                       = "notes-test-api"
  cluster_name               = "notes-test"
  vpc_id                     = "vpc-0123456789abcdef0"
  subnet_ids                 = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  task                       = { image = "example.test/api:1", port = 3000 }
  listener_arn               = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/notes/50dc6c495c0c9188/f2f7dc8efc522ab2"
  balancer_security_group_id = "sg-0123456789abcdef0"
  routes                     = { api = { priority = 10, paths = ["/api/*"] } }
}

run "defaults_are_rolling_with_a_breaker_on_private_arm_tasks" {
  command = plan

  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].rollback && aws_ecs_service.this.deployment_minimum_healthy_percent == 100 && aws_ecs_service.this.deployment_maximum_percent == 200
    error_message = "a failed release rolls back and capacity never drops"
  }
  assert {
    condition     = !aws_ecs_service.this.network_configuration[0].assign_public_ip && aws_ecs_service.this.desired_count == 0
    error_message = "tasks have no public address, and none runs before the first release"
  }
  assert {
    condition     = aws_ecs_task_definition.first.runtime_platform[0].cpu_architecture == "ARM64" && aws_ecs_task_definition.first.skip_destroy
    error_message = "ARM64, and revisions are never deregistered"
  }
  assert {
    condition     = length(aws_lb_target_group.this) == 2 && length(aws_iam_role.traffic) == 0 && length(aws_lb_listener_rule.test) == 0
    error_message = "two groups, no role for shifting, no test rule"
  }
  assert {
    condition     = toset([for group in aws_lb_listener_rule.production["api"].action[0].forward[0].target_group : group.weight]) == toset([100, 0])
    error_message = "all traffic starts on one group"
  }
}

run "the_container_is_not_root_and_cannot_write_its_image" {
  command = plan
  variables {
    task = {
      image       = "example.test/api:1"
      port        = 3000
      command     = ["api", "serve"]
      environment = { LOG = "info" }
      secrets     = { SESSION = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:notes/session-AbCdEf:value::" }
    }
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.first.container_definitions)[0].user == "65532:65532" && jsondecode(aws_ecs_task_definition.first.container_definitions)[0].readonlyRootFilesystem
    error_message = "its own user, read-only root"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.first.container_definitions)[0].environment == [{ name = "LOG", value = "info" }, { name = "PORT", value = "3000" }]
    error_message = "PORT is given beside the manifest's variables"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.first.container_definitions)[0].command == ["api", "serve"]
    error_message = "the command is taken"
  }
}

run "a_role_reads_the_named_secrets_only" {
  command = plan
  variables {
    task = {
      image   = "example.test/api:1"
      port    = 3000
      secrets = { SESSION = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:notes/session-AbCdEf:value::" }
    }
    secret_arns     = ["arn:aws:ssm:eu-central-1:123456789012:parameter/notes/url"]
    kms_key_arns    = ["arn:aws:kms:eu-central-1:123456789012:key/11111111-1111-1111-1111-111111111111"]
    repository_arns = ["arn:aws:ecr:eu-central-1:123456789012:repository/notes-test/api"]
    exec            = true
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement :
      statement.Resource if statement.Sid == "ReadSecrets"
    ] == [["arn:aws:secretsmanager:eu-central-1:123456789012:secret:notes/session-AbCdEf"]]
    error_message = "the ARN is named without ECS's suffix"
  }
  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement :
      statement.Action if statement.Resource == "*"
    ] == ["ecr:GetAuthorizationToken"]
    error_message = "only the action that knows no resources has all of them"
  }
  assert {
    condition     = length(aws_iam_role_policy.exec) == 1 && aws_ecs_service.this.enable_execute_command
    error_message = "exec has its policy"
  }
}

run "routes_carry_every_condition_and_a_test_rule" {
  command = plan
  variables {
    test_header = { name = "X-Release", value = "green" }
    routes = {
      all = {
        priority = 20
        hosts    = ["notes.example.com"]
        methods  = ["GET"]
        headers  = { X-Client = ["web"] }
        query    = [{ key = "v", value = "2" }]
      }
    }
  }

  assert {
    condition     = length(aws_lb_listener_rule.production["all"].condition) == 4
    error_message = "host, method, header and query"
  }
  assert {
    condition     = aws_lb_listener_rule.test["all"].priority == 19 && length(aws_lb_listener_rule.test["all"].condition) == 5
    error_message = "the test rule comes before, with the header on top"
  }

  assert {
    condition = alltrue([
      for rule in [aws_lb_listener_rule.production["all"], aws_lb_listener_rule.test["all"]] :
      anytrue([for it in rule.condition : try(one(it.query_string).value == "2" && one(it.query_string).key == "v", false)]) &&
      anytrue([for it in rule.condition : try(it.http_header[0].http_header_name == "X-Client" && it.http_header[0].values == toset(["web"]), false)])
    ])
    error_message = "both rules have the route's own conditions"
  }
}

run "canary_prepares_what_ecs_needs_to_shift" {
  command = plan
  variables {
    deployment = { strategy = "CANARY", canary_percent = 10, alarm_names = ["success-rate"] }
  }

  assert {
    condition     = length(aws_iam_role.traffic) == 1 && output.deployment.strategy == "CANARY" && output.deployment.canary_percent == 10
    error_message = "the role is there and the driver reads the settings"
  }
  assert {
    condition     = aws_ecs_service.this.alarms[0].rollback
    error_message = "an alarm rolls the release back"
  }
}

run "a_worker_has_no_load_balancer" {
  command = plan
  variables {
    routes       = {}
    listener_arn = null
    capacity     = "cluster"
    discovery    = { namespace_id = "ns-0123456789abcdef", name = "worker" }
  }

  assert {
    condition     = length(aws_lb_target_group.this) == 0 && length(aws_ecs_service.this.load_balancer) == 0 && length(aws_vpc_security_group_ingress_rule.balancer) == 0
    error_message = "nothing may connect to it"
  }
  assert {
    condition     = length(aws_service_discovery_service.this) == 1 && output.rule_arns == {}
    error_message = "it has a name in the namespace and no rules"
  }
}

run "scaling_tracks_cpu_memory_and_requests_and_keeps_a_schedule" {
  command = plan
  variables {
    scale    = { min = 2, max = 10, cpu = 70, memory = 80, requests = 1000 }
    schedule = { night = { expression = "cron(0 22 * * ? *)", timezone = "Europe/Berlin", min = 1, max = 2 } }
  }

  assert {
    condition     = length(aws_appautoscaling_policy.utilization) == 2 && length(aws_appautoscaling_policy.requests) == 1 && length(aws_appautoscaling_scheduled_action.this) == 1
    error_message = "three policies and one action"
  }
  assert {
    condition     = output.scaling_resource_id == "service/notes-test/notes-test-api"
    error_message = "the target is this service"
  }
}

run "long_names_still_make_target_groups" {
  command = plan
  variables {
    name = "a-rather-long-application-prod-web-frontend"
  }

  assert {
    condition     = alltrue([for group in aws_lb_target_group.this : length(group.name) <= 32])
    error_message = "a target group's name has at most 32 characters"
  }
}
