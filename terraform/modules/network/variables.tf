variable "name" {
  description = "Prefix of every name, usually <app>-<environment>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name is 2 to 31 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "cidr" {
  description = "Address range of the VPC, /16 to /20. It is cut into 16 equal subnets, four per tier."
  type        = string
  default     = "10.0.0.0/16"

  validation {
    condition = can(cidrhost(var.cidr, 0)) && try(
      tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 20, false
    )
    error_message = "cidr is an IPv4 range from /16 to /20, such as 10.0.0.0/16."
  }
}

variable "zones" {
  description = "How many availability zones are used: 2 or 3."
  type        = number
  default     = 2

  validation {
    condition     = contains([2, 3], var.zones)
    error_message = "zones is 2 or 3."
  }
}

variable "availability_zones" {
  description = "Names of the zones, in order, to pin them: a new zone of the region then moves nothing. Empty: the region's first ones."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.availability_zones) == 0 || (length(var.availability_zones) >= var.zones && length(distinct(var.availability_zones)) == length(var.availability_zones))
    error_message = "availability_zones are different zones, at least as many as zones."
  }
}

variable "nat" {
  description = "How private subnets reach the internet: gateway, instance (one small ARM machine, cheap, a single point of failure per zone), or none (VPC endpoints only)."
  type        = string
  default     = "gateway"

  validation {
    condition     = contains(["gateway", "instance", "none"], var.nat)
    error_message = "nat is gateway, instance or none."
  }
}

variable "nat_spread" {
  description = "one: all zones share one NAT. per-zone: each zone has its own, so that a lost zone takes no other with it."
  type        = string
  default     = "one"

  validation {
    condition     = contains(["one", "per-zone"], var.nat_spread)
    error_message = "nat_spread is one or per-zone."
  }
}

variable "nat_instance_type" {
  description = "ARM instance type of a NAT instance."
  type        = string
  default     = "t4g.nano"

  validation {
    condition     = can(regex("^[a-z]+[0-9]+g[a-z]*\\.[a-z0-9]+$", var.nat_instance_type))
    error_message = "nat_instance_type is an ARM (Graviton) type such as t4g.nano."
  }
}

variable "gateway_endpoints" {
  description = "Services reached through gateway endpoints, which cost nothing."
  type        = set(string)
  default     = ["s3"]

  validation {
    condition     = alltrue([for service in var.gateway_endpoints : contains(["s3", "dynamodb"], service)])
    error_message = "gateway_endpoints are s3 and dynamodb."
  }
}

variable "interface_endpoints" {
  description = "Services reached through interface endpoints, such as ecr.api. Each costs by the hour and zone."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for service in var.interface_endpoints : can(regex("^[a-z0-9.-]+$", service))])
    error_message = "interface_endpoints are short service names such as ecr.api, ecr.dkr, logs, secretsmanager."
  }

  validation {
    condition = var.nat != "none" || alltrue([
      for service in ["ecr.api", "ecr.dkr", "logs"] : contains(var.interface_endpoints, service)
    ])
    error_message = "With nat = none, tasks start only if interface_endpoints has ecr.api, ecr.dkr and logs."
  }
}

variable "flow_log_retention_days" {
  description = "How long the VPC's flow log is kept, in days, one of CloudWatch's values."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.flow_log_retention_days)
    error_message = "flow_log_retention_days is one of CloudWatch's retention values, such as 30 or 365."
  }
}

variable "kms_key_arn" {
  description = "Customer key for the flow log and NAT disks. null: AWS's own keys."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
