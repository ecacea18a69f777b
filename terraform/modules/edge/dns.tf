# Certificates and names. ACM asks for the same record in every region, so that one set of records
# proves both certificates.

locals {
  # *.example.com is proven by the same record as example.com.
  proofs       = toset([for name in local.names : trimprefix(name, "*.")])
  alias_target = local.cloudfront ? one(aws_cloudfront_distribution.this[*].domain_name) : try(var.balancer.dns_name, null)
  alias_zone   = local.cloudfront ? one(aws_cloudfront_distribution.this[*].hosted_zone_id) : try(var.balancer.zone_id, null)
}

# For the balancer, in its region: also behind CloudFront, which then calls it by TLS.
resource "aws_acm_certificate" "balancer" {
  count = var.domain == null ? 0 : 1

  domain_name               = local.names[0]
  subject_alternative_names = slice(local.names, 1, length(local.names))
  validation_method         = "DNS"
  tags                      = var.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_acm_certificate" "edge" {
  provider = aws.us_east_1
  count    = var.domain != null && local.cloudfront ? 1 : 0

  domain_name               = local.names[0]
  subject_alternative_names = slice(local.names, 1, length(local.names))
  validation_method         = "DNS"
  tags                      = var.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "proof" {
  for_each = local.proofs

  zone_id         = var.domain.zone_id
  name            = [for option in aws_acm_certificate.balancer[0].domain_validation_options : option.resource_record_name if trimprefix(option.domain_name, "*.") == each.key][0]
  type            = [for option in aws_acm_certificate.balancer[0].domain_validation_options : option.resource_record_type if trimprefix(option.domain_name, "*.") == each.key][0]
  records         = [[for option in aws_acm_certificate.balancer[0].domain_validation_options : option.resource_record_value if trimprefix(option.domain_name, "*.") == each.key][0]]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "balancer" {
  count = length(aws_acm_certificate.balancer)

  certificate_arn         = aws_acm_certificate.balancer[0].arn
  validation_record_fqdns = [for record in aws_route53_record.proof : record.fqdn]
}

resource "aws_acm_certificate_validation" "edge" {
  provider = aws.us_east_1
  count    = length(aws_acm_certificate.edge)

  certificate_arn         = aws_acm_certificate.edge[0].arn
  validation_record_fqdns = [for record in aws_route53_record.proof : record.fqdn]
}

resource "aws_route53_record" "names" {
  for_each = { for pair in setproduct(local.names, ["A", "AAAA"]) : "${pair[0]} ${pair[1]}" => pair if local.cloudfront || pair[1] == "A" }

  zone_id = var.domain.zone_id
  name    = each.value[0]
  type    = each.value[1]

  alias {
    name                   = local.alias_target
    zone_id                = local.alias_zone
    evaluate_target_health = !local.cloudfront
  }
}
