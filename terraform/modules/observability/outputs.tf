output "topic_arn" {
  description = "Topic that alarms are sent to."
  value       = aws_sns_topic.alarms.arn
}

output "alarm_names" {
  description = "Full name of each alarm, by its short name; a release names its guards by these."
  value       = merge({ for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.alarm_name }, { for name, alarm in aws_cloudwatch_composite_alarm.this : name => alarm.alarm_name })
}

output "slo_alarm_names" {
  description = "Pages of each SLO, as <slo>-fast and <slo>-slow."
  value       = { for name, alarm in aws_cloudwatch_composite_alarm.burn : name => alarm.alarm_name }
}

output "dashboard_name" {
  description = "Name of the dashboard, or null."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}

output "trail_bucket" {
  description = "Bucket of the audit trail, or null."
  value       = one(aws_s3_bucket.trail[*].id)
}
