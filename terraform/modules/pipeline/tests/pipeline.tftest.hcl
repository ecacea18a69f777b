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
  app        = "notes"
  repository = "acme/notes"
  environments = {
    prod = {
      state_bucket       = "notes-state-123456789012-eu-central-1"
      repository_arns    = ["arn:aws:ecr:eu-central-1:123456789012:repository/notes-prod/api"]
      rule_arns          = ["arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener-rule/app/n/1/2/3"]
      static_bucket_arns = ["arn:aws:s3:::notes-prod-web"]
      distribution_arns  = ["arn:aws:cloudfront::123456789012:distribution/E1"]
    }
  }
}

run "roles_are_taken_by_exact_subjects" {
  command = plan

  assert {
    condition     = jsondecode(aws_iam_role.deploy["prod"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:acme/notes:environment:prod"]
    error_message = "only jobs of the environment release"
  }
  assert {
    condition     = jsondecode(aws_iam_role.plan["prod"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:acme/notes:pull_request", "repo:acme/notes:ref:refs/heads/main", "repo:acme/notes:environment:prod"]
    error_message = "pull requests and the released branch read without an approval"
  }
  assert {
    condition = !anytrue([
      for role in concat(values(aws_iam_role.plan), values(aws_iam_role.deploy), values(aws_iam_role.infrastructure)) :
      strcontains(role.assume_role_policy, "*")
    ])
    error_message = "no pattern in a trust policy"
  }
  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 1
    error_message = "the provider is made"
  }
}

run "deploy_touches_its_own_environment_only" {
  command = plan

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.deploy["prod"].policy).Statement :
      try(statement.Resource != "*", true) || contains(["ReadEcs", "RunJobs", "Judge"], statement.Sid)
    ])
    error_message = "only actions without resources have all of them, and jobs by their cluster"
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.deploy["prod"].policy, "GetSecretValue") && !strcontains(aws_iam_role_policy.deploy["prod"].policy, "iam:Create")
    error_message = "it reads no secret and makes no role"
  }
}

run "infrastructure_cannot_raise_itself" {
  command = plan

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.infrastructure["prod"].policy).Statement :
      statement.Resource if statement.Sid == "NotItself" && statement.Effect == "Deny"
    ] == ["arn:aws:iam::123456789012:role/notes-*-ci-*"]
    error_message = "workflows' roles are out of its reach"
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.plan["prod"].policy, "\"s3:PutObject\"],\"Effect\":\"Allow\",\"Resource\":\"arn:aws:s3:::notes-state-123456789012-eu-central-1/notes/prod/terraform.tfstate\"")
    error_message = "plan does not write the state"
  }
}

run "plan_opens_the_urls_of_databases_and_no_other_secret" {
  command = plan

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.plan["prod"].policy).Statement :
      [statement.Sid, statement.Resource] if statement.Effect == "Allow" && contains(flatten([statement.Action]), "secretsmanager:GetSecretValue")
    ] == [["RefreshUrls", ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:notes-prod/database.*"]]]
    error_message = "only what Terraform wrote"
  }
  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.plan["prod"].policy).Statement :
      statement.NotResource if statement.Sid == "NoOtherSecrets" && statement.Effect == "Deny"
    ] == [["arn:aws:secretsmanager:eu-central-1:123456789012:secret:notes-prod/database.*"]]
    error_message = "the read-only policy of AWS opens no other"
  }
}

run "an_existing_provider_is_used" {
  command = plan
  variables {
    provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0
    error_message = "there is one per account"
  }
}

run "bad_values_are_refused" {
  command = plan
  variables {
    app             = "Notes"
    repository      = "acme/*"
    branch          = "*"
    environments    = { prod = { state_bucket = "b", rule_arns = ["*"] } }
    session_minutes = 30
  }
  expect_failures = [var.app, var.repository, var.branch, var.environments, var.session_minutes]
}
