//! The workflow that runs a job of the manifest by hand: a migration, before all.
//!
//! Invariant: only jobs that the manifest has, only in its environments, each behind the
//! protection of GitHub's environment. What a person chose reaches the shell as a variable.

use neargate_core::model::{Job, Manifest};

use super::PipelineApp;
use super::steps::{
    RUNNER, checkout, credentials, head, install, neargate, on_branch, queued,
    reads_and_takes_roles,
};
use super::yaml::{YamlNode, map, script, text, texts};

/// Nothing for an app without jobs. HTTP checks are no jobs here: the driver asks nothing over HTTP.
pub(super) fn workflow(app: &PipelineApp) -> Option<Vec<(String, YamlNode)>> {
    let jobs: Vec<&String> = commands(app.last()?).map(|job| &job.name).collect();
    let first = jobs.iter().find(|name| name.as_str() == "migrate");
    let first = first.or_else(|| jobs.first())?;
    let environments: Vec<&String> = app.environments.iter().map(|m| &m.env).collect();
    let choice = |what: &str, options: YamlNode, default: Option<&str>| {
        map([("description", text(what)), ("type", text("choice"))])
            .with("required", YamlNode::Flag(true))
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
    pairs.push(("jobs".to_owned(), YamlNode::Map(each.collect())));
    Some(pairs)
}

fn commands(manifest: &Manifest) -> impl Iterator<Item = &Job> {
    let jobs = manifest.jobs.values();
    jobs.filter(|job| !job.command().is_empty())
}

/// One command for each job of the manifest: the choice decides between them and is never part
/// of one.
fn command(app: &PipelineApp, manifest: &Manifest) -> String {
    let env = &manifest.env;
    let mut lines = vec!["case \"$JOB\" in".to_owned()];
    for job in commands(manifest) {
        let words: Vec<String> = job.command().iter().map(|word| quoted(word)).collect();
        let run = format!("run {} -e {env} -- {}", job.service, words.join(" "));
        lines.push(format!("  {}) {} ;;", job.name, neargate(app, &run)));
    }
    lines.push(format!(
        "  *) echo \"::error::{env} has no job $JOB\"; exit 1 ;;"
    ));
    lines.push("esac".to_owned());
    lines.join("\n")
}

/// A word as a shell takes it as it is. Source: POSIX, Shell Command Language, 2.2.2.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn job(app: &PipelineApp, manifest: &Manifest) -> YamlNode {
    let env = &manifest.env;
    let command = command(app, manifest);
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
        ("timeout-minutes", YamlNode::Number(60)),
        ("permissions", reads_and_takes_roles()),
        (
            "steps",
            YamlNode::List(vec![
                checkout(),
                install(app),
                credentials(manifest, "deploy"),
                step,
            ]),
        ),
    ])
}
