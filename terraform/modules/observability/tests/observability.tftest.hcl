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
  name = "notes-test"
}

run "without_settings_there_is_a_topic_and_nothing_else" {
  command = plan

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) + length(aws_cloudwatch_dashboard.this) + length(aws_budgets_budget.this) + length(aws_cloudtrail.this) == 0
    error_message = "nothing that costs is made unasked"
  }
  assert {
    condition     = aws_sns_topic.alarms.name == "notes-test-alarms"
    error_message = "the topic is there"
  }
}

run "a_metric_alarm_says_its_line_in_words" {
  command = plan
  variables {
    emails = ["ops@example.com"]
    alarms = {
      cpu = {
        namespace  = "AWS/ECS"
        metric     = "CPUUtilization"
        dimensions = { ClusterName = "notes-test", ServiceName = "notes-test-api" }
        above      = 80
      }
      latency = {
        namespace  = "AWS/ApplicationELB"
        metric     = "TargetResponseTime"
        dimensions = { LoadBalancer = "app/notes/1" }
        statistic  = "p95"
        at_least   = 0.5
        points     = 2
        of         = 3
        notify     = false
      }
    }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["cpu"].comparison_operator == "GreaterThanThreshold" && aws_cloudwatch_metric_alarm.this["cpu"].threshold == 80 && aws_cloudwatch_metric_alarm.this["cpu"].evaluation_periods == 2
    error_message = "above 80 for two minutes"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["latency"].extended_statistic == "p95" && aws_cloudwatch_metric_alarm.this["latency"].evaluation_periods == 3 && aws_cloudwatch_metric_alarm.this["latency"].datapoints_to_alarm == 2
    error_message = "a percentile, two of three"
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this["latency"].alarm_actions) == 0 && output.alarm_names["latency"] == "notes-test-latency"
    error_message = "a guard notifies nobody and is found by name"
  }
}

run "an_expression_alarms_over_several_metrics" {
  command = plan
  variables {
    alarms = {
      success = {
        expression = "100 * (1 - FILL(failed, 0) / total)"
        metrics = {
          failed = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", dimensions = { LoadBalancer = "app/notes/1" } }
          total  = { namespace = "AWS/ApplicationELB", metric = "RequestCount", dimensions = { LoadBalancer = "app/notes/1" } }
        }
        below = 99.5
      }
    }
    composites = {
      page = { expression = "ALARM(\"notes-test-success\")" }
    }
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this["success"].metric_query) == 3 && aws_cloudwatch_metric_alarm.this["success"].metric_name == null
    error_message = "two metrics and their expression"
  }
  assert {
    condition     = length(aws_cloudwatch_composite_alarm.this) == 1
    error_message = "the composite is there"
  }
}

run "an_slo_pages_by_two_burn_rates" {
  command = plan
  variables {
    slos = {
      availability = { objective = 99.9, balancer = "app/notes/1", target_groups = ["targetgroup/b/1", "targetgroup/g/2"] }
    }
  }

  assert {
    condition     = abs(aws_cloudwatch_metric_alarm.burn["availability-fast-long"].threshold - 1.44) < 0.0001 && abs(aws_cloudwatch_metric_alarm.burn["availability-slow-long"].threshold - 0.6) < 0.0001
    error_message = "the workbook's thresholds for 99.9 percent"
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_composite_alarm.burn)) == toset(["availability-fast", "availability-slow"])
    error_message = "a fast and a slow page"
  }
  assert {
    condition     = aws_cloudwatch_composite_alarm.burn["availability-fast"].alarm_rule == "ALARM(\"notes-test-slo-availability-fast-long\") AND ALARM(\"notes-test-slo-availability-fast-short\")"
    error_message = "both windows must burn"
  }
}

run "an_slo_of_latency_burns_by_percentile_ranks" {
  command = plan
  variables {
    slos = {
      quick = { objective = 99, latency_seconds = 0.5, balancer = "app/notes/1", target_groups = ["targetgroup/b/1", "targetgroup/g/2"] }
    }
  }

  assert {
    condition = toset([for query in aws_cloudwatch_metric_alarm.burn["quick-fast-long"].metric_query : "${query.id}=${query.metric[0].stat}" if query.id != "judged"]) == toset([
      "g0all=Sum", "g0quick=PR(:0.5)", "g1all=Sum", "g1quick=PR(:0.5)",
    ])
    error_message = "the share of requests within half a second, weighed by how many there were"
  }
  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.burn["quick-fast-long"].metric_query : query.expression if query.id == "judged"]) == "((100 - FILL(g0quick, 100)) * FILL(g0all, 0) + (100 - FILL(g1quick, 100)) * FILL(g1all, 0)) / (FILL(g0all, 0) + FILL(g1all, 0))"
    error_message = "the slow ones of both groups"
  }
}

run "dashboard_budget_and_trail_are_made_when_asked" {
  command = plan
  variables {
    dashboard = [
      { title = "CPU", metrics = [["AWS/ECS", "CPUUtilization", "ClusterName", "notes-test"]] },
      { title = "Notes written", metrics = [["notes", "written"]], statistic = "Sum" },
    ]
    budget = { dollars = 100, tag_value = "notes" }
    trail  = 365
  }

  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets) == 2
    error_message = "two widgets"
  }
  assert {
    condition     = aws_budgets_budget.this[0].limit_amount == "100"
    error_message = "a hundred dollars a month"
  }
  assert {
    condition     = aws_cloudtrail.this[0].is_multi_region_trail && aws_cloudtrail.this[0].enable_log_file_validation && aws_s3_bucket_public_access_block.trail[0].restrict_public_buckets
    error_message = "every region, sealed, in a closed bucket"
  }
}

run "an_alarm_with_two_lines_is_refused" {
  command = plan
  variables {
    alarms = { cpu = { namespace = "AWS/ECS", metric = "CPUUtilization", above = 80, below = 10 } }
  }
  expect_failures = [var.alarms]
}

run "an_alarm_without_a_metric_is_refused" {
  command = plan
  variables {
    alarms = { cpu = { above = 80 } }
  }
  expect_failures = [var.alarms]
}

run "bad_values_are_refused" {
  command = plan
  variables {
    name       = "N"
    emails     = ["ops"]
    composites = { page = { expression = "cpu" } }
    slos       = { a = { objective = 100, balancer = "app/n/1", target_groups = ["t"] } }
    dashboard  = [{ title = "x", metrics = [["AWS/ECS", "CPU", "ClusterName"]] }]
    budget     = { dollars = 0 }
    trail      = 30
  }
  expect_failures = [var.name, var.emails, var.composites, var.slos, var.dashboard, var.budget, var.trail]
}
