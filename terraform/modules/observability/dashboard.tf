# One dashboard, two widgets to a row, and the month's budget.

locals {
  widgets = [
    for index, row in var.dashboard : {
      type   = "metric"
      x      = 12 * (index % 2)
      y      = 6 * floor(index / 2)
      width  = 12
      height = 6
      properties = {
        title   = row.title
        region  = data.aws_region.current.id
        view    = "timeSeries"
        stat    = row.statistic
        period  = row.period
        metrics = row.metrics
      }
    }
  ]
  alarm_row = length(var.alarms) + length(var.slos) + length(var.composites) == 0 ? [] : [{
    type   = "alarm"
    x      = 0
    y      = 6 * ceil(length(var.dashboard) / 2)
    width  = 24
    height = 3
    properties = {
      title  = "Alarms"
      alarms = concat(values(aws_cloudwatch_metric_alarm.this)[*].arn, values(aws_cloudwatch_composite_alarm.burn)[*].arn, values(aws_cloudwatch_composite_alarm.this)[*].arn)
    }
  }]
}

resource "aws_cloudwatch_dashboard" "this" {
  count = length(var.dashboard) > 0 ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({ start = "-PT8H", periodOverride = "auto", widgets = concat(local.widgets, local.alarm_row) })
}

resource "aws_budgets_budget" "this" {
  count = var.budget == null ? 0 : 1

  name         = "${var.name}-monthly"
  budget_type  = "COST"
  limit_amount = tostring(var.budget.dollars)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  tags         = var.tags

  dynamic "cost_filter" {
    for_each = var.budget.tag_value == null ? [] : [var.budget.tag_value]
    content {
      name   = "TagKeyValue"
      values = [format("user:app$%s", cost_filter.value)]
    }
  }

  dynamic "notification" {
    for_each = { spent80 = ["ACTUAL", 80], spent100 = ["ACTUAL", 100], foreseen = ["FORECASTED", 100] }
    content {
      notification_type         = notification.value[0]
      threshold                 = notification.value[1]
      threshold_type            = "PERCENTAGE"
      comparison_operator       = "GREATER_THAN"
      subscriber_sns_topic_arns = [aws_sns_topic.alarms.arn]
    }
  }

  depends_on = [aws_sns_topic_policy.alarms]
}
