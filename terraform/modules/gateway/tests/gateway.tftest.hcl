mock_provider "aws" {}

variables {
  name                       = "clinic-test"
  vpc_id                     = "vpc-0123456789abcdef0"
  subnet_ids                 = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  balancer_security_group_id = "sg-0123456789abcdef0"
  listener_arn               = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/clinic/50dc6c495c0c9188/f2f7dc8efc522ab2"
}

run "defaults_pass_everything_on_through_the_link" {
  command = plan

  assert {
    condition     = aws_apigatewayv2_integration.this.connection_type == "VPC_LINK" && aws_apigatewayv2_route.this["$default"].authorization_type == "NONE"
    error_message = "every request goes through the link"
  }
  assert {
    condition     = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 1000 && !aws_apigatewayv2_api.this.disable_execute_api_endpoint
    error_message = "throttled, under AWS's name"
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.balancer.from_port == 80 && aws_vpc_security_group_egress_rule.balancer.referenced_security_group_id == "sg-0123456789abcdef0"
    error_message = "the link calls the balancer only"
  }
}

run "routes_ask_for_tokens_and_have_their_own_limits" {
  command = plan
  variables {
    routes = {
      "ANY /doctor/{proxy+}" = { access = "AUTHORISED" }
      "GET /shop"            = { rate = 10, burst = 5 }
    }
    authorizer = { issuer = "https://login.example.com", audience = ["clinic"] }
    cors       = { origins = ["https://clinic.example.com"] }
  }

  assert {
    condition     = aws_apigatewayv2_route.this["ANY /doctor/{proxy+}"].authorization_type == "JWT"
    error_message = "the route asks for a token"
  }
  assert {
    condition     = one(aws_apigatewayv2_stage.this.route_settings).throttling_burst_limit == 5
    error_message = "one route has its own limit"
  }
}

run "a_name_of_its_own_shuts_the_other_one" {
  command = plan
  variables {
    domain = {
      name            = "api.example.com"
      certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-1111-1111-1111-111111111111"
      zone_id         = "Z0123456789ABCDEFGHIJ"
    }
    balancer_port   = 443
    tls_server_name = "internal.example.com"
  }

  assert {
    condition     = aws_apigatewayv2_api.this.disable_execute_api_endpoint && length(aws_route53_record.this) == 1 && output.url == "https://api.example.com"
    error_message = "one way in"
  }
  assert {
    condition     = aws_apigatewayv2_integration.this.tls_config[0].server_name_to_verify == "internal.example.com"
    error_message = "the balancer's certificate is checked"
  }
}

run "tokens_without_an_authorizer_are_refused" {
  command = plan
  variables {
    routes = { "$default" = { access = "AUTHORISED" } }
  }
  expect_failures = [var.routes]
}

run "tls_without_a_name_is_refused" {
  command = plan
  variables {
    balancer_port = 443
  }
  expect_failures = [var.tls_server_name]
}

run "bad_values_are_refused" {
  command = plan
  variables {
    name                 = "C"
    subnet_ids           = ["subnet-0123456789abcdef0"]
    routes               = { "FETCH /x" = {} }
    throttle             = { rate = 20000, burst = 10 }
    timeout_milliseconds = 31000
    cors                 = { origins = ["*"], credentials = true }
    log_retention_days   = 2
  }
  expect_failures = [
    var.name, var.subnet_ids, var.routes, var.throttle, var.timeout_milliseconds, var.cors,
    var.log_retention_days,
  ]
}
