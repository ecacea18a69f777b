//! Changes that may save, with what each gives up. Whether one does is not decided here.

use neargate_core::model::{
    Architecture, CacheEngine, ContainerInsights, EncryptionKey, EnvironmentGrade,
};

use super::{SavingCandidate, SavingSubject};
use crate::stack::{EcsService, LoadBalancerScheme, NatMode, RdsInstance, ReplicationGroup, Stack};

/// Classes of databases and nodes, from the smallest.
const SIZES: [&str; 4] = ["t4g.micro", "t4g.small", "t4g.medium", "t4g.large"];

pub(super) fn of(stack: &Stack) -> Vec<SavingCandidate> {
    let mut all = network(stack);
    all.extend(front(stack));
    all.extend(platform(stack));
    all.extend(stack.services.iter().flat_map(service));
    let grade = stack.grade;
    let databases = stack.databases.iter();
    all.extend(databases.flat_map(|one| database(one, grade)));
    all.extend(stack.caches.iter().flat_map(cache));
    all
}

fn idea(
    about: SavingSubject,
    what: &'static str,
    change: (impl Into<String>, impl Into<String>),
    risk: &'static str,
) -> SavingCandidate {
    SavingCandidate {
        about,
        what,
        changes: vec![(change.0.into(), change.1.into())],
        risk,
    }
}

fn network(stack: &Stack) -> Vec<SavingCandidate> {
    let mut all = Vec::new();
    let nat = |kind: &str, per_zone: bool| {
        let value = format!("{{ kind = \"{kind}\", per-zone = {per_zone} }}");
        ("aws.nat", value)
    };
    if let NatMode::Gateway { count } = stack.network.nat {
        all.push(idea(
            SavingSubject::Nat,
            "NAT instances instead of gateways",
            nat("instance", count > 1),
            "each zone has one instance: until AWS recovers it, tasks there have no internet access; it has less throughput, and you maintain its system",
        ));
        if count > 1 {
            all.push(idea(
                SavingSubject::Nat,
                "one NAT gateway for all zones",
                nat("gateway", false),
                "if its zone is lost, tasks in the other zones have no internet access",
            ));
        }
    }
    if let NatMode::Instance { count } = stack.network.nat
        && count > 1
    {
        all.push(idea(
            SavingSubject::Nat,
            "one NAT instance for all zones",
            nat("instance", false),
            "if it or its zone is lost, no task has internet access",
        ));
    }
    if stack.network.nat == NatMode::None {
        let per_zone = stack.grade == EnvironmentGrade::Production;
        let mut instead = idea(
            SavingSubject::Endpoints,
            "NAT instances instead of endpoints",
            nat("instance", per_zone),
            "tasks gain access to the internet",
        );
        instead.changes.push(("aws.endpoints".into(), "[]".into()));
        all.push(instead);
    } else if !stack.network.interface_endpoints.is_empty() {
        all.push(idea(
            SavingSubject::Endpoints,
            "no interface endpoints beside NAT",
            ("aws.endpoints", "[]"),
            "calls to AWS leave the VPC through NAT, still over TLS",
        ));
    }
    if stack.network.zones > 2 {
        all.push(idea(
            SavingSubject::Zones,
            "two zones instead of three",
            ("aws.zones", "2"),
            "a lost zone takes half of the tasks instead of a third",
        ));
    }
    all
}

fn front(stack: &Stack) -> Vec<SavingCandidate> {
    let mut all = Vec::new();
    let public =
        stack.front.balancer.map(|balancer| balancer.scheme) == Some(LoadBalancerScheme::Public);
    if public && stack.front.edge.is_none() {
        all.push(idea(
            SavingSubject::Entry,
            "CloudFront before an internal load balancer",
            ("aws.entry", "\"edge\""),
            "CloudFront caches and can fail too; users' addresses arrive in a header",
        ));
    }
    let waf = stack.front.edge.as_ref().and_then(|edge| edge.waf.as_ref());
    if waf.is_some() {
        all.push(idea(
            SavingSubject::WebAcl,
            "no web ACL",
            ("edge.waf", "false"),
            "nothing stops floods from one address, known bad addresses and SQL injection before your own code",
        ));
    }
    all
}

