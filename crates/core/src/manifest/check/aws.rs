//! `[aws]`, and what an environment on AWS cannot be.
//!
//! Invariant: the first half judges what is written under `[aws]`, wherever it is laid; the second
//! half judges the whole manifest, and only when its target is AWS.

use super::CheckContext;
use crate::model::{DeploymentTarget, EntryPoint, NatKind, Static, Workload};

/// Days that CloudWatch Logs keeps (PutRetentionPolicy, `retentionInDays`), up to two years.
const LOG_DAYS: [u32; 15] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731,
];
/// Without these no task without a way out starts (Amazon ECR interface VPC endpoints,
/// considerations for Fargate).
const NEEDED: [&str; 3] = ["ecr.api", "ecr.dkr", "logs"];
/// A balancer's name has 32 characters (CreateLoadBalancer), one of which stays for the modules.
const LONGEST_PREFIX: usize = 31;
/// A database's name, an instance's prefix included (CreateDBInstance has 63, replicas add some).
const LONGEST_DATABASE: usize = 48;
/// Bound of `ReplicationGroupId` in ElastiCache's CreateReplicationGroup.
const LONGEST_CACHE: usize = 40;
/// A service's name with room for what its roles add (CreateRole has 64).
const LONGEST_SERVICE: usize = 61;

pub(super) fn check(case: &mut CheckContext<'_>) {
    cidr(case);
    days(case);
    endpoints(case);
    rule_groups(case);
    if matches!(case.manifest.target, DeploymentTarget::Aws { .. }) {
        names(case);
        domains(case);
        sites(case);
        versions(case);
        backups(case);
    }
}

fn cidr(case: &mut CheckContext<'_>) {
    let Some(cidr) = &case.manifest.aws.cidr else {
        return;
    };
    let bits = cidr.split_once('/').map(|(_, bits)| bits.parse::<u8>());
    if cidr.contains(':') || !matches!(bits, Some(Ok(16..=20))) {
        let message = format!("a VPC cannot have {cidr} here");
        let help = "write an IPv4 range from /16 to /20, such as \"10.0.0.0/16\"";
        case.error("out-of-range", &["aws", "cidr"], message, help);
    }
}

fn days(case: &mut CheckContext<'_>) {
    let aws = &case.manifest.aws;
    let whole = |case: &CheckContext<'_>, key| {
        let text = crate::manifest::typed_table::TypedTable(case.tree).table("aws");
        let time = text.and_then(|aws| aws.duration(key)).unwrap_or_default();
        time.as_secs().is_multiple_of(86_400)
    };
    if let Some(kept) = aws.log_days
        && (!LOG_DAYS.contains(&kept) || !whole(case, "logs"))
    {
        let all: Vec<String> = LOG_DAYS.iter().map(|days| format!("{days}d")).collect();
        let message = "CloudWatch does not keep logs for so long".to_owned();
        let help = format!("write one of {}", all.join(", "));
        case.error("out-of-range", &["aws", "logs"], message, help);
    }
    if let Some(kept) = aws.trail_days
        && ((1..90).contains(&kept) || !whole(case, "trail"))
    {
        let message = "a trail is kept for 90 days or more, or there is none".to_owned();
        let help = "write 0d, or whole days from 90d";
        case.error("out-of-range", &["aws", "trail"], message, help);
    }
}

fn endpoints(case: &mut CheckContext<'_>) {
    let aws = &case.manifest.aws;
    let none = aws
        .nat
        .as_ref()
        .is_some_and(|nat| nat.kind == NatKind::None);
    let Some(written) = aws.endpoints.as_ref().filter(|_| none) else {
        return;
    };
    let missing: Vec<&str> = NEEDED
        .into_iter()
        .filter(|needed| !written.iter().any(|endpoint| endpoint == needed))
        .collect();
    if !missing.is_empty() {
        let message = "with nat = \"none\" no task could start".to_owned();
        let help = format!(
            "add {} to `endpoints`, or remove `endpoints`: the needed ones are then added",
            missing.join(", ")
        );
        case.error("contradiction", &["aws", "endpoints"], message, help);
    }
}

fn rule_groups(case: &mut CheckContext<'_>) {
    for (i, group) in case.items(&["edge", "waf", "managed"]) {
        if !group.starts_with("AWSManagedRules") {
            let message = format!("`{}` is no rule group of AWS", group.escape_debug());
            let help = "write for example \"AWSManagedRulesCommonRuleSet\"";
            case.error("wrong-form", &["edge", "waf", "managed", &i], message, help);
        }
    }
}

/// Names that are made of the app's, the environment's and a part's.
fn names(case: &mut CheckContext<'_>) {
    let manifest = case.manifest;
    let prefix = format!("{}-{}", manifest.app, manifest.env);
    let reserved = ["internal-", "aws", "ssm"];
    if let Some(start) = reserved.iter().find(|start| prefix.starts_with(*start)) {
        let message =
            format!("every resource would be called `{prefix}…`, and AWS reserves `{start}…`");
        case.error("reserved-name", &["app"], message, "choose another name");
    }
    fits(case, &["app"], &prefix, LONGEST_PREFIX);
    for name in manifest.services.keys() {
        let path = ["service", name.as_str()];
        fits(case, &path, &format!("{prefix}-{name}"), LONGEST_SERVICE);
    }
    let databases = manifest.databases.keys();
    let caches = manifest.caches.keys();
    let data = databases
        .map(|name| ("database", name, LONGEST_DATABASE))
        .chain(caches.map(|name| ("cache", name, LONGEST_CACHE)));
    for (kind, name, most) in data {
        let whole = format!("{prefix}-{name}");
        let path = [kind, name.as_str()];
        fits(case, &path, &whole, most);
        if whole.contains("--") || whole.ends_with('-') {
            let message = format!("`{whole}` has two hyphens together or one at its end");
            case.error("reserved-name", &path, message, "choose another name");
        }
    }
}

