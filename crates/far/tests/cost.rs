//! Estimates beside sums that were computed by hand from the price table.

use std::fs;
use std::path::Path;

use neargate_core::manifest::{ManifestSource, load};
use neargate_far::cost::{
    BillSection, Cents, Difference, Estimate, FreeTier, Usage, estimate, savings,
};
use neargate_far::stack::Stack;

/// Two tasks of a quarter core, a public load balancer, PostgreSQL and Redis, as a trial.
const SMALL: &str = r#"
app = "notes"
[service.api]
command = ["notes", "serve"]
artifact = "notes"
port = 3000
route = "/*"
uses = ["database.main", "cache.main"]
size = { cpu = 256, memory = 512 }
scale = { min = 2 }
[database.main]
engine = "postgres"
[cache.main]
engine = "redis"
[env.dev]
target = "aws"
region = "us-east-1"
aws = { grade = "trial", spot = 0 }
"#;

fn stack_of(text: &str, env: &str, overrides: &[&str]) -> Option<Stack> {
    let source = ManifestSource {
        name: "neargate.toml".to_owned(),
        text: text.to_owned(),
    };
    let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
    let loaded = load(&source, env, &overrides).ok()?;
    Stack::of(&loaded.manifest).ok()
}

fn small(overrides: &[&str]) -> Stack {
    stack_of(SMALL, "dev", overrides).expect("the manifest is right")
}

fn blueprint(name: &str) -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2).expect("the repository");
    fs::read_to_string(root.join("blueprints").join(name).join("neargate.toml"))
        .expect("it is there")
}

/// One capacity unit of the load balancer all month, and nothing free.
fn one_unit(stack: &Stack) -> Estimate {
    let usage = Usage {
        lcus: Some(1.0),
        allowances: FreeTier::UsedUp,
        ..Usage::of(stack.grade)
    };
    estimate(stack, &usage)
}

fn line(estimate: &Estimate, subject: &str, item: &str) -> Cents {
    let mut lines = estimate.lines.iter();
    let found = lines.find(|line| line.subject == subject && line.item == item);
    found.map_or(Cents(0), |line| line.monthly)
}

#[test]
fn single_lines_cost_what_the_price_table_says() {
    let gateway = "aws.nat={ kind = \"gateway\", per-zone = false }";
    let two = "aws.nat={ kind = \"gateway\", per-zone = true }";
    let x86 = "aws.architecture=x86-64";
    let rows: [(&[&str], &str, &str, i64); 16] = [
        (&[], "service.api", "Fargate", 1442),
        (
            &[x86, "service.api.size={ cpu = 512, memory = 1024 }"],
            "service.api",
            "Fargate",
            3604,
        ),
        (
            &[
                x86,
                "service.api.size={ cpu = 1024, memory = 2048 }",
                "service.api.scale.min=1",
            ],
            "service.api",
            "Fargate",
            3604,
        ),
        (&[], "balancer", "ALB", 1643),
        (&[], "balancer", "capacity units", 584),
        (&[gateway], "aws.nat", "NAT gateway", 3285),
        (&[two], "aws.nat", "NAT gateway", 6570),
        (&[gateway], "aws.nat", "public IPv4", 365),
        (&[], "balancer", "public IPv4", 730),
        (
            &["aws.endpoints=[\"logs\"]"],
            "aws.endpoints",
            "endpoints",
            1460,
        ),
        (&[], "database.main", "RDS", 1168),
        (&[], "database.main", "storage", 230),
        (&[], "cache.main", "nodes", 1168),
        (&["cache.main.engine=valkey"], "cache.main", "nodes", 934),
        (&[], "aws.nat", "NAT instance", 307),
        (&["edge.waf=true"], "edge.waf", "web ACL", 1000),
    ];
    for (overrides, subject, item, cents) in rows {
        let estimate = one_unit(&small(overrides));
        assert_eq!(
            line(&estimate, subject, item),
            Cents(cents),
            "{overrides:?} {subject} {item}"
        );
    }
}

#[test]
fn a_hundred_gigabytes_through_a_nat_gateway_cost_four_and_a_half_dollars() {
    let stack = small(&["aws.nat=gateway"]);
    let usage = Usage {
        outgoing_gb: 100.0,
        ..Usage::of(stack.grade)
    };
    assert_eq!(
        line(&estimate(&stack, &usage), "aws.nat", "through it"),
        Cents(450)
    );
}

#[test]
fn three_secrets_cost_one_dollar_twenty() {
    let stack = small(&[
        "aws.grade=production",
        "secret.a.generate=\"base64:32\"",
        "secret.b.generate=\"base64:32\"",
    ]);
    let estimate = one_unit(&stack);
    assert_eq!(line(&estimate, "secrets", "values"), Cents(120));
}

