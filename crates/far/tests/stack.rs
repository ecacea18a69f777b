//! The model of an environment on AWS: which defaults it takes.

use neargate_core::manifest::{ManifestSource, load};
use neargate_core::model::{Comparison, EncryptionKey, EnvironmentGrade};
use neargate_far::stack::{
    AlarmSource, EcsStrategy, EdgeKind, LoadBalancerScheme, NatMode, SecretStore, Stack,
    StackError, VariableValue,
};

const BASE: &str = r#"
app = "notes"
[service.api]
command = ["notes", "serve"]
artifact = "notes"
port = 3000
route = "/api/*"
uses = ["database.main", "cache.main", "secret.session"]
[service.worker]
command = ["notes", "work"]
artifact = "notes"
[database.main]
engine = "postgres"
[cache.main]
engine = "redis"
[secret.session]
generate = "base64:32"
"#;

fn stack(more: &str) -> Stack {
    let text = format!("{BASE}\n[env.prod]\ntarget = \"aws\"\nregion = \"eu-central-1\"\n{more}");
    let source = ManifestSource {
        name: "neargate.toml".to_owned(),
        text,
    };
    let loaded = load(&source, "prod", &[]);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    Stack::of(&loaded.manifest).expect("it is on AWS")
}

#[test]
fn an_environment_without_anything_to_protect_is_a_cheap_trial() {
    let stack = stack("");
    assert_eq!(stack.grade, EnvironmentGrade::Trial);
    assert_eq!(stack.network.nat, NatMode::Instance { count: 1 });
    assert_eq!(
        (stack.key, stack.secret_store),
        (EncryptionKey::Aws, SecretStore::Parameters)
    );
    assert_eq!(stack.databases[0].class, "db.t4g.micro");
    assert!(!stack.databases[0].protect && !stack.is_protected());
    assert!(
        stack
            .services
            .iter()
            .all(|service| service.spot_percent == 100)
    );
    assert!(stack.alarms.is_empty() && stack.dashboard.is_empty());
}

#[test]
fn a_protected_database_makes_it_production() {
    let stack = stack("database.main.protect = true");
    assert_eq!(stack.grade, EnvironmentGrade::Production);
    assert_eq!(stack.network.nat, NatMode::Gateway { count: 2 });
    assert_eq!(stack.databases[0].backup_days, 7);
    assert_eq!(stack.secret_store, SecretStore::SecretsManager);
    assert!(stack.alarms.iter().any(|alarm| alarm.name == "api-cpu"));
    assert!(
        stack
            .services
            .iter()
            .all(|service| service.spot_percent == 0)
    );
}

#[test]
fn without_a_way_out_tasks_get_the_endpoints_that_they_need() {
    let stack = stack("aws = { nat = \"none\", zones = 3, grade = \"production\" }");
    assert_eq!(stack.network.nat.count(), 0);
    let endpoints = stack.network.interface_endpoints;
    assert_eq!(endpoints, ["ecr.api", "ecr.dkr", "logs", "secretsmanager"]);
}

#[test]
fn the_entry_decides_who_reaches_the_balancer() {
    let rows = [
        ("", LoadBalancerScheme::Public, None, false),
        (
            "edge.waf = true",
            LoadBalancerScheme::Public,
            Some(EdgeKind::Balancer),
            false,
        ),
        (
            "aws.entry = \"edge\"",
            LoadBalancerScheme::Internal,
            Some(EdgeKind::Cloudfront),
            false,
        ),
        (
            "aws.entry = \"gateway\"",
            LoadBalancerScheme::Internal,
            None,
            true,
        ),
        (
            "aws.entry = \"gateway\"\nedge.waf = true",
            LoadBalancerScheme::Internal,
            Some(EdgeKind::Cloudfront),
            true,
        ),
        (
            "service.web = { static = \"site\", route = \"/*\" }",
            LoadBalancerScheme::Internal,
            Some(EdgeKind::Cloudfront),
            false,
        ),
    ];
    for (more, scheme, edge, gateway) in rows {
        let front = stack(more).front;
        assert_eq!(front.balancer.map(|b| b.scheme), Some(scheme), "{more}");
        assert_eq!(front.edge.map(|edge| edge.kind), edge, "{more}");
        assert_eq!(front.gateway.is_some(), gateway, "{more}");
    }
}

