# Runs only with a 6.x provider and the override in place; scripts/check-terraform sees to both.

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
  test_header                = { name = "X-Release", value = "green" }
}

run "rolling_needs_no_second_group" {
  command = plan

  assert {
    condition     = aws_ecs_service.this.deployment_configuration[0].strategy == "ROLLING"
    error_message = "rolling is the default"
  }
  assert {
    condition     = length(one(aws_ecs_service.this.load_balancer).advanced_configuration) == 0
    error_message = "ECS is not told about the green group"
  }
}

run "blue_green_bakes_and_knows_both_groups" {
  command = plan
  variables {
    deployment = { strategy = "BLUE_GREEN", bake_minutes = 15 }
  }

  assert {
    condition     = aws_ecs_service.this.deployment_configuration[0].bake_time_in_minutes == "15"
    error_message = "the bake time is written"
  }
  assert {
    condition     = length(one(aws_ecs_service.this.load_balancer).advanced_configuration) == 1
    error_message = "ECS is told about the green group"
  }
}

run "canary_and_linear_have_their_own_settings" {
  command = plan
  variables {
    deployment = { strategy = "CANARY", canary_percent = 10, canary_bake_minutes = 30 }
  }

  assert {
    condition     = aws_ecs_service.this.deployment_configuration[0].canary_configuration[0].canary_percent == 10
    error_message = "the canary's share is written"
  }
  assert {
    condition     = length(aws_ecs_service.this.deployment_configuration[0].linear_configuration) == 0
    error_message = "a canary has no linear steps"
  }
}

run "linear_steps_are_written" {
  command = plan
  variables {
    deployment = { strategy = "LINEAR", step_percent = 20, step_bake_minutes = 10 }
  }

  assert {
    condition     = aws_ecs_service.this.deployment_configuration[0].linear_configuration[0].step_percent == 20
    error_message = "the step is written"
  }
}
