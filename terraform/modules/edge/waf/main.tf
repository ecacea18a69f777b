# One web ACL: a limit on requests per address, then AWS's managed groups in the order given.

resource "aws_wafv2_web_acl" "this" {
  #checkov:skip=CKV_AWS_192:AWSManagedRulesKnownBadInputsRuleSet, with its Log4j rules, is in the default groups
  name        = var.name
  description = "Rate limit and managed groups"
  scope       = var.scope
  tags        = var.tags

  default_action {
    allow {}
  }

  rule {
    name     = "rate"
    priority = 0

    action {
      block {
        custom_response {
          response_code = 429
        }
      }
    }

    statement {
      rate_based_statement {
        aggregate_key_type    = "IP"
        limit                 = var.settings.rate_limit
        evaluation_window_sec = var.settings.rate_window
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${var.name}-rate"
      sampled_requests_enabled   = true
    }
  }

  dynamic "rule" {
    for_each = { for index, group in var.settings.groups : group => index + 1 }
    content {
      name     = rule.key
      priority = rule.value

      override_action {
        dynamic "none" {
          for_each = contains(var.settings.observed, rule.key) ? [] : [1]
          content {}
        }
        dynamic "count" {
          for_each = contains(var.settings.observed, rule.key) ? [1] : []
          content {}
        }
      }

      statement {
        managed_rule_group_statement {
          vendor_name = "AWS"
          name        = rule.key

          dynamic "rule_action_override" {
            for_each = lookup(var.settings.counted_rules, rule.key, [])
            content {
              name = rule_action_override.value
              action_to_use {
                count {}
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = "${var.name}-${rule.key}"
        sampled_requests_enabled   = true
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name
    sampled_requests_enabled   = true
  }
}

# AWS demands that the name starts so.
resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:logs are always encrypted; kms_key_arn replaces AWS's key by a customer's
  #checkov:skip=CKV_AWS_338:how long logs are kept is the owner's decision and a cost; 30 days by default
  name              = "aws-waf-logs-${var.name}"
  retention_in_days = var.settings.retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

# Only what was stopped or counted is logged: what passes is in the balancer's own log.
resource "aws_wafv2_web_acl_logging_configuration" "this" {
  resource_arn            = aws_wafv2_web_acl.this.arn
  log_destination_configs = [aws_cloudwatch_log_group.this.arn]

  redacted_fields {
    single_header {
      name = "authorization"
    }
  }

  redacted_fields {
    single_header {
      name = "cookie"
    }
  }

  logging_filter {
    default_behavior = "DROP"

    filter {
      behavior    = "KEEP"
      requirement = "MEETS_ANY"

      condition {
        action_condition {
          action = "BLOCK"
        }
      }

      condition {
        action_condition {
          action = "COUNT"
        }
      }
    }
  }
}
