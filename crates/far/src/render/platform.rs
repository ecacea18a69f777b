//! Calls of the modules that all services share: secrets, network, what users meet, the cluster.

use neargate_core::model::{ContainerInsights, EncryptionKey};

use super::hcl::{Block, HclValue, is, table, text, texts};
use super::{call, groups};
use crate::stack::{
    Balancer, EdgeKind, EdgeStack, Gateway, LoadBalancerScheme, SecretSlot, SecretStore, SiteStyle,
    Stack, VariableValue, WebAcl,
};

const COMMON: &str = "AWSManagedRulesCommonRuleSet";

/// Names and tags.
pub(super) fn locals(stack: &Stack) -> Block {
    let tags = table([("app", text(&stack.app)), ("environment", text(&stack.env))]);
    Block::new("locals")
        .with("name", text(stack.prefix()))
        .with("tags", tags)
}

pub(super) fn secrets(stack: &Stack) -> Block {
    let managed = |secret: &SecretSlot| {
        let description = table([("description", text(&secret.description))]);
        (secret.name.clone(), description)
    };
    let parameter = |secret: &SecretSlot| (secret.name.clone(), text(&secret.description));
    let block = call("secrets", "secrets").with("name", is("local.name"));
    let block = match stack.secret_store {
        SecretStore::SecretsManager => block
            .with("secrets", table(stack.secrets.iter().map(managed)))
            .with("recovery_days", is("var.protect ? 30 : 7")),
        SecretStore::Parameters => {
            // The parameter of a URL is made by the database, which alone has its value.
            let written = stack.secrets.iter().filter(|s| s.database().is_none());
            block.with("parameters", table(written.map(parameter)))
        }
    };
    let key = match stack.key {
        EncryptionKey::Customer => "customer",
        EncryptionKey::Aws => "aws",
    };
    block.with("key", text(key)).with("tags", is("local.tags"))
}

pub(super) fn network(stack: &Stack) -> Block {
    call("network", "network")
        .with("name", is("local.name"))
        .with("cidr", is("var.network.cidr"))
        .with("zones", is("var.network.zones"))
        .with("nat", is("var.network.nat"))
        .with("nat_spread", is("var.network.nat_spread"))
        .with("gateway_endpoints", texts(&stack.network.gateway_endpoints))
        .with("interface_endpoints", is("var.network.interface_endpoints"))
        .with("flow_log_retention_days", is("var.log_retention_days"))
        .with("kms_key_arn", is("module.secrets.kms_key_arn"))
        .with("tags", is("local.tags"))
}

pub(super) fn balancer(stack: &Stack, balancer: Balancer) -> Block {
    let (scheme, subnets) = match balancer.scheme {
        LoadBalancerScheme::Public => ("public", "public"),
        LoadBalancerScheme::Internal => ("internal", "private"),
    };
    let inside = stack.services.iter().any(|service| {
        service
            .environment
            .values()
            .any(|s| *s == VariableValue::Balancer)
    });
    let by_gateway = stack.front.gateway.is_some();
    let ranges = match balancer.scheme {
        LoadBalancerScheme::Public => texts(&["0.0.0.0/0"]),
        // CloudFront's VPC origins, and services among themselves, call from within.
        LoadBalancerScheme::Internal if inside || !by_gateway => {
            HclValue::List(vec![is("module.network.cidr")])
        }
        LoadBalancerScheme::Internal => HclValue::List(Vec::new()),
    };
    let link = by_gateway.then(|| table([("gateway", is("module.gateway.security_group_id"))]));
    let certificate = is("module.edge.balancer_certificate_arn");
    let logs = if balancer.access_log_days == 0 {
        is("0")
    } else {
        is("var.log_retention_days")
    };
    call("balancer", "balancer")
        .with("name", is("local.name"))
        .with("vpc_id", is("module.network.vpc_id"))
        .with(
            "subnet_ids",
            is(format!("module.network.{subnets}_subnet_ids")),
        )
        .with("scheme", text(scheme))
        .with("ingress_cidrs", ranges)
        .with(
            "idle_timeout_seconds",
            is(balancer.idle_seconds.to_string()),
        )
        .with_some("ingress_security_group_ids", link)
        .with_some(
            "certificate_arns",
            balancer.tls.then(|| HclValue::List(vec![certificate])),
        )
        .with("access_logs", logs)
        .with("deletion_protection", is("var.protect"))
        .with("keep_logs_on_destroy", is("var.protect"))
        .with("tags", is("local.tags"))
}

