mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { id = "eu-central-1", name = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

mock_provider "aws" {
  alias = "us_east_1"
}

variables {
  name = "notes-test"
}

run "defaults_are_static_files_behind_a_web_acl" {
  command = plan

  assert {
    condition     = length(aws_cloudfront_distribution.this[0].origin) == 1 && aws_cloudfront_distribution.this[0].default_cache_behavior[0].viewer_protocol_policy == "redirect-to-https"
    error_message = "one origin, HTTPS only"
  }
  assert {
    condition     = aws_s3_bucket_public_access_block.static[0].restrict_public_buckets && aws_cloudfront_origin_access_control.static[0].signing_behavior == "always"
    error_message = "the bucket is closed to all but the distribution"
  }
  assert {
    condition     = length(module.waf_global) == 1 && length(module.waf_regional) == 0
    error_message = "the web ACL stands before CloudFront"
  }
  assert {
    condition     = aws_cloudfront_distribution.this[0].viewer_certificate[0].cloudfront_default_certificate && length(aws_route53_record.names) == 0
    error_message = "AWS's name until there is a domain"
  }
}

run "an_internal_api_is_reached_through_the_vpc" {
  command = plan
  variables {
    api = {
      domain_name  = "internal-notes.eu-central-1.elb.amazonaws.com"
      balancer_arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/notes/50dc6c495c0c9188"
      paths        = ["/api/*", "/hooks/*"]
    }
    domain = { names = ["notes.example.com", "*.notes.example.com"], zone_id = "Z0123456789ABCDEFGHIJ" }
  }

  assert {
    condition     = length(aws_cloudfront_vpc_origin.api) == 1 && aws_cloudfront_vpc_origin.api[0].vpc_origin_endpoint_config[0].origin_protocol_policy == "https-only"
    error_message = "through the VPC, by TLS"
  }
  assert {
    condition     = aws_cloudfront_distribution.this[0].ordered_cache_behavior[*].path_pattern == tolist(["/api/*", "/hooks/*"])
    error_message = "only these paths go to the API"
  }
  assert {
    condition     = alltrue([for behaviour in aws_cloudfront_distribution.this[0].ordered_cache_behavior : behaviour.cache_policy_id == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"])
    error_message = "the API is not cached"
  }
  assert {
    condition     = length(aws_acm_certificate.edge) == 1 && length(aws_acm_certificate.balancer) == 1 && length(aws_route53_record.proof) == 1
    error_message = "two certificates, proven by one record"
  }
  assert {
    condition     = length(aws_route53_record.names) == 4 && aws_cloudfront_distribution.this[0].viewer_certificate[0].minimum_protocol_version == "TLSv1.2_2021"
    error_message = "both names over IPv4 and IPv6, TLS 1.2 at least"
  }
}

run "a_public_api_without_static_files_takes_everything" {
  command = plan
  variables {
    static = "none"
    waf    = null
    api    = { domain_name = "abc.execute-api.eu-central-1.amazonaws.com", reach = "public", host = "origin" }
  }

  assert {
    condition     = aws_cloudfront_distribution.this[0].default_cache_behavior[0].target_origin_id == "api" && contains(aws_cloudfront_distribution.this[0].default_cache_behavior[0].allowed_methods, "POST")
    error_message = "every path and method goes to the API"
  }
  assert {
    condition     = aws_cloudfront_distribution.this[0].default_cache_behavior[0].origin_request_policy_id == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    error_message = "a gateway is called by its own name"
  }
  assert {
    condition     = length(aws_s3_bucket.static) == 0 && length(module.waf_global) == 0
    error_message = "no bucket, no web ACL"
  }
}

run "the_balancer_can_be_the_front" {
  command = plan
  variables {
    front    = "balancer"
    balancer = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/notes/50dc6c495c0c9188", dns_name = "notes.elb.amazonaws.com", zone_id = "Z215JYRZR1TBD5" }
    domain   = { names = ["notes.example.com"], zone_id = "Z0123456789ABCDEFGHIJ" }
  }

  assert {
    condition     = length(aws_cloudfront_distribution.this) == 0 && length(aws_wafv2_web_acl_association.balancer) == 1 && length(aws_acm_certificate.edge) == 0
    error_message = "a web ACL on the balancer and no CloudFront"
  }
  assert {
    condition     = length(aws_route53_record.names) == 1 && output.url == "https://notes.example.com"
    error_message = "its name"
  }
}

run "the_web_acl_limits_and_observes" {
  command = plan
  module {
    source = "./waf"
  }
  variables {
    scope = "REGIONAL"
    settings = {
      rate_limit     = 100
      rate_window    = 60
      groups         = ["AWSManagedRulesCommonRuleSet", "AWSManagedRulesSQLiRuleSet"]
      observed       = ["AWSManagedRulesSQLiRuleSet"]
      counted_rules  = { AWSManagedRulesCommonRuleSet = ["SizeRestrictions_BODY"] }
      retention_days = 30
    }
  }

  assert {
    condition     = length(aws_wafv2_web_acl.this.rule) == 3 && aws_cloudwatch_log_group.this.name == "aws-waf-logs-notes-test"
    error_message = "the limit and two groups, logged"
  }
  assert {
    condition     = [for rule in aws_wafv2_web_acl.this.rule : length(rule.override_action[0].count) if rule.name == "AWSManagedRulesSQLiRuleSet"] == [1]
    error_message = "an observed group only counts"
  }
}

run "a_front_without_a_balancer_is_refused" {
  command = plan
  variables {
    front = "balancer"
  }
  expect_failures = [var.balancer]
}

run "plain_http_over_the_internet_is_refused" {
  command = plan
  variables {
    api = { domain_name = "api.example.com", reach = "public", protocol = "http-only" }
  }
  expect_failures = [var.api]
}

run "a_vpc_origin_without_its_balancer_is_refused" {
  command = plan
  variables {
    api = { domain_name = "api.example.com" }
  }
  expect_failures = [var.api]
}

run "a_distribution_of_nothing_is_refused" {
  command = plan
  variables {
    static = "none"
  }
  expect_failures = [var.static]
}

run "an_observed_group_that_is_not_there_is_refused" {
  command = plan
  variables {
    waf = { observed = ["AWSManagedRulesLinuxRuleSet"] }
  }
  expect_failures = [var.waf]
}

run "bad_values_are_refused" {
  command = plan
  variables {
    name        = "N"
    domain      = { names = ["https://x"], zone_id = "Z1" }
    price_class = "PriceClass_300"
    waf         = { rate_limit = 1 }
  }
  expect_failures = [var.name, var.domain, var.price_class, var.waf]
}
