variable "name" {
  description = "Start of the bucket's name, usually the app's. Account and region are added."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,24}$", var.name))
    error_message = "name is 2 to 25 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "kept_days" {
  description = "How long older versions of a state are kept, in days."
  type        = number
  default     = 90

  validation {
    condition     = var.kept_days >= 1
    error_message = "kept_days is at least 1."
  }
}

variable "kms_key_arn" {
  description = "Customer key for the bucket. null: AWS's own key."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
