variable "name" {
  description = "Prefix of every name, usually <app>-<environment>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name is 2 to 31 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "emails" {
  description = "Addresses that alarms are sent to. Each has to confirm once."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "emails are addresses such as ops@example.com."
  }
}

variable "alarms" {
  description = "Alarms by name. Either metric (with namespace, dimensions, statistic) or expression over metrics (id => metric). Exactly one of above, below, at_least, at_most."
  type = map(object({
    description = optional(string, "")
    namespace   = optional(string)
    metric      = optional(string)
    dimensions  = optional(map(string), {})
    statistic   = optional(string, "Average") # or p50 to p99.99
    expression  = optional(string)
    metrics = optional(map(object({
      namespace  = string
      metric     = string
      dimensions = optional(map(string), {})
      statistic  = optional(string, "Sum")
    })), {})
    above    = optional(number)
    below    = optional(number)
    at_least = optional(number)
    at_most  = optional(number)
    period   = optional(number, 60)
    points   = optional(number, 2) # that must be over the line
    of       = optional(number)    # among so many; null: as many as points
    missing  = optional(string, "notBreaching")
    notify   = optional(bool, true)
  }))
  default = {}

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : length([for line in [alarm.above, alarm.below, alarm.at_least, alarm.at_most] : line if line != null]) == 1])
    error_message = "An alarm has exactly one of above, below, at_least and at_most."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : (alarm.metric != null) != (alarm.expression != null) && (alarm.expression != null ? length(alarm.metrics) > 0 : alarm.namespace != null)])
    error_message = "An alarm has metric with namespace, or expression with metrics."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : contains([10, 20, 30], alarm.period) || (alarm.period >= 60 && alarm.period % 60 == 0 && alarm.period <= 86400)])
    error_message = "An alarm's period is 10, 20, 30 or a multiple of 60 seconds up to a day."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : alarm.points >= 1 && coalesce(alarm.of, alarm.points) >= alarm.points])
    error_message = "points is at least 1, and of is not below it."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : contains(["missing", "ignore", "breaching", "notBreaching"], alarm.missing)])
    error_message = "missing is missing, ignore, breaching or notBreaching."
  }
}

variable "composites" {
  description = "Alarms over alarms, by name: expression such as ALARM(\"notes-prod-cpu\") AND ALARM(\"notes-prod-latency\")."
  type        = map(object({ expression = string, description = optional(string, ""), notify = optional(bool, true) }))
  default     = {}

  validation {
    condition     = alltrue([for composite in values(var.composites) : can(regex("(ALARM|OK|INSUFFICIENT_DATA)\\(", composite.expression))])
    error_message = "A composite's expression has ALARM(...), OK(...) or INSUFFICIENT_DATA(...)."
  }
}

variable "slos" {
  description = "Service level objectives of a load balancer's target groups, by name: objective in percent over 30 days. A request is good when it has not failed, or, with latency_seconds, when it was answered within them. Each makes two pages (fast, slow) from burn rates."
  type        = map(object({ objective = number, latency_seconds = optional(number), balancer = string, target_groups = list(string) }))
  default     = {}

  validation {
    condition     = alltrue([for slo in values(var.slos) : slo.objective > 0 && slo.objective < 100 && length(slo.target_groups) >= 1 && length(slo.target_groups) <= 2])
    error_message = "An SLO's objective is above 0 and below 100 percent, over one or two target groups."
  }

  validation {
    condition     = alltrue([for slo in values(var.slos) : slo.latency_seconds == null ? true : slo.latency_seconds > 0])
    error_message = "An SLO's latency_seconds is above 0."
  }
}

variable "dashboard" {
  description = "Rows of the dashboard: a title and its metrics, each as CloudWatch writes them ([namespace, name, dimension, value, ...]); business metrics too. Empty: no dashboard."
  type = list(object({
    title     = string
    metrics   = list(list(string))
    statistic = optional(string, "Average")
    period    = optional(number, 60)
  }))
  default = []

  validation {
    condition     = length(var.dashboard) <= 100 && alltrue(flatten([for row in var.dashboard : [for metric in row.metrics : length(metric) >= 2 && length(metric) % 2 == 0]]))
    error_message = "The dashboard has at most 100 rows; a metric is namespace, name, and pairs of dimension and value."
  }
}

variable "budget" {
  description = "Monthly budget in US dollars of what carries the tag app with this value; a message at 80 percent, at 100, and when 100 is foreseen. null: none."
  type        = object({ dollars = number, tag_value = optional(string) })
  default     = null

  validation {
    condition     = var.budget == null || try(var.budget.dollars > 0, false)
    error_message = "budget.dollars is above 0."
  }
}

variable "trail" {
  description = "How many days CloudTrail's record of every call is kept, or 0 for no trail here (an organisation may have one already; the first copy is free)."
  type        = number
  default     = 0

  validation {
    condition     = var.trail == 0 || var.trail >= 90
    error_message = "trail is 0, or at least 90 days."
  }
}

variable "keep_trail_on_destroy" {
  description = "true: destroy stops at a trail's bucket that is not empty. false: the record goes with it."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Customer key for the topic and the trail; its policy must let CloudWatch, Budgets and CloudTrail use it, as the secrets module's does. null: none for the topic (AWS's own key would shut CloudWatch out), SSE-S3 for the trail."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
