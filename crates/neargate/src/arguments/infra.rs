//! `neargate infra` as clap reads it.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum InfraArguments {
    /// Write an environment's Terraform files to infra/ENV/ beside the manifest
    #[command(
        after_help = "Examples:\n  neargate infra render -e prod\n  neargate infra render -e prod --force      overwrite files that were edited by hand"
    )]
    Render {
        /// Overwrite files that were edited by hand
        #[arg(long)]
        force: bool,
    },
    /// Render, run `terraform plan`, and explain the result
    #[command(
        after_help = "Examples:\n  neargate infra plan -e prod\n  neargate infra plan -e prod --exit-code      0: nothing to do, 10: changes"
    )]
    Plan {
        /// Exit with 10 if there are changes
        #[arg(long)]
        exit_code: bool,
    },
    /// Plan, ask, and apply the changes
    #[command(
        after_help = "Examples:\n  neargate infra apply -e prod\n  neargate infra apply -e dev --yes      do not ask"
    )]
    Apply {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        /// Continue although data would be lost
        #[arg(long)]
        lose_data: bool,
    },
    /// Destroy all AWS resources of an environment; asks for the app's name
    #[command(
        after_help = "Examples:\n  neargate infra destroy -e dev\n  neargate infra destroy -e dev --app notes      do not ask"
    )]
    Destroy {
        /// The app's name, instead of asking for it
        #[arg(long, value_name = "NAME")]
        app: Option<String>,
    },
    /// Take over the rendered files: Neargate no longer writes them
    #[command(
        after_help = "Examples:\n  neargate infra eject -e prod\n  neargate infra plan -e prod      uses your files"
    )]
    Eject,
}
