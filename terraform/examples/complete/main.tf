# All modules of one environment, put together as `neargate infra render` does. `state` and `pipeline`
# are applied once, by hand.

locals {
  name = "notes-${var.environment}"
  tags = { app = "notes", environment = var.environment }
  prod = var.environment == "prod"
}

module "secrets" {
  source = "../../modules/secrets"

  name          = local.name
  secrets       = { session = { description = "Signs cookies" }, "database.main" = { description = "URL of database.main" } }
  recovery_days = local.prod ? 30 : 7
  tags          = local.tags
}

module "network" {
  source = "../../modules/network"

  name        = local.name
  nat         = local.prod ? "gateway" : "instance"
  nat_spread  = local.prod ? "per-zone" : "one"
  kms_key_arn = module.secrets.kms_key_arn
  tags        = local.tags
}

module "balancer" {
  source = "../../modules/balancer"

  name             = local.name
  vpc_id           = module.network.vpc_id
  subnet_ids       = module.network.private_subnet_ids
  scheme           = "internal"
  ingress_cidrs    = [module.network.cidr]
  certificate_arns = [module.edge.balancer_certificate_arn]

  deletion_protection  = var.protect
  keep_logs_on_destroy = var.protect
  tags                 = local.tags
}

module "edge" {
  source    = "../../modules/edge"
  providers = { aws = aws, aws.us_east_1 = aws.us_east_1 }

  name   = local.name
  domain = var.domain
  api = {
    domain_name  = module.balancer.dns_name
    balancer_arn = module.balancer.arn
  }
  empty_static_on_destroy = !var.protect
  tags                    = local.tags
}

module "cluster" {
  source = "../../modules/cluster"

  name                          = local.name
  repositories                  = ["api"]
  spot_weight                   = local.prod ? 0 : 100
  namespace                     = "${local.name}.internal"
  vpc_id                        = module.network.vpc_id
  empty_repositories_on_destroy = !var.protect
  kms_key_arn                   = module.secrets.kms_key_arn
  tags                          = local.tags
}

module "api" {
  source = "../../modules/service"

  name         = "${local.name}-api"
  cluster_name = module.cluster.name
  vpc_id       = module.network.vpc_id
  subnet_ids   = module.network.private_subnet_ids

  task = {
    image       = "${module.cluster.repository_urls["api"]}:first"
    command     = ["notes", "serve"]
    port        = 3000
    environment = { LOG = "info", REDIS_URL = module.cache.url }
    secrets = {
      SESSION      = module.secrets.secret_arns["session"]
      DATABASE_URL = module.database.url_arn
    }
  }
  repository_arns = [module.cluster.repository_arns["api"]]
  kms_key_arns    = [module.secrets.kms_key_arn]
  discovery       = { namespace_id = module.cluster.namespace_id, name = "api" }

  listener_arn               = module.balancer.listener_arn
  balancer_security_group_id = module.balancer.security_group_id
  routes                     = { api = { priority = 10, paths = ["/api/*"] } }
  test_header                = { name = "X-Neargate-Test", value = "green" }
  health                     = { path = "/healthz" }

  deployment = { strategy = "CANARY", canary_percent = 10, alarm_names = ["${local.name}-success-rate"] }
  scale      = { min = local.prod ? 2 : 1, max = local.prod ? 10 : 2, cpu = 70, requests = 1000 }
  tags       = local.tags
}

module "report" {
  source = "../../modules/schedule"

  name               = "${local.name}-report"
  expression         = "cron(0 3 * * ? *)"
  command            = ["notes", "report"]
  cluster_arn        = module.cluster.arn
  family             = module.api.family
  container          = module.api.container
  execution_role_arn = module.api.execution_role_arn
  task_role_arn      = module.api.task_role_arn
  subnet_ids         = module.api.subnet_ids
  security_group_id  = module.api.security_group_id
  tags               = local.tags
}

# Made anew by each run and kept nowhere; the database takes it when password_version is raised.
ephemeral "aws_secretsmanager_random_password" "database" {
  password_length     = 40
  exclude_punctuation = true
}

module "database" {
  source = "../../modules/database"

  name                      = "${local.name}-main"
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.isolated_subnet_ids
  client_security_group_ids = { api = module.api.security_group_id }
  password                  = ephemeral.aws_secretsmanager_random_password.database.random_password
  url                       = { store = "secret", secret_arn = module.secrets.secret_arns["database.main"] }
  availability              = local.prod ? "multi-zone" : "single-zone"
  instance_class            = local.prod ? "db.t4g.small" : "db.t4g.micro"
  storage                   = { size = local.prod ? 50 : 20, most = 100 }
  protect                   = var.protect
  kms_key_arn               = module.secrets.kms_key_arn
  tags                      = local.tags
}

module "cache" {
  source = "../../modules/cache"

  name                      = "${local.name}-main"
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.isolated_subnet_ids
  client_security_group_ids = { api = module.api.security_group_id }
  replicas                  = local.prod ? 1 : 0
  eviction                  = "allkeys-lru"
  snapshot_days             = var.protect ? 5 : 0
  kms_key_arn               = module.secrets.kms_key_arn
  tags                      = local.tags
}

module "observability" {
  source = "../../modules/observability"

  name   = local.name
  emails = ["ops@example.com"]
  alarms = {
    success-rate = {
      description = "Share of requests that were not answered with 5xx, percent"
      expression  = "100 * (1 - FILL(failed, 0) / total)"
      metrics = {
        failed = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", dimensions = { LoadBalancer = module.balancer.arn_suffix } }
        total  = { namespace = "AWS/ApplicationELB", metric = "RequestCount", dimensions = { LoadBalancer = module.balancer.arn_suffix } }
      }
      below  = 99.5
      notify = false
    }
    api-cpu = {
      namespace  = "AWS/ECS"
      metric     = "CPUUtilization"
      dimensions = { ClusterName = module.cluster.name, ServiceName = "${local.name}-api" }
      above      = 80
    }
    database-cpu = {
      namespace  = "AWS/RDS"
      metric     = "CPUUtilization"
      dimensions = { DBInstanceIdentifier = module.database.identifier }
      above      = 80
      points     = 5
    }
  }
  slos = {
    availability = {
      objective     = 99.9
      balancer      = module.balancer.arn_suffix
      target_groups = [for colour in ["blue", "green"] : module.api.target_groups[colour].arn_suffix]
    }
  }
  dashboard = [
    { title = "Requests", statistic = "Sum", metrics = [["AWS/ApplicationELB", "RequestCount", "LoadBalancer", module.balancer.arn_suffix]] },
    { title = "CPU of the api", metrics = [["AWS/ECS", "CPUUtilization", "ClusterName", module.cluster.name, "ServiceName", "${local.name}-api"]] },
  ]
  budget                = { dollars = local.prod ? 200 : 80, tag_value = "notes" }
  trail                 = 365
  keep_trail_on_destroy = var.protect
  kms_key_arn           = module.secrets.kms_key_arn
  tags                  = local.tags
}
