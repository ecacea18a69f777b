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
  name               = "notes-test-report"
  expression         = "cron(0 3 * * ? *)"
  command            = ["notes", "report"]
  cluster_arn        = "arn:aws:ecs:eu-central-1:123456789012:cluster/notes-test"
  family             = "notes-test-api"
  container          = "app"
  execution_role_arn = "arn:aws:iam::123456789012:role/notes-test-api-execution-1"
  task_role_arn      = "arn:aws:iam::123456789012:role/notes-test-api-task-1"
  subnet_ids         = ["subnet-0123456789abcdef0"]
  security_group_id  = "sg-0123456789abcdef0"
}

run "the_job_runs_in_the_services_newest_revision_without_a_public_address" {
  command = plan

  assert {
    condition     = one(aws_scheduler_schedule.this.target[0].ecs_parameters).task_definition_arn == "arn:aws:ecs:eu-central-1:123456789012:task-definition/notes-test-api"
    error_message = "the family, without a number"
  }
  assert {
    condition     = jsondecode(aws_scheduler_schedule.this.target[0].input).containerOverrides == [{ command = ["notes", "report"], name = "app" }]
    error_message = "the job's command in the service's container"
  }
  assert {
    condition     = !one(one(aws_scheduler_schedule.this.target[0].ecs_parameters).network_configuration).assign_public_ip
    error_message = "no public address"
  }
}

run "its_role_starts_this_family_in_this_cluster_and_nothing_else" {
  command = plan

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : [statement.Action, statement.Resource]
      ] == [
      ["ecs:RunTask", ["arn:aws:ecs:eu-central-1:123456789012:task-definition/notes-test-api", "arn:aws:ecs:eu-central-1:123456789012:task-definition/notes-test-api:*"]],
      ["iam:PassRole", ["arn:aws:iam::123456789012:role/notes-test-api-execution-1", "arn:aws:iam::123456789012:role/notes-test-api-task-1"]],
    ]
    error_message = "two actions, each on what it needs"
  }
  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    error_message = "only this account's schedules take it"
  }
}

run "bad_values_are_refused" {
  command = plan
  variables {
    name       = "Report"
    expression = "daily"
    command    = []
    subnet_ids = []
  }
  expect_failures = [var.name, var.expression, var.command, var.subnet_ids]
}
