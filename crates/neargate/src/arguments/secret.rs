//! `neargate secret` as clap reads it.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum SecretArguments {
    /// Set a secret from standard input, a file, or a hidden prompt
    #[command(
        after_help = "Examples:\n  neargate secret set stripe-key < key.txt\n  neargate secret set stripe-key      asks"
    )]
    Set {
        /// Its name in the manifest
        name: String,
        /// Read the value from this file
        #[arg(long = "from", value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// List secrets, never their values; with --json one object a line
    #[command(after_help = "Examples:\n  neargate secret list\n  neargate secret list --json")]
    List,
    /// Show a secret's version, and its value with --reveal
    #[command(
        after_help = "Examples:\n  neargate secret get session\n  neargate secret get session --reveal"
    )]
    Get {
        /// Its name in the manifest
        name: String,
        /// Print the value
        #[arg(long)]
        reveal: bool,
    },
}
