output "arn" {
  description = "ARN of the schedule."
  value       = aws_scheduler_schedule.this.arn
}

output "role_arn" {
  description = "Role that starts the task."
  value       = aws_iam_role.this.arn
}
