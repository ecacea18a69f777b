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
  name    = "notes-test"
  secrets = { session = { description = "Signs cookies" } }
}

run "a_secret_has_a_place_and_a_customer_key_but_no_value" {
  command = plan

  assert {
    condition     = aws_secretsmanager_secret.this["session"].name == "notes-test/session" && aws_secretsmanager_secret.this["session"].recovery_window_in_days == 30
    error_message = "the secret is there and can be brought back"
  }
  assert {
    condition     = aws_kms_key.this[0].enable_key_rotation && length(aws_kms_alias.this) == 1
    error_message = "the key rotates"
  }
  assert {
    condition     = length(aws_secretsmanager_secret_rotation.this) == 0
    error_message = "no rotation without a function"
  }
}

run "a_rotated_secret_calls_its_function" {
  command = plan
  variables {
    secrets = {
      session = { rotation = { function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:rotate", days = 30 } }
    }
  }

  assert {
    condition     = aws_secretsmanager_secret_rotation.this["session"].rotation_rules[0].automatically_after_days == 30 && length(aws_lambda_permission.rotation) == 1
    error_message = "every thirty days, and it is allowed to"
  }
}

run "parameters_are_encrypted_and_their_value_is_not_terraforms" {
  command = plan
  variables {
    secrets    = {}
    parameters = { "mail-password" = "Log-in at the mail server" }
    key        = "aws"
  }

  assert {
    condition     = aws_ssm_parameter.this["mail-password"].type == "SecureString" && aws_ssm_parameter.this["mail-password"].value_wo == null && aws_ssm_parameter.this["mail-password"].value_wo_version == 1
    error_message = "encrypted, without a value"
  }
  assert {
    condition     = length(aws_kms_key.this) == 0 && output.kms_key_arn == null
    error_message = "AWS's key, no other"
  }
}

run "bad_values_are_refused" {
  command = plan
  variables {
    name          = "aws-notes"
    secrets       = { "a b" = {} }
    parameters    = { "a/b" = "slash" }
    recovery_days = 3
    key           = "none"
  }
  expect_failures = [var.name, var.secrets, var.parameters, var.recovery_days, var.key]
}

run "a_rotation_every_zero_days_is_refused" {
  command = plan
  variables {
    secrets = {
      session = { rotation = { function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:rotate", days = 0 } }
    }
  }
  expect_failures = [var.secrets]
}
