//! `docs/cost.md`: the blueprints' estimates, and blueprint 1 beside what its design is published
//! to cost. `INSTA_UPDATE=always` rewrites the page.

#[path = "../../core/tests/generated_file.rs"]
mod generated_file;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use generated_file::assert_generated;
use neargate_core::manifest::{ManifestSource, load};
use neargate_far::cost::{
    Cents, Difference, Estimate, FreeTier, Usage, difference_table, estimate, prices, savings,
    savings_table, table,
};
use neargate_far::stack::Stack;

const BLUEPRINTS: [&str; 5] = [
    "1-shibakita",
    "2-cloud-native-notes",
    "3-portfolio",
    "4-canary",
    "5-clinic",
];
/// Published cost of the design of blueprint 1 in production, US dollars a month.
const PUBLISHED: [(&str, u32); 6] = [
    ("Fargate", 36),
    ("RDS, two zones", 120),
    ("cache", 13),
    ("load balancer", 22),
    ("two NAT gateways", 65),
    ("other", 24),
];
/// The published design as its figures let one guess it, laid over the blueprint, one part a row.
const STEPS: [(&str, &[&str]); 4] = [
    (
        "tasks of half a core and 1 GB on x86, where the blueprint has a quarter and 512 MB on ARM",
        &[
            "aws.architecture=\"x86-64\"",
            "service.api.size={ cpu = 512, memory = 1024 }",
        ],
    ),
    (
        "a db.t4g.medium with 100 GB, where the blueprint has a db.t4g.small with 50 GB",
        &[
            "database.main.size=\"db.t4g.medium\"",
            "database.main.storage=100",
        ],
    ),
    (
        "two NAT gateways, where the blueprint has two NAT instances",
        &["aws.nat={ kind = \"gateway\", per-zone = true }"],
    ),
    (
        "one node of Redis without snapshots, where the blueprint has two of Valkey with them",
        &[
            "cache.main.engine=\"redis\"",
            "cache.main.replicas=0",
            "cache.main.snapshots=\"0s\"",
        ],
    ),
];

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("the repository").to_owned()
}

fn stack(blueprint: &str, env: &str, overrides: &[String]) -> Option<Stack> {
    let path = root()
        .join("blueprints")
        .join(blueprint)
        .join("neargate.toml");
    let source = ManifestSource {
        name: blueprint.to_owned(),
        text: fs::read_to_string(path).expect("the manifest"),
    };
    let loaded = load(&source, env, overrides).ok()?;
    Stack::of(&loaded.manifest).ok()
}

fn right(blueprint: &str, env: &str, overrides: &[&str]) -> Stack {
    let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
    stack(blueprint, env, &overrides).expect("the manifest is right")
}

fn usual(stack: &Stack) -> Estimate {
    estimate(stack, &Usage::of(stack.grade))
}

fn alone(stack: &Stack) -> Estimate {
    let allowances = FreeTier::UsedUp;
    estimate(
        stack,
        &Usage {
            allowances,
            ..Usage::of(stack.grade)
        },
    )
}

fn percent(part: Cents, whole: u32) -> f64 {
    part.dollars() * 100.0 / f64::from(whole)
}

fn published() -> u32 {
    PUBLISHED.iter().map(|(_, dollars)| dollars).sum()
}

#[test]
fn dev_with_balancer_database_and_cache_costs_at_most_55_dollars() {
    let dev = right("1-shibakita", "dev", &[]);
    assert!(dev.front.balancer.is_some() && dev.databases.len() == 1 && dev.caches.len() == 1);
    assert!(
        usual(&dev).total() <= Cents(5_500),
        "{}",
        usual(&dev).total()
    );
}

#[test]
fn prod_costs_at_most_60_percent_of_the_published_figure_with_nothing_free_too() {
    let prod = right("1-shibakita", "prod", &[]);
    assert!(prod.databases[0].multi_az && prod.network.nat.count() == prod.network.zones);
    for total in [usual(&prod).total(), alone(&prod).total()] {
        assert!(percent(total, published()) <= 60.0, "{total}");
    }
}

#[test]
fn the_published_design_costs_here_what_it_is_published_to_cost() {
    let overrides: Vec<&str> = STEPS.iter().flat_map(|(_, o)| o.iter().copied()).collect();
    let stack = right("1-shibakita", "prod", &overrides);
    let usage = Usage {
        lcus: Some(1.0),
        ..Usage::of(stack.grade)
    };
    let off = percent(estimate(&stack, &usage).total(), published()) - 100.0;
    assert!(off.abs() < 5.0, "{off} percent off");
}

fn block(page: &mut String, lines: &[String]) {
    let _ = write!(page, "```text\n{}\n```\n\n", lines.join("\n"));
}

