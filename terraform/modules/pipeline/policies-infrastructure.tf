# What Terraform may do: reading its state, and, for apply, the services that the modules use.

locals {
  state_statements = {
    for name, environment in var.environments : name => [
      {
        Sid      = "FindState"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:${local.partition}:s3:::${environment.state_bucket}"
      },
      {
        Sid      = "ReadState"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "arn:${local.partition}:s3:::${environment.state_bucket}/${var.app}/${name}.tfstate"
      },
      {
        Sid      = "HoldLock"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
        Resource = "arn:${local.partition}:s3:::${environment.state_bucket}/${var.app}/${name}.tfstate.tflock"
      },
    ]
  }

  # ReadOnlyAccess opens every object and parameter of the account; a plan needs neither.
  plan_refusals = [{
    Sid      = "NoContents"
    Effect   = "Deny"
    Action   = ["secretsmanager:GetSecretValue", "kms:Decrypt", "logs:GetLogEvents", "logs:FilterLogEvents"]
    Resource = "*" # a refusal, and it is meant for everything
  }]

  # Creating has no ARN to name beforehand, so these are bounded by service and region instead.
  regional_services = [
    "acm:*", "apigateway:*", "application-autoscaling:*", "cloudtrail:*", "cloudwatch:*", "ec2:*", "ecr:*", "ecs:*",
    "elasticache:*", "elasticloadbalancing:*", "kms:*", "lambda:AddPermission", "lambda:GetPolicy", "lambda:RemovePermission", "logs:*", "rds:*", "servicediscovery:*", "sns:*", "wafv2:*",
  ]
  global_services = ["budgets:*", "cloudfront:*", "route53:*"]

  apply_statements = {
    for name, environment in var.environments : name => [
      {
        Sid      = "WriteState"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "arn:${local.partition}:s3:::${environment.state_bucket}/${var.app}/${name}.tfstate"
      },
      {
        Sid    = "RegionalServices"
        Effect = "Allow"
        Action = local.regional_services
        # `*`: what is created has no ARN yet. CloudFront's certificate and web ACL live in us-east-1.
        Resource  = "*"
        Condition = { StringEquals = { "aws:RequestedRegion" = distinct([local.region, "us-east-1"]) } }
      },
      {
        Sid    = "GlobalServices"
        Effect = "Allow"
        Action = local.global_services
        # `*`: these services know no region, and what is created has no ARN yet.
        Resource = "*"
      },
      {
        Sid    = "Buckets"
        Effect = "Allow"
        Action = "s3:*"
        # `*` stands for the buckets of this environment and what is in them; never the state's.
        Resource = ["arn:${local.partition}:s3:::${local.prefix[name]}-*"]
      },
      {
        Sid    = "SecretsWithoutValues"
        Effect = "Allow"
        Action = [
          "secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", "secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy",
          "secretsmanager:RotateSecret", "secretsmanager:CancelRotateSecret", "secretsmanager:TagResource", "secretsmanager:UntagResource", "secretsmanager:UpdateSecret",
          "ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:GetParameter", "ssm:ListTagsForResource", "ssm:PutParameter", "ssm:RemoveTagsFromResource",
        ]
        # `*` stands for this environment's secrets, those RDS makes, and AWS's public image names.
        Resource = [
          "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:${local.prefix[name]}/*",
          "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:rds!*",
          "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter/${local.prefix[name]}/*",
          "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter/${var.app}/${name}/neargate/driver",
          "arn:${local.partition}:ssm:${local.region}::parameter/aws/service/*",
        ]
      },
      {
        Sid      = "FindParameters"
        Effect   = "Allow"
        Action   = "ssm:DescribeParameters"
        Resource = "*" # the action knows no resources
      },
      {
        Sid    = "RolesOfThisEnvironment"
        Effect = "Allow"
        Action = [
          "iam:AddRoleToInstanceProfile", "iam:AttachRolePolicy", "iam:CreateInstanceProfile", "iam:CreateRole", "iam:DeleteInstanceProfile",
          "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:Get*", "iam:List*", "iam:PassRole", "iam:PutRolePolicy",
          "iam:RemoveRoleFromInstanceProfile", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:TagInstanceProfile",
        ]
        # `*` stands for the end of the names that AWS adds.
        Resource = [
          "arn:${local.partition}:iam::${local.account}:role/${local.prefix[name]}-*",
          "arn:${local.partition}:iam::${local.account}:instance-profile/${local.prefix[name]}-*",
        ]
      },
      {
        Sid    = "NotItself"
        Effect = "Deny"
        # `*`: every action of IAM on the roles of workflows, so that a workflow cannot raise itself.
        Action   = "iam:*"
        Resource = "arn:${local.partition}:iam::${local.account}:role/${var.app}-*-ci-*"
      },
      {
        Sid    = "ServiceLinkedRoles"
        Effect = "Allow"
        Action = "iam:CreateServiceLinkedRole"
        # `*` stands for the services that make their own role on first use; the condition names them.
        Resource = "arn:${local.partition}:iam::${local.account}:role/aws-service-role/*"
        Condition = { StringEquals = { "iam:AWSServiceName" = [
          "ecs.amazonaws.com", "ecs.application-autoscaling.amazonaws.com", "elasticache.amazonaws.com",
          "elasticloadbalancing.amazonaws.com", "rds.amazonaws.com", "ops.apigateway.amazonaws.com",
          "vpcorigin.cloudfront.amazonaws.com",
        ] } }
      },
    ]
  }
}
