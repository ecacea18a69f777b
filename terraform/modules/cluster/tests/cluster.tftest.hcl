mock_provider "aws" {}

variables {
  name = "notes-test"
}

run "defaults_are_fargate_only_with_insights_and_an_exec_log" {
  command = plan

  assert {
    condition     = length(aws_ecs_cluster_capacity_providers.this.default_capacity_provider_strategy) == 1
    error_message = "no task runs on Spot unless asked"
  }
  assert {
    condition     = one(aws_ecs_cluster.this.setting).value == "enabled" && output.exec_log_group == "/neargate/notes-test/exec"
    error_message = "insights are on and exec is recorded"
  }
  assert {
    condition     = length(aws_ecr_repository.this) == 0 && length(aws_service_discovery_private_dns_namespace.this) == 0
    error_message = "nothing else is made"
  }
}

run "repositories_scan_and_do_not_let_tags_move" {
  command = plan
  variables {
    repositories = ["api", "worker"]
    kms_key_arn  = "arn:aws:kms:eu-central-1:123456789012:key/11111111-1111-1111-1111-111111111111"
  }

  assert {
    condition = alltrue([
      for repository in aws_ecr_repository.this :
      repository.image_tag_mutability == "IMMUTABLE" && repository.image_scanning_configuration[0].scan_on_push
    ])
    error_message = "each repository scans and is immutable"
  }
  assert {
    condition     = aws_ecr_repository.this["api"].encryption_configuration[0].encryption_type == "KMS"
    error_message = "the customer key is used"
  }
  assert {
    condition     = jsondecode(aws_ecr_lifecycle_policy.this["api"].policy).rules[1].selection.countNumber == 10
    error_message = "ten tagged images stay"
  }
}

run "spot_takes_its_share_beyond_the_base" {
  command = plan
  variables {
    spot_weight = 75
    base_tasks  = 2
  }

  assert {
    condition = [
      for part in aws_ecs_cluster_capacity_providers.this.default_capacity_provider_strategy :
      part.weight if part.capacity_provider == "FARGATE_SPOT"
    ] == [75]
    error_message = "three of four tasks are on Spot"
  }
}

run "a_namespace_is_made_in_the_vpc" {
  command = plan
  variables {
    namespace = "notes.internal"
    vpc_id    = "vpc-0123456789abcdef0"
  }

  assert {
    condition     = aws_service_discovery_private_dns_namespace.this[0].name == "notes.internal"
    error_message = "the namespace is there"
  }
}

run "a_namespace_without_a_vpc_is_refused" {
  command = plan
  variables {
    namespace = "notes.internal"
  }
  expect_failures = [var.vpc_id]
}

run "bad_values_are_refused" {
  command = plan
  variables {
    name               = "N"
    spot_weight        = 101
    base_tasks         = -1
    insights           = "on"
    repositories       = ["Api"]
    kept_images        = 1
    untagged_days      = 0
    log_retention_days = 2
    namespace          = "notes"
    vpc_id             = "vpc-0123456789abcdef0"
  }
  expect_failures = [
    var.name, var.spot_weight, var.base_tasks, var.insights, var.repositories, var.kept_images,
    var.untagged_days, var.log_retention_days, var.namespace,
  ]
}