/// From the blueprint to the published design, each step by the estimator.
fn steps(page: &mut String) {
    let mut laid: Vec<&str> = Vec::new();
    let mut before = usual(&right("1-shibakita", "prod", &laid));
    for (words, overrides) in STEPS {
        laid.extend(overrides);
        let after = usual(&right("1-shibakita", "prod", &laid));
        let difference = Difference::between(&before, &after);
        let _ = writeln!(page, "With {words}:\n");
        block(page, &difference_table(&difference));
        before = after;
    }
    let stack = right("1-shibakita", "prod", &laid);
    let usage = Usage {
        lcus: Some(1.0),
        ..Usage::of(stack.grade)
    };
    let after = estimate(&stack, &usage);
    page.push_str("With a load balancer that carries one capacity unit all month:\n\n");
    block(
        page,
        &difference_table(&Difference::between(&before, &after)),
    );
    let _ = writeln!(
        page,
        "In all that is {}, beside the published {}: the price table agrees with the \
         published figures, and the steps above are the blueprint's savings.\n",
        after.total(),
        published()
    );
}

fn totals(page: &mut String) {
    page.push_str(
        "| blueprint | environment | per month | without allowances |\n|---|---|---|---|\n",
    );
    for name in BLUEPRINTS {
        for env in ["dev", "prod"] {
            let stack = right(name, env, &[]);
            let (one, other) = (usual(&stack).total(), alone(&stack).total());
            let _ = writeln!(page, "| `{name}` | {env} | {one} | {other} |");
        }
    }
    page.push('\n');
}

fn environment(page: &mut String, env: &str) {
    let stack = right("1-shibakita", env, &[]);
    let usage = Usage::of(stack.grade);
    block(page, &table(&usual(&stack), &usage));
    let with = |overrides: &[String]| self::stack("1-shibakita", env, overrides);
    block(page, &savings_table(&savings(&stack, &usage, with), env));
}

fn comparison(page: &mut String) {
    let prod = right("1-shibakita", "prod", &[]);
    let (one, other) = (usual(&prod).total(), alone(&prod).total());
    let _ = write!(
        page,
        "Its design is published to cost about {} dollars a month in production:",
        published()
    );
    for (what, dollars) in PUBLISHED {
        let _ = write!(page, " {what} {dollars},");
    }
    page.pop();
    let gateways = right("1-shibakita", "prod", STEPS[2].1);
    let gateways = usual(&gateways).total();
    let over = gateways - Cents(i64::from(published()) * 60);
    let sized = right("1-shibakita", "prod", &[STEPS[0].1, STEPS[1].1].concat());
    let sized = usual(&sized).total();
    let _ = writeln!(
        page,
        ". The blueprint costs {one}, {:.0} % of that, or {other}, {:.0} %, if other environments use \
         up the account's free allowances. Like the published design it has a database with a \
         standby in another zone, two tasks, and internet access from each of two zones; it also has a \
         standby of the cache.\n\n\
         Two choices explain the figure. The blueprint uses NAT instances: one in each zone, but a single \
         machine with no twin there. With NAT gateways \
         production costs {gateways}, {:.0} %, and misses the goal of 60 % by {over}. And the \
         published text does not give the size of its tasks and its database: two tasks of half \
         a core on x86 and a db.t4g.medium with 100 GB fit its figures, and the blueprint's are \
         half of that. At those sizes, with NAT instances, production would cost {sized}, {:.0} %.\n\n\
         From the blueprint to the published design, step by step:\n",
        percent(one, published()),
        percent(other, published()),
        percent(gateways, published()),
        percent(sized, published()),
    );
    steps(page);
}

fn page() -> String {
    let mut page = format!(
        "# What it costs on AWS\n\n\
         A test generates this page with the code of `neargate cost`. Prices are those of {} of {}, \
         on demand, without tax; each names its source in `crates/far/src/cost/prices.rs`. They were \
         not read from AWS's price list: check there before you promise anybody a figure. Most other \
         regions are more expensive: Frankfurt, where the blueprints run, costs more than this page says.\n\n\
         The estimates assume a usage that you can set: `--requests`, `--traffic-gb`, `--out-gb`, `--logs-gb`, \
         `--lcus`, `--tasks`. They deduct each account's monthly free allowances; \
         `--no-allowances` means that other environments use them up. Not included: traffic \
         between zones, tasks of jobs and of releases in progress, extended support of an old \
         PostgreSQL, and items that cost cents at most (buckets, mail, budgets, calls of keys and secrets).\n\n\
         ## The blueprints\n\n",
        prices::REGION,
        prices::AS_OF
    );
    totals(&mut page);
    let dev = right("1-shibakita", "dev", &[]);
    let (one, other) = (usual(&dev).total(), alone(&dev).total());
    let _ = writeln!(
        page,
        "## Blueprint 1, development\n\n\
         Goal: load balancer, database and cache for at most 55 dollars. It costs {one}, or {other} if other \
         environments use up the account's free allowances. The latter is {} too much, \
         for alarms, logs and CloudFront that are otherwise free.\n",
        other - Cents(5_500)
    );
    environment(&mut page, "dev");
    page.push_str("## Blueprint 1, production\n\n");
    environment(&mut page, "prod");
    page.push_str("## Beside the published design\n\n");
    comparison(&mut page);
    page.trim_end().to_owned() + "\n"
}

#[test]
fn the_page_says_what_the_estimates_are() {
    assert_generated("docs/cost.md", &page());
}
