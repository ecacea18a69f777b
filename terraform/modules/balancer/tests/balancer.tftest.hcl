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

variables {
  name          = "notes-test"
  vpc_id        = "vpc-0123456789abcdef0"
  subnet_ids    = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  ingress_cidrs = ["0.0.0.0/0"]
}

run "without_a_certificate_http_serves_and_does_not_redirect" {
  command = plan

  assert {
    condition     = length(aws_lb_listener.https) == 0 && aws_lb_listener.http.default_action[0].type == "fixed-response"
    error_message = "port 80 answers 404 by itself"
  }
  assert {
    condition     = !aws_lb.this.internal && aws_lb.this.enable_deletion_protection && aws_lb.this.drop_invalid_header_fields
    error_message = "public, protected, strict about headers"
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.ranges) == 1
    error_message = "only port 80 is open"
  }
  assert {
    condition     = strcontains(aws_s3_bucket_policy.logs[0].policy, "aws:SecureTransport")
    error_message = "the log bucket takes TLS only"
  }
}

run "with_certificates_http_redirects_and_https_serves" {
  command = plan
  variables {
    certificate_arns = [
      "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-1111-1111-1111-111111111111",
      "arn:aws:acm:eu-central-1:123456789012:certificate/22222222-2222-2222-2222-222222222222",
    ]
  }

  assert {
    condition     = aws_lb_listener.http.default_action[0].type == "redirect" && aws_lb_listener.http.default_action[0].redirect[0].status_code == "HTTP_301"
    error_message = "port 80 redirects for good"
  }
  assert {
    condition     = aws_lb_listener.https[0].ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06" && length(aws_lb_listener_certificate.more) == 1
    error_message = "TLS 1.2 is the least, and the second certificate is there"
  }
  assert {
    condition     = output.listener_port == 443
    error_message = "services put their rules on the HTTPS listener"
  }
}

run "an_internal_balancer_lets_in_groups_only" {
  command = plan
  variables {
    scheme                     = "internal"
    ingress_cidrs              = []
    ingress_security_group_ids = { gateway = "sg-0123456789abcdef0" }
    ingress_prefix_list_ids    = ["pl-0123456789abcdef0"]
    access_logs                = 0
  }

  assert {
    condition     = aws_lb.this.internal && length(aws_vpc_security_group_ingress_rule.ranges) == 0
    error_message = "no address range may connect"
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.groups) == 1 && length(aws_vpc_security_group_ingress_rule.lists) == 1
    error_message = "the named group and list may"
  }
  assert {
    condition     = length(aws_s3_bucket.logs) == 0 && output.log_bucket == null
    error_message = "no log, no bucket"
  }
}

run "bad_values_are_refused" {
  command = plan
  variables {
    name                 = "internal-notes"
    subnet_ids           = ["subnet-0123456789abcdef0"]
    scheme               = "private"
    ingress_cidrs        = ["everybody"]
    tls_policy           = "ELBSecurityPolicy-2016-08"
    idle_timeout_seconds = 4001
    access_logs          = -1
  }
  expect_failures = [
    var.name, var.subnet_ids, var.scheme, var.ingress_cidrs, var.tls_policy,
    var.idle_timeout_seconds, var.access_logs,
  ]
}
