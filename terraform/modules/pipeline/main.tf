# GitHub's workflows take roles by OIDC: no key is stored anywhere. Each environment has three:
# plan (reads), infrastructure (Terraform's apply) and deploy (the release driver).

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  issuer    = "token.actions.githubusercontent.com"
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id
  provider  = coalesce(var.provider_arn, "arn:${local.partition}:iam::${local.account}:oidc-provider/${local.issuer}")

  # Who may take which role. GitHub puts the environment into the subject only for jobs that name
  # it, so that its protection rules (approvals) stand before the role. No pattern, no `*`.
  subjects = {
    plan           = { for name in keys(var.environments) : name => ["repo:${var.repository}:pull_request", "repo:${var.repository}:ref:refs/heads/${var.branch}", "repo:${var.repository}:environment:${name}"] }
    infrastructure = { for name in keys(var.environments) : name => ["repo:${var.repository}:environment:${name}"] }
    deploy         = { for name in keys(var.environments) : name => ["repo:${var.repository}:environment:${name}"] }
  }

  trust = {
    for role, environments in local.subjects : role => {
      for name, subjects in environments : name => jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Effect    = "Allow"
          Action    = "sts:AssumeRoleWithWebIdentity"
          Principal = { Federated = local.provider }
          Condition = {
            StringEquals = {
              "${local.issuer}:aud" = "sts.amazonaws.com"
              "${local.issuer}:sub" = subjects
            }
          }
        }]
      })
    }
  }
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.provider_arn == null ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
  tags           = var.tags
}

resource "aws_iam_role" "plan" {
  for_each = var.environments

  name                 = "${var.app}-${each.key}-ci-plan"
  description          = "Workflows: plan and drift check of ${each.key}, reads only"
  assume_role_policy   = local.trust.plan[each.key]
  max_session_duration = var.session_minutes * 60
  permissions_boundary = each.value.permissions_boundary_arn
  tags                 = var.tags

  depends_on = [aws_iam_openid_connect_provider.github]
}

# AWS's read-only policy lists and describes everything; what it opens is refused below.
resource "aws_iam_role_policy_attachment" "plan" {
  for_each = aws_iam_role.plan

  role       = each.value.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/ReadOnlyAccess"
}

resource "aws_iam_role_policy" "plan" {
  for_each = var.environments

  name = "read-state"
  role = aws_iam_role.plan[each.key].id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.state_statements[each.key], local.plan_statements[each.key])
  })
}

resource "aws_iam_role" "deploy" {
  for_each = var.environments

  name                 = "${var.app}-${each.key}-ci-deploy"
  description          = "Workflows: releases of ${each.key}"
  assume_role_policy   = local.trust.deploy[each.key]
  max_session_duration = var.session_minutes * 60
  permissions_boundary = each.value.permissions_boundary_arn
  tags                 = var.tags

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy" "deploy" {
  for_each = var.environments

  name   = "release"
  role   = aws_iam_role.deploy[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.deploy_statements[each.key] })
}

resource "aws_iam_role" "infrastructure" {
  for_each = var.environments

  name                 = "${var.app}-${each.key}-ci-infrastructure"
  description          = "Workflows: terraform apply of ${each.key}"
  assume_role_policy   = local.trust.infrastructure[each.key]
  max_session_duration = var.session_minutes * 60
  permissions_boundary = each.value.permissions_boundary_arn
  tags                 = var.tags

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy" "infrastructure" {
  #checkov:skip=CKV_AWS_288:Terraform makes and reads what it manages; limited by region and by the services used
  #checkov:skip=CKV_AWS_289:it makes roles, of this environment's prefix only, and never its own
  #checkov:skip=CKV_AWS_290:creating has no resource to name yet; limited by region and by the services used
  #checkov:skip=CKV_AWS_355:creating has no resource to name yet; limited by region and by the services used
  for_each = var.environments

  name = "apply"
  role = aws_iam_role.infrastructure[each.key].id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.state_statements[each.key], local.apply_statements[each.key])
  })
}