pub(super) fn gateway(gateway: &Gateway) -> Block {
    let throttle = table([
        ("rate", is(gateway.rate.to_string())),
        ("burst", is(gateway.burst.to_string())),
    ]);
    call("gateway", "gateway")
        .with("name", is("local.name"))
        .with("vpc_id", is("module.network.vpc_id"))
        .with("subnet_ids", is("module.network.private_subnet_ids"))
        .with("listener_arn", is("module.balancer.listener_arn"))
        .with(
            "balancer_security_group_id",
            is("module.balancer.security_group_id"),
        )
        .with("throttle", throttle)
        .with("log_retention_days", is("var.log_retention_days"))
        .with("kms_key_arn", is("module.secrets.kms_key_arn"))
        .with("tags", is("local.tags"))
}

pub(super) fn edge(stack: &Stack, edge: &EdgeStack) -> Block {
    let front = match edge.kind {
        EdgeKind::Cloudfront => "cloudfront",
        EdgeKind::Balancer => "balancer",
    };
    let files = match edge.site.as_ref().map(|site| site.style) {
        Some(SiteStyle::Spa) => "spa",
        Some(SiteStyle::Pages) => "pages",
        None => "none",
    };
    let domain = edge.domain.as_ref().map(|domain| {
        table([
            ("names", texts(&domain.names)),
            ("zone_id", text(&domain.zone_id)),
        ])
    });
    let behind = || {
        let name = |key: &str| (key.to_owned(), is(format!("module.balancer.{key}")));
        table(["arn", "dns_name", "zone_id"].map(name))
    };
    let waf = edge.waf.as_ref().map_or_else(|| is("null"), waf);
    Block::new("module \"edge\"")
        .with("source", text("./modules/edge"))
        .with(
            "providers",
            is("{ aws = aws, aws.us_east_1 = aws.us_east_1 }"),
        )
        .gap()
        .with("name", is("local.name"))
        .with("front", text(front))
        .with_some("domain", domain)
        .with_some("balancer", (edge.kind == EdgeKind::Balancer).then(behind))
        .with_some("api", api(stack, edge))
        .with("static", text(files))
        .with("waf", waf)
        .with("empty_static_on_destroy", is("!var.protect"))
        .with("tags", is("local.tags"))
}

/// Where CloudFront passes requests on to.
fn api(stack: &Stack, edge: &EdgeStack) -> Option<HclValue> {
    let balancer = stack.front.balancer?;
    if edge.kind == EdgeKind::Balancer {
        return None;
    }
    let mut api = if stack.front.gateway.is_some() {
        vec![
            ("domain_name", is("module.gateway.origin_domain")),
            ("reach", text("public")),
            ("host", text("origin")),
        ]
    } else {
        let protocol = if balancer.tls {
            "https-only"
        } else {
            "http-only"
        };
        vec![
            ("domain_name", is("module.balancer.dns_name")),
            ("balancer_arn", is("module.balancer.arn")),
            ("protocol", text(protocol)),
        ]
    };
    if !edge.paths.is_empty() {
        api.push(("paths", texts(&edge.paths)));
    }
    Some(table(api))
}

fn waf(waf: &WebAcl) -> HclValue {
    let mut settings = vec![
        ("rate_limit", is(waf.rate_limit.to_string())),
        ("groups", texts(&waf.groups)),
    ];
    if !waf.groups.iter().any(|group| group == COMMON) {
        settings.push(("counted_rules", table::<String>([])));
    }
    settings.push(("retention_days", is("var.log_retention_days")));
    table(settings)
}

pub(super) fn cluster(stack: &Stack) -> Block {
    let cluster = &stack.cluster;
    let insights = match cluster.insights {
        ContainerInsights::Disabled => "disabled",
        ContainerInsights::Enabled => "enabled",
        ContainerInsights::Enhanced => "enhanced",
    };
    let spot = stack
        .services
        .iter()
        .map(|service| service.spot_percent)
        .max();
    let namespace = cluster.discovery.then(|| is("\"${local.name}.internal\""));
    // Production keeps the record of who opened a shell for a year, the module's default.
    let exec_log = (!stack.is_protected()).then(|| is("var.log_retention_days"));
    let vpc = cluster.discovery.then(|| is("module.network.vpc_id"));
    call("cluster", "cluster")
        .with("name", is("local.name"))
        .with("insights", text(insights))
        .with("repositories", texts(&cluster.repositories))
        .with("kept_images", is(cluster.kept_images.to_string()))
        .with("spot_weight", is(spot.unwrap_or_default().to_string()))
        .with_some("namespace", namespace)
        .with_some("vpc_id", vpc)
        .with("empty_repositories_on_destroy", is("!var.protect"))
        .with_some("log_retention_days", exec_log)
        .with("kms_key_arn", is("module.secrets.kms_key_arn"))
        .with("tags", is("local.tags"))
}

/// The security groups that may call a service; none when there are no callers.
pub(super) fn callers(services: &[String]) -> Option<HclValue> {
    (!services.is_empty()).then(|| groups(services))
}
