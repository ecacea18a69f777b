//! The workflow of releases: test, build, scan, then each environment in turn.
//!
//! Invariant: what is built and scanned once is what every environment runs; the job that runs
//! the app's own tests and builds can take no role. An environment is released only after the
//! one before it.

use neargate_core::model::Manifest;

use super::stage::Processor;
use super::steps::{
    DOWNLOAD, RUNNER, RUNNER_ARM, UPLOAD, checkout, credentials, head, install, neargate,
    on_branch, queued, reads, reads_and_takes_roles, run, trivy,
};
use super::yaml::{YamlNode, map, text, texts};
use super::{PipelineApp, notify, stage};

/// Most minutes of a release: a canary of five steps with long bakes.
const RELEASE_MINUTES: u32 = 180;
/// Images are handed from job to job, not kept.
const DAYS: u32 = 1;
/// The images of one run, beside the sources.
const ARCHIVE: &str = "images.tar";

pub(super) fn workflow(app: &PipelineApp) -> Vec<(String, YamlNode)> {
    let branch = app.last().map_or("main", |last| &last.pipeline.branch);
    let on = map([
        ("push", map([("branches", texts(&[branch]))])),
        ("workflow_dispatch", YamlNode::Map(Vec::new())),
    ]);
    let mut jobs = vec![("build".to_owned(), build(app))];
    let mut before = "build".to_owned();
    for manifest in &app.environments {
        let name = format!("release-{}", manifest.env);
        jobs.push((name.clone(), release(app, manifest, &before)));
        before = name;
    }
    let needed: Vec<String> = jobs.iter().map(|(name, _)| name.clone()).collect();
    jobs.extend(notify::job(
        app,
        "deploy",
        &needed,
        notify::NotifyWhen::Always,
    ));
    let mut pairs = head(app, "deploy", on, "deploy");
    pairs.push(("jobs".to_owned(), YamlNode::Map(jobs)));
    pairs
}

fn stage_of(app: &PipelineApp, env: &str, stage: &str) -> String {
    neargate(app, &format!("pipeline run {stage} -e {env}"))
}

fn build(app: &PipelineApp) -> YamlNode {
    let env = app.last().map_or("", |last| &last.env);
    let mut steps = vec![checkout(), install(app)];
    let checks: Vec<String> = app
        .environments
        .iter()
        .map(|manifest| stage_of(app, &manifest.env, "check"))
        .collect();
    steps.push(run("Check", &checks.join("\n")));
    steps.push(run("Test", &stage_of(app, env, "test")));
    let images = images(app);
    if !images.is_empty() {
        let name = format!("Build for {}", processor(app).name());
        steps.push(run(&name, &stage_of(app, env, "build")));
        let own = app.last().is_some_and(|last| last.pipeline.scan.is_some());
        if !own {
            steps.push(trivy());
        }
        steps.push(run("Scan", &stage_of(app, env, "scan")));
        let save = format!("docker save --output {ARCHIVE} {}", images.join(" "));
        steps.push(run("Keep the images", &save));
        steps.push(map([("uses", UPLOAD), ("with", kept(app))]));
    }
    map([
        ("name", text("Test, build and scan")),
        ("if", text(on_branch(app))),
        ("runs-on", text(runner(app))),
        ("timeout-minutes", YamlNode::Number(60)),
        ("permissions", reads()),
        ("steps", YamlNode::List(steps)),
    ])
}

fn processor(app: &PipelineApp) -> Processor {
    app.last().map_or(Processor::Arm64, stage::processor)
}

/// A runner of the tasks' own processor: a build there needs no emulation.
fn runner(app: &PipelineApp) -> &'static str {
    match processor(app) {
        Processor::Arm64 => RUNNER_ARM,
        Processor::X86_64 => RUNNER,
    }
}

fn images(app: &PipelineApp) -> Vec<String> {
    let services = app.built().into_iter();
    services
        .map(|service| stage::built_name(app.name(), &service.name))
        .collect()
}

/// Paths of the action are the repository's, whatever folder scripts run in.
fn archive(app: &PipelineApp) -> String {
    if app.folder.is_empty() {
        ARCHIVE.to_owned()
    } else {
        format!("{}/{ARCHIVE}", app.folder)
    }
}

fn kept(app: &PipelineApp) -> YamlNode {
    map([
        ("name", text("images")),
        ("path", text(archive(app))),
        ("if-no-files-found", text("error")),
        ("retention-days", YamlNode::Number(DAYS)),
    ])
}

fn release(app: &PipelineApp, manifest: &Manifest, before: &str) -> YamlNode {
    let env = &manifest.env;
    let mut steps = vec![checkout(), install(app)];
    let images = !images(app).is_empty();
    if images {
        let folder = if app.folder.is_empty() {
            "."
        } else {
            &app.folder
        };
        let with = map([("name", text("images")), ("path", text(folder))]);
        steps.push(map([("uses", DOWNLOAD), ("with", with)]));
        steps.push(run(
            "Load the images",
            &format!("docker load --input {ARCHIVE}"),
        ));
    }
    steps.push(credentials(manifest, "deploy"));
    if images {
        steps.push(run("Push", &stage_of(app, env, "push")));
    }
    steps.push(run("Migrate and release", &stage_of(app, env, "release")));
    steps.push(run("Verify", &stage_of(app, env, "verify")));
    map([
        ("name", text(format!("Release {env}"))),
        ("if", text(on_branch(app))),
        ("needs", text(before)),
        ("runs-on", text(RUNNER)),
        ("environment", text(env)),
        ("concurrency", queued(&format!("{}-{env}", app.name()))),
        ("timeout-minutes", YamlNode::Number(RELEASE_MINUTES)),
        ("permissions", reads_and_takes_roles()),
        ("steps", YamlNode::List(steps)),
    ])
}
