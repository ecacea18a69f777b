variable "app" {
  description = "Name of the app. Everything of an environment starts with <app>-<environment>; the roles' rights end there."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.app))
    error_message = "app is 2 to 21 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "repository" {
  description = "The GitHub repository whose workflows take the roles, owner/name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "repository is owner/name, without *."
  }
}

variable "branch" {
  description = "The branch whose workflows plan and look for drift without an environment, so without an approval. They read."
  type        = string
  default     = "main"

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$", var.branch))
    error_message = "branch is the name of one branch, without *."
  }
}

variable "environments" {
  description = "Environments by name (as GitHub knows them), each with what its releases touch."
  type = map(object({
    state_bucket             = string
    repository_arns          = optional(list(string), [])
    rule_arns                = optional(list(string), [])
    static_bucket_arns       = optional(list(string), [])
    distribution_arns        = optional(list(string), [])
    permissions_boundary_arn = optional(string)
  }))

  validation {
    condition     = length(var.environments) >= 1 && alltrue([for name in keys(var.environments) : can(regex("^[a-z][a-z0-9-]{1,10}$", name))])
    error_message = "environments are 2 to 11 lower-case letters, digits and hyphens, at least one."
  }

  validation {
    condition     = !anytrue(flatten([for environment in values(var.environments) : [for arn in concat(environment.repository_arns, environment.rule_arns, environment.static_bucket_arns, environment.distribution_arns) : strcontains(arn, "*")]]))
    error_message = "ARNs are named one by one, without *."
  }
}

variable "provider_arn" {
  description = "GitHub's OIDC provider where the account has it already (there is one per account). null: it is made here."
  type        = string
  default     = null
}

variable "session_minutes" {
  description = "How long a workflow keeps a role: 60 to 720 minutes."
  type        = number
  default     = 60

  validation {
    condition     = var.session_minutes >= 60 && var.session_minutes <= 720
    error_message = "session_minutes is 60 to 720."
  }
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
