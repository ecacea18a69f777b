//! Inputs of the loop: what happened to tasks, jobs and requests.
//!
//! Invariant: an input is a fact that somebody else found out.

use neargate_core::health_reason::HealthReason;
use neargate_core::ids::TaskId;
use neargate_core::machine::{Obstacle, ProcessExit, TaskHealth};

use super::last_check::LastCheck;
use super::release_request::{Preparation, PreparedRequest};
use super::start_failure::StartFailure;
use super::task_usage::UsageReading;
use crate::api::wire::Problem;
use crate::shim_role::JobRunId;
use crate::supervisor::RunningProcess;

/// An input of the loop, besides calls and routers.
pub(super) enum EngineInput {
    /// A start succeeded or failed.
    Started(TaskId, Result<RunningProcess, StartFailure>),
    /// A task's process ended.
    Exited {
        task: TaskId,
        exit: ProcessExit,
        last_lines: Vec<String>,
    },
    /// A target became healthy or unhealthy.
    HealthChanged {
        task: TaskId,
        health: TaskHealth,
        reason: HealthReason,
        last_lines: Vec<String>,
    },
    /// A check of a task found something, and health is as it was.
    Checked { task: TaskId, check: LastCheck },
    /// A job's process ended, or did not start.
    HookEnded {
        run: JobRunId,
        exit: ProcessExit,
        last_lines: Vec<String>,
    },
    /// CPU and memory of tasks were read.
    Used(UsageReading),
    /// The needs of an `up` before any task are there, or are not.
    Provided(Box<PreparedRequest>, Result<(), Problem>),
    /// The artifacts of an `up` or a `deploy` are there, or are not.
    Prepared(Box<PreparedRequest>, Result<Preparation, Problem>),
    /// An obstacle that kept tasks from starting is gone.
    ObstacleRemoved(Obstacle),
    /// A need that an app lacked while it was up is there, or is not.
    ProvidedAgain(Result<(), Problem>),
    /// An app that is up has no router, and why.
    Unserved(Problem),
    /// The data services have stopped, after a `down`.
    DataStopped,
}
