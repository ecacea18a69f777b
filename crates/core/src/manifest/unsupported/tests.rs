//! The table against manifests, and every key of the shape against the table.

use super::{GAPS, list};
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::schema::{FILE, TableSchema, ValueKind, conform};
use crate::manifest::toml_tree::parse;
use crate::model::DeploymentTarget;

fn sentences(text: &str) -> Vec<String> {
    let mut out = Diagnostics::default();
    let mut table = parse(0, text, &mut out);
    conform(&mut table, &FILE, "", &mut out);
    assert!(out.is_empty(), "{text}: {}", out.render(false));
    list(&table, &DeploymentTarget::Near)
}

/// One line of a manifest for each row of the table, in its order.
static ROWS: &[&str] = &[
    "service.api.scale.max = 4",
    "service.api.scale.cpu = 70",
    "service.api.scale.memory = 70",
    "service.api.scale.requests = 600",
    "service.api.scale.in-cooldown = '1m'",
    "service.api.scale.out-cooldown = '1m'",
    "service.api.health.command = ['true']",
    "service.api.image = 'notes:1'",
    "service.api.build.dockerfile = 'Dockerfile'",
    "job.report.schedule = 'rate(1 hour)'",
    "database.main.backup = '7d'",
    "database.main.size = 'db.t4g.micro'",
    "database.main.multi-az = true",
    "database.main.storage = 20",
    "database.main.protect = true",
    "database.main.maintenance = 'mon:04:00-mon:05:00'",
    "cache.main.size = 'cache.t4g.micro'",
    "cache.main.replicas = 1",
    "cache.main.snapshots = '1d'",
    "secret.session.rotate = '30d'",
    "secret.session.required = false",
    "slo.fast.objective = 99.9",
    "edge.https = true",
    "edge.domains = ['notes.example.com']",
    "edge.waf = { rate-limit = 2000 }",
    "region = 'eu-central-1'",
];

#[test]
fn every_row_is_said_when_it_is_written_and_nothing_else_is() {
    assert_eq!(ROWS.len(), GAPS.len());
    for (text, gap) in ROWS.iter().zip(GAPS) {
        let said = sentences(text);
        assert_eq!(said.len(), 1, "{text}: {said:?}");
        let words = gap.sentence.trim_start_matches("{}");
        assert!(said[0].ends_with(words), "{text}: {said:?}");
        let path = said[0].split(':').next().unwrap_or_default();
        assert!(text.starts_with(path), "{text}: {said:?}");
    }
}

#[test]
fn what_asks_for_nothing_special_is_not_listed() {
    for text in [
        "service.api.release = { strategy = 'rolling', guard = [], approve = false, low-traffic = 'hold' }",
        "edge = { https = false, waf = false, domains = [] }",
        "edge.waf = { enabled = false, rate-limit = 2000 }",
        "database.main = { engine = 'postgres', multi-az = false, protect = false }",
        "cache.main.snapshots = '0d'",
        "secret.session = { generate = 'hex:32', required = true }",
    ] {
        assert!(sentences(text).is_empty(), "{text}");
    }
}

