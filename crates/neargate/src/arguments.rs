//! The command line as clap reads it.

mod audit;
mod cost;
mod infra;
mod meant;
mod pipeline;
mod processes;
mod rehearse_arguments;
mod releases;
mod secret;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::output::ColourChoice;

pub(crate) use audit::FailOn;
pub(crate) use cost::Cost;
pub(crate) use infra::InfraArguments;
pub(crate) use meant::{FOLLOW_IS_F, meant};
pub(crate) use pipeline::{PipelineArguments, StageArguments};
pub(crate) use processes::ProcessArguments;
pub(crate) use rehearse_arguments::RehearseArguments;
pub(crate) use releases::{DeployArguments, RollbackArguments, UpArguments};
pub(crate) use secret::SecretArguments;

/// One manifest. Your whole production, near or far.
#[derive(Debug, Parser)]
#[command(
    name = "neargate",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(
    after_help = "Examples:\n  neargate init          write neargate.toml for this folder\n  neargate up            run it here\n  neargate deploy api    release a new revision\n\nExit codes: 0 done, 1 failed or rolled back, 2 usage or manifest, 3 environment, 70 a bug."
)]
pub(crate) struct Arguments {
    /// What every verb takes.
    #[command(flatten)]
    pub flags: GlobalFlags,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct GlobalFlags {
    /// The manifest; default: neargate.toml here or in a parent folder
    #[arg(short, long, global = true, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The environment; default: local
    #[arg(short, long, global = true, value_name = "NAME")]
    pub env: Option<String>,
    /// Near's state directory of one environment; default: .neargate/ beside the manifest
    #[arg(long, global = true, value_name = "DIR", env = "NEARGATE_STATE_DIR")]
    #[arg(hide_env_values = true)]
    pub state_dir: Option<PathBuf>,
    /// Override a field of the manifest, for example service.api.env.LOG=debug
    #[arg(long = "set", global = true, value_name = "PATH=VALUE")]
    pub overrides: Vec<String>,
    /// Print JSON on standard output, nothing else
    #[arg(long, global = true)]
    pub json: bool,
    /// When to colour: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_possible_values = true)]
    pub color: ColourChoice,
}

impl GlobalFlags {
    /// The environment that is meant.
    pub(crate) fn env(&self) -> &str {
        self.env.as_deref().unwrap_or(LOCAL)
    }
}

/// The environment when none is named.
pub(crate) const LOCAL: &str = "local";

/// A verb, or a process that this program starts of itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What people type.
    #[command(flatten)]
    Verb(Verb),
    /// The engine, the watchdog, a router, a shim.
    #[command(flatten)]
    Process(ProcessArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a commented neargate.toml for this folder
    #[command(
        after_help = "Examples:\n  neargate init\n  neargate init --force      replace an existing manifest"
    )]
    Init {
        /// Replace an existing manifest
        #[arg(long)]
        force: bool,
    },
    /// Report every problem of the manifest
    #[command(after_help = "Examples:\n  neargate check\n  neargate check -e prod --json")]
    Check,
    /// Report risks in an environment and the lines of the manifest that change them
    #[command(
        after_help = "Examples:\n  neargate audit -e prod\n  neargate audit -e prod --fail-on medium      exit 1 on a medium finding too\n  neargate audit -e prod --json"
    )]
    Audit {
        /// Exit with 1 if a finding has at least this severity: high, medium or low
        #[arg(long, value_name = "SEVERITY", default_value = "high")]
        #[arg(hide_possible_values = true)]
        fail_on: FailOn,
    },
    /// Show what `up` would do
    #[command(
        after_help = "Examples:\n  neargate plan\n  neargate plan --exit-code      0: nothing to do, 10: changes"
    )]
    Plan {
        /// Exit with 10 if there are changes
        #[arg(long)]
        exit_code: bool,
    },
    /// Run the app here, or update the running app to the manifest
    #[command(
        after_help = "Examples:\n  neargate up                      in the foreground; Ctrl-C or closing the terminal stops everything\n  neargate up --detach --port 80   return when every service is healthy"
    )]
    Up(UpArguments),
    /// Stop everything; PostgreSQL's data stays, the cache starts empty at the next `up`
    #[command(
        after_help = "Examples:\n  neargate down\n  neargate down --purge --yes      remove data, logs and history too"
    )]
    Down {
        /// Remove data, logs and history
        #[arg(long)]
        purge: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Release a new revision of a service
    #[command(
        after_help = "Examples:\n  neargate deploy api\n  neargate deploy api --set service.api.env.LOG=debug --json\n  neargate deploy api --supersede      replace the release in progress\n  neargate deploy api --force          run changed code of a service without artifact\n  neargate deploy api -e prod           build, push and release on AWS\n  neargate deploy api -e prod --image REPOSITORY:TAG"
    )]
    Deploy(DeployArguments),
    /// Show what runs
    #[command(
        after_help = "Examples:\n  neargate status\n  neargate status --watch\n  neargate status --json | jq .services[0].healthy"
    )]
    Status {
        /// Keep showing it
        #[arg(short, long)]
        watch: bool,
    },
    /// Return to a revision that ran before
    #[command(
        after_help = "Examples:\n  neargate rollback api            without an artifact, tasks run the folder's present files\n  neargate rollback api --to 3"
    )]
    Rollback(RollbackArguments),
    /// Move a release to its next step now
    #[command(
        after_help = "Examples:\n  neargate promote api\n  neargate promote api --full      all steps at once"
    )]
    Promote {
        /// The service whose release is promoted
        service: String,
        /// Take all steps at once
        #[arg(long)]
        full: bool,
    },
    /// Hold a release in its step until `resume`
    #[command(
        after_help = "Examples:\n  neargate pause api\n  neargate status --watch      see it wait"
    )]
    Pause {
        /// The service whose release is paused
        service: String,
    },
    /// Resume a paused release
    #[command(
        after_help = "Examples:\n  neargate resume api\n  neargate promote api      take the next step at once"
    )]
    Resume {
        /// The service whose release is resumed
        service: String,
    },
    /// Abort a release: roll back to the stable revision
    #[command(
        after_help = "Examples:\n  neargate abort api\n  neargate releases api      see how it ended"
    )]
    Abort {
        /// The service whose release is aborted
        service: String,
    },
    /// List releases, or show the timeline of one
    #[command(
        after_help = "Examples:\n  neargate releases\n  neargate releases api --json\n  neargate releases show 7"
    )]
    Releases {
        /// The service; without it, all. `show ID` shows the timeline of one release
        #[arg(value_name = "SERVICE | show ID", num_args = 0..=2)]
        what: Vec<String>,
    },
    /// Show the audit log: users, their requests, and the answers
    #[command(
        visible_alias = "audit-log",
        after_help = "Examples:\n  neargate trail\n  neargate trail api --since 7d\n  neargate trail --json\n\nHow a release ended: neargate releases."
    )]
    Trail(TrailArguments),
    /// Rehearse a release with a fault in simulated time: which check notices, and when
    ///
    /// The release machine, guards and health rules are the real ones; tasks and users are modelled. Nothing is started. Exit code 1: the manifest would not catch the fault.
    #[command(
        after_help = "Examples:\n  neargate rehearse api --fault error-rate=5%\n  neargate rehearse api --fault latency=2s --traffic 500rps --on ecs\n  neargate rehearse api --all      every fault, and a change that would catch it"
    )]
    Rehearse(RehearseArguments),
    /// Show the alarms, their states and the reasons
    #[command(after_help = "Examples:\n  neargate alarms\n  neargate alarms --json")]
    Alarms,
    /// Show requests, errors, latency, CPU and memory of services and their revisions
    #[command(
        after_help = "Examples:\n  neargate metrics\n  neargate metrics api --since 1h\n  neargate metrics -e prod --json"
    )]
    Metrics(MetricsArguments),
    /// Check everything that could stop a release on AWS
    #[command(
        after_help = "Examples:\n  neargate verify -e prod\n  neargate verify -e prod --json"
    )]
    Verify,
    /// Compare AWS with the last release
    #[command(
        after_help = "Examples:\n  neargate drift -e prod      exit 1 if something differs\n  neargate drift api -e prod --json"
    )]
    Drift {
        /// The service; without it, all
        service: Option<String>,
    },
    /// Print the logs of tasks byte for byte; a line over 64 KiB comes in parts
    #[command(
        after_help = "With --json each line is an object:\n  t  when it was written, ms since 1970\n  s  the stream: o stdout, e stderr\n  r  the revision\n  k  the task\n  m  the message: the text, or the line itself when it is a JSON object\n  p  true: the line continues in the stream's next record\n  x  true: it was not UTF-8, and each character of m stands for one byte\n\nExamples:\n  neargate logs api --follow\n  neargate logs --since 10m --grep error\n  neargate logs database-main"
    )]
    Logs(LogsArguments),
    /// Run a command in the environment of a service
    #[command(
        after_help = "Examples:\n  neargate run api -- notes migrate\n  neargate run api -- sh -c 'psql \"$DATABASE_URL\"'"
    )]
    Run {
        /// The service whose environment the command gets
        service: String,
        /// Program and arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Run a command in the environment of a running task
    #[command(
        after_help = "Examples:\n  neargate exec api -- env\n  neargate exec api/api-r3-7 -- sh"
    )]
    Exec {
        /// The service, or SERVICE/TASK
        service: String,
        /// The task; without it, any running one
        #[arg(long, value_name = "ID")]
        task: Option<String>,
        /// Program and arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Change the number of tasks
    #[command(after_help = "Examples:\n  neargate scale api=4\n  neargate scale api=2 worker=1")]
    Scale {
        /// Services and their desired counts
        #[arg(required = true, value_name = "SERVICE=TASKS")]
        counts: Vec<String>,
    },
    /// Set, list and read secrets
    #[command(
        subcommand,
        after_help = "Examples:\n  neargate secret set stripe-key < key.txt\n  neargate secret list"
    )]
    Secret(SecretArguments),
    /// Reach databases and caches
    #[command(
        subcommand,
        after_help = "Examples:\n  neargate db connect\n  neargate db connect cache.main"
    )]
    Db(DbArguments),
    /// Test, build and release through a pipeline: in GitHub's workflows, or here
    #[command(
        subcommand,
        after_help = "Examples:\n  neargate pipeline render\n  neargate pipeline run test"
    )]
    Pipeline(PipelineArguments),
    /// Create, change and destroy an environment's AWS resources with Terraform
    #[command(
        subcommand,
        after_help = "Examples:\n  neargate infra plan -e prod\n  neargate infra apply -e prod"
    )]
    Infra(InfraArguments),
    /// Estimate the monthly cost of an environment on AWS, and the changes that would save most
    #[command(
        after_help = "Examples:\n  neargate cost -e prod\n  neargate cost -e prod --what-if 'aws.nat=\"gateway\"' --requests 10000000\n  neargate cost --all --json"
    )]
    Cost(Cost),
    /// Check this machine for missing programs and other problems
    #[command(after_help = "Examples:\n  neargate doctor\n  neargate doctor --json")]
    Doctor,
    /// Print the manifest's JSON Schema
    #[command(
        after_help = "Examples:\n  neargate schema > neargate.schema.json\n  neargate schema | jq '.properties | keys'"
    )]
    Schema,
    /// Print completions for a shell
    #[command(
        after_help = "Examples:\n  neargate completions bash > /etc/bash_completion.d/neargate\n  neargate completions fish | source"
    )]
    Completions {
        /// The shell that reads the script
        shell: Shell,
    },
}