fn platform(stack: &Stack) -> Vec<SavingCandidate> {
    let mut all = Vec::new();
    if stack.cluster.insights != ContainerInsights::Disabled {
        all.push(idea(
            SavingSubject::Insights,
            "no Container Insights",
            ("aws.insights", "\"disabled\""),
            "CPU and memory of services remain; network, storage and task counts are lost",
        ));
    }
    if stack.key == EncryptionKey::Customer {
        all.push(idea(
            SavingSubject::Key,
            "AWS's key instead of your own",
            ("aws.key", "\"aws\""),
            "you cannot revoke the key or see each use; changing it replaces the resources it encrypts",
        ));
    }
    let x86 = |service: &EcsService| service.architecture == Architecture::X86_64;
    if stack.services.iter().any(x86) {
        all.push(idea(
            SavingSubject::Processor,
            "ARM instead of x86",
            ("aws.architecture", "\"arm64\""),
            "every image and library must be built for ARM",
        ));
    }
    if stack
        .services
        .iter()
        .any(|s| s.spot_percent < 100 && s.scale.min > 1)
    {
        all.push(idea(
            SavingSubject::Processor,
            "tasks beyond each service's first on Spot",
            ("aws.spot", "100"),
            "AWS reclaims them with two minutes' notice, possibly all at once; the price varies",
        ));
    }
    all
}

fn service(service: &EcsService) -> Vec<SavingCandidate> {
    let mut all = Vec::new();
    let name = &service.name;
    if service.scale.min > 1 {
        let fewer = service.scale.min - 1;
        let risk = if fewer == 1 {
            "a lost task or zone is an outage of this service until a new task is healthy"
        } else {
            "less capacity until scaling adds tasks"
        };
        all.push(idea(
            SavingSubject::Tasks(name.clone()),
            "one task fewer at rest",
            (format!("service.{name}.scale.min"), fewer.to_string()),
            risk,
        ));
    }
    if service.cpu > 256 {
        // A Fargate pair whose memory does not fit is refused by the manifest's checks.
        let size = format!(
            "{{ cpu = {}, memory = {} }}",
            service.cpu / 2,
            service.memory / 2
        );
        all.push(idea(
            SavingSubject::Tasks(name.clone()),
            "half the size of a task",
            (format!("service.{name}.size"), size),
            "slower under load, and killed when out of memory: check the metrics first",
        ));
    }
    all
}

/// One size smaller.
fn smaller(class: &str, prefix: &str) -> Option<String> {
    let at = SIZES
        .iter()
        .position(|size| class == format!("{prefix}{size}"))?;
    let below = SIZES.get(at.checked_sub(1)?)?;
    Some(format!("\"{prefix}{below}\""))
}

fn database(database: &RdsInstance, grade: EnvironmentGrade) -> Vec<SavingCandidate> {
    let name = &database.name;
    let mut all = Vec::new();
    if database.multi_az {
        let mut single = idea(
            SavingSubject::Database(name.clone()),
            "a database without a standby",
            (format!("database.{name}.multi-az"), "false"),
            "a lost zone or instance is an outage of minutes to hours, and writes since the last backed-up log are lost",
        );
        // The grade would follow the standby when it is not written.
        let grade = match grade {
            EnvironmentGrade::Trial => "\"trial\"",
            EnvironmentGrade::Production => "\"production\"",
        };
        single.changes.push(("aws.grade".into(), grade.into()));
        all.push(single);
    }
    if let Some(class) = smaller(&database.class, "db.") {
        all.push(idea(
            SavingSubject::Database(name.clone()),
            "a database one size smaller",
            (format!("database.{name}.size"), class),
            "half the memory: fewer connections, more disk reads; the change restarts it",
        ));
    }
    all
}

fn cache(cache: &ReplicationGroup) -> Vec<SavingCandidate> {
    let name = &cache.name;
    let about = || SavingSubject::Cache(name.clone());
    let mut all = Vec::new();
    if cache.engine == CacheEngine::Redis {
        let mut valkey = idea(
            about(),
            "Valkey instead of Redis",
            (format!("cache.{name}.engine"), "\"valkey\""),
            "another engine with the same protocol; the change may empty the cache",
        );
        // A version of Redis is none of Valkey's.
        let version = (format!("cache.{name}.version"), "\"8.0\"".to_owned());
        valkey.changes.push(version);
        all.push(valkey);
    }
    if cache.replicas > 0 {
        let fewer = cache.replicas - 1;
        all.push(idea(
            about(),
            "one cache node fewer",
            (format!("cache.{name}.replicas"), fewer.to_string()),
            "if this leaves one node, its loss is a cold cache and an outage of minutes",
        ));
    }
    if let Some(node) = smaller(&cache.node, "cache.") {
        all.push(idea(
            about(),
            "cache nodes one size smaller",
            (format!("cache.{name}.size"), node),
            "less memory: more evictions, and more queries to the database",
        ));
    }
    all
}
