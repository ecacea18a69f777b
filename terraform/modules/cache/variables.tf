variable "name" {
  description = "Id of the replication group, usually <app>-<environment>-<cache>."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9]|-[a-z0-9]){1,39}$", var.name)) && length(var.name) <= 40
    error_message = "name is 2 to 40 lower-case letters, digits and single hyphens, and starts with a letter."
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
    error_message = "A cache needs subnets in at least two zones."
  }
}

variable "client_security_group_ids" {
  description = "Security groups that may connect, by a name of your own (usually the service's)."
  type        = map(string)
  default     = {}
}

variable "engine" {
  description = "valkey (a fifth cheaper) or redis."
  type        = string
  default     = "valkey"

  validation {
    condition     = contains(["valkey", "redis"], var.engine)
    error_message = "engine is valkey or redis."
  }
}

variable "engine_version" {
  description = "Version of the engine: 7.2 or 8.0 of valkey, 7.0 or 7.1 of redis. null: 8.0 and 7.1."
  type        = string
  default     = null

  validation {
    condition     = var.engine_version == null || contains(var.engine == "valkey" ? ["7.2", "8.0"] : ["7.0", "7.1"], coalesce(var.engine_version, "-"))
    error_message = "engine_version is 7.2 or 8.0 of valkey, 7.0 or 7.1 of redis."
  }
}

variable "node_type" {
  description = "Size of a node."
  type        = string
  default     = "cache.t4g.micro"

  validation {
    condition     = can(regex("^cache\\.[a-z0-9]+\\.[a-z0-9]+$", var.node_type))
    error_message = "node_type is a type such as cache.t4g.micro."
  }
}

variable "replicas" {
  description = "Copies beside the primary, 0 to 5. With one or more, a lost primary is replaced by itself, in another zone."
  type        = number
  default     = 0

  validation {
    condition     = var.replicas >= 0 && var.replicas <= 5 && floor(var.replicas) == var.replicas
    error_message = "replicas is 0 to 5."
  }
}

variable "eviction" {
  description = "What goes when memory is full (maxmemory-policy)."
  type        = string
  default     = "volatile-lru"

  validation {
    condition = contains([
      "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu",
      "volatile-random", "volatile-ttl", "noeviction",
    ], var.eviction)
    error_message = "eviction is one of allkeys-lru, allkeys-lfu, allkeys-random, volatile-lru, volatile-lfu, volatile-random, volatile-ttl, noeviction."
  }
}

variable "snapshot_days" {
  description = "How long daily snapshots are kept, 0 to 35 days; 0 for none."
  type        = number
  default     = 5

  validation {
    condition     = var.snapshot_days >= 0 && var.snapshot_days <= 35
    error_message = "snapshot_days is 0 to 35."
  }
}

variable "snapshot_window" {
  description = "When snapshots are taken, UTC, at least an hour."
  type        = string
  default     = "02:00-03:00"

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$", var.snapshot_window))
    error_message = "snapshot_window is hh:mm-hh:mm."
  }
}

variable "maintenance_window" {
  description = "When AWS may change nodes, UTC."
  type        = string
  default     = "mon:04:00-mon:05:00"

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):[0-2][0-9]:[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):[0-2][0-9]:[0-5][0-9]$", var.maintenance_window))
    error_message = "maintenance_window is ddd:hh:mm-ddd:hh:mm, such as mon:04:00-mon:05:00."
  }
}

variable "user_group_ids" {
  description = "ElastiCache user groups that name who may log in. Empty: whoever the security group lets in."
  type        = set(string)
  default     = []
}

variable "log_retention_days" {
  description = "How long the slow log is kept, in days, one of CloudWatch's values."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days is one of CloudWatch's retention values, such as 30 or 365."
  }
}

variable "kms_key_arn" {
  description = "Customer key for data and log. null: AWS's own keys."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
