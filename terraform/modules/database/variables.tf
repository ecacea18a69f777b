variable "name" {
  description = "Identifier of the instance, usually <app>-<environment>-<database>."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9]|-[a-z0-9]){1,47}$", var.name)) && length(var.name) <= 48
    error_message = "name is 2 to 48 lower-case letters, digits and single hyphens, and starts with a letter."
  }
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Isolated subnets, in two zones or more."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "A database needs subnets in at least two zones."
  }
}

variable "client_security_group_ids" {
  description = "Security groups that may connect, by a name of your own (usually the service's)."
  type        = map(string)
  default     = {}
}

variable "engine_version" {
  description = "PostgreSQL's version: 16, or 16.4 to hold a minor one."
  type        = string
  default     = "16"

  validation {
    condition     = can(regex("^1[4-8](\\.[0-9]+)?$", var.engine_version))
    error_message = "engine_version is 14 to 18, with or without a minor version."
  }
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string
  default     = "db.t4g.micro"

  validation {
    condition     = can(regex("^db\\.[a-z0-9-]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "instance_class is a class such as db.t4g.micro."
  }
}

variable "storage" {
  description = "Disk in GiB: at the start, and up to how much it grows by itself. Disks never shrink."
  type        = object({ size = number, most = optional(number, 0) })
  default     = { size = 20, most = 100 }

  validation {
    condition     = var.storage.size >= 20 && var.storage.size <= 65536
    error_message = "storage.size is 20 to 65536 GiB."
  }

  validation {
    condition     = var.storage.most == 0 || var.storage.most >= ceil(var.storage.size * 1.1)
    error_message = "storage.most is 0 (no growth) or at least a tenth above storage.size."
  }
}

variable "database_name" {
  description = "Name of the first database."
  type        = string
  default     = "app"

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]{0,62}$", var.database_name))
    error_message = "database_name is up to 63 lower-case letters, digits and underscores, and starts with a letter."
  }
}

variable "username" {
  description = "Name of the master user."
  type        = string
  default     = "app"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.username)) && !contains(["admin", "postgres", "rdsadmin"], var.username)
    error_message = "username starts with a letter and is not admin, postgres or rdsadmin."
  }
}

variable "password" {
  description = "Password of the master user, from an ephemeral resource: it is in no plan and in no state. It is taken only when password_version changes."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = can(regex("^[A-Za-z0-9._~-]{8,128}$", var.password))
    error_message = "password is 8 to 128 characters that need no escaping in a URL: letters, digits, and . _ ~ -."
  }
}

variable "password_version" {
  description = "Raising it gives the database a new password and writes the URL anew. Raise it also when an apply was interrupted between the two: they then have different passwords. Tasks read the URL when they start, so release the services afterwards."
  type        = number
  default     = 1

  validation {
    condition     = var.password_version >= 1 && floor(var.password_version) == var.password_version
    error_message = "password_version is a whole number, 1 or more."
  }
}

variable "url" {
  description = "Where the URL with the password goes. secret: into the secret secret_arn, which is there already. parameter: into an encrypted parameter called parameter, which is made here."
  type        = object({ store = string, secret_arn = optional(string), parameter = optional(string) })

  validation {
    condition     = contains(["secret", "parameter"], var.url.store)
    error_message = "url.store is secret or parameter."
  }

  validation {
    condition     = var.url.store == "parameter" ? can(regex("^/[A-Za-z0-9_./-]{1,1000}$", var.url.parameter)) : true
    error_message = "url.parameter is a name that starts with a slash."
  }
}

variable "availability" {
  description = "single-zone, or multi-zone: a standby in another zone that takes over under the same name in a minute or two."
  type        = string
  default     = "single-zone"

  validation {
    condition     = contains(["single-zone", "multi-zone"], var.availability)
    error_message = "availability is single-zone or multi-zone."
  }
}

variable "replicas" {
  description = "Instances to read from, 0 to 5. They lag a little."
  type        = number
  default     = 0

  validation {
    condition     = var.replicas >= 0 && var.replicas <= 5 && floor(var.replicas) == var.replicas
    error_message = "replicas is 0 to 5."
  }
}

variable "backup" {
  description = "How many days back a restore can go (1 to 35), and when the daily snapshot is taken, UTC, half an hour or more."
  type        = object({ days = optional(number, 7), window = optional(string, "03:00-04:00") })
  default     = {}

  validation {
    condition     = var.backup.days >= 1 && var.backup.days <= 35
    error_message = "backup.days is 1 to 35; a database without backups is not made here."
  }

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$", var.backup.window))
    error_message = "backup.window is hh:mm-hh:mm."
  }
}

variable "maintenance_window" {
  description = "When AWS may change the instance, UTC. It must not overlap the backup window."
  type        = string
  default     = "mon:04:30-mon:05:30"

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):[0-2][0-9]:[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):[0-2][0-9]:[0-5][0-9]$", var.maintenance_window))
    error_message = "maintenance_window is ddd:hh:mm-ddd:hh:mm, such as mon:04:00-mon:05:00."
  }

  # Minutes of the day; a window that ends before it starts ends on the next day. The maintenance
  # window is taken as if it came every day, which refuses a little more than AWS does.
  validation {
    condition = try(alltrue([
      for backup in [[for time in split("-", var.backup.window) : tonumber(split(":", time)[0]) * 60 + tonumber(split(":", time)[1])]] : alltrue([
        for upkeep in [[for time in split("-", var.maintenance_window) : tonumber(split(":", time)[1]) * 60 + tonumber(split(":", time)[2])]] : alltrue([
          for shift in [-1440, 0, 1440] :
          backup[0] + shift >= (upkeep[1] > upkeep[0] ? upkeep[1] : upkeep[1] + 1440) ||
          (backup[1] > backup[0] ? backup[1] : backup[1] + 1440) + shift <= upkeep[0]
        ])
      ])
    ]), true)
    error_message = "maintenance_window and backup.window overlap; AWS refuses that."
  }
}

variable "apply" {
  description = "When changes take effect: in-window, or at-once (may interrupt the service)."
  type        = string
  default     = "in-window"

  validation {
    condition     = contains(["in-window", "at-once"], var.apply)
    error_message = "apply is in-window or at-once."
  }
}

variable "protect" {
  description = "true: AWS refuses to delete the instance, and a last snapshot is demanded. false: for trials; data goes with it."
  type        = bool
  default     = true
}

variable "monitoring_seconds" {
  description = "Enhanced monitoring's interval in seconds; 0 for none."
  type        = number
  default     = 60

  validation {
    condition     = contains([0, 1, 5, 10, 15, 30, 60], var.monitoring_seconds)
    error_message = "monitoring_seconds is 0, 1, 5, 10, 15, 30 or 60."
  }
}

variable "parameters" {
  description = "Further parameters of PostgreSQL. rds.force_ssl is always 1."
  type        = map(string)
  default     = {}

  validation {
    condition     = !contains(keys(var.parameters), "rds.force_ssl")
    error_message = "rds.force_ssl is not open to choice."
  }
}

variable "slow_query_milliseconds" {
  description = "Statements slower than this are logged."
  type        = number
  default     = 1000

  validation {
    condition     = var.slow_query_milliseconds >= 1
    error_message = "slow_query_milliseconds is at least 1."
  }
}

variable "log_retention_days" {
  description = "How long PostgreSQL's log is kept, in days, one of CloudWatch's values."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days is one of CloudWatch's retention values, such as 30 or 365."
  }
}

variable "kms_key_arn" {
  description = "Customer key for disk, insights, log and the parameter of the URL. null: AWS's own keys. A disk's key cannot be changed later."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
