variable "deployment" {
  description = "How ECS releases. minutes are whole; percent are of traffic for steps and canary, of the desired count for minimum and maximum."
  type = object({
    strategy            = optional(string, "ROLLING")
    minimum_percent     = optional(number, 100)
    maximum_percent     = optional(number, 200)
    breaker             = optional(bool, true)
    alarm_names         = optional(list(string), [])
    bake_minutes        = optional(number, 5)
    step_percent        = optional(number, 10)
    step_bake_minutes   = optional(number, 6)
    canary_percent      = optional(number, 5)
    canary_bake_minutes = optional(number, 10)
  })
  default = {}

  validation {
    condition     = contains(["ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"], var.deployment.strategy)
    error_message = "deployment.strategy is ROLLING, BLUE_GREEN, LINEAR or CANARY."
  }

  validation {
    condition     = var.deployment.strategy == "ROLLING" || length(var.routes) == 1
    error_message = "BLUE_GREEN, LINEAR and CANARY move the weights of one listener rule: give exactly one route."
  }

  validation {
    condition     = var.deployment.minimum_percent >= 0 && var.deployment.minimum_percent <= 100 && var.deployment.maximum_percent >= 100 && var.deployment.maximum_percent <= 200 && var.deployment.maximum_percent > var.deployment.minimum_percent
    error_message = "deployment.minimum_percent is 0 to 100, maximum_percent 100 to 200, and there is room between them."
  }

  validation {
    condition     = alltrue([for minutes in [var.deployment.bake_minutes, var.deployment.step_bake_minutes, var.deployment.canary_bake_minutes] : minutes >= 0 && minutes <= 1440 && floor(minutes) == minutes])
    error_message = "Bake times are whole minutes, 0 to 1440."
  }

  validation {
    condition     = var.deployment.step_percent >= 3 && var.deployment.step_percent <= 100 && var.deployment.canary_percent >= 0.1 && var.deployment.canary_percent <= 100
    error_message = "deployment.step_percent is 3 to 100, canary_percent 0.1 to 100."
  }
}

variable "scale" {
  description = "Between how many tasks the service scales, and on what: cpu and memory in percent of a task's size, requests per task and minute. null: no scaling."
  type = object({
    min               = number
    max               = number
    cpu               = optional(number)
    memory            = optional(number)
    requests          = optional(number)
    out_cooldown      = optional(number, 60)
    in_cooldown       = optional(number, 300)
    scale_in_disabled = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.scale == null || try(var.scale.min >= 0 && var.scale.max >= var.scale.min && var.scale.max >= 1, false)
    error_message = "scale.min is 0 or more, scale.max is not below it."
  }

  validation {
    condition = var.scale == null || try(alltrue([
      for target in [var.scale.cpu, var.scale.memory] : target == null ? true : target > 0 && target <= 100
    ]), false)
    error_message = "scale.cpu and scale.memory are percent, above 0 and up to 100."
  }

  validation {
    condition     = var.scale == null || try(var.scale.requests == null ? true : var.scale.requests > 0 && length(var.routes) > 0, false)
    error_message = "scale.requests is above 0 and needs routes."
  }
}

variable "schedule" {
  description = "Scaling by the clock, by a name of your own: cron(...), rate(...) or at(...) with the limits that hold from then on."
  type = map(object({
    expression = string
    timezone   = optional(string, "UTC")
    min        = number
    max        = number
  }))
  default = {}

  validation {
    condition     = alltrue([for action in values(var.schedule) : can(regex("^(cron|rate|at)\\(.+\\)$", action.expression)) && action.max >= action.min && action.min >= 0])
    error_message = "A scheduled action has cron(...), rate(...) or at(...), and min not above max."
  }

  validation {
    condition     = length(var.schedule) == 0 || var.scale != null
    error_message = "A schedule needs scale."
  }
}
