//! The workflow that looks each day whether what runs is what was released.
//!
//! Invariant: it reads. Its role is the one of plans, which trusts the released branch without
//! an environment, so that no approval is waited for at night.

use neargate_core::model::Manifest;

use super::steps::{
    RUNNER, checkout, credentials, head, install, neargate, reads_and_takes_roles, run,
};
use super::yaml::{YamlNode, map, text};
use super::{PipelineApp, notify};

/// Off the full hour, when GitHub starts most schedules late. UTC.
const SCHEDULE: &str = "23 5 * * *";

pub(super) fn workflow(app: &PipelineApp) -> Vec<(String, YamlNode)> {
    let on = map([
        (
            "schedule",
            YamlNode::List(vec![map([("cron", text(SCHEDULE))])]),
        ),
        ("workflow_dispatch", YamlNode::Map(Vec::new())),
    ]);
    let each = app.environments.iter();
    let mut jobs: Vec<(String, YamlNode)> = each
        .map(|manifest| (format!("drift-{}", manifest.env), job(app, manifest)))
        .collect();
    let needed: Vec<String> = jobs.iter().map(|(name, _)| name.clone()).collect();
    jobs.extend(notify::job(
        app,
        "drift check",
        &needed,
        notify::NotifyWhen::Failure,
    ));
    let mut pairs = head(app, "drift", on, "drift");
    pairs.push(("jobs".to_owned(), YamlNode::Map(jobs)));
    pairs
}

fn job(app: &PipelineApp, manifest: &Manifest) -> YamlNode {
    let env = &manifest.env;
    let steps = vec![
        checkout(),
        install(app),
        credentials(manifest, "plan"),
        run("Look for drift", &neargate(app, &format!("drift -e {env}"))),
    ];
    map([
        ("name", text(format!("Drift of {env}"))),
        ("runs-on", text(RUNNER)),
        ("timeout-minutes", YamlNode::Number(30)),
        ("permissions", reads_and_takes_roles()),
        ("steps", YamlNode::List(steps)),
    ])
}
