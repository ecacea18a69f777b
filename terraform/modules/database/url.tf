# The URL with the password, where services read it. Both are written by one apply, from one password
# that Terraform forgets.

locals {
  # Another place is another password: the one that the old place has is known to nobody.
  version = 2 * var.password_version - (var.url.store == "secret" ? 1 : 0)
  url     = "postgresql://${var.username}:${var.password}@${aws_db_instance.this.address}:${local.port}/${var.database_name}?sslmode=require"
}

resource "aws_secretsmanager_secret_version" "url" {
  count = var.url.store == "secret" ? 1 : 0

  secret_id                = var.url.secret_arn
  secret_string_wo         = local.url
  secret_string_wo_version = local.version
}

resource "aws_ssm_parameter" "url" {
  #checkov:skip=CKV_AWS_337:always encrypted; kms_key_arn replaces AWS's key by a customer's
  count = var.url.store == "parameter" ? 1 : 0

  name             = var.url.parameter
  description      = "URL of ${var.name}, with its password"
  type             = "SecureString"
  key_id           = var.kms_key_arn
  value_wo         = local.url
  value_wo_version = local.version
  tags             = var.tags

  lifecycle {
    # AWS takes a new key or description only together with a value: a new one would not be the database's.
    ignore_changes = [description, key_id]
  }
}
