variable "name" {
  description = "Name of the schedule, usually <app>-<environment>-<job>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,63}$", var.name))
    error_message = "name is 2 to 64 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "expression" {
  description = "When: rate(5 minutes), or cron(...) with six fields, UTC."
  type        = string

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.expression))
    error_message = "expression is rate(...) or cron(...)."
  }
}

variable "command" {
  description = "Program and arguments, in place of the service's."
  type        = list(string)

  validation {
    condition     = length(var.command) >= 1
    error_message = "command has at least a program."
  }
}

variable "cluster_arn" {
  description = "The ECS cluster."
  type        = string
}

variable "family" {
  description = "Family of the service's task definitions; its newest revision is run."
  type        = string
}

variable "container" {
  description = "Name of the service's container."
  type        = string
}

variable "execution_role_arn" {
  description = "Role that starts the service's tasks."
  type        = string
}

variable "task_role_arn" {
  description = "Role of the application."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in which the task runs."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 1
    error_message = "subnet_ids has at least one subnet."
  }
}

variable "security_group_id" {
  description = "The service's security group, which databases and caches let in."
  type        = string
}

variable "tags" {
  description = "Tags of the role; a schedule takes none."
  type        = map(string)
  default     = {}
}
