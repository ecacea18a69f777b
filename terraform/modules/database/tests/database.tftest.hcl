mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  name                      = "notes-test-main"
  vpc_id                    = "vpc-0123456789abcdef0"
  subnet_ids                = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  client_security_group_ids = { api = "sg-0123456789abcdef0" }
  password                  = "0123456789abcdefghijABCDEFGHIJ"
  url                       = { store = "secret", secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:notes-test/database.main-AbCdEf" }
}

run "defaults_are_private_encrypted_backed_up_and_protected" {
  command = plan

  assert {
    condition     = aws_db_instance.this.storage_encrypted && !aws_db_instance.this.publicly_accessible
    error_message = "encrypted and not public"
  }
  assert {
    condition     = aws_db_instance.this.backup_retention_period == 7 && aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot
    error_message = "backed up, protected, with a last snapshot"
  }
  assert {
    condition     = aws_db_instance.this.password_wo == null && aws_db_instance.this.password == null && aws_db_instance.this.password_wo_version == 1
    error_message = "a password is sent and not kept"
  }
  assert {
    condition     = contains([for parameter in aws_db_parameter_group.this.parameter : "${parameter.name}=${parameter.value}"], "rds.force_ssl=1")
    error_message = "TLS is demanded"
  }
  assert {
    condition     = !aws_db_instance.this.multi_az && length(aws_db_instance.replica) == 0 && length(aws_iam_role.monitoring) == 1
    error_message = "one instance, monitored"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.clients["api"].from_port == 5432
    error_message = "only the named client may connect"
  }
}

run "production_has_a_standby_and_replicas" {
  command = plan
  variables {
    availability   = "multi-zone"
    replicas       = 2
    instance_class = "db.t4g.small"
    storage        = { size = 50, most = 200 }
    parameters     = { "pg_stat_statements.track" = "all" }
  }

  assert {
    condition     = aws_db_instance.this.multi_az && length(aws_db_instance.replica) == 2 && aws_db_instance.this.max_allocated_storage == 200
    error_message = "standby, two replicas, a disk that grows"
  }
  assert {
    condition     = alltrue([for replica in aws_db_instance.replica : !replica.publicly_accessible && replica.storage_encrypted])
    error_message = "replicas are as closed as the primary"
  }
  assert {
    condition     = length(aws_db_parameter_group.this.parameter) == 4
    error_message = "the parameter is added"
  }
}

run "a_trial_goes_without_a_trace" {
  command = plan
  variables {
    protect            = false
    monitoring_seconds = 0
    apply              = "at-once"
    storage            = { size = 20 }
  }

  assert {
    condition     = aws_db_instance.this.skip_final_snapshot && !aws_db_instance.this.deletion_protection && aws_db_instance.this.apply_immediately
    error_message = "nothing stands in the way of destroy"
  }
  assert {
    condition     = length(aws_iam_role.monitoring) == 0 && aws_db_instance.this.max_allocated_storage == null
    error_message = "no monitoring role, no growth"
  }
}

run "the_url_is_written_once_and_is_in_no_state" {
  command = apply
  variables {
    monitoring_seconds = 0 # the mocked role has no real ARN
  }

  assert {
    condition     = length(aws_secretsmanager_secret_version.url) == 1 && length(aws_ssm_parameter.url) == 0
    error_message = "one place"
  }
  assert {
    condition     = aws_secretsmanager_secret_version.url[0].secret_string_wo == null && aws_secretsmanager_secret_version.url[0].secret_string_wo_version == 1
    error_message = "written with the password's version, and not kept"
  }
  assert {
    condition     = output.url_arn == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:notes-test/database.main-AbCdEf"
    error_message = "services read it there"
  }
}

run "raising_the_version_changes_password_and_url_together" {
  command = plan
  variables {
    password_version = 2
  }

  assert {
    condition     = aws_db_instance.this.password_wo_version == 3 && aws_secretsmanager_secret_version.url[0].secret_string_wo_version == 3
    error_message = "both or none"
  }
}

run "a_trial_keeps_the_url_in_a_parameter" {
  command = plan
  variables {
    url = { store = "parameter", parameter = "/notes-test/database.main" }
  }

  assert {
    condition     = aws_ssm_parameter.url[0].type == "SecureString" && aws_ssm_parameter.url[0].name == "/notes-test/database.main"
    error_message = "encrypted, under the name that services read"
  }
  assert {
    condition     = aws_ssm_parameter.url[0].value_wo == null && aws_ssm_parameter.url[0].value_wo_version == 2 && aws_db_instance.this.password_wo_version == 2 && length(aws_secretsmanager_secret_version.url) == 0
    error_message = "written and not kept, nowhere else, and not with the password of another place"
  }
}

run "growth_below_the_start_is_refused" {
  command = plan
  variables {
    storage = { size = 100, most = 100 }
  }
  expect_failures = [var.storage]
}

run "a_database_without_backups_is_refused" {
  command = plan
  variables {
    backup = { days = 0 }
  }
  expect_failures = [var.backup]
}

run "bad_values_are_refused" {
  command = plan
  variables {
    name                    = "-notes"
    subnet_ids              = ["subnet-0123456789abcdef0"]
    engine_version          = "9.6"
    instance_class          = "t4g.micro"
    database_name           = "Notes"
    username                = "postgres"
    availability            = "two"
    replicas                = 6
    maintenance_window      = "04:00-05:00"
    apply                   = "now"
    monitoring_seconds      = 7
    parameters              = { "rds.force_ssl" = "0" }
    slow_query_milliseconds = 0
    log_retention_days      = 2
    password                = "a/b@c d:e"
    password_version        = 1.5
    url                     = { store = "file" }
  }
  expect_failures = [
    var.name, var.subnet_ids, var.engine_version, var.instance_class, var.database_name, var.username,
    var.availability, var.replicas, var.maintenance_window, var.apply, var.monitoring_seconds,
    var.parameters, var.slow_query_milliseconds, var.log_retention_days, var.password, var.password_version, var.url,
  ]
}

run "windows_that_overlap_are_refused" {
  command = plan
  variables {
    backup             = { window = "23:30-00:30" }
    maintenance_window = "mon:00:00-mon:01:00"
  }
  expect_failures = [var.maintenance_window]
}

run "windows_that_only_touch_are_taken" {
  command = plan
  variables {
    backup             = { window = "23:30-00:30" }
    maintenance_window = "mon:00:30-mon:01:30"
  }

  assert {
    condition     = aws_db_instance.this.backup_window == "23:30-00:30"
    error_message = "over midnight and done before"
  }
}
