//! What happened or was asked, in past tense.

use super::state::{Exit, Health, RevisionDefinition};

/// An input of [`decide`](super::decide::decide). Late, repeated and unknown ones are harmless.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The environment should run.
    UpRequested,
    /// Everything should stop; what is desired is kept.
    DownRequested,
    /// A service should be this.
    DeployRequested {
        /// Service name.
        service: String,
        /// What it should be.
        definition: Box<RevisionDefinition>,
    },
    /// A service is not in the manifest any more.
    RemovalRequested {
        /// Service name.
        service: String,
    },
    /// A number of tasks was asked for.
    ScaleRequested {
        /// Service name.
        service: String,
        /// Tasks wanted.
        desired: u32,
    },
    /// An earlier revision was asked for.
    RollbackRequested {
        /// Service name.
        service: String,
        /// Its number; `None`: the newest stable one that does not serve.
        to: Option<u32>,
    },
    /// A task's process runs.
    TaskStarted {
        /// Task id.
        task: String,
    },
    /// A task's process could not be started.
    TaskStartFailed {
        /// Task id.
        task: String,
        /// Why, in words.
        reason: String,
    },
    /// A task's process ended.
    TaskExited {
        /// Task id.
        task: String,
        /// How.
        exit: Exit,
        /// Its last log lines.
        last_lines: Vec<String>,
    },
    /// A health check came to another verdict.
    TaskHealthChanged {
        /// Task id.
        task: String,
        /// The verdict.
        health: Health,
        /// The check's words.
        reason: String,
        /// The task's last log lines, when it is unhealthy.
        last_lines: Vec<String>,
    },
    /// A deactivating task has no request in flight.
    TaskDrained {
        /// Task id.
        task: String,
    },
    /// A job of a release ended.
    HookFinished {
        /// Release id.
        release: u64,
        /// Name of the job.
        job: String,
        /// How.
        exit: Exit,
        /// Its last log lines.
        last_lines: Vec<String>,
    },
    /// The timer that [`next_deadline`](super::next_deadline) armed.
    TimePassed,
}