#[test]
fn a_worker_reaches_a_service_by_its_name_or_through_an_internal_balancer() {
    let by_name = stack("");
    let worker = &by_name.services[1];
    assert_eq!(
        worker.environment["API_URL"],
        VariableValue::Peer("api".into(), 3000)
    );
    assert_eq!(by_name.services[0].callers, ["worker"]);
    assert!(by_name.cluster.discovery);
    let inside = stack("aws.entry = \"gateway\"");
    assert_eq!(
        inside.services[1].environment["API_URL"],
        VariableValue::Balancer
    );
    assert!(!inside.cluster.discovery && inside.services[0].callers.is_empty());
}

#[test]
fn a_release_that_ecs_cannot_express_is_driven() {
    let rows = [
        ("strategy = \"rolling\"", EcsStrategy::Rolling),
        (
            "strategy = \"canary\", steps = [10, 100], bake = \"5m\"",
            EcsStrategy::Canary {
                percent: 10.0,
                bake_minutes: 5,
            },
        ),
        (
            "strategy = \"canary\", steps = [10, 50, 100], bake = \"1m\"",
            EcsStrategy::Driven,
        ),
        (
            "strategy = \"canary\", steps = [10, 100], bake = \"5m\", approve = true",
            EcsStrategy::Driven,
        ),
    ];
    for (release, wanted) in rows {
        let stack = stack(&format!("service.api.release = {{ {release} }}"));
        assert_eq!(stack.services[0].release.strategy, wanted, "{release}");
    }
}

#[test]
fn a_success_rate_is_counted_over_both_target_groups() {
    let stack = stack(
        "alarm.good = { metric = \"success_rate\", service = \"api\", below = 99.5, minimum-samples = 20 }\n\
         alarm.lost = { metric = \"restarts\", service = \"api\", above = 1 }\n\
         alarm.both = { rule = \"ALARM(good) AND NOT OK(lost)\" }",
    );
    let good = stack.alarms.iter().find(|alarm| alarm.name == "good");
    let good = good.expect("it is there");
    let AlarmSource::Expression(text, metrics) = &good.watch else {
        panic!("{:?}", good.watch)
    };
    assert_eq!(
        text,
        "(100 * (1 - (FILL(errors_blue, 0) + FILL(errors_green, 0)) / (FILL(requests_blue, 0) + FILL(requests_green, 0)))) / ((FILL(requests_blue, 0) + FILL(requests_green, 0)) >= 20)"
    );
    assert_eq!(metrics.len(), 4);
    assert_eq!(good.breach, Some(Comparison::Below(99.5)));
    assert_eq!(stack.left_out.len(), 2, "{:?}", stack.left_out);
}

#[test]
fn a_stack_survives_its_own_json() {
    let stack = stack(
        "edge.waf = true\nalarm.a = { metric = \"latency\", statistic = \"p95\", above = 500 }",
    );
    let text = serde_json::to_string(&stack).expect("it is written");
    let back: Stack = serde_json::from_str(&text).expect("it is read");
    assert_eq!(back, stack);
}

#[test]
fn a_near_environment_has_no_stack() {
    let source = ManifestSource {
        name: "neargate.toml".to_owned(),
        text: BASE.to_owned(),
    };
    let loaded = load(&source, "local", &[]).expect("it is right");
    let refused = Stack::of(&loaded.manifest).expect_err("it is near");
    assert_eq!(refused, StackError::Near("local".to_owned()));
}
