//! The files beside `main.tf`: variables and their values, outputs, versions, the backend.

use neargate_core::model::EncryptionKey;
use serde_json::{Map, Value as Json, json};

use super::hcl::{Block, HclValue, is, table, text};
use super::{module, output, service};
use crate::cost::{self, Usage};
use crate::stack::{
    EcsService, EcsStrategy, NatMode, SecretStore, Stack, VariableValue, url_secret,
};
use crate::terraform::ESTIMATE;

/// Files of the folder that are not for version control.
pub(super) const IGNORED: &str = ".terraform/\n*.tfplan\nterraform.tfstate*\n";

/// The first line of every file.
pub(super) fn header(stack: &Stack) -> String {
    format!(
        "# Written by `neargate infra render -e {}`. Change neargate.toml, or keep this with `infra eject`.",
        stack.env
    )
}

const SERVICES: &str = "map(object({
    cpu    = number
    memory = number
    scale = optional(object({
      min          = number
      max          = number
      cpu          = optional(number)
      memory       = optional(number)
      requests     = optional(number)
      out_cooldown = optional(number)
      in_cooldown  = optional(number)
    }))
  }))";
const DATABASES: &str = "map(object({
    instance_class     = string
    storage            = object({ size = number, most = number })
    availability       = string
    backup             = object({ days = number, window = string })
    maintenance_window = string
  }))";
const NETWORK: &str = "object({
    cidr                = string
    zones               = number
    nat                 = string
    nat_spread          = string
    interface_endpoints = set(string)
  })";

/// Variables that people tune without touching the structure.
pub(super) fn variables(stack: &Stack) -> Vec<Block> {
    let all = [
        ("region", "AWS region.", "string"),
        (
            "protect",
            "Whether AWS refuses to delete data stores and public endpoints.",
            "bool",
        ),
        ("network", "CIDR range, zones, NAT, endpoints.", NETWORK),
        ("services", "Size and scaling of each service.", SERVICES),
        (
            "databases",
            "Size, standby, backups and windows of each database.",
            DATABASES,
        ),
        (
            "password_version",
            "Raising it gives each database a new password and writes its URL anew; release the services afterwards.",
            "number",
        ),
        (
            "caches",
            "Size, copies and snapshots of each cache.",
            "map(object({ node_type = string, replicas = number, snapshot_days = number }))",
        ),
        (
            "log_retention_days",
            "How long logs are kept, in days.",
            "number",
        ),
        (
            "trail_days",
            "How long CloudTrail's record is kept, in days; 0: no trail.",
            "number",
        ),
        (
            "emails",
            "Addresses that get mail about alarms and the budget.",
            "set(string)",
        ),
        (
            "budget",
            "US dollars a month for resources with the app's tag; null: no budget.",
            "object({ dollars = number, tag_value = string })",
        ),
    ];
    let unused = |name: &str| {
        (matches!(name, "databases" | "password_version") && stack.databases.is_empty())
            || (name == "caches" && stack.caches.is_empty())
            || (name == "services" && stack.services.is_empty())
    };
    let used = all.into_iter().filter(|(name, ..)| !unused(name));
    used.map(|(name, words, of)| {
        Block::new(format!("variable \"{name}\""))
            .with("description", text(words))
            .with("type", is(of))
    })
    .collect()
}

/// The values of those variables, as the manifest has them.
pub(super) fn values(stack: &Stack) -> Json {
    let (nat, count) = match stack.network.nat {
        NatMode::Gateway { count } => ("gateway", count),
        NatMode::Instance { count } => ("instance", count),
        NatMode::None => ("none", 1),
    };
    let mut values = json!({
        "region": stack.region,
        "protect": stack.is_protected(),
        "network": {
            "cidr": stack.network.cidr,
            "zones": stack.network.zones,
            "nat": nat,
            "nat_spread": if count > 1 { "per-zone" } else { "one" },
            "interface_endpoints": stack.network.interface_endpoints,
        },
        "log_retention_days": stack.log_days,
        "trail_days": stack.trail_days,
        "emails": stack.emails,
        "budget": stack.budget.map(|dollars| json!({ "dollars": dollars, "tag_value": stack.app })),
    });
    let services = stack.services.iter().map(|s| (s.name.clone(), tuned(s)));
    let databases = stack.databases.iter().map(|database| {
        let tuned = json!({
            "instance_class": database.class,
            "storage": { "size": database.storage.0, "most": database.storage.1 },
            "availability": if database.multi_az { "multi-zone" } else { "single-zone" },
            "backup": { "days": database.backup_days, "window": database.backup_window },
            "maintenance_window": database.maintenance,
        });
        (database.name.clone(), tuned)
    });
    let caches = stack.caches.iter().map(|cache| {
        let tuned = json!({
            "node_type": cache.node,
            "replicas": cache.replicas,
            "snapshot_days": cache.snapshot_days,
        });
        (cache.name.clone(), tuned)
    });
    if !stack.databases.is_empty() {
        values["password_version"] = json!(1);
    }
    for (name, map) in [
        ("services", services.collect::<Map<_, _>>()),
        ("databases", databases.collect()),
        ("caches", caches.collect()),
    ] {
        if !map.is_empty() {
            values[name] = Json::Object(map);
        }
    }
    values
}

