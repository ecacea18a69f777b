//! `neargate pipeline run`: the stages of the workflows, on this machine.
//!
//! Invariant: stages run in their order and stop at the first failure, which names its stage. A
//! stage is left out only by `--skip`, or because the manifest gives it nothing to do; a missing
//! program is no reason.

use std::process::ExitCode;
use std::time::Instant;

use neargate_core::model::Manifest;
use neargate_far::pipeline::stage::{PipelineStage, acts};

use crate::arguments::{self, GlobalFlags};
use crate::failure::Failure;
use crate::pipeline::stage_runner::StageRunner;
use crate::{output, project};

/// How a stage ended.
struct StageEnd {
    stage: PipelineStage,
    outcome: StageOutcome,
    seconds: f64,
}

enum StageOutcome {
    Done,
    /// The stage is in `--skip`.
    Skipped,
    /// Why there is nothing to do.
    Nothing(&'static str),
    Failed(Failure),
}

impl StageOutcome {
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
            Self::Failed(failure) => Some(failure.describe()),
        }
    }
}

impl From<arguments::StageArguments> for PipelineStage {
    fn from(stage: arguments::StageArguments) -> Self {
        match stage {
            arguments::StageArguments::Check => Self::Check,
            arguments::StageArguments::Test => Self::Test,
            arguments::StageArguments::Build => Self::Build,
            arguments::StageArguments::Scan => Self::Scan,
            arguments::StageArguments::Push => Self::Push,
            arguments::StageArguments::Release => Self::Release,
            arguments::StageArguments::Verify => Self::Verify,
        }
    }
}

/// Runs one stage, or all.
pub(crate) fn run(
    flags: &GlobalFlags,
    only: Option<arguments::StageArguments>,
    skip: &[arguments::StageArguments],
) -> Result<ExitCode, Failure> {
    let (path, loaded) = project::load(flags)?;
    let skip: Vec<PipelineStage> = skip
        .iter()
        .map(|stage| PipelineStage::from(*stage))
        .collect();
    let stages = match only {
        Some(stage) => vec![PipelineStage::from(stage)],
        None => PipelineStage::ALL.to_vec(),
    };
    let runner = StageRunner::new(flags, &path, &loaded.manifest)?;
    let mut ended = Vec::new();
    for stage in stages {
        let one = one(&runner, &loaded.manifest, stage, &skip);
        tell(&one);
        let failed = matches!(one.outcome, StageOutcome::Failed(_));
        ended.push(one);
        if failed {
            break;
        }
    }
    if flags.json {
        output::json(&document(&loaded.manifest, &ended));
    }
    match ended.pop() {
        Some(StageEnd {
            stage,
            outcome: StageOutcome::Failed(failure),
            ..
        }) => Err(in_stage(stage, failure)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn one(
    runner: &StageRunner<'_>,
    manifest: &Manifest,
    stage: PipelineStage,
    skip: &[PipelineStage],
) -> StageEnd {
    let begun = Instant::now();
    let outcome = if skip.contains(&stage) {
        StageOutcome::Skipped
    } else {
        match acts(stage, manifest) {
            Err(why) => StageOutcome::Nothing(why),
            Ok(acts) => {
                output::progress(stage.name(), "begins");
                match acts.iter().try_for_each(|act| runner.run(stage, act)) {
                    Ok(()) => StageOutcome::Done,
                    Err(failure) => StageOutcome::Failed(failure),
                }
            }
        }
    };
    StageEnd {
        stage,
        outcome,
        seconds: begun.elapsed().as_secs_f64(),
    }
}

/// The failure itself is said last, by the command.
fn tell(ended: &StageEnd) {
    let stage = ended.stage.name();
    match &ended.outcome {
        StageOutcome::Done => output::progress(stage, &format!("done in {:.1} s", ended.seconds)),
        StageOutcome::Skipped => output::progress(stage, "left out by --skip"),
        StageOutcome::Nothing(why) => output::progress(stage, &format!("nothing to do: {why}")),
        StageOutcome::Failed(_) => output::progress(stage, "failed"),
    }
}

fn document(manifest: &Manifest, ended: &[StageEnd]) -> serde_json::Value {
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
        .any(|e| matches!(e.outcome, StageOutcome::Failed(_)));
    serde_json::json!({ "app": manifest.app, "env": manifest.env, "ok": ok, "stages": stages })
}

/// The same failure, with its stage before it.
fn in_stage(stage: PipelineStage, failure: Failure) -> Failure {
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
