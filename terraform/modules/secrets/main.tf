# Places for secrets, without their values: those are written by the driver and never pass through
# a plan or a state.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  region  = data.aws_region.current.id
  key_arn = one(aws_kms_key.this[*].arn)
  rotated = { for name, secret in var.secrets : name => secret.rotation if secret.rotation != null }
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV_AWS_149:always encrypted; key = aws takes AWS's key instead of a customer's
  #checkov:skip=CKV2_AWS_57:rotation needs a function that knows the secret; secrets with one rotate
  for_each = var.secrets

  name                    = "${var.name}/${each.key}"
  description             = each.value.description
  kms_key_id              = local.key_arn
  recovery_window_in_days = var.recovery_days
  tags                    = var.tags
}

resource "aws_secretsmanager_secret_rotation" "this" {
  #checkov:skip=CKV_AWS_304:how often is the owner's decision, said in days
  for_each = local.rotated

  secret_id           = aws_secretsmanager_secret.this[each.key].id
  rotation_lambda_arn = each.value.function_arn

  rotation_rules {
    automatically_after_days = each.value.days
  }
}

resource "aws_lambda_permission" "rotation" {
  for_each = local.rotated

  statement_id   = "rotate-${replace(each.key, ".", "-")}"
  action         = "lambda:InvokeFunction"
  function_name  = each.value.function_arn
  principal      = "secretsmanager.amazonaws.com"
  source_account = local.account
}

resource "aws_ssm_parameter" "this" {
  #checkov:skip=CKV_AWS_337:always encrypted; key = aws takes AWS's key instead of a customer's
  for_each = var.parameters

  name        = "/${var.name}/${each.key}"
  description = each.value
  type        = "SecureString"
  key_id      = local.key_arn
  # Only a mark that no value was written yet; a service that needs it must not start with it. As a
  # write-only argument: a refresh would otherwise copy the real value into the state.
  value_wo         = "unset"
  value_wo_version = 1
  tags             = var.tags

  lifecycle {
    # AWS takes a new key or description only together with a value, which nobody has here.
    ignore_changes = [description, key_id]
  }
}

resource "aws_kms_key" "this" {
  count = var.key == "customer" ? 1 : 0

  description             = "Secrets, logs and data of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  tags                    = var.tags

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AccountDecidesByIam"
        Effect    = "Allow"
        Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${local.account}:root" }
        # Without this nobody could use or change the key; IAM policies say who may.
        Action = "kms:*"
        # In a key's policy `*` is the key itself.
        Resource = "*"
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = "logs.${local.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey"]
        # In a key's policy `*` is the key itself; the condition limits it to this account's groups.
        Resource  = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:${data.aws_partition.current.partition}:logs:${local.region}:${local.account}:*" } }
      },
      {
        Sid       = "AlarmsAndTrail"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com", "cloudtrail.amazonaws.com"] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"]
        # In a key's policy `*` is the key itself.
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
    ]
  })
}

resource "aws_kms_alias" "this" {
  count = length(aws_kms_key.this)

  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this[0].key_id
}
