variable "name" {
  description = "Prefix of every name, usually <app>-<environment>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name is 2 to 31 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "front" {
  description = "What users meet first: cloudfront, or the balancer itself."
  type        = string
  default     = "cloudfront"

  validation {
    condition     = contains(["cloudfront", "balancer"], var.front)
    error_message = "front is cloudfront or balancer."
  }
}

variable "domain" {
  description = "Names of the application and their hosted zone; the first is the main one, *.example.com is allowed. null: AWS's name and certificate."
  type        = object({ names = list(string), zone_id = string })
  default     = null

  validation {
    condition     = var.domain == null || try(length(var.domain.names) >= 1 && alltrue([for name in var.domain.names : can(regex("^(\\*\\.)?([a-z0-9-]+\\.)+[a-z]{2,}$", name))]), false)
    error_message = "domain.names are names such as notes.example.com, at least one."
  }
}

variable "balancer" {
  description = "The load balancer with front = balancer: its ARN, name and zone."
  type        = object({ arn = string, dns_name = string, zone_id = string })
  default     = null

  validation {
    condition     = var.front == "cloudfront" || var.balancer != null
    error_message = "front = balancer needs balancer."
  }
}

variable "api" {
  description = "Where CloudFront passes requests on to. reach: vpc (an internal balancer, by balancer_arn; nothing of it is public) or public (a balancer or gateway by name). host: viewer passes the user's Host on, origin the origin's own (a gateway wants that). null: static files only."
  type = object({
    domain_name  = string
    reach        = optional(string, "vpc")
    balancer_arn = optional(string)
    protocol     = optional(string, "https-only")
    host         = optional(string, "viewer")
    paths        = optional(list(string), ["/api/*"])
    read_seconds = optional(number, 60)
  })
  default = null

  validation {
    condition     = var.api == null || try(contains(["vpc", "public"], var.api.reach) && contains(["https-only", "http-only"], var.api.protocol) && contains(["viewer", "origin"], var.api.host), false)
    error_message = "api.reach is vpc or public, api.protocol https-only or http-only, api.host viewer or origin."
  }

  validation {
    condition     = var.api == null || try(var.api.reach == "public" || var.api.balancer_arn != null, false)
    error_message = "api.reach = vpc needs balancer_arn."
  }

  validation {
    condition     = var.api == null || try(!(var.api.reach == "public" && var.api.protocol == "http-only"), false)
    error_message = "Over the internet an origin is called by https-only."
  }

  validation {
    condition     = var.api == null || try(var.api.read_seconds >= 1 && var.api.read_seconds <= 120, false)
    error_message = "api.read_seconds is 1 to 120."
  }
}

variable "static" {
  description = "Static files: spa (paths without a file give /index.html), pages (a path ending in / gives its index.html) or none."
  type        = string
  default     = "spa"

  validation {
    condition     = contains(["spa", "pages", "none"], var.static)
    error_message = "static is spa, pages or none."
  }

  validation {
    condition     = var.front == "balancer" || var.static != "none" || var.api != null
    error_message = "CloudFront needs static files, an api, or both."
  }
}

variable "waf" {
  description = "Web ACL: rate_limit requests per address in rate_window seconds; AWS's groups in order; observed groups only count; counted_rules are single rules that only count. null: no web ACL."
  type = object({
    rate_limit  = optional(number, 2000)
    rate_window = optional(number, 300)
    groups = optional(list(string), [
      "AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesCommonRuleSet",
      "AWSManagedRulesKnownBadInputsRuleSet", "AWSManagedRulesSQLiRuleSet",
    ])
    observed       = optional(list(string), [])
    counted_rules  = optional(map(list(string)), { AWSManagedRulesCommonRuleSet = ["SizeRestrictions_BODY"] })
    retention_days = optional(number, 30)
  })
  default = {}

  validation {
    condition     = var.waf == null || try(var.waf.rate_limit >= 10 && contains([60, 120, 300, 600], var.waf.rate_window), false)
    error_message = "waf.rate_limit is at least 10, waf.rate_window 60, 120, 300 or 600 seconds."
  }

  validation {
    condition     = var.waf == null || try(alltrue([for group in var.waf.groups : startswith(group, "AWSManagedRules")]) && length(setsubtract(concat(var.waf.observed, keys(var.waf.counted_rules)), var.waf.groups)) == 0, false)
    error_message = "waf.groups are AWS's (AWSManagedRules...); observed and counted_rules name groups that are in it."
  }
}

variable "price_class" {
  description = "Where CloudFront serves from: PriceClass_100 (Europe and North America), PriceClass_200, PriceClass_All."
  type        = string
  default     = "PriceClass_100"

  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class)
    error_message = "price_class is PriceClass_100, PriceClass_200 or PriceClass_All."
  }
}

variable "log_bucket_domain" {
  description = "Domain name of a bucket (with ACLs enabled) for CloudFront's access log. null: none."
  type        = string
  default     = null
}

variable "empty_static_on_destroy" {
  description = "true: destroy removes the bucket with its files, which a deploy can write again. false: it stops at one that is not empty."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "Customer key for the web ACL's log, in the region of the web ACL. null: AWS's own key."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
}
