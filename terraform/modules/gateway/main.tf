# An HTTP API in front of an internal load balancer, reached through a link into the VPC.

locals {
  endpoint = var.domain == null || try(var.domain.zone_id, null) == null ? {} : { this = var.domain }
}

resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  protocol_type = "HTTP"
  # With a name of its own, AWS's name is shut: there is one way in.
  disable_execute_api_endpoint = var.domain != null
  tags                         = var.tags

  dynamic "cors_configuration" {
    for_each = var.cors == null ? [] : [var.cors]
    content {
      allow_origins     = cors_configuration.value.origins
      allow_methods     = cors_configuration.value.methods
      allow_headers     = cors_configuration.value.headers
      allow_credentials = cors_configuration.value.credentials
      max_age           = cors_configuration.value.cache_seconds
    }
  }
}

resource "aws_apigatewayv2_vpc_link" "this" {
  name               = var.name
  subnet_ids         = var.subnet_ids
  security_group_ids = [aws_security_group.link.id]
  tags               = var.tags
}

resource "aws_security_group" "link" {
  name_prefix = "${var.name}-gateway-"
  description = "Gateway's link: calls the load balancer; the balancer lets this group in"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-gateway" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  security_group_id            = aws_security_group.link.id
  description                  = "To the internal load balancer"
  referenced_security_group_id = var.balancer_security_group_id
  from_port                    = var.balancer_port
  to_port                      = var.balancer_port
  ip_protocol                  = "tcp"
}

resource "aws_apigatewayv2_integration" "this" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "HTTP_PROXY"
  integration_method     = "ANY"
  integration_uri        = var.listener_arn
  connection_type        = "VPC_LINK"
  connection_id          = aws_apigatewayv2_vpc_link.this.id
  payload_format_version = "1.0"
  timeout_milliseconds   = var.timeout_milliseconds

  # The access log and the application's log meet in this number.
  request_parameters = { "overwrite:header.x-request-id" = "$context.requestId" }

  dynamic "tls_config" {
    for_each = var.tls_server_name == null ? [] : [var.tls_server_name]
    content {
      server_name_to_verify = tls_config.value
    }
  }
}

resource "aws_apigatewayv2_authorizer" "this" {
  count = var.authorizer == null ? 0 : 1

  api_id           = aws_apigatewayv2_api.this.id
  name             = "tokens"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.authorizer.issuer
    audience = var.authorizer.audience
  }
}

resource "aws_apigatewayv2_route" "this" {
  #checkov:skip=CKV_AWS_309:which routes ask for a token is the owner's decision, said for each with access
  for_each = var.routes

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.this.id}"
  authorization_type = each.value.access == "AUTHORISED" ? "JWT" : "NONE"
  authorizer_id      = each.value.access == "AUTHORISED" ? aws_apigatewayv2_authorizer.this[0].id : null
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  default_route_settings {
    detailed_metrics_enabled = true
    throttling_rate_limit    = var.throttle.rate
    throttling_burst_limit   = var.throttle.burst
  }

  dynamic "route_settings" {
    for_each = { for key, route in var.routes : key => route if route.rate != null || route.burst != null }
    content {
      route_key                = route_settings.key
      detailed_metrics_enabled = true
      throttling_rate_limit    = coalesce(route_settings.value.rate, var.throttle.rate)
      throttling_burst_limit   = coalesce(route_settings.value.burst, var.throttle.burst)
    }
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.this.arn
    format = jsonencode({
      time          = "$context.requestTime"
      request_id    = "$context.requestId"
      client        = "$context.identity.sourceIp"
      method        = "$context.httpMethod"
      path          = "$context.path"
      route         = "$context.routeKey"
      status        = "$context.status"
      bytes         = "$context.responseLength"
      latency_ms    = "$context.responseLatency"
      service_ms    = "$context.integrationLatency"
      error         = "$context.error.message"
      service_error = "$context.integrationErrorMessage"
    })
  }

  depends_on = [aws_apigatewayv2_route.this]
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:logs are always encrypted; kms_key_arn replaces AWS's key by a customer's
  #checkov:skip=CKV_AWS_338:how long logs are kept is the owner's decision and a cost; 30 days by default
  name              = "/neargate/${var.name}/gateway"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_apigatewayv2_domain_name" "this" {
  count = var.domain == null ? 0 : 1

  domain_name = var.domain.name
  tags        = var.tags

  domain_name_configuration {
    certificate_arn = var.domain.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "this" {
  count = length(aws_apigatewayv2_domain_name.this)

  api_id      = aws_apigatewayv2_api.this.id
  domain_name = aws_apigatewayv2_domain_name.this[0].id
  stage       = aws_apigatewayv2_stage.this.id
}

resource "aws_route53_record" "this" {
  for_each = local.endpoint

  zone_id = each.value.zone_id
  name    = each.value.name
  type    = "A"

  alias {
    name                   = aws_apigatewayv2_domain_name.this[0].domain_name_configuration[0].target_domain_name
    zone_id                = aws_apigatewayv2_domain_name.this[0].domain_name_configuration[0].hosted_zone_id
    evaluate_target_health = false
  }
}
