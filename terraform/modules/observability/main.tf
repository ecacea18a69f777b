# Alarms, over metrics, expressions and other alarms, and the topic they are sent to.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  topic_arn = "arn:${data.aws_partition.current.partition}:sns:${data.aws_region.current.id}:${local.account}:${var.name}-alarms"

  comparison = {
    for name, alarm in var.alarms : name => (
      alarm.above != null ? "GreaterThanThreshold" :
      alarm.below != null ? "LessThanThreshold" :
      alarm.at_least != null ? "GreaterThanOrEqualToThreshold" : "LessThanOrEqualToThreshold"
    )
  }
}

resource "aws_sns_topic" "alarms" {
  #checkov:skip=CKV_AWS_26:AWS's own SNS key shuts CloudWatch out; kms_key_arn encrypts with a customer's
  name              = "${var.name}-alarms"
  kms_master_key_id = var.kms_key_arn
  tags              = var.tags
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsAndBudgets"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*" # a refusal, and it is meant for everybody
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "emails" {
  for_each = var.emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_cloudwatch_metric_alarm" "this" {
  #checkov:skip=CKV_AWS_319:an alarm that only guards a release is read by the driver and notifies nobody
  for_each = var.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  comparison_operator = local.comparison[each.key]
  threshold           = [for line in [each.value.above, each.value.below, each.value.at_least, each.value.at_most] : line if line != null][0]
  evaluation_periods  = coalesce(each.value.of, each.value.points)
  datapoints_to_alarm = each.value.points
  treat_missing_data  = each.value.missing
  alarm_actions       = each.value.notify ? [aws_sns_topic.alarms.arn] : []
  ok_actions          = each.value.notify ? [aws_sns_topic.alarms.arn] : []
  tags                = var.tags

  namespace          = each.value.metric == null ? null : each.value.namespace
  metric_name        = each.value.metric
  dimensions         = each.value.metric == null ? null : each.value.dimensions
  period             = each.value.metric == null ? null : each.value.period
  statistic          = each.value.metric == null || startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic = each.value.metric != null && startswith(each.value.statistic, "p") ? each.value.statistic : null

  dynamic "metric_query" {
    for_each = each.value.expression == null ? [] : [each.value.expression]
    content {
      id          = "judged"
      expression  = metric_query.value
      label       = each.key
      return_data = true
    }
  }

  dynamic "metric_query" {
    for_each = each.value.expression == null ? {} : each.value.metrics
    content {
      id = metric_query.key
      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        stat        = metric_query.value.statistic
        period      = each.value.period
      }
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "this" {
  for_each = var.composites

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = each.value.description
  alarm_rule        = each.value.expression
  alarm_actions     = each.value.notify ? [aws_sns_topic.alarms.arn] : []
  ok_actions        = each.value.notify ? [aws_sns_topic.alarms.arn] : []
  tags              = var.tags

  # The rule names alarms by name; CloudWatch wants them to be there.
  depends_on = [aws_cloudwatch_metric_alarm.this]
}
