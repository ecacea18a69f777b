variable "environment" {
  description = "dev or prod."
  type        = string
  default     = "dev"

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "environment is dev or prod."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-central-1"
}

variable "domain" {
  description = "Names and their hosted zone."
  type        = object({ names = list(string), zone_id = string })
  default     = { names = ["notes.example.com"], zone_id = "Z0123456789ABCDEFGHIJ" }
}

variable "protect" {
  description = "false: everything can be destroyed, with its data."
  type        = bool
  default     = true
}
