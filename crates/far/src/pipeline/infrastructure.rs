//! The workflow of Terraform: check and validate, plan, apply.
//!
//! Invariant: a pull request reads and changes nothing; only the released branch applies, one
//! environment after another, each behind the protection of GitHub's environment of that name.

use neargate_core::model::Manifest;

use super::PipelineApp;
use super::steps::{
    RUNNER, checkout, credentials, head, install, neargate, on_branch, queued, reads,
    reads_and_takes_roles, run, terraform,
};
use super::yaml::{YamlNode, map, text, texts};

/// Most minutes of an apply: a database with a standby takes up to half an hour to be made.
const APPLY_MINUTES: u32 = 90;

pub(super) fn workflow(app: &PipelineApp) -> Vec<(String, YamlNode)> {
    let branch = app.last().map_or("main", |last| &last.pipeline.branch);
    let beside = |name: &str| {
        if app.folder.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", app.folder)
        }
    };
    let workflows = ".github/workflows/**".to_owned();
    let paths = texts(&[beside(&app.file), beside("infra/**"), workflows]);
    let on = map([
        ("pull_request", map([("paths", paths.clone())])),
        (
            "push",
            map([("branches", texts(&[branch])), ("paths", paths)]),
        ),
        ("workflow_dispatch", YamlNode::Map(Vec::new())),
    ]);
    let mut jobs = vec![("validate".to_owned(), validate(app))];
    let mut before: Option<String> = None;
    for manifest in &app.environments {
        jobs.push((format!("plan-{}", manifest.env), plan(app, manifest)));
    }
    for manifest in &app.environments {
        let name = format!("apply-{}", manifest.env);
        jobs.push((name.clone(), apply(app, manifest, before.as_deref())));
        before = Some(name);
    }
    let mut pairs = head(
        app,
        "infrastructure",
        on,
        "infrastructure-${{ github.ref }}",
    );
    pairs.push(("jobs".to_owned(), YamlNode::Map(jobs)));
    pairs
}

fn validate(app: &PipelineApp) -> YamlNode {
    let mut steps = vec![checkout(), install(app), terraform()];
    let workflows = neargate(app, "pipeline render --check");
    steps.push(run("The workflows are those of the manifest", &workflows));
    for manifest in &app.environments {
        let env = &manifest.env;
        let check = neargate(app, &format!("check -e {env}"));
        let render = neargate(app, &format!("infra render -e {env}"));
        let lines = [
            check,
            render,
            format!("terraform -chdir=infra/{env} init -backend=false -input=false"),
            format!("terraform -chdir=infra/{env} validate"),
        ];
        steps.push(run(&format!("Validate {env}"), &lines.join("\n")));
    }
    map([
        ("name", text("Validate")),
        ("runs-on", text(RUNNER)),
        ("timeout-minutes", YamlNode::Number(30)),
        ("permissions", reads()),
        ("steps", YamlNode::List(steps)),
    ])
}

/// Forks get no token, so their pull requests are validated only.
const OWN: &str = "github.event_name != 'pull_request' || github.event.pull_request.head.repo.full_name == github.repository";

fn plan(app: &PipelineApp, manifest: &Manifest) -> YamlNode {
    let env = &manifest.env;
    let plan = neargate(app, &format!("infra plan -e {env}"));
    let lines = [
        "{".to_owned(),
        format!("  echo '### Plan of {env}'"),
        "  echo '```'".to_owned(),
        "} >> \"$GITHUB_STEP_SUMMARY\"".to_owned(),
        "trap 'echo \"```\" >> \"$GITHUB_STEP_SUMMARY\"' EXIT".to_owned(),
        format!("{plan} | tee -a \"$GITHUB_STEP_SUMMARY\""),
    ];
    let steps = vec![
        checkout(),
        install(app),
        terraform(),
        credentials(manifest, "plan"),
        run("Plan", &lines.join("\n")),
    ];
    map([
        ("name", text(format!("Plan {env}"))),
        ("if", text(OWN)),
        ("needs", text("validate")),
        ("runs-on", text(RUNNER)),
        ("timeout-minutes", YamlNode::Number(30)),
        ("permissions", reads_and_takes_roles()),
        ("steps", YamlNode::List(steps)),
    ])
}

/// A runner's files are gone when it ends: the next apply would make everything again.
const NO_BUCKET: &str = "\
echo '::error::Terraform would lose its state with this runner: write its bucket as aws.state-bucket'
exit 1";

fn apply(app: &PipelineApp, manifest: &Manifest, before: Option<&str>) -> YamlNode {
    let env = &manifest.env;
    let mut needs = vec![format!("plan-{env}")];
    needs.extend(before.map(str::to_owned));
    let apply = neargate(app, &format!("infra apply -e {env} --yes"));
    let mut steps = vec![checkout(), install(app), terraform()];
    if manifest.aws.state_bucket.is_none() {
        steps.push(run("Terraform's state is kept", NO_BUCKET));
    }
    steps.push(credentials(manifest, "infrastructure"));
    steps.push(run("Apply", &apply));
    let only = format!("github.event_name != 'pull_request' && {}", on_branch(app));
    map([
        ("name", text(format!("Apply {env}"))),
        ("if", text(only)),
        ("needs", texts(&needs)),
        ("runs-on", text(RUNNER)),
        ("environment", text(env)),
        ("concurrency", queued(&format!("{}-{env}", app.name()))),
        ("timeout-minutes", YamlNode::Number(APPLY_MINUTES)),
        ("permissions", reads_and_takes_roles()),
        ("steps", YamlNode::List(steps)),
    ])
}