fn tuned(service: &EcsService) -> Json {
    let scale = &service.scale;
    let mut limits = json!({
        "min": scale.min,
        "max": scale.max,
        "out_cooldown": scale.out_cooldown,
        "in_cooldown": scale.in_cooldown,
    });
    for (key, target) in [
        ("cpu", scale.cpu),
        ("memory", scale.memory),
        ("requests", scale.requests),
    ] {
        if let Some(target) = target {
            limits[key] = json!(target);
        }
    }
    let mut tuned = json!({ "cpu": service.cpu, "memory": service.memory });
    if scale.is_automatic() {
        tuned["scale"] = limits;
    }
    tuned
}

pub(super) fn versions(stack: &Stack) -> Vec<Block> {
    let aws = table([
        ("source", text("hashicorp/aws")),
        ("version", text(">= 5.100, < 7.0")),
    ]);
    let terraform = Block::new("terraform")
        .comment("The lock file that `terraform init` writes pins the provider: keep it in version control.")
        .with("required_version", text(">= 1.11"))
        .holding(Block::new("required_providers").with("aws", aws));
    let region = Block::new("provider \"aws\"").with("region", is("var.region"));
    let global = Block::new("provider \"aws\"")
        .comment("Certificates and web ACLs of CloudFront are in this region.")
        .with("alias", text("us_east_1"))
        .with("region", text("us-east-1"));
    let edge = stack.front.edge.is_some().then_some(global);
    [terraform, region].into_iter().chain(edge).collect()
}

pub(super) fn backend(stack: &Stack) -> Vec<Block> {
    let Some(bucket) = &stack.state_bucket else {
        let local = Block::new("backend \"local\"")
            .comment(
                "The state is a file in this folder: fine for one person. For several, apply\n\
                 modules/state of Neargate once and write aws.state-bucket = \"…\" in neargate.toml.",
            )
            .with("path", text("terraform.tfstate"));
        return vec![Block::new("terraform").holding(local)];
    };
    let s3 = Block::new("backend \"s3\"")
        .with("bucket", text(bucket))
        .with(
            "key",
            text(format!("{}/{}/terraform.tfstate", stack.app, stack.env)),
        )
        .with("region", text(&stack.region))
        .with("encrypt", is("true"))
        .with("use_lockfile", is("true"));
    vec![Block::new("terraform").holding(s3)]
}

fn url(stack: &Stack) -> HclValue {
    match &stack.front {
        front if front.edge.is_some() => is("module.edge.url"),
        front if front.gateway.is_some() => is("module.gateway.url"),
        front if front.balancer.is_some() => is("\"http://${module.balancer.dns_name}\""),
        _ => is("null"),
    }
}

pub(super) fn outputs(stack: &Stack) -> Vec<Block> {
    let driver = Block::new("output \"driver\"")
        .with("description", text("Values for the release driver."))
        .with("value", is("local.driver"));
    vec![
        Block::new("output \"url\"")
            .with("description", text("The application's address."))
            .with("value", url(stack)),
        driver,
        monthly(stack),
    ]
}

/// The cost of a month, so that the state says what was applied and a plan what would be.
fn monthly(stack: &Stack) -> Block {
    let estimate = cost::estimate(stack, &Usage::of(stack.grade));
    Block::new(format!("output \"{ESTIMATE}\""))
        .with(
            "description",
            text("US dollars a month, as `neargate cost` estimates them; nothing is made from it."),
        )
        .with("value", is(estimate.total().to_string()))
}

