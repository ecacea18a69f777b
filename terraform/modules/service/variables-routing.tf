variable "listener_arn" {
  description = "The load balancer's listener on which the service's rules go. Needed with routes."
  type        = string
  default     = null
}

variable "balancer_security_group_id" {
  description = "The load balancer's security group. Needed with routes."
  type        = string
  default     = null
}

variable "routes" {
  description = "Requests that come to this service, by a name of your own. All conditions of a route must hold, one value of each is enough. Empty: the service takes no requests."
  type = map(object({
    priority      = number
    test_priority = optional(number) # of the rule that reaches the green group; by default one before priority
    hosts         = optional(list(string), [])
    paths         = optional(list(string), [])
    methods       = optional(list(string), [])
    headers       = optional(map(list(string)), {})
    query         = optional(list(object({ key = optional(string), value = string })), [])
    sources       = optional(list(string), []) # address ranges of the load balancer's peer
  }))
  default = {}

  validation {
    condition     = alltrue([for route in values(var.routes) : route.priority >= 1 && route.priority <= 50000])
    error_message = "A route's priority is 1 to 50000."
  }

  validation {
    condition = alltrue([
      for route in values(var.routes) :
      length(route.hosts) + length(route.paths) + length(route.methods) + length(route.headers) + length(route.query) + length(route.sources) > 0
    ])
    error_message = "A route has at least one condition; paths = [\"/*\"] takes everything."
  }

  # AWS evaluates at most five values in a rule.
  validation {
    condition = alltrue([
      for route in values(var.routes) :
      length(route.hosts) + length(route.paths) + length(route.methods) + length(flatten(values(route.headers))) + length(route.query) + length(route.sources) <= 5
    ])
    error_message = "A route has at most five values over all its conditions."
  }

  validation {
    condition     = length(var.routes) == 0 || (var.listener_arn != null && var.balancer_security_group_id != null)
    error_message = "Routes need listener_arn and balancer_security_group_id."
  }
}

variable "test_header" {
  description = "Requests with this header reach the green group, before users do. null: no test rule."
  type        = object({ name = string, value = string })
  default     = null

  validation {
    condition = var.test_header == null || alltrue([
      for route in values(var.routes) : coalesce(route.test_priority, route.priority - 1) >= 1
    ])
    error_message = "With a test_header, each route needs a free priority before its own: start at 2, or give test_priority."
  }

  validation {
    condition = var.test_header == null || alltrue([
      for route in values(var.routes) :
      length(route.hosts) + length(route.paths) + length(route.methods) + length(flatten(values(route.headers))) + length(route.query) + length(route.sources) <= 4
    ])
    error_message = "With a test_header a route has at most four values: the header is the fifth that AWS evaluates."
  }

  validation {
    condition     = var.test_header == null || try(lower(var.test_header.name) != "host" && length(var.test_header.name) <= 40, false)
    error_message = "test_header.name has at most 40 characters and is not Host."
  }
}

variable "health" {
  description = "How the load balancer asks a task for its health. Seconds."
  type = object({
    path      = optional(string, "/")
    interval  = optional(number, 30)
    timeout   = optional(number, 5)
    healthy   = optional(number, 2)
    unhealthy = optional(number, 3)
    matcher   = optional(string, "200")
    grace     = optional(number, 30)
  })
  default = {}

  validation {
    condition     = startswith(var.health.path, "/") && length(var.health.path) <= 1024
    error_message = "health.path starts with / and has at most 1024 characters."
  }

  validation {
    condition     = var.health.interval >= 5 && var.health.interval <= 300 && var.health.timeout >= 2 && var.health.timeout <= 120 && var.health.timeout < var.health.interval
    error_message = "health.interval is 5 to 300 seconds, health.timeout 2 to 120 and shorter than the interval."
  }

  validation {
    condition     = min(var.health.healthy, var.health.unhealthy) >= 2 && max(var.health.healthy, var.health.unhealthy) <= 10
    error_message = "health.healthy and health.unhealthy are 2 to 10."
  }

  validation {
    condition     = can(regex("^[2-4][0-9]{2}([,-][2-4][0-9]{2})*$", var.health.matcher))
    error_message = "health.matcher is codes from 200 to 499, such as 200, 200-299 or 200,204."
  }

  validation {
    condition     = var.health.grace >= 0
    error_message = "health.grace is 0 seconds or more."
  }
}

variable "deregistration_delay_seconds" {
  description = "How long a leaving task may finish its requests, 0 to 3600 seconds."
  type        = number
  default     = 30

  validation {
    condition     = var.deregistration_delay_seconds >= 0 && var.deregistration_delay_seconds <= 3600
    error_message = "deregistration_delay_seconds is 0 to 3600."
  }
}

variable "slow_start_seconds" {
  description = "Over how many seconds a new task is given its full share: 30 to 900, 0 for at once."
  type        = number
  default     = 0

  validation {
    condition     = var.slow_start_seconds == 0 || (var.slow_start_seconds >= 30 && var.slow_start_seconds <= 900)
    error_message = "slow_start_seconds is 0, or 30 to 900."
  }

  validation {
    condition     = var.slow_start_seconds == 0 || var.balancing == "round_robin"
    error_message = "Slow start works with round_robin only."
  }
}

variable "balancing" {
  description = "How a task is chosen: round_robin, least_outstanding_requests or weighted_random (avoids tasks that answer worse than others)."
  type        = string
  default     = "round_robin"

  validation {
    condition     = contains(["round_robin", "least_outstanding_requests", "weighted_random"], var.balancing)
    error_message = "balancing is round_robin, least_outstanding_requests or weighted_random."
  }
}

variable "stickiness_seconds" {
  description = "How long a user stays with a task (and, in a release, with a revision): 1 to 604800 seconds, 0 for not at all."
  type        = number
  default     = 0

  validation {
    condition     = var.stickiness_seconds >= 0 && var.stickiness_seconds <= 604800
    error_message = "stickiness_seconds is 0 to 604800."
  }
}

variable "stickiness_cookie" {
  description = "The application's own cookie that marks a user's session. null: the load balancer's."
  type        = string
  default     = null

  validation {
    condition     = var.stickiness_cookie == null || try(var.stickiness_seconds > 0 && !startswith(var.stickiness_cookie, "AWSALB"), false)
    error_message = "stickiness_cookie needs stickiness_seconds, and does not start with AWSALB."
  }
}
