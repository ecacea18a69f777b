variable "name" {
  description = "Name of the cluster, usually <app>-<environment>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name is 2 to 31 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "spot_weight" {
  description = "Share of tasks on Fargate Spot beyond base_tasks, in percent. 0: none. Spot tasks can be taken away with two minutes' notice."
  type        = number
  default     = 0

  validation {
    condition     = var.spot_weight >= 0 && var.spot_weight <= 100 && floor(var.spot_weight) == var.spot_weight
    error_message = "spot_weight is a whole number from 0 to 100."
  }
}

variable "base_tasks" {
  description = "How many tasks of a service always run on ordinary Fargate."
  type        = number
  default     = 1

  validation {
    condition     = var.base_tasks >= 0 && var.base_tasks <= 1000
    error_message = "base_tasks is 0 to 1000."
  }
}

variable "insights" {
  description = "Container Insights: enabled (per service), enhanced (per task, dearer) or disabled."
  type        = string
  default     = "enabled"

  validation {
    condition     = contains(["enabled", "enhanced", "disabled"], var.insights)
    error_message = "insights is enabled, enhanced or disabled."
  }
}

variable "repositories" {
  description = "Image repositories to make, by short name, usually one per service."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.repositories : can(regex("^[a-z][a-z0-9._-]{1,100}$", name))])
    error_message = "repositories are lower-case names of letters, digits, dots, hyphens and underscores."
  }
}

variable "kept_images" {
  description = "How many tagged images a repository keeps. More than the releases you may want to go back to."
  type        = number
  default     = 10

  validation {
    condition     = var.kept_images >= 2 && var.kept_images <= 1000
    error_message = "kept_images is 2 to 1000: a rollback needs the image before the last."
  }
}

variable "untagged_days" {
  description = "After how many days an image without a tag is removed."
  type        = number
  default     = 7

  validation {
    condition     = var.untagged_days >= 1
    error_message = "untagged_days is at least 1."
  }
}

variable "empty_repositories_on_destroy" {
  description = "true: destroy removes repositories with their images. false: it stops at one that is not empty."
  type        = bool
  default     = false
}

variable "namespace" {
  description = "Private DNS namespace for service discovery, such as notes.internal. null: none."
  type        = string
  default     = null

  validation {
    condition     = var.namespace == null || can(regex("^([a-z0-9-]+\\.)+[a-z]+$", var.namespace))
    error_message = "namespace is a domain name such as notes.internal."
  }
}

variable "vpc_id" {
  description = "The VPC in which the namespace resolves. Needed with a namespace."
  type        = string
  default     = null

  validation {
    condition     = var.namespace == null || var.vpc_id != null
    error_message = "A namespace needs vpc_id."
  }
}

variable "log_retention_days" {
  description = "How long the record of exec sessions is kept, in days, one of CloudWatch's values."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days is one of CloudWatch's retention values, such as 30 or 365."
  }
}

variable "kms_key_arn" {
  description = "Customer key for images, exec sessions and their log. null: AWS's own keys."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
