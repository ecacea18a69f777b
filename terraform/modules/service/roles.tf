# Two roles. ECS uses the execution role to start a task; the application has the task role.

locals {
  # ECS's suffix :key:stage:version is no part of a secret's ARN.
  named_secrets = [
    for value in values(var.task.secrets) : join(":", slice(split(":", value), 0, min(7, length(split(":", value)))))
  ]
  readable = concat(local.named_secrets, var.secret_arns)
  managed  = [for arn in local.readable : arn if strcontains(arn, ":secretsmanager:")]
  stored   = [for arn in local.readable : arn if strcontains(arn, ":ssm:")]

  trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role" "execution" {
  name_prefix        = "${substr(var.name, 0, 26)}-execution-"
  description        = "Starts tasks of ${var.name}: pulls the image, reads its secrets, writes its log"
  assume_role_policy = local.trust
  tags               = var.tags
}

resource "aws_iam_role_policy" "execution" {
  name = "start-tasks"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid    = "WriteLog"
          Effect = "Allow"
          Action = ["logs:CreateLogStream", "logs:PutLogEvents"]
          # `*` stands for the streams of this one group; each task has its own.
          Resource = "${local.log_arn}:*"
        },
        {
          Sid    = "RegistryLogin"
          Effect = "Allow"
          Action = "ecr:GetAuthorizationToken"
          # The action knows no resources: IAM takes nothing but `*` here.
          Resource = "*"
        },
      ],
      length(var.repository_arns) == 0 ? [] : [{
        Sid      = "PullImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = var.repository_arns
      }],
      length(local.managed) == 0 ? [] : [{
        Sid      = "ReadSecrets"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = distinct(local.managed)
      }],
      length(local.stored) == 0 ? [] : [{
        Sid      = "ReadParameters"
        Effect   = "Allow"
        Action   = "ssm:GetParameters"
        Resource = distinct(local.stored)
      }],
      length(var.kms_key_arns) == 0 ? [] : [{
        Sid      = "Decrypt"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arns
      }],
    )
  })
}

resource "aws_iam_role" "task" {
  name_prefix        = "${substr(var.name, 0, 26)}-task-"
  description        = "What the application ${var.name} may do in AWS"
  assume_role_policy = local.trust
  tags               = var.tags
}

resource "aws_iam_role_policy" "application" {
  for_each = var.task_policies

  name   = each.key
  role   = aws_iam_role.task.id
  policy = each.value
}

resource "aws_iam_role_policy" "exec" {
  count = var.exec ? 1 : 0

  name = "open-shell"
  role = aws_iam_role.task.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid    = "SessionChannels"
        Effect = "Allow"
        Action = [
          "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
        ]
        # These actions know no resources: IAM takes nothing but `*` here.
        Resource = "*"
      }],
      [{
        Sid    = "RecordSession"
        Effect = "Allow"
        Action = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        # `*` stands for the streams of the cluster's exec log; each session has its own.
        Resource = "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:log-group:/neargate/${var.cluster_name}/exec:*"
      }],
      length(var.kms_key_arns) == 0 ? [] : [{
        Sid      = "SessionKey"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arns
      }],
    )
  })
}

# ECS itself moves listener weights in its BLUE_GREEN, LINEAR and CANARY strategies; this role is
# what it does so with.
resource "aws_iam_role" "traffic" {
  count = local.balanced && local.shifting ? 1 : 0

  name_prefix = "${substr(var.name, 0, 26)}-traffic-"
  description = "Lets ECS move traffic of ${var.name} between its two target groups"
  tags        = var.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "traffic" {
  count = length(aws_iam_role.traffic)

  role       = aws_iam_role.traffic[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers"
}
