//! The processes that this program starts of itself, as clap reads them.

use std::path::PathBuf;

use clap::Subcommand;

/// Hidden from help: people type none of them.
#[derive(Debug, Subcommand)]
pub(crate) enum ProcessArguments {
    /// Run the engine of a state directory in the foreground
    #[command(hide = true)]
    Engine {
        /// Another engine ended: go on with what it was doing
        #[arg(long)]
        successor: bool,
        /// NAME=FD of each inherited socket
        #[arg(long)]
        listener: Vec<String>,
    },
    /// Start the engine of a state directory, and start it again when it ends or hangs
    #[command(hide = true)]
    Watchdog {
        /// An engine runs or ran: never give up
        #[arg(long)]
        again: bool,
    },
    /// Run a router
    #[command(hide = true)]
    Router {
        /// Socket over which the engine controls it
        #[arg(long)]
        control: PathBuf,
        /// File of the access log
        #[arg(long)]
        access_log: Option<PathBuf>,
        /// UID:GID that it becomes
        #[arg(long)]
        user: Option<String>,
        /// Snapshots of sites
        #[arg(long)]
        sites: Option<PathBuf>,
        /// NAME=FD of each inherited socket
        #[arg(long)]
        listener: Vec<String>,
    },
    /// Hold a process
    #[command(hide = true)]
    Shim {
        /// Directory of the task
        task: PathBuf,
        /// Directory of its logs
        logs: PathBuf,
    },
}
