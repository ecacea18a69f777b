variable "name" {
  description = "Prefix of every name, usually <app>-<environment>. Secrets are called <name>/<secret>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name)) && !startswith(var.name, "aws") && !startswith(var.name, "ssm")
    error_message = "name is 2 to 31 lower-case letters, digits and hyphens, starts with a letter, and not with aws or ssm."
  }
}

variable "secrets" {
  description = "Secrets in Secrets Manager, by name. rotation names a function that follows AWS's four steps, and how often it is called."
  type = map(object({
    description = optional(string, "")
    rotation    = optional(object({ function_arn = string, days = number }))
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^[A-Za-z0-9][A-Za-z0-9_.-]{0,100}$", name))])
    error_message = "Names of secrets are letters, digits, hyphens, underscores and dots."
  }

  validation {
    condition     = alltrue([for secret in values(var.secrets) : secret.rotation == null ? true : secret.rotation.days >= 1 && secret.rotation.days <= 1000])
    error_message = "A secret is rotated every 1 to 1000 days."
  }
}

variable "parameters" {
  description = "Encrypted parameters in Parameter Store, by name, each with what it is for. They cost nothing, and do not rotate."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.parameters) : can(regex("^[A-Za-z0-9_.-]{1,100}$", name))])
    error_message = "Names of parameters are letters, digits, hyphens, underscores and dots."
  }
}

variable "recovery_days" {
  description = "How long a deleted secret can be brought back: 7 to 30 days, or 0 for at once (trials only)."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_days == 0 || (var.recovery_days >= 7 && var.recovery_days <= 30)
    error_message = "recovery_days is 0, or 7 to 30."
  }
}

variable "key" {
  description = "customer: a key of your own, which the other modules may use too. aws: AWS's keys, free."
  type        = string
  default     = "customer"

  validation {
    condition     = contains(["customer", "aws"], var.key)
    error_message = "key is customer or aws."
  }
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
