# Every accepted and refused flow of the VPC, in CloudWatch Logs.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  flow_log_group = "/neargate/${var.name}/flow"
  flow_log_arn   = "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:log-group:${local.flow_log_group}"
}

resource "aws_cloudwatch_log_group" "flow" {
  #checkov:skip=CKV_AWS_158:logs are always encrypted; kms_key_arn replaces AWS's key by a customer's
  #checkov:skip=CKV_AWS_338:how long flows are kept is the owner's decision and a cost; 30 days by default
  name              = local.flow_log_group
  retention_in_days = var.flow_log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_flow_log" "this" {
  vpc_id                   = aws_vpc.this.id
  traffic_type             = "ALL"
  log_destination_type     = "cloud-watch-logs"
  log_destination          = aws_cloudwatch_log_group.flow.arn
  iam_role_arn             = aws_iam_role.flow.arn
  max_aggregation_interval = 600
  tags                     = merge(var.tags, { Name = var.name })
}

resource "aws_iam_role" "flow" {
  name_prefix = "${var.name}-flow-"
  tags        = var.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "flow" {
  name = "write-flow-log"
  role = aws_iam_role.flow.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
      # `*` stands for the streams of this one group, which the service names itself.
      Resource = [local.flow_log_arn, "${local.flow_log_arn}:*"]
    }]
  })
}
