# Burn-rate alarms after the SRE Workbook (chapter 5, table 5-8), for a period of 30 days: a page when
# 2 % of the budget went in an hour, or 5 % in six. A short window beside the long one ends the page
# soon after the trouble.

locals {
  windows = {
    fast-long  = { seconds = 3600, burn = 14.4 }
    fast-short = { seconds = 300, burn = 14.4 }
    slow-long  = { seconds = 21600, burn = 6 }
    slow-short = { seconds = 1800, burn = 6 }
  }

  burns = merge([
    for slo_name, slo in var.slos : {
      for window_name, window in local.windows : "${slo_name}-${window_name}" => merge(window, {
        balancer = slo.balancer
        # Seconds; null: a request is bad when it failed.
        latency = slo.latency_seconds
        bad     = slo.latency_seconds == null ? "Failed requests" : "Requests slower than ${slo.latency_seconds} s"
        groups  = { for index, group in slo.target_groups : "g${index}" => group }
        # Rounded: AWS keeps a double, and the longer number here would be a change in every plan.
        threshold = tonumber(format("%.6f", window.burn * (100 - slo.objective)))
      })
    }
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "burn" {
  #checkov:skip=CKV_AWS_319:the composite alarm over this one notifies
  for_each = local.burns

  alarm_name          = "${var.name}-slo-${each.key}"
  alarm_description   = "${each.value.bad}, percent, over ${each.value.seconds / 60} minutes: ${each.value.burn} times what the objective allows"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = 1
  datapoints_to_alarm = 1
  treat_missing_data  = "notBreaching"
  tags                = var.tags

  # A percentile rank is the share of requests that were answered within the time. It is missing where
  # there was none, and those then weigh nothing.
  metric_query {
    id    = "judged"
    label = "${each.value.bad}, percent"
    expression = (each.value.latency == null
      ? "100 * (${join(" + ", [for id in keys(each.value.groups) : "FILL(${id}failed, 0)"])}) / (${join(" + ", [for id in keys(each.value.groups) : "FILL(${id}all, 0)"])})"
      : "(${join(" + ", [for id in keys(each.value.groups) : "(100 - FILL(${id}quick, 100)) * FILL(${id}all, 0)"])}) / (${join(" + ", [for id in keys(each.value.groups) : "FILL(${id}all, 0)"])})"
    )
    return_data = true
  }

  dynamic "metric_query" {
    for_each = merge([
      for id, group in each.value.groups : merge(
        { "${id}all" = { metric = "RequestCount", stat = "Sum", group = group } },
        each.value.latency == null
        ? { "${id}failed" = { metric = "HTTPCode_Target_5XX_Count", stat = "Sum", group = group } }
        : { "${id}quick" = { metric = "TargetResponseTime", stat = "PR(:${each.value.latency})", group = group } },
      )
    ]...)
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value.metric
        dimensions  = { LoadBalancer = each.value.balancer, TargetGroup = metric_query.value.group }
        stat        = metric_query.value.stat
        period      = each.value.seconds
      }
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "burn" {
  for_each = { for pair in setproduct(keys(var.slos), ["fast", "slow"]) : "${pair[0]}-${pair[1]}" => pair }

  alarm_name        = "${var.name}-slo-${each.key}"
  alarm_description = "Page: the error budget of ${each.value[0]} burns ${each.value[1] == "fast" ? "14.4" : "6"} times too fast"
  alarm_rule        = "ALARM(\"${aws_cloudwatch_metric_alarm.burn["${each.key}-long"].alarm_name}\") AND ALARM(\"${aws_cloudwatch_metric_alarm.burn["${each.key}-short"].alarm_name}\")"
  alarm_actions     = [aws_sns_topic.alarms.arn]
  ok_actions        = [aws_sns_topic.alarms.arn]
  tags              = var.tags
}
