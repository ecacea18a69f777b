variable "name" {
  description = "Name of the load balancer, usually <app>-<environment>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name)) && !startswith(var.name, "internal-")
    error_message = "name is 2 to 31 lower-case letters, digits and hyphens, starts with a letter and not with internal-."
  }
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets in at least two zones: public ones for a public balancer, private ones for an internal one."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "A load balancer needs subnets in at least two zones."
  }
}

variable "scheme" {
  description = "public: reachable from the internet. internal: only from within the VPC, for a gateway, CloudFront's VPC origins, or services among themselves."
  type        = string
  default     = "public"

  validation {
    condition     = contains(["public", "internal"], var.scheme)
    error_message = "scheme is public or internal."
  }
}

variable "ingress_cidrs" {
  description = "Address ranges that may connect. Empty: none but ingress_prefix_list_ids and ingress_security_group_ids."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for range in var.ingress_cidrs : can(cidrhost(range, 0))])
    error_message = "ingress_cidrs are address ranges such as 0.0.0.0/0 or 10.0.0.0/16."
  }
}

variable "ingress_prefix_list_ids" {
  description = "Managed prefix lists that may connect, such as CloudFront's."
  type        = list(string)
  default     = []
}

variable "ingress_security_group_ids" {
  description = "Security groups that may connect, by a name of your own (a gateway's link, a service)."
  type        = map(string)
  default     = {}
}

variable "certificate_arns" {
  description = "ACM certificates; the first is the default one, the others are chosen by name. Empty: HTTP only, and no redirect."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.certificate_arns) <= 25
    error_message = "A load balancer takes 25 certificates."
  }
}

variable "tls_policy" {
  description = "TLS policy of the HTTPS listener. Only policies with TLS 1.2 as the least are taken."
  type        = string
  default     = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  validation {
    condition     = can(regex("^ELBSecurityPolicy-TLS13-1-[23]-", var.tls_policy))
    error_message = "tls_policy is one of ELBSecurityPolicy-TLS13-1-2-... or TLS13-1-3-...: older ones allow TLS 1.1."
  }
}

variable "strict_transport_security" {
  description = "Strict-Transport-Security header of the HTTPS listener. null: the header is left to the services."
  type        = string
  default     = "max-age=31536000; includeSubDomains"
}

variable "idle_timeout_seconds" {
  description = "How long a silent connection is kept, 1 to 4000 seconds. Services must keep theirs longer."
  type        = number
  default     = 60

  validation {
    condition     = var.idle_timeout_seconds >= 1 && var.idle_timeout_seconds <= 4000
    error_message = "idle_timeout_seconds is 1 to 4000."
  }
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the balancer until this is off."
  type        = bool
  default     = true
}

variable "access_logs" {
  description = "How many days the access log is kept in a bucket made here, or 0 for no access log."
  type        = number
  default     = 30

  validation {
    condition     = var.access_logs >= 0 && floor(var.access_logs) == var.access_logs
    error_message = "access_logs is a whole number of days, 0 for none."
  }
}

variable "keep_logs_on_destroy" {
  description = "true: destroy stops at a log bucket that is not empty. false: the logs go with it."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
