//! `neargate infra` as clap reads it.

use clap::Subcommand;

/// `neargate infra`
#[derive(Debug, Subcommand)]
pub enum InfraArguments {
    /// Write the Terraform of an environment into infra/ENV/ beside the manifest
    #[command(
        after_help = "Examples:\n  neargate infra render -e prod\n  neargate infra render -e prod --force      overwrite files that were changed by hand"
    )]
    Render {
        /// Overwrite files that were changed by hand
        #[arg(long)]
        force: bool,
    },
    /// Render, show Terraform's plan, and say what it means
    #[command(
        after_help = "Examples:\n  neargate infra plan -e prod\n  neargate infra plan -e prod --exit-code      0: nothing to do, 10: changes"
    )]
    Plan {
        /// Exit with 10 when there are changes
        #[arg(long)]
        exit_code: bool,
    },
    /// Plan, ask, and bring AWS to the manifest
    #[command(
        after_help = "Examples:\n  neargate infra apply -e prod\n  neargate infra apply -e dev --yes      do not ask"
    )]
    Apply {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        /// Go on although data would be lost
        #[arg(long)]
        lose_data: bool,
    },
    /// Remove everything that an environment has on AWS; asks for the app's name
    #[command(
        after_help = "Examples:\n  neargate infra destroy -e dev\n  neargate infra destroy -e dev --app notes      do not ask"
    )]
    Destroy {
        /// The app's name, instead of asking for it
        #[arg(long, value_name = "NAME")]
        app: Option<String>,
    },
    /// Keep the rendered files as your own; nothing renders them again
    #[command(
        after_help = "Examples:\n  neargate infra eject -e prod\n  neargate infra plan -e prod      goes on with your files"
    )]
    Eject,
}