fn fits(case: &mut CheckContext<'_>, path: &[&str], whole: &str, most: usize) {
    if whole.len() > most {
        let message = format!(
            "`{whole}` has {} characters; AWS has room for {most}",
            whole.len()
        );
        case.error("too-long", path, message, "choose a shorter name");
    }
}

fn domains(case: &mut CheckContext<'_>) {
    let manifest = case.manifest;
    let some = !manifest.edge.domains.is_empty();
    if some && manifest.aws.hosted_zone.is_none() && case.sound(&["aws", "hosted-zone"]) {
        let message = "no hosted zone proves that these domains are yours".to_owned();
        let help = "add aws.hosted-zone = \"Z…\", the id of their Route 53 zone";
        case.error("missing-key", &["edge", "domains"], message, help);
    }
    if manifest.aws.hosted_zone.is_some() && !some && case.sound(&["edge", "domains"]) {
        let message = "a hosted zone without `edge.domains` does nothing".to_owned();
        let path = ["aws", "hosted-zone"];
        case.warn("no-effect", &path, message, "add edge.domains = [\"…\"]");
    }
}

/// Static sites are files in one bucket behind CloudFront.
fn sites(case: &mut CheckContext<'_>) {
    let manifest = case.manifest;
    let is_site = |runs: &Workload| matches!(runs, Workload::Static(_));
    let mut all = manifest.services.values().filter(|s| is_site(&s.runs));
    let Some(first) = all.next() else {
        return;
    };
    if let Some(second) = all.next() {
        let message = format!(
            "far serves one static site, and `service.{}` is another",
            first.name
        );
        let help = "put the files of both into one folder";
        case.error("far-cannot", &["service", &second.name], message, help);
    }
    if let Workload::Static(site) = &first.runs {
        index(case, &first.name, site);
    }
    if manifest.aws.entry == Some(EntryPoint::Balancer) {
        let message = "a load balancer serves no files".to_owned();
        let help = "write entry = \"edge\", or remove `entry`";
        case.error("contradiction", &["aws", "entry"], message, help);
    }
    let whole = first.routes.iter().all(|route| {
        let others = route.host.len() + route.method.len() + route.header.len();
        let others = others + route.query.len() + route.source.len();
        others == 0 && route.path == ["/*"]
    });
    if !whole && !first.routes.is_empty() {
        let message = "far serves a static site for every path that no other service takes";
        let path = ["service", first.name.as_str(), "route"];
        case.error(
            "far-cannot",
            &path,
            message.to_owned(),
            "write route = \"/*\"",
        );
    }
}

/// The function of CloudFront knows one name (`terraform/modules/edge/paths-*.js`).
fn index(case: &mut CheckContext<'_>, name: &str, site: &Static) {
    for (key, value) in [
        ("index", Some(site.index.as_str())),
        ("fallback", site.fallback.as_deref()),
    ] {
        let path = ["service", name, "static", key];
        if let Some(other) = value.filter(|file| *file != "index.html")
            && case.sound(&path)
        {
            let message = format!("far serves index.html there, not `{other}`");
            let help = format!("name the file index.html and write {key} = \"index.html\"");
            case.error("far-cannot", &path, message, &help);
        }
    }
}

/// Checks the versions against those of RDS and ElastiCache.
fn versions(case: &mut CheckContext<'_>) {
    let manifest = case.manifest;
    for (name, database) in &manifest.databases {
        let major = database
            .version
            .as_deref()
            .and_then(|v| v.split('.').next());
        if let Some(major) = major.filter(|_| database.url.is_none())
            && !matches!(major.parse::<u32>(), Ok(14..=18))
        {
            let message = format!("RDS does not run PostgreSQL {major}");
            let path = ["database", name.as_str(), "version"];
            case.error("out-of-range", &path, message, "write 14 to 18");
        }
    }
    for (name, cache) in &manifest.caches {
        let (engine, runs) = match cache.engine {
            crate::model::CacheEngine::Redis => ("Redis", ["7.0", "7.1"]),
            crate::model::CacheEngine::Valkey => ("Valkey", ["7.2", "8.0"]),
        };
        if let Some(version) = cache.version.as_deref().filter(|_| cache.url.is_none())
            && !runs.contains(&version)
        {
            let message = format!("ElastiCache does not run {engine} {version}");
            let path = ["cache", name.as_str(), "version"];
            let help = format!("write {} or {}", runs[0], runs[1]);
            case.error("out-of-range", &path, message, help);
        }
    }
}

fn backups(case: &mut CheckContext<'_>) {
    let manifest = case.manifest;
    for (name, database) in &manifest.databases {
        let off = database
            .backup
            .as_ref()
            .is_some_and(|b| b.retention.is_zero());
        if off && database.url.is_none() {
            let message = format!("`database.{name}` would have no backups");
            let path = ["database", name.as_str(), "backup", "retention"];
            let help = "write 1d to 35d; far makes no database without";
            case.error("far-cannot", &path, message, help);
        }
    }
}
