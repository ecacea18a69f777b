# One application load balancer for all services of an environment. Its listeners answer 404 by
# themselves; each service brings its own rules.

locals {
  tls   = length(var.certificate_arns) > 0
  ports = local.tls ? { http = 80, https = 443 } : { http = 80 }

  # One rule per source and port.
  from_ranges = { for pair in setproduct(var.ingress_cidrs, keys(local.ports)) : "${pair[0]} ${pair[1]}" => { range = pair[0], port = local.ports[pair[1]] } }
  from_lists  = { for pair in setproduct(range(length(var.ingress_prefix_list_ids)), keys(local.ports)) : "${pair[0]} ${pair[1]}" => { list = var.ingress_prefix_list_ids[pair[0]], port = local.ports[pair[1]] } }
  from_groups = { for pair in setproduct(keys(var.ingress_security_group_ids), keys(local.ports)) : "${pair[0]} ${pair[1]}" => { group = var.ingress_security_group_ids[pair[0]], port = local.ports[pair[1]] } }
}

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_91:the access log is on unless access_logs = 0
  #checkov:skip=CKV2_AWS_28:the web ACL is tied to the balancer in the edge module, or stands in front of CloudFront
  #checkov:skip=CKV_AWS_150:deletion protection is on unless deletion_protection = false
  #checkov:skip=CKV2_AWS_20:with a certificate, port 80 only redirects; without one there is nothing to redirect to
  #checkov:skip=CKV2_AWS_76:the web ACL with its Log4j rules is tied to the balancer in the edge module
  name               = var.name
  load_balancer_type = "application"
  internal           = var.scheme == "internal"
  subnets            = var.subnet_ids
  security_groups    = [aws_security_group.this.id]

  idle_timeout               = var.idle_timeout_seconds
  enable_deletion_protection = var.deletion_protection
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "defensive"
  tags                       = var.tags

  dynamic "access_logs" {
    for_each = aws_s3_bucket.logs
    content {
      bucket  = access_logs.value.id
      enabled = true
    }
  }

  # AWS tests that it may write as soon as the log is switched on.
  depends_on = [aws_s3_bucket_policy.logs]
}

resource "aws_lb_listener" "http" {
  #checkov:skip=CKV_AWS_2:with a certificate this listener only redirects; HTTP without one is for internal use and trials
  #checkov:skip=CKV_AWS_103:TLS is the other listener's
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"
  tags              = var.tags

  default_action {
    type = local.tls ? "redirect" : "fixed-response"

    dynamic "redirect" {
      for_each = local.tls ? [1] : []
      content {
        protocol    = "HTTPS"
        port        = "443"
        status_code = "HTTP_301"
      }
    }

    dynamic "fixed_response" {
      for_each = local.tls ? [] : [1]
      content {
        content_type = "text/plain"
        message_body = "no service has this address"
        status_code  = "404"
      }
    }
  }
}

resource "aws_lb_listener" "https" {
  count = local.tls ? 1 : 0

  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = var.tls_policy
  certificate_arn   = var.certificate_arns[0]
  tags              = var.tags

  routing_http_response_strict_transport_security_header_value = var.strict_transport_security
  routing_http_response_server_enabled                         = false

  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "no service has this address"
      status_code  = "404"
    }
  }
}

# Counted, not keyed by ARN: a certificate made in the same plan has no ARN yet.
resource "aws_lb_listener_certificate" "more" {
  count = max(length(var.certificate_arns) - 1, 0)

  listener_arn    = aws_lb_listener.https[0].arn
  certificate_arn = var.certificate_arns[count.index + 1]
}

resource "aws_security_group" "this" {
  name_prefix = "${var.name}-balancer-"
  description = "Load balancer: who may connect; services add the way to their tasks"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-balancer" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "ranges" {
  #checkov:skip=CKV_AWS_260:who may connect is ingress_cidrs; port 80 redirects when there is a certificate
  for_each = local.from_ranges

  security_group_id = aws_security_group.this.id
  description       = "Port ${each.value.port} from ${each.value.range}"
  cidr_ipv4         = each.value.range
  from_port         = each.value.port
  to_port           = each.value.port
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_ingress_rule" "lists" {
  for_each = local.from_lists

  security_group_id = aws_security_group.this.id
  description       = "Port ${each.value.port} from a managed prefix list"
  prefix_list_id    = each.value.list
  from_port         = each.value.port
  to_port           = each.value.port
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_ingress_rule" "groups" {
  for_each = local.from_groups

  security_group_id            = aws_security_group.this.id
  description                  = "Port ${each.value.port} from ${each.key}"
  referenced_security_group_id = each.value.group
  from_port                    = each.value.port
  to_port                      = each.value.port
  ip_protocol                  = "tcp"
}
