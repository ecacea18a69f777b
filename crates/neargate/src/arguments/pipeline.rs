//! `neargate pipeline`.

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum PipelineArguments {
    /// Write the workflows of all environments on AWS into .github/workflows
    #[command(
        after_help = "Examples:\n  neargate pipeline render\n  neargate pipeline render --check      exit 1 if they do not match the manifest\n  neargate pipeline render --force      replace edited files too"
    )]
    Render {
        /// Write nothing; exit 1 if a workflow does not match the manifest
        #[arg(long)]
        check: bool,
        /// Replace workflows that were written or edited by hand
        #[arg(long, conflicts_with = "check")]
        force: bool,
    },
    /// Run the stages of the workflows here: check, test, build, scan, push, release, verify
    #[command(
        after_help = "Examples:\n  neargate pipeline run test\n  neargate pipeline run -e prod --skip scan\n  neargate pipeline run build -e prod --json"
    )]
    Run {
        /// Only this stage; without it, all in their order
        stage: Option<StageArguments>,
        /// Skip a stage
        #[arg(long, value_name = "STAGE")]
        skip: Vec<StageArguments>,
    },
}

/// A stage of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StageArguments {
    /// The manifest is right
    Check,
    /// The app's own tests, `pipeline.test`
    Test,
    /// Artifacts, and images for ARM64
    Build,
    /// What is known to be wrong with the images; HIGH and CRITICAL fail
    Scan,
    /// Images go to the environment's registry
    Push,
    /// Every service is released, its `before` jobs first
    Release,
    /// What runs is what was released
    Verify,
}