/// The sum of what stands in a published scenario, without what it leaves out.
fn scenario(estimate: &Estimate) -> Cents {
    let through = line(estimate, "aws.nat", "through it");
    let images = line(estimate, "images", "ECR");
    let parts = [
        BillSection::Tasks,
        BillSection::Front,
        BillSection::Network,
        BillSection::Databases,
        BillSection::Caches,
    ];
    let sum: Cents = parts.iter().map(|part| estimate.of(*part)).sum();
    sum - images - through - line(estimate, "traffic", "to users")
}

#[test]
fn a_small_environment_with_a_nat_gateway_costs_106_dollars() {
    let stack = small(&["aws.nat=gateway"]);
    assert_eq!(scenario(&one_unit(&stack)), Cents(10_615));
}

#[test]
fn the_same_with_a_nat_instance_and_valkey_costs_75_dollars() {
    let stack = small(&["cache.main.engine=valkey"]);
    assert_eq!(scenario(&one_unit(&stack)), Cents(7_467));
}

#[test]
fn lines_add_up_to_parts_and_parts_to_the_total() {
    for name in [
        "1-shibakita",
        "2-cloud-native-notes",
        "3-portfolio",
        "4-canary",
        "5-clinic",
    ] {
        for env in ["dev", "prod"] {
            let stack = stack_of(&blueprint(name), env, &[]).expect("it is right");
            let estimate = estimate(&stack, &Usage::of(stack.grade));
            let parts: Cents = BillSection::ALL.iter().map(|part| estimate.of(*part)).sum();
            assert_eq!(parts, estimate.total(), "{name} {env}");
            assert!(
                estimate.unpriced.is_empty(),
                "{name} {env}: {:?}",
                estimate.unpriced
            );
            let mut keys: Vec<_> = estimate
                .lines
                .iter()
                .map(|l| (&l.subject, l.item))
                .collect();
            keys.sort();
            let before = keys.len();
            keys.dedup();
            assert_eq!(keys.len(), before, "{name} {env}: a line is there twice");
        }
    }
}

#[test]
fn what_has_no_price_is_said_and_not_guessed() {
    let stack = small(&["database.main.size=db.r8g.large"]);
    let estimate = one_unit(&stack);
    assert_eq!(
        estimate.unpriced,
        ["database.main: db.r8g.large has no price in the table"]
    );
    assert_eq!(line(&estimate, "database.main", "RDS"), Cents(0));
}

#[test]
fn spot_takes_only_the_tasks_beyond_the_first() {
    let estimate = one_unit(&small(&["aws.spot=100"]));
    assert_eq!(line(&estimate, "service.api", "Fargate"), Cents(721));
    assert_eq!(line(&estimate, "service.api", "Fargate Spot"), Cents(360));
}

#[test]
fn a_difference_names_the_lines_that_change_and_sums_up_to_the_totals() {
    let (before, after) = (
        one_unit(&small(&["aws.nat=gateway"])),
        one_unit(&small(&[])),
    );
    let difference = Difference::between(&before, &after);
    let items: Vec<&str> = difference
        .changes
        .iter()
        .map(|change| change.item)
        .collect();
    assert_eq!(items, ["NAT gateway", "NAT instance", "disk", "through it"]);
    let sum: Cents = difference
        .changes
        .iter()
        .map(|change| change.difference)
        .sum();
    assert_eq!(sum, difference.total);
    assert_eq!(difference.total, after.total() - before.total());
}

#[test]
fn each_saving_is_what_the_manifest_with_it_costs_less() {
    let text = blueprint("4-canary");
    let stack = stack_of(&text, "prod", &[]).expect("it is right");
    let usage = Usage::of(stack.grade);
    let with = |overrides: &[String]| {
        let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
        stack_of(&text, "prod", &overrides)
    };
    let offered = savings(&stack, &usage, with);
    assert_eq!(offered.len(), 3);
    let now = estimate(&stack, &usage).total();
    for saving in &offered {
        let then = estimate(&with(&saving.overrides).expect("it is right"), &usage).total();
        assert_eq!(now - then, saving.monthly, "{}", saving.what);
        assert!(!saving.risk.is_empty() && !saving.lines.is_empty());
    }
    assert!(
        offered
            .windows(2)
            .all(|pair| pair[0].monthly >= pair[1].monthly)
    );
}

#[test]
fn a_change_that_the_manifest_refuses_is_not_offered() {
    let stack = small(&[]);
    assert!(savings(&stack, &Usage::of(stack.grade), |_| None).is_empty());
}
