variable "name" {
  description = "Name of the web ACL."
  type        = string
}

variable "scope" {
  description = "CLOUDFRONT (in us-east-1) or REGIONAL."
  type        = string

  validation {
    condition     = contains(["CLOUDFRONT", "REGIONAL"], var.scope)
    error_message = "scope is CLOUDFRONT or REGIONAL."
  }
}

variable "settings" {
  description = "As the edge module's waf."
  type = object({
    rate_limit     = number
    rate_window    = number
    groups         = list(string)
    observed       = list(string)
    counted_rules  = map(list(string))
    retention_days = number
  })
}

variable "kms_key_arn" {
  description = "Customer key for the log. null: AWS's own key."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
