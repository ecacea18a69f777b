//! The five blueprints on AWS: what is rendered, word for word, and that it is the same each time.
//!
//! `INSTA_UPDATE=always` rewrites the goldens in `golden/`.

use std::fs;
use std::path::{Path, PathBuf};

use neargate_core::manifest::{ManifestSource, load};
use neargate_far::render::{Files, render};
use neargate_far::stack::Stack;

const BLUEPRINTS: [&str; 5] = [
    "1-shibakita",
    "2-cloud-native-notes",
    "3-portfolio",
    "4-canary",
    "5-clinic",
];

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("the repository").to_owned()
}

fn stack(blueprint: &str, env: &str) -> Stack {
    let path = root()
        .join("blueprints")
        .join(blueprint)
        .join("neargate.toml");
    let source = ManifestSource {
        name: blueprint.to_owned(),
        text: fs::read_to_string(path).expect("the manifest"),
    };
    let loaded = load(&source, env, &[]);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    Stack::of(&loaded.manifest).expect("it is on AWS")
}

fn rendered(blueprint: &str, env: &str) -> Files {
    render(&stack(blueprint, env)).expect("it renders")
}

/// The files that are made from the manifest; modules are the repository's own.
fn own(files: &Files) -> String {
    let own = files
        .iter()
        .filter(|(path, _)| !path.starts_with("modules/"));
    let parts = own.map(|(path, text)| format!("==> {path} <==\n{text}"));
    parts.collect::<Vec<_>>().join("\n")
}

#[test]
fn production_of_every_blueprint_is_rendered_as_its_golden_says() {
    for blueprint in BLUEPRINTS {
        let text = own(&rendered(blueprint, "prod"));
        insta::with_settings!({
            snapshot_path => "golden",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(blueprint, text);
        });
    }
}

#[test]
fn rendering_twice_gives_the_same_bytes() {
    for blueprint in BLUEPRINTS {
        for env in ["dev", "prod"] {
            let (first, second) = (rendered(blueprint, env), rendered(blueprint, env));
            assert_eq!(first, second, "{blueprint} {env}");
        }
    }
}

#[test]
fn nothing_that_a_blueprint_asks_for_is_left_out_in_production_but_rotation() {
    for blueprint in BLUEPRINTS {
        let left_out = stack(blueprint, "prod").left_out;
        let secrets = left_out.iter().filter(|said| said.contains("secret set"));
        assert_eq!(secrets.count(), left_out.len(), "{blueprint}: {left_out:?}");
    }
}

#[test]
fn only_the_modules_that_are_called_are_written() {
    let files = rendered("4-canary", "prod");
    let has = |path: &str| files.contains_key(path);
    assert!(has("modules/balancer/main.tf") && has("modules/network/nat-instance.sh"));
    assert!(!has("modules/gateway/main.tf") && !has("modules/edge/main.tf"));
    assert!(!files.keys().any(|path| path.contains("/tests/")));
}

/// A stack that is none of a blueprint's: what they do not use.
const ODD: &str = r#"
app = "odd"
[service.api]
image = "registry.example.com/api:1"
port = 3000
route = { path = "/a", source = "10.0.0.0/8", header = { X-Tenant = "${var.region}" } }
sticky = { duration = "1h", cookie = "session" }
env = { TEMPLATE = "${local.name} %{ if true } \"quoted\"" }
[service.worker]
image = "registry.example.com/worker:1"
health = { command = ["probe", "it's"], grace = "10m" }
[job.report]
service = "worker"
command = ["report", "${x}"]
schedule = "cron(0 3 * * ? *)"
[slo.quick]
service = "api"
objective = 99
latency = "500ms"
[secret.session]
generate = "base64:32"
rotate = "36h"
[database.main]
engine = "postgres"
protect = true
[database.cheap]
engine = "postgres"
[env.prod]
target = "aws"
region = "eu-central-1"
aws.state-bucket = "odd-123456789012-eu-central-1"
aws.grade = "trial"
aws.exec = true
"#;

fn odd() -> (Stack, Files) {
    let source = ManifestSource {
        name: "odd".to_owned(),
        text: ODD.to_owned(),
    };
    let loaded = load(&source, "prod", &[]);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let stack = Stack::of(&loaded.manifest).expect("it is on AWS");
    let files = render(&stack).expect("it renders");
    (stack, files)
}

fn holds(text: &str, all: &[&str]) {
    for wanted in all {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
}

#[test]
fn workers_own_cookies_sources_and_dangerous_texts_are_written_as_they_are_meant() {
    let (_, files) = odd();
    holds(
        &files["main.tf"],
        &[
            r#"image        = "registry.example.com/api:1""#,
            r#"stickiness_cookie            = "session""#,
            r#"sources  = ["10.0.0.0/8"]"#,
            r#"["$${var.region}"]"#,
            r#""$${local.name} %%{ if true } \"quoted\""#,
            r#"API_URL          = "http://api.${local.name}.internal:3000""#,
            "exec                      = true",
            "read_only    = false",
            "client_security_group_ids = { worker = module.service_worker.security_group_id }",
        ],
    );
    holds(&files["backend.tf"], &["odd-123456789012-eu-central-1"]);
}

#[test]
fn checks_schedules_latency_and_urls_are_written_and_rotation_is_left_out() {
    let (stack, files) = odd();
    holds(
        &files["main.tf"],
        &[
            r#"check        = { command = ["probe", "it's"], interval = 30, timeout = 5, failures = 2, start = 300 }"#,
            "module \"job_report\" {",
            r#"command    = ["report", "$${x}"]"#,
            "task_role_arn      = module.service_worker.task_role_arn",
            "latency_seconds = 0.500",
            r#"url              = { store = "parameter", parameter = "/${local.name}/database.cheap" }"#,
            r#"parameters = { session = "secret.session of the manifest" }"#,
        ],
    );
    holds(
        &files["driver.tf"],
        &[r#""database.main" = module.database_main.url_arn"#],
    );
    assert_eq!(
        stack.left_out,
        [
            "secret.session: AWS rotates only by a function of yours: every 36 hours run `neargate secret set session -e prod`, then release"
        ]
    );
}

#[test]
fn protect_holds_for_the_database_of_a_trial_that_says_it() {
    let (_, files) = odd();
    let main = &files["main.tf"];
    for (name, protect) in [("cheap", "false"), ("main", "true")] {
        let head = format!("module \"database_{name}\" {{");
        let block = main.split(&head).nth(1).expect("the database");
        let block = block.split("\n}\n").next().unwrap_or_default();
        holds(block, &[&format!("protect            = {protect}\n")]);
    }
}
