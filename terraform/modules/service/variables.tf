variable "name" {
  description = "Name of the service in its cluster; also the task definitions' family. Usually <app>-<environment>-<service>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,60}$", var.name))
    error_message = "name is 2 to 61 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "cluster_name" {
  description = "Name of the ECS cluster."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in which tasks run."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 1
    error_message = "subnet_ids has at least one subnet."
  }
}

variable "task" {
  description = "The first task definition. The driver registers every later one; a change here changes nothing that runs."
  type = object({
    image        = string
    command      = optional(list(string))
    port         = optional(number) # none: a worker that takes no requests
    cpu          = optional(number, 256)
    memory       = optional(number, 512)
    architecture = optional(string, "ARM64")
    environment  = optional(map(string), {})
    secrets      = optional(map(string), {}) # name of the variable => ARN, with ECS's :key:stage:version suffix if wanted
    user         = optional(string, "65532:65532")
    read_only    = optional(bool, true)
    stop_seconds = optional(number, 30)
    check = optional(object({ # asked in the container; seconds
      command  = list(string)
      interval = optional(number, 30)
      timeout  = optional(number, 5)
      failures = optional(number, 3)
      start    = optional(number, 0)
    }))
  })

  validation {
    condition     = var.task.port == null ? length(var.routes) == 0 && length(var.client_security_group_ids) == 0 : var.task.port >= 1 && var.task.port <= 65535
    error_message = "task.port is 1 to 65535, and needed with routes and clients."
  }

  validation {
    condition     = contains(["ARM64", "X86_64"], var.task.architecture)
    error_message = "task.architecture is ARM64 or X86_64."
  }

  # Fargate's pairs: CPU units, least MiB, most MiB, step. 256 has three values of its own.
  validation {
    condition = var.task.cpu == 256 ? contains([512, 1024, 2048], var.task.memory) : anytrue([
      for pair in [
        [512, 1024, 4096, 1024], [1024, 2048, 8192, 1024], [2048, 4096, 16384, 1024],
        [4096, 8192, 30720, 1024], [8192, 16384, 61440, 4096], [16384, 32768, 122880, 8192],
      ] : var.task.cpu == pair[0] && var.task.memory >= pair[1] && var.task.memory <= pair[2] && var.task.memory % pair[3] == 0
    ])
    error_message = "task.cpu and task.memory are one of Fargate's pairs, such as 256 and 512, or 1024 and 2048."
  }

  validation {
    condition     = var.task.stop_seconds >= 0 && var.task.stop_seconds <= 120
    error_message = "task.stop_seconds is 0 to 120, Fargate's most."
  }

  # Container health checks (ECS API reference, HealthCheck).
  validation {
    condition = var.task.check == null ? true : (
      length(var.task.check.command) >= 1 &&
      var.task.check.interval >= 5 && var.task.check.interval <= 300 &&
      var.task.check.timeout >= 2 && var.task.check.timeout <= 60 &&
      var.task.check.failures >= 1 && var.task.check.failures <= 10 &&
      var.task.check.start >= 0 && var.task.check.start <= 300
    )
    error_message = "task.check has a command, interval 5 to 300, timeout 2 to 60, failures 1 to 10, start 0 to 300."
  }

  validation {
    condition     = length(setintersection(keys(var.task.environment), keys(var.task.secrets))) == 0
    error_message = "A variable is in task.environment or in task.secrets, not in both."
  }
}

variable "first_desired_count" {
  description = "Tasks at the start. 0 suits an image that is not pushed yet: the first release raises it. The driver and scaling own it afterwards."
  type        = number
  default     = 0

  validation {
    condition     = var.first_desired_count >= 0 && floor(var.first_desired_count) == var.first_desired_count
    error_message = "first_desired_count is a whole number, 0 or more."
  }
}

variable "capacity" {
  description = "fargate: ordinary tasks. cluster: the cluster's own mix of Fargate and Spot."
  type        = string
  default     = "fargate"

  validation {
    condition     = contains(["fargate", "cluster"], var.capacity)
    error_message = "capacity is fargate or cluster."
  }
}

variable "exec" {
  description = "Whether a shell may be opened in tasks (ECS Exec). Its agent writes to the container: task.read_only is then false."
  type        = bool
  default     = false
}

variable "repository_arns" {
  description = "ECR repositories that tasks may pull from."
  type        = list(string)
  default     = []
}

variable "secret_arns" {
  description = "Further secrets and parameters (ARNs without suffix) that later task definitions may name."
  type        = list(string)
  default     = []

  validation {
    condition     = !anytrue([for arn in var.secret_arns : strcontains(arn, "*")])
    error_message = "secret_arns name secrets one by one, without *."
  }
}

variable "kms_key_arns" {
  description = "Customer keys that those secrets are encrypted with."
  type        = list(string)
  default     = []
}

variable "task_policies" {
  description = "What the application itself may do in AWS: IAM policy documents, by a name of your own. Empty: nothing."
  type        = map(string)
  default     = {}
}

variable "egress_cidrs" {
  description = "Address ranges that tasks may call. With nat = none, the routes end at the VPC whatever is here."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = alltrue([for range in var.egress_cidrs : can(cidrhost(range, 0))])
    error_message = "egress_cidrs are address ranges such as 0.0.0.0/0 or 10.0.0.0/16."
  }
}

variable "client_security_group_ids" {
  description = "Security groups that may call tasks without the load balancer, by a name of your own (another service's)."
  type        = map(string)
  default     = {}
}

variable "discovery" {
  description = "Service discovery: the namespace in which the service gets a name, and that name (null: the service's own). null: none."
  type        = object({ namespace_id = string, name = optional(string) })
  default     = null
}

variable "log_retention_days" {
  description = "How long logs are kept, in days, one of CloudWatch's values."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days is one of CloudWatch's retention values, such as 30 or 365."
  }
}

variable "kms_key_arn" {
  description = "Customer key for the log group. null: AWS's own key."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