/// Outputs that the release driver reads, also as a parameter.
pub(super) fn driver(stack: &Stack) -> Vec<Block> {
    let parameter = Block::new("resource \"aws_ssm_parameter\" \"driver\"")
        .comment("For the release driver: readable without Terraform's state.")
        .remark("checkov:skip=CKV2_AWS_34:names and ARNs, no secret")
        .with(
            "name",
            is(format!("\"/{}/{}/neargate/driver\"", stack.app, stack.env)),
        )
        .with("description", text("Values for Neargate's release driver"))
        .with("type", text("String"))
        .with("tier", text("Intelligent-Tiering"))
        .with("value", is("jsonencode(local.driver)"))
        .with("tags", is("local.tags"));
    vec![Block::new("locals").with("driver", facts(stack)), parameter]
}

fn facts(stack: &Stack) -> HclValue {
    let services = stack.services.iter();
    let databases = stack.databases.iter().map(|database| {
        let of = |key: &str| output("database", &database.name, key);
        let facts = table([
            ("address", of("address")),
            ("port", of("port")),
            ("name", of("database_name")),
            ("username", of("username")),
            ("url_secret", text(url_secret(&database.name))),
        ]);
        (database.name.clone(), facts)
    });
    let caches = stack.caches.iter();
    let caches = caches.map(|cache| (cache.name.clone(), output("cache", &cache.name, "url")));
    let some = |there: bool, expression: &str| is(if there { expression } else { "null" });
    let edge = stack.front.edge.is_some();
    let bucket = stack.state_bucket.as_ref().map_or_else(|| is("null"), text);
    table([
        ("region", is("var.region")),
        ("url", url(stack)),
        ("cluster", is("module.cluster.name")),
        ("state_bucket", bucket),
        ("repositories", is("module.cluster.repository_urls")),
        (
            "services",
            table(services.map(|s| (s.name.clone(), service_facts(stack, s)))),
        ),
        ("databases", table(databases)),
        ("caches", table(caches)),
        ("secrets", secrets(stack)),
        (
            "kms_key",
            some(
                stack.key == EncryptionKey::Customer,
                "module.secrets.kms_key_arn",
            ),
        ),
        ("alarms", is("module.observability.alarm_names")),
        ("static_bucket", some(edge, "module.edge.static_bucket")),
        ("distribution_id", some(edge, "module.edge.distribution_id")),
    ])
}

/// Where the values of secrets are, by name.
fn secrets(stack: &Stack) -> HclValue {
    let urls = stack.databases.iter().map(|database| {
        let place = module("database", &database.name);
        let name = url_secret(&database.name);
        format!("\"{name}\" = module.{place}.url_arn")
    });
    let urls: Vec<String> = urls.collect();
    match stack.secret_store {
        SecretStore::SecretsManager => is("module.secrets.secret_arns"),
        SecretStore::Parameters if urls.is_empty() => is("module.secrets.parameter_arns"),
        SecretStore::Parameters => is(format!(
            "merge(module.secrets.parameter_arns, {{ {} }})",
            urls.join(", ")
        )),
    }
}

/// Whether only Terraform knows a task's variable: the manifest's own variables are a release's.
fn known_by_terraform(key: &str, value: &VariableValue) -> bool {
    !matches!(value, VariableValue::Plain(_)) || key.starts_with("NEARGATE_")
}

fn service_facts(stack: &Stack, service: &EcsService) -> HclValue {
    let of = |key: &str| output("service", &service.name, key);
    let by = match service.release.strategy {
        EcsStrategy::Driven => "driver",
        _ => "ecs",
    };
    let exec = stack.exec.then(|| ("exec", is("true")));
    let facts = [
        ("name", of("name")),
        ("family", of("family")),
        ("container", of("container")),
        ("execution_role", of("execution_role_arn")),
        ("task_role", of("task_role_arn")),
        ("subnets", of("subnet_ids")),
        ("security_group", of("security_group_id")),
        ("log_group", of("log_group")),
        ("target_groups", of("target_groups")),
        ("rules", of("rule_arns")),
        ("test_rules", of("test_rule_arns")),
        ("deployment", of("deployment")),
        ("weights_by", text(by)),
        ("architecture", text(service::architecture(service))),
        ("user", of("user")),
        ("read_only", of("read_only")),
        (
            "environment",
            service::environment(service, known_by_terraform),
        ),
        ("secrets", service::secrets(stack, service)),
    ];
    table(facts.into_iter().chain(exec))
}
