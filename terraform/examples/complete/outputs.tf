output "url" {
  description = "The application's address."
  value       = module.edge.url
}

output "driver" {
  description = "Values for the release driver."
  value = {
    cluster    = module.cluster.name
    repository = module.cluster.repository_urls["api"]
    services = {
      api = {
        name           = module.api.name
        family         = module.api.family
        container      = module.api.container
        execution_role = module.api.execution_role_arn
        task_role      = module.api.task_role_arn
        subnets        = module.api.subnet_ids
        security_group = module.api.security_group_id
        log_group      = module.api.log_group
        target_groups  = module.api.target_groups
        rules          = module.api.rule_arns
        test_rules     = module.api.test_rule_arns
        deployment     = module.api.deployment
      }
    }
    database = {
      address = module.database.address
      port    = module.database.port
      name    = module.database.database_name
      url     = module.database.url_arn
    }
    cache_url       = module.cache.url
    static_bucket   = module.edge.static_bucket
    distribution_id = module.edge.distribution_id
  }
}
