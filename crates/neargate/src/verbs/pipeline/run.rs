//! `neargate pipeline run`: the stages of the workflows, on this machine.
//!
//! Invariant: stages run in their order and stop at the first failure, which names its stage. A
//! stage is left out only by `--skip`, or because the manifest gives it nothing to do; a missing
//! program is no reason.

use std::process::ExitCode;
use std::time::Instant;

use neargate_core::manifest::model::Manifest;
use neargate_far::pipeline::stage::{Stage, acts};

use super::act::Runner;
use crate::arguments::{self, Flags};
use crate::failure::Failure;
use crate::{output, project};

/// How a stage ended.
struct Ended {
    stage: Stage,
    outcome: Outcome,
    seconds: f64,
}

enum Outcome {
    Done,
    /// By `--skip`.
    Skipped,
    /// Why there is nothing to do.
    Nothing(&'static str),
    Failed(Failure),
}

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Nothing(_) => "nothing-to-do",
            Self::Failed(_) => "failed",
        }
    }

    fn reason(&self) -> Option<String> {
        match self {
            Self::Done | Self::Skipped => None,
            Self::Nothing(why) => Some((*why).to_owned()),
            Self::Failed(failure) => Some(failure.words()),
        }
    }
}

impl From<arguments::Stage> for Stage {
    fn from(stage: arguments::Stage) -> Self {
        match stage {
            arguments::Stage::Check => Self::Check,
            arguments::Stage::Test => Self::Test,
            arguments::Stage::Build => Self::Build,
            arguments::Stage::Scan => Self::Scan,
            arguments::Stage::Push => Self::Push,
            arguments::Stage::Release => Self::Release,
            arguments::Stage::Verify => Self::Verify,
        }
    }
}

/// Runs one stage, or all.
pub fn run(
    flags: &Flags,
    only: Option<arguments::Stage>,
    skip: &[arguments::Stage],
) -> Result<ExitCode, Failure> {
    let (path, loaded) = project::load(flags)?;
    let skip: Vec<Stage> = skip.iter().map(|stage| Stage::from(*stage)).collect();
    let stages = match only {
        Some(stage) => vec![Stage::from(stage)],
        None => Stage::ALL.to_vec(),
    };
    let runner = Runner::new(flags, &path, &loaded.manifest)?;
    let mut ended = Vec::new();
    for stage in stages {
        let one = one(&runner, &loaded.manifest, stage, &skip);
        tell(&one);
        let failed = matches!(one.outcome, Outcome::Failed(_));
        ended.push(one);
        if failed {
            break;
        }
    }
    if flags.json {
        output::json(&document(&loaded.manifest, &ended));
    }
    match ended.pop() {
        Some(Ended {
            stage,
            outcome: Outcome::Failed(failure),
            ..
        }) => Err(in_stage(stage, failure)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn one(runner: &Runner<'_>, manifest: &Manifest, stage: Stage, skip: &[Stage]) -> Ended {
    let begun = Instant::now();
    let outcome = if skip.contains(&stage) {
        Outcome::Skipped
    } else {
        match acts(stage, manifest) {
            Err(why) => Outcome::Nothing(why),
            Ok(acts) => {
                output::progress(stage.name(), "begins");
                match acts.iter().try_for_each(|act| runner.run(stage, act)) {
                    Ok(()) => Outcome::Done,
                    Err(failure) => Outcome::Failed(failure),
                }
            }
        }
    };
    Ended {
        stage,
        outcome,
        seconds: begun.elapsed().as_secs_f64(),
    }
}

/// The failure itself is said last, by the command.
fn tell(ended: &Ended) {
    let stage = ended.stage.name();
    match &ended.outcome {
        Outcome::Done => output::progress(stage, &format!("done in {:.1} s", ended.seconds)),
        Outcome::Skipped => output::progress(stage, "left out by --skip"),
        Outcome::Nothing(why) => output::progress(stage, &format!("nothing to do: {why}")),
        Outcome::Failed(_) => output::progress(stage, "failed"),
    }
}

fn document(manifest: &Manifest, ended: &[Ended]) -> serde_json::Value {
    let stages: Vec<serde_json::Value> = ended
        .iter()
        .map(|ended| {
            serde_json::json!({
                "stage": ended.stage.name(),
                "outcome": ended.outcome.name(),
                "reason": ended.outcome.reason(),
                "seconds": (ended.seconds * 10.0).round() / 10.0,
            })
        })
        .collect();
    let ok = !ended
        .iter()
        .any(|e| matches!(e.outcome, Outcome::Failed(_)));
    serde_json::json!({ "app": manifest.app, "env": manifest.env, "ok": ok, "stages": stages })
}

/// The same failure, with its stage before it.
fn in_stage(stage: Stage, failure: Failure) -> Failure {
    let name = stage.name();
    match failure {
        Failure::Environment(text) => Failure::Environment(format!(
            "stage `{name}`: {text}; leave the stage out with --skip {name}"
        )),
        Failure::Usage(text) => Failure::Usage(format!("stage `{name}`: {text}")),
        Failure::Failed(text) => Failure::Failed(format!("stage `{name}` failed: {text}")),
        other => other,
    }
}
