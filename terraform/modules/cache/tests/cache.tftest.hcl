mock_provider "aws" {}

variables {
  name                      = "notes-test-main"
  vpc_id                    = "vpc-0123456789abcdef0"
  subnet_ids                = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  client_security_group_ids = { api = "sg-0123456789abcdef0" }
}

run "defaults_are_one_encrypted_valkey_node" {
  command = plan

  assert {
    condition     = aws_elasticache_replication_group.this.engine == "valkey" && aws_elasticache_replication_group.this.num_cache_clusters == 1 && !aws_elasticache_replication_group.this.automatic_failover_enabled
    error_message = "one node, no failover"
  }
  assert {
    condition     = aws_elasticache_replication_group.this.transit_encryption_mode == "required" && tobool(aws_elasticache_replication_group.this.at_rest_encryption_enabled)
    error_message = "encrypted on the way and at rest"
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.clients) == 1 && aws_vpc_security_group_ingress_rule.clients["api"].from_port == 6379
    error_message = "only the named client may connect"
  }
  assert {
    condition     = aws_elasticache_parameter_group.this.family == "valkey8"
    error_message = "the parameter family fits the version"
  }
}

run "a_replica_brings_failover_in_another_zone" {
  command = plan
  variables {
    engine   = "redis"
    replicas = 1
    eviction = "allkeys-lru"
  }

  assert {
    condition     = aws_elasticache_replication_group.this.automatic_failover_enabled && aws_elasticache_replication_group.this.multi_az_enabled && aws_elasticache_replication_group.this.engine_version == "7.1"
    error_message = "failover over two zones, Redis 7.1"
  }
  assert {
    condition     = one(aws_elasticache_parameter_group.this.parameter).value == "allkeys-lru"
    error_message = "the eviction policy is set"
  }
  assert {
    condition     = output.node_ids == ["notes-test-main-001", "notes-test-main-002"]
    error_message = "alarms find the nodes"
  }
}

run "without_snapshots_nothing_is_kept" {
  command = plan
  variables {
    snapshot_days = 0
  }

  assert {
    condition     = aws_elasticache_replication_group.this.final_snapshot_identifier == null
    error_message = "no last snapshot"
  }
}

run "bad_values_are_refused" {
  command = plan
  variables {
    name               = "notes--cache"
    subnet_ids         = ["subnet-0123456789abcdef0"]
    engine             = "memcached"
    node_type          = "db.t4g.micro"
    replicas           = 6
    eviction           = "lru"
    snapshot_days      = 36
    snapshot_window    = "night"
    maintenance_window = "04:00-05:00"
    log_retention_days = 2
  }
  expect_failures = [
    var.name, var.subnet_ids, var.engine, var.node_type, var.replicas,
    var.eviction, var.snapshot_days, var.snapshot_window, var.maintenance_window, var.log_retention_days,
  ]
}

run "a_version_of_the_other_engine_is_refused" {
  command = plan
  variables {
    engine         = "redis"
    engine_version = "8.0"
  }
  expect_failures = [var.engine_version]
}
