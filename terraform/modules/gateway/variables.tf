variable "name" {
  description = "Name of the API, usually <app>-<environment>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name is 2 to 31 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in which the link to the VPC stands, 2 to 10."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2 && length(var.subnet_ids) <= 10
    error_message = "A VPC link takes 2 to 10 subnets."
  }
}

variable "listener_arn" {
  description = "Listener of the internal load balancer."
  type        = string
}

variable "balancer_security_group_id" {
  description = "Security group of the internal load balancer, the only one the link may call."
  type        = string
}

variable "balancer_port" {
  description = "Port of that listener, 80 or 443."
  type        = number
  default     = 80

  validation {
    condition     = contains([80, 443], var.balancer_port)
    error_message = "balancer_port is 80 or 443."
  }
}

variable "tls_server_name" {
  description = "Name that the balancer's certificate must have; needed with port 443."
  type        = string
  default     = null

  validation {
    condition     = (var.balancer_port == 443) == (var.tls_server_name != null)
    error_message = "tls_server_name goes with balancer_port 443, and only with it."
  }
}

variable "routes" {
  description = "Routes that are passed on, such as \"ANY /doctor/{proxy+}\"; $default is every request. AUTHORISED routes need authorizer."
  type        = map(object({ access = optional(string, "OPEN"), rate = optional(number), burst = optional(number) }))
  default     = { "$default" = {} }

  validation {
    condition     = length(var.routes) >= 1 && length(var.routes) <= 300 && alltrue([for key in keys(var.routes) : key == "$default" || can(regex("^(ANY|GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /", key))])
    error_message = "routes are 1 to 300 keys such as \"GET /path\", \"ANY /path/{proxy+}\" or $default."
  }

  validation {
    condition     = alltrue([for route in values(var.routes) : contains(["OPEN", "AUTHORISED"], route.access)])
    error_message = "A route's access is OPEN or AUTHORISED."
  }

  validation {
    condition     = var.authorizer != null || alltrue([for route in values(var.routes) : route.access == "OPEN"])
    error_message = "AUTHORISED routes need authorizer."
  }
}

variable "authorizer" {
  description = "Whose JSON web tokens are taken: issuer and audience. null: the services see to it."
  type        = object({ issuer = string, audience = list(string) })
  default     = null
}

variable "throttle" {
  description = "Requests a second over time, and at once."
  type        = object({ rate = number, burst = number })
  default     = { rate = 1000, burst = 500 }

  validation {
    condition     = var.throttle.rate >= 1 && var.throttle.rate <= 10000 && var.throttle.burst >= 1 && var.throttle.burst <= 5000
    error_message = "throttle.rate is 1 to 10000, throttle.burst 1 to 5000, the account's own limits."
  }
}

variable "timeout_milliseconds" {
  description = "How long a service may take: 50 to 30000."
  type        = number
  default     = 30000

  validation {
    condition     = var.timeout_milliseconds >= 50 && var.timeout_milliseconds <= 30000
    error_message = "timeout_milliseconds is 50 to 30000."
  }
}

variable "cors" {
  description = "Who may call from a browser on another origin. null: nobody."
  type = object({
    origins       = list(string)
    methods       = optional(list(string), ["GET", "POST", "PUT", "PATCH", "DELETE"])
    headers       = optional(list(string), ["authorization", "content-type"])
    credentials   = optional(bool, false)
    cache_seconds = optional(number, 600)
  })
  default = null

  validation {
    condition     = var.cors == null || try(!(var.cors.credentials && contains(var.cors.origins, "*")), false)
    error_message = "Credentials are not allowed together with the origin *."
  }
}

variable "domain" {
  description = "A name of your own with its certificate in this region, and its hosted zone (null: no record). null: AWS's name."
  type        = object({ name = string, certificate_arn = string, zone_id = optional(string) })
  default     = null
}

variable "log_retention_days" {
  description = "How long the access log is kept, in days, one of CloudWatch's values."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days is one of CloudWatch's retention values, such as 30 or 365."
  }
}

variable "kms_key_arn" {
  description = "Customer key for the access log. null: AWS's own key."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
