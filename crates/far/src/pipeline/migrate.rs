//! The workflow that runs a job of the manifest by hand: a migration, before all.
//!
//! Invariant: only jobs that the manifest has, only in its environments, each behind the
//! protection of GitHub's environment. What a person chose reaches the shell as a variable.

use neargate_core::manifest::model::Manifest;

use super::App;
use super::steps::{
    RUNNER, checkout, credentials, head, install, neargate, on_branch, queued,
    reads_and_takes_roles,
};
use super::yaml::{Node, map, script, text, texts};

/// Nothing for an app without jobs.
pub(super) fn workflow(app: &App) -> Option<Vec<(String, Node)>> {
    let jobs: Vec<&String> = app.last()?.jobs.keys().collect();
    let first = jobs.iter().find(|name| name.as_str() == "migrate");
    let first = first.or_else(|| jobs.first())?;
    let environments: Vec<&String> = app.environments.iter().map(|m| &m.env).collect();
    let choice = |what: &str, options: Node, default: Option<&str>| {
        map([("description", text(what)), ("type", text("choice"))])
            .with("required", Node::Flag(true))
            .maybe("default", default.map(text))
            .with("options", options)
    };
    let inputs = map([
        ("environment", choice("Where", texts(&environments), None)),
        ("job", choice("Which job", texts(&jobs), Some(first))),
    ]);
    let on = map([("workflow_dispatch", map([("inputs", inputs)]))]);
    let each = app.environments.iter();
    let each = each.map(|manifest| (format!("run-{}", manifest.env), job(app, manifest)));
    let mut pairs = head(app, "run a job", on, "job");
    pairs.push(("jobs".to_owned(), Node::Map(each.collect())));
    Some(pairs)
}

fn job(app: &App, manifest: &Manifest) -> Node {
    let env = &manifest.env;
    let command = neargate(app, &format!("run \"$JOB\" -e {env}"));
    let step = map([
        ("name", text("Run the job")),
        ("env", map([("JOB", text("${{ inputs.job }}"))])),
        ("run", script(command)),
    ]);
    let only = format!("inputs.environment == '{env}' && {}", on_branch(app));
    map([
        ("name", text(format!("Run in {env}"))),
        ("if", text(only)),
        ("runs-on", text(RUNNER)),
        ("environment", text(env)),
        ("concurrency", queued(&format!("{}-{env}", app.name()))),
        ("timeout-minutes", Node::Number(60)),
        ("permissions", reads_and_takes_roles()),
        (
            "steps",
            Node::List(vec![
                checkout(),
                install(app),
                credentials(manifest, "deploy"),
                step,
            ]),
        ),
    ])
}