/// Whose times a rehearsal takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RehearsalTarget {
    Near,
    Ecs,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// Services, database-NAME or cache-NAME
    pub services: Vec<String>,
    /// Follow new lines
    #[arg(short = 'F', long, conflicts_with = "until")]
    pub follow: bool,
    /// Not older than this, for example 10m
    #[arg(long, value_name = "DURATION")]
    pub since: Option<String>,
    /// Not newer than this, for example 5m
    #[arg(long, value_name = "DURATION")]
    pub until: Option<String>,
    /// Only lines that contain this text
    #[arg(long, value_name = "TEXT")]
    pub grep: Option<String>,
    /// Only this task
    #[arg(long, value_name = "ID")]
    pub task: Option<String>,
    /// Only tasks that have ended
    #[arg(long)]
    pub previous: bool,
    /// Only the last N lines
    #[arg(short = 'n', long, value_name = "N")]
    pub tail: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct MetricsArguments {
    /// The service; without it, all
    pub service: Option<String>,
    /// How far back: at most 3h near, 24h on AWS
    #[arg(long, value_name = "DURATION", default_value = "15m")]
    pub since: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DbArguments {
    /// Open psql or redis-cli
    #[command(
        after_help = "Examples:\n  neargate db connect\n  neargate db connect cache.main -- dbsize"
    )]
    Connect {
        /// database.NAME or cache.NAME; without it, the only database
        name: Option<String>,
        /// Arguments for psql or redis-cli
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TrailArguments {
    /// Only this service, secret or data service
    #[arg(value_name = "NAME")]
    pub subject: Option<String>,
    /// Not older than this, for example 7d
    #[arg(long, value_name = "DURATION")]
    pub since: Option<String>,
    /// Show at most this many lines, the newest
    #[arg(long, value_name = "COUNT", default_value = "50")]
    pub limit: NonZeroUsize,
}
