# What the release driver may do. ARNs are put together from the names that the other modules give.

locals {
  prefix = { for name in keys(var.environments) : name => "${var.app}-${name}" }

  deploy_statements = {
    for name, environment in var.environments : name => concat(
      [
        {
          Sid    = "ReadEcs"
          Effect = "Allow"
          Action = ["ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecs:RegisterTaskDefinition", "ecs:DescribeServiceRevisions"]
          # These actions know no resources: IAM takes nothing but `*` here.
          Resource = "*"
        },
        {
          Sid    = "Release"
          Effect = "Allow"
          Action = [
            "ecs:DescribeClusters", "ecs:DescribeServices", "ecs:CreateService", "ecs:UpdateService", "ecs:DeleteService", "ecs:ListServiceDeployments",
            "ecs:DescribeServiceDeployments", "ecs:StopServiceDeployment", "ecs:DescribeTasks", "ecs:StopTask",
            "ecs:ExecuteCommand", "ecs:TagResource",
          ]
          # `*` stands for services, tasks and deployments of this one cluster, and revisions of this environment.
          Resource = [
            "arn:${local.partition}:ecs:${local.region}:${local.account}:cluster/${local.prefix[name]}",
            "arn:${local.partition}:ecs:${local.region}:${local.account}:service/${local.prefix[name]}/*",
            "arn:${local.partition}:ecs:${local.region}:${local.account}:service-deployment/${local.prefix[name]}/*",
            "arn:${local.partition}:ecs:${local.region}:${local.account}:task/${local.prefix[name]}/*",
            "arn:${local.partition}:ecs:${local.region}:${local.account}:task-definition/${local.prefix[name]}-*",
          ]
        },
        {
          Sid      = "RunJobs"
          Effect   = "Allow"
          Action   = ["ecs:RunTask", "ecs:ListTasks", "ecs:ListServices"]
          Resource = "*"
          # `*` by the condition: in this one cluster. Which tasks run is bounded by PassTaskRoles.
          Condition = { ArnEquals = { "ecs:cluster" = "arn:${local.partition}:ecs:${local.region}:${local.account}:cluster/${local.prefix[name]}" } }
        },
        {
          Sid    = "PassTaskRoles"
          Effect = "Allow"
          Action = "iam:PassRole"
          # `*` stands for the service, and for the end of the name that AWS adds.
          Resource = [
            "arn:${local.partition}:iam::${local.account}:role/${local.prefix[name]}-*-execution-*",
            "arn:${local.partition}:iam::${local.account}:role/${local.prefix[name]}-*-task-*",
            "arn:${local.partition}:iam::${local.account}:role/${local.prefix[name]}-*-traffic-*",
          ]
          Condition = { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"] } }
        },
        {
          Sid    = "Judge"
          Effect = "Allow"
          Action = [
            "cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth",
            "application-autoscaling:DescribeScalableTargets", "ecr:GetAuthorizationToken",
            "servicequotas:GetServiceQuota", "ec2:DescribeSubnets",
          ]
          # These actions know no resources: IAM takes nothing but `*` here. They read.
          Resource = "*"
        },
        {
          Sid    = "ReadLogs"
          Effect = "Allow"
          Action = ["logs:FilterLogEvents", "logs:GetLogEvents", "logs:StartLiveTail", "logs:DescribeLogStreams"]
          # `*` stands for the groups of this environment and their streams.
          Resource = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/neargate/${local.prefix[name]}/*"
        },
        {
          # Without it a record that is not there yet is a refusal, not a 404.
          Sid      = "FindRecord"
          Effect   = "Allow"
          Action   = "s3:ListBucket"
          Resource = "arn:${local.partition}:s3:::${environment.state_bucket}"
        },
        {
          Sid    = "KeepRecord"
          Effect = "Allow"
          Action = ["s3:GetObject", "s3:PutObject"]
          # `*` stands for the records and sites of this one environment.
          Resource = [
            "arn:${local.partition}:s3:::${environment.state_bucket}/releases/${var.app}/${name}/*",
            "arn:${local.partition}:s3:::${environment.state_bucket}/sites/${var.app}/${name}/*",
          ]
        },
        {
          # Revisions of a site that no release names any more.
          Sid    = "DropOldSites"
          Effect = "Allow"
          Action = "s3:DeleteObject"
          # `*` stands for the sites of this one environment.
          Resource = "arn:${local.partition}:s3:::${environment.state_bucket}/sites/${var.app}/${name}/*"
        },
        {
          # Without it S3 answers a first look for a record with "denied" instead of "none".
          Sid      = "SeeWhetherThereIsARecord"
          Effect   = "Allow"
          Action   = "s3:ListBucket"
          Resource = "arn:${local.partition}:s3:::${environment.state_bucket}"
        },
        {
          Sid      = "ReadOutputs"
          Effect   = "Allow"
          Action   = "ssm:GetParameter"
          Resource = "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter/${var.app}/${name}/neargate/driver"
        },
        {
          Sid    = "WriteSecrets"
          Effect = "Allow"
          Action = ["secretsmanager:DescribeSecret", "secretsmanager:PutSecretValue", "ssm:PutParameter", "ssm:GetParameter"]
          # `*` stands for the secrets of this one environment. Secrets are written, not read. A
          # parameter is read: nothing else tells whether it has a value.
          Resource = [
            "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:${local.prefix[name]}/*",
            "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter/${local.prefix[name]}/*",
          ]
        },
        {
          Sid    = "SealSecrets"
          Effect = "Allow"
          Action = ["kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt"]
          # `*` stands for the id of a key; the conditions leave the environment's own, and only
          # by way of the services that keep secrets.
          Resource = "arn:${local.partition}:kms:${local.region}:${local.account}:key/*"
          Condition = {
            "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = "alias/${local.prefix[name]}" }
            StringEquals = {
              "kms:ViaService" = ["secretsmanager.${local.region}.amazonaws.com", "ssm.${local.region}.amazonaws.com"]
            }
          }
        },
      ],
      length(environment.repository_arns) == 0 ? [] : [{
        Sid    = "PushImages"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
          "ecr:DescribeImageScanFindings", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = environment.repository_arns
      }],
      length(environment.rule_arns) == 0 ? [] : [{
        Sid      = "MoveWeights"
        Effect   = "Allow"
        Action   = "elasticloadbalancing:ModifyRule"
        Resource = environment.rule_arns
      }],
      [for statement in [
        {
          Sid      = "ListStatic"
          Effect   = "Allow"
          Action   = "s3:ListBucket"
          Resource = environment.static_bucket_arns
        },
        {
          Sid    = "WriteStatic"
          Effect = "Allow"
          Action = ["s3:PutObject", "s3:DeleteObject"]
          # `*` stands for the files of these buckets.
          Resource = [for arn in environment.static_bucket_arns : "${arn}/*"]
        },
      ] : statement if length(environment.static_bucket_arns) > 0],
      length(environment.distribution_arns) == 0 ? [] : [{
        Sid      = "Invalidate"
        Effect   = "Allow"
        Action   = ["cloudfront:CreateInvalidation", "cloudfront:GetInvalidation"]
        Resource = environment.distribution_arns
      }],
    )
  }
}
