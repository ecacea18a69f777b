# What users meet first. Either CloudFront before static files and the API, or the balancer itself
# with its name, certificate and web ACL.

locals {
  cloudfront = var.front == "cloudfront"
  names      = var.domain == null ? [] : var.domain.names
  files      = local.cloudfront && var.static != "none"
  passes     = local.cloudfront && var.api != null

  # CloudFront's managed policies; their ids are the same in every account.
  cache_optimized     = "658327ea-f89d-4fab-a63d-7e88639e58f6"
  cache_disabled      = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
  pass_all            = "216adef6-5c7f-47e4-b989-5492eafa07d3"
  pass_all_but_host   = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
  security_headers    = "67f7725c-6f97-4210-82d7-5512b31e9d03"
  all_methods         = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
  api_request_policy  = try(var.api.host, "viewer") == "viewer" ? local.pass_all : local.pass_all_but_host
  api_paths           = local.passes && local.files ? var.api.paths : []
  web_acl_arn         = local.cloudfront ? one(module.waf_global[*].arn) : one(module.waf_regional[*].arn)
  static_bucket_count = local.files ? 1 : 0
}

module "waf_global" {
  source    = "./waf"
  count     = local.cloudfront && var.waf != null ? 1 : 0
  providers = { aws = aws.us_east_1 }

  name        = "${var.name}-edge"
  scope       = "CLOUDFRONT"
  settings    = var.waf
  kms_key_arn = var.kms_key_arn
  tags        = var.tags
}

module "waf_regional" {
  source = "./waf"
  count  = !local.cloudfront && var.waf != null ? 1 : 0

  name        = "${var.name}-edge"
  scope       = "REGIONAL"
  settings    = var.waf
  kms_key_arn = var.kms_key_arn
  tags        = var.tags
}

resource "aws_wafv2_web_acl_association" "balancer" {
  count = length(module.waf_regional)

  resource_arn = var.balancer.arn
  web_acl_arn  = module.waf_regional[0].arn
}

resource "aws_cloudfront_distribution" "this" {
  #checkov:skip=CKV_AWS_68:the web ACL is on unless waf = null
  #checkov:skip=CKV_AWS_86:the access log goes to log_bucket_domain when given; the balancer logs the API's requests
  #checkov:skip=CKV_AWS_174:with a domain the least is TLS 1.2; AWS's own certificate allows no choice
  #checkov:skip=CKV_AWS_305:index.html is the root unless there are no static files
  #checkov:skip=CKV_AWS_310:one origin of each kind; a second region is the owner's decision
  #checkov:skip=CKV_AWS_374:whom to serve is the owner's decision
  #checkov:skip=CKV2_AWS_32:AWS's managed SecurityHeadersPolicy is attached, by its id
  #checkov:skip=CKV2_AWS_42:a domain brings its own certificate; without one there is only AWS's
  #checkov:skip=CKV2_AWS_46:static files are reached by origin access control; the API has no bucket
  #checkov:skip=CKV2_AWS_47:AWSManagedRulesKnownBadInputsRuleSet, with its Log4j rules, is in the default groups
  count = local.cloudfront ? 1 : 0

  enabled             = true
  comment             = var.name
  aliases             = local.names
  is_ipv6_enabled     = true
  http_version        = "http2and3"
  price_class         = var.price_class
  default_root_object = local.files ? "index.html" : null
  web_acl_id          = local.web_acl_arn
  tags                = var.tags

  dynamic "origin" {
    for_each = aws_s3_bucket.static
    content {
      origin_id                = "static"
      domain_name              = origin.value.bucket_regional_domain_name
      origin_access_control_id = aws_cloudfront_origin_access_control.static[0].id
    }
  }

  dynamic "origin" {
    for_each = local.passes ? [var.api] : []
    content {
      origin_id   = "api"
      domain_name = origin.value.domain_name

      dynamic "vpc_origin_config" {
        for_each = aws_cloudfront_vpc_origin.api
        content {
          vpc_origin_id            = vpc_origin_config.value.id
          origin_read_timeout      = origin.value.read_seconds
          origin_keepalive_timeout = 30
        }
      }

      dynamic "custom_origin_config" {
        for_each = origin.value.reach == "public" ? [1] : []
        content {
          http_port                = 80
          https_port               = 443
          origin_protocol_policy   = "https-only"
          origin_ssl_protocols     = ["TLSv1.2"]
          origin_read_timeout      = origin.value.read_seconds
          origin_keepalive_timeout = 30
        }
      }
    }
  }

  default_cache_behavior {
    target_origin_id           = local.files ? "static" : "api"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = local.files ? ["GET", "HEAD", "OPTIONS"] : local.all_methods
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = local.files ? local.cache_optimized : local.cache_disabled
    origin_request_policy_id   = local.files ? null : local.api_request_policy
    response_headers_policy_id = local.security_headers

    dynamic "function_association" {
      for_each = aws_cloudfront_function.paths
      content {
        event_type   = "viewer-request"
        function_arn = function_association.value.arn
      }
    }
  }

  dynamic "ordered_cache_behavior" {
    for_each = local.api_paths
    content {
      path_pattern               = ordered_cache_behavior.value
      target_origin_id           = "api"
      viewer_protocol_policy     = "redirect-to-https"
      allowed_methods            = local.all_methods
      cached_methods             = ["GET", "HEAD"]
      compress                   = true
      cache_policy_id            = local.cache_disabled
      origin_request_policy_id   = local.api_request_policy
      response_headers_policy_id = local.security_headers
    }
  }

  dynamic "logging_config" {
    for_each = var.log_bucket_domain == null ? [] : [var.log_bucket_domain]
    content {
      bucket          = logging_config.value
      prefix          = "${var.name}/"
      include_cookies = false
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.domain == null
    acm_certificate_arn            = one(aws_acm_certificate_validation.edge[*].certificate_arn)
    ssl_support_method             = var.domain == null ? null : "sni-only"
    minimum_protocol_version       = var.domain == null ? null : "TLSv1.2_2021"
  }
}

resource "aws_cloudfront_vpc_origin" "api" {
  count = local.passes && try(var.api.reach, "") == "vpc" ? 1 : 0

  tags = var.tags

  vpc_origin_endpoint_config {
    name                   = "${var.name}-api"
    arn                    = var.api.balancer_arn
    http_port              = 80
    https_port             = 443
    origin_protocol_policy = var.api.protocol

    origin_ssl_protocols {
      items    = ["TLSv1.2"]
      quantity = 1
    }
  }
}