/// Keys that near acts on, or that only matter beside a key of the table. `[aws]` says itself that
/// it is far's.
static ACTED_ON: &str = "
    app requires target
    service.*.artifact service.*.command service.*.build.command service.*.port
    service.*.static.root service.*.static.index service.*.static.fallback
    service.*.static.not-found service.*.static.cache.* service.*.static.keep
    service.*.route.path service.*.route.host service.*.route.method service.*.route.header.*
    service.*.route.query.* service.*.route.source service.*.route.priority
    service.*.size.cpu service.*.size.memory
    service.*.health.path service.*.health.interval service.*.health.timeout
    service.*.health.healthy service.*.health.unhealthy service.*.health.matcher
    service.*.health.grace
    service.*.uses service.*.env.* service.*.drain service.*.stop-timeout service.*.balance
    service.*.slow-start service.*.sticky.duration service.*.sticky.cookie
    service.*.idle-timeout service.*.scale.min
    service.*.release.minimum-percent service.*.release.maximum-percent
    service.*.release.before service.*.release.smoke service.*.release.after
    service.*.release.on-rollback service.*.release.guard service.*.release.low-traffic
    service.*.release.strategy service.*.release.approve
    alarm.*.metric alarm.*.expression alarm.*.rule alarm.*.service alarm.*.statistic
    alarm.*.below alarm.*.at-most alarm.*.above alarm.*.at-least
    alarm.*.period alarm.*.datapoints alarm.*.missing alarm.*.minimum-samples
    service.*.release.steps service.*.release.percent service.*.release.interval
    service.*.release.bake
    service.*.release.breaker.enabled service.*.release.breaker.threshold
    service.*.release.breaker.value service.*.release.breaker.reset-on-healthy
    service.*.release.breaker.rollback
    job.*.service job.*.command job.*.timeout
    job.*.http.path job.*.http.status job.*.http.timeout job.*.http.attempts job.*.http.host
    job.*.http.headers.*
    database.*.engine database.*.version database.*.url
    cache.*.engine cache.*.version cache.*.url cache.*.eviction cache.*.memory
    secret.*.generate
    notify.*.url notify.*.secret notify.*.format notify.*.on notify.*.services
    edge.address edge.port edge.expose edge.trusted
    pipeline.test pipeline.scan pipeline.base pipeline.install pipeline.branch
    pipeline.environments
    aws.grade aws.entry aws.zones aws.cidr aws.nat.kind aws.nat.per-zone aws.endpoints
    aws.architecture aws.spot aws.hosted-zone aws.budget aws.emails aws.logs aws.trail
    aws.insights aws.key aws.exec aws.state-bucket
    audit.accept.*
";

fn leaves(shape: &TableSchema, place: &str, all: &mut Vec<String>) {
    for field in shape
        .fields()
        .filter(|field| field.name != "env" || !place.is_empty())
    {
        below(&field.kind, &format!("{place}{}", field.name), all);
    }
}

fn below(kind: &ValueKind, place: &str, all: &mut Vec<String>) {
    match kind {
        ValueKind::Table(shape) | ValueKind::Short(_, shape) => {
            leaves(shape, &format!("{place}."), all);
        }
        ValueKind::Named(_, of) => below(of, &format!("{place}.*"), all),
        ValueKind::Many(of, _) | ValueKind::List(of, ..) => below(of, place, all),
        _ => all.push(place.to_owned()),
    }
}

#[test]
fn every_key_is_either_acted_on_or_listed() {
    let mut all = Vec::new();
    leaves(&FILE, "", &mut all);
    let done: Vec<&str> = ACTED_ON.split_whitespace().collect();
    let gaps: Vec<String> = GAPS.iter().map(|gap| gap.path.join(".")).collect();
    for key in &all {
        let gap = gaps
            .iter()
            .any(|gap| key == gap || key.starts_with(&format!("{gap}.")));
        assert!(gap != done.contains(&key.as_str()), "decide about {key}");
    }
    let stale: Vec<_> = done
        .iter()
        .filter(|d| !all.iter().any(|key| key == **d))
        .collect();
    assert!(stale.is_empty(), "{stale:?}");
}

#[test]
fn what_aws_has_no_meaning_for_is_said_where_it_is_written() {
    let text = "edge = { port = 80 }\njob.report = { service = 'api', command = ['x'], schedule = 'rate(1 hour)' }\ncache.main.memory = 64\nservice.api.scale.cpu = 70";
    let mut out = Diagnostics::default();
    let mut table = parse(0, text, &mut out);
    conform(&mut table, &FILE, "", &mut out);
    let aws = DeploymentTarget::Aws {
        region: "eu-central-1".to_owned(),
    };
    let said = list(&table, &aws);
    let keys: Vec<&str> = said.iter().filter_map(|s| s.split(':').next()).collect();
    assert_eq!(keys, ["cache.main.memory", "edge.port"]);
}

#[test]
fn a_largest_number_of_tasks_that_is_the_smallest_one_loses_nothing() {
    for (scale, said) in [
        ("{ min = 2, max = 2 }", false),
        ("{ max = 1 }", false),
        ("{ min = 2, max = 3 }", true),
        ("{ max = 2 }", true),
        ("{ min = 0, max = 1 }", true),
    ] {
        let text = format!("service.api.scale = {scale}");
        let mut out = Diagnostics::default();
        let mut table = parse(0, &text, &mut out);
        conform(&mut table, &FILE, "", &mut out);
        let all = list(&table, &DeploymentTarget::Near);
        assert_eq!(!all.is_empty(), said, "{scale}: {all:?}");
    }
}
