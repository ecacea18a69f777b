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
  subnet_ids                 = ["subnet-0123456789abcdef0"]
  task                       = { image = "example.test/api:1", port = 3000 }
  listener_arn               = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/notes/50dc6c495c0c9188/f2f7dc8efc522ab2"
  balancer_security_group_id = "sg-0123456789abcdef0"
  routes                     = { api = { priority = 10, paths = ["/api/*"] } }
}

run "a_pair_that_fargate_lacks_is_refused" {
  command = plan
  variables {
    task = { image = "example.test/api:1", port = 3000, cpu = 256, memory = 4096 }
  }
  expect_failures = [var.task]
}

run "a_container_check_beyond_the_limits_of_ecs_is_refused" {
  command = plan
  variables {
    task = { image = "example.test/api:1", port = 3000, check = { command = ["true"], interval = 4 } }
  }
  expect_failures = [var.task]
}

run "a_container_check_is_part_of_the_task_definition" {
  command = plan
  variables {
    task = { image = "example.test/api:1", port = 3000, check = { command = ["probe", "--quick"], timeout = 2, failures = 5, start = 20 } }
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.first.container_definitions)[0].healthCheck == { command = ["CMD", "probe", "--quick"], interval = 30, retries = 5, startPeriod = 20, timeout = 2 }
    error_message = "asked without a shell, with the limits that were given"
  }
}

run "an_architecture_that_fargate_lacks_is_refused" {
  command = plan
  variables {
    task = { image = "example.test/api:1", port = 3000, architecture = "RISCV" }
  }
  expect_failures = [var.task]
}

run "a_variable_that_is_also_a_secret_is_refused" {
  command = plan
  variables {
    task = {
      image       = "example.test/api:1"
      port        = 3000
      environment = { SESSION = "open" }
      secrets     = { SESSION = "arn:aws:ssm:eu-central-1:123456789012:parameter/notes/session" }
    }
  }
  expect_failures = [var.task]
}

run "a_shifting_strategy_with_two_routes_is_refused" {
  command = plan
  variables {
    deployment = { strategy = "BLUE_GREEN" }
    routes = {
      a = { priority = 10, paths = ["/a"] }
      b = { priority = 20, paths = ["/b"] }
    }
  }
  expect_failures = [var.deployment]
}

run "routes_without_a_listener_are_refused" {
  command = plan
  variables {
    listener_arn = null
  }
  expect_failures = [var.routes]
}

run "a_route_without_conditions_is_refused" {
  command = plan
  variables {
    routes = { all = { priority = 10 } }
  }
  expect_failures = [var.routes]
}

run "a_test_header_without_a_free_priority_is_refused" {
  command = plan
  variables {
    test_header = { name = "X-Release", value = "green" }
    routes      = { api = { priority = 1, paths = ["/api/*"] } }
  }
  expect_failures = [var.test_header]
}

run "slow_start_with_another_algorithm_is_refused" {
  command = plan
  variables {
    slow_start_seconds = 30
    balancing          = "weighted_random"
  }
  expect_failures = [var.slow_start_seconds]
}

run "a_timeout_as_long_as_the_interval_is_refused" {
  command = plan
  variables {
    health = { interval = 10, timeout = 10 }
  }
  expect_failures = [var.health]
}

run "scaling_upside_down_is_refused" {
  command = plan
  variables {
    scale = { min = 4, max = 2 }
  }
  expect_failures = [var.scale]
}

run "a_schedule_without_scaling_is_refused" {
  command = plan
  variables {
    schedule = { night = { expression = "cron(0 22 * * ? *)", min = 1, max = 2 } }
  }
  expect_failures = [var.schedule]
}

run "bad_values_are_refused" {
  command = plan
  variables {
    name                         = "Notes"
    subnet_ids                   = []
    first_desired_count          = 0.5
    capacity                     = "spot"
    secret_arns                  = ["arn:aws:ssm:eu-central-1:123456789012:parameter/*"]
    egress_cidrs                 = ["anywhere"]
    log_retention_days           = 8
    deregistration_delay_seconds = 3601
    stickiness_seconds           = -1
    balancing                    = "random"
  }
  expect_failures = [
    var.name, var.subnet_ids, var.first_desired_count, var.capacity, var.secret_arns,
    var.egress_cidrs, var.log_retention_days, var.deregistration_delay_seconds,
    var.stickiness_seconds, var.balancing,
  ]
}

run "a_session_follows_the_applications_own_cookie" {
  command = plan
  variables {
    stickiness_seconds = 3600
    stickiness_cookie  = "session"
  }
  assert {
    condition     = aws_lb_target_group.this["blue"].stickiness[0].type == "app_cookie" && aws_lb_target_group.this["blue"].stickiness[0].cookie_name == "session"
    error_message = "The target group follows the cookie that is named."
  }
}

run "routes_without_a_port_are_refused" {
  command = plan
  variables {
    task = { image = "example.test/api:1" }
  }
  expect_failures = [var.task]
}

run "a_worker_has_no_port_and_no_target_group" {
  command = plan
  variables {
    task   = { image = "example.test/worker:1" }
    routes = {}
  }
  assert {
    condition     = length(aws_lb_target_group.this) == 0 && length(aws_vpc_security_group_ingress_rule.clients) == 0
    error_message = "Nobody calls a worker."
  }
}

run "a_caller_reaches_the_port_and_a_route_may_name_ranges" {
  command = plan
  variables {
    client_security_group_ids = { web = "sg-0123456789abcdef1" }
    routes                    = { api = { priority = 10, paths = ["/api/*"], sources = ["10.0.0.0/8"] } }
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.clients["web"].from_port == 3000
    error_message = "The caller's group is let in on the task's port."
  }
}
