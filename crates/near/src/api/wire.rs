//! What travels over the API socket.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /v1/status` | | [`Status`](neargate_core::status::Status) |
//! | `POST /v1/up` | [`EnvironmentDefinition`] | [`Accepted`] |
//! | `POST /v1/services/NAME/deploy` | [`EnvironmentDefinition`] | [`Accepted`] |
//! | `POST /v1/services/NAME/rollback` | [`Rollback`] | [`Accepted`] |
//! | `POST /v1/services/NAME/steer` | [`ControlRequest`] | [`Accepted`] |
//! | `GET /v1/services/NAME/releases` | | list of [`ReleaseRecord`](neargate_core::release_report::ReleaseRecord), oldest first, the one in progress last |
//! | `POST /v1/services/NAME/scale` | [`ScaleRequest`] | [`Accepted`] |
//! | `POST /v1/services/NAME/session` | [`SessionRequest`] | [`ShellEnvironment`] |
//! | `GET /v1/data/NAME` (`database.main`) | | [`DataAccess`] |
//! | `GET /v1/observed` | | [`RunningEnvironment`](neargate_core::plan::RunningEnvironment), for `plan` |
//! | `GET /v1/alarms` | | list of [`AlarmRecord`] |
//! | `GET /v1/metrics?seconds=N` | | [`MetricsReport`](neargate_core::metrics::report::MetricsReport) of the last N seconds |
//! | `GET /v1/events?after=SEQ` | | [`ReleaseProgress`], one JSON object a line, never ends; without SEQ from now on |
//! | `POST /v1/router/replace` | | [`Accepted`] once the new router serves and the old one has ended |
//! | `POST /v1/down` | | [`Accepted`]; the engine stops everything and ends |
//!
//! An error is answered with a status of 4xx or 5xx and a [`Problem`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use neargate_core::alarm::AlarmStatus;
use neargate_core::command_exit::CommandExit;
use neargate_core::error_chain::error_chain;
use neargate_core::ids::{ReleaseId, RevisionNumber, TaskId};
use neargate_core::model::Manifest;
use neargate_core::status_words::OutcomeName;
use neargate_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Longest body of a request, in bytes.
pub(super) const BODY_LIMIT: usize = 1024 * 1024;

/// The manifest and the revisions that should run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnvironmentDefinition {
    /// The checked manifest, overrides applied.
    pub manifest: Manifest,
    /// The manifest's folder, absolute.
    pub root: PathBuf,
    /// `--set` as written, for the record.
    pub overrides: Vec<String>,
    /// User name and git revision of the request.
    pub cause: RevisionSource,
    /// A release in progress gives way to this one.
    #[serde(default)]
    pub supersede: bool,
    /// A new revision is made even when nothing differs.
    #[serde(default)]
    pub force: bool,
}

/// Where a revision came from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RevisionSource {
    /// Login name of the person who ran `up` or `deploy`.
    pub user: String,
    /// `git describe --always --dirty`, when the folder is a work tree.
    pub git: Option<String>,
}

/// Body of `POST …/rollback`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Rollback {
    /// Revision to return to; `None`: the newest stable one older than the one that serves, and not
    /// one that was rolled back from.
    pub to: Option<RevisionNumber>,
}

/// Body of `POST …/steer`: a person's word about the release in progress.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ControlRequest {
    pub steer: ControlWord,
    /// Login name of the person who gave the word.
    pub by: String,
}

/// A person's word about a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlWord {
    /// Take the next step.
    Promote,
    /// Take all steps.
    PromoteFully,
    /// Take no step.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Roll the release back.
    Abort,
}

/// One alarm of `GET /v1/alarms`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlarmRecord {
    pub name: String,
    /// Where it stands, and how it came there.
    #[serde(flatten)]
    pub standing: AlarmStatus,
}

/// Body of `POST …/scale`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScaleRequest {
    /// Number of tasks.
    pub desired: u32,
}

/// Effects of an accepted request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Accepted {
    /// Follow `GET /v1/events?after=` from here to see all of it.
    pub after: u64,
    /// Releases that began, by service; a service without a change is absent.
    pub releases: BTreeMap<String, StartedRelease>,
    /// Releases that were under way already and go on, by service: of a deploy the one to what was
    /// asked for, of an `up` those that it leaves alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub in_progress: BTreeMap<String, StartedRelease>,
    /// Notes for the operator (fields not acted on, limits not enforced).
    pub notes: Vec<String>,
}

/// A release that began.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StartedRelease {
    pub id: ReleaseId,
    /// The new revision.
    pub revision: RevisionNumber,
}

/// One thing that happened, for people and scripts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseProgress {
    /// Journal position; rises, with gaps.
    pub seq: u64,
    /// When it was written in the journal.
    pub at: Timestamp,
    /// `task-started`, `release-finished`, `database-available`, … (kebab-case of the fact).
    pub event: String,
    /// Service, database or cache that it is about; empty: the app.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Release it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
    /// One line in plain words.
    pub text: String,
    /// Only on `release-finished`: `done`, `rolled-back` or `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeName>,
    /// Only on `release-finished`: why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only on `release-finished`: log lines, exit codes, data points.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Only on `release-finished`: what to know of the revision that it went back to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// `POST …/session`: what `run` and `exec` start by themselves, on their own terminal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SessionRequest {
    /// Task whose environment is wanted (`exec`); `None`: that of the serving revision (`run`).
    pub task: Option<TaskId>,
}

/// An environment to run a command in. Holds secrets: never logged, never written.
#[derive(Clone, Serialize, Deserialize)]
pub struct ShellEnvironment {
    /// Revision it belongs to.
    pub revision: RevisionNumber,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Directory in which the command starts.
    pub directory: PathBuf,
    /// First on `PATH` and where the snapshot is.
    pub snapshot: Option<PathBuf>,
    /// User and group to become, when the engine is root.
    pub identity: Option<(u32, u32)>,
}

/// `GET /v1/data/NAME`: how to reach a data service. Holds its password.
#[derive(Clone, Serialize, Deserialize)]
pub struct DataAccess {
    /// `postgres` or `redis`.
    pub engine: String,
    /// URL with its password.
    pub url: String,
}

/// Error text of an engine that stops everything, ends, and begins nothing new.
const GOING_DOWN: &str = "the engine is going down";

/// Why a request was not done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Problem {
    /// The problem, one sentence.
    pub error: String,
    /// A command or step that would be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// How the command ends that asked.
    pub exit: CommandExit,
    /// Kind of problem, for a command that does more than show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ProblemKind>,
}

/// A problem that a command knows what to do about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The engine begins nothing new: it stops everything and ends. `up` waits for that.
    GoingDown,
    /// One that this build does not know: a newer engine said it.
    #[serde(other)]
    Unknown,
}

impl Problem {
    /// A problem in a sentence, and the exit code of the command that meets it.
    #[must_use]
    pub fn new(exit: CommandExit, error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            help: None,
            exit,
            kind: None,
        }
    }

    /// An operation that failed.
    #[must_use]
    pub fn failed(error: impl Into<String>) -> Self {
        Self::new(CommandExit::Failed, error)
    }

    /// A request that is wrong.
    #[must_use]
    pub fn usage(error: impl Into<String>) -> Self {
        Self::new(CommandExit::Usage, error)
    }

    /// Something that this machine lacks.
    #[must_use]
    pub fn environment(error: impl Into<String>) -> Self {
        Self::new(CommandExit::Environment, error)
    }

    /// An error with its causes, and how the command ends by it.
    #[must_use]
    pub fn of(error: &dyn std::error::Error, exit: CommandExit) -> Self {
        Self::new(exit, error_chain(error))
    }

    /// The same with what to do instead.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// An engine that goes down was asked to begin something.
    #[must_use]
    pub fn going_down() -> Self {
        Self {
            kind: Some(ProblemKind::GoingDown),
            ..Self::failed(GOING_DOWN)
                .with_help("when it has ended, start the app again: neargate up")
        }
    }

    /// Whether an engine said this because it goes down. An engine of an earlier version gives its
    /// problems no kind: there it is known by its words, which have not changed.
    #[must_use]
    pub fn is_going_down(&self) -> bool {
        match self.kind {
            Some(kind) => kind == ProblemKind::GoingDown,
            None => self.error == GOING_DOWN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_goes_down_is_known_whatever_its_version() {
        let present = serde_json::to_string(&Problem::going_down()).expect("it is written");
        for (answer, goes_down) in [
            (present.as_str(), true),
            (r#"{"error":"the engine is going down","exit":1}"#, true),
            (
                r#"{"error":"it leaves","exit":1,"kind":"going-down"}"#,
                true,
            ),
            (r#"{"error":"the app is not up","exit":1}"#, false),
            (r#"{"error":"it naps","exit":1,"kind":"asleep"}"#, false),
        ] {
            let problem: Problem = serde_json::from_str(answer).expect("a problem");
            assert_eq!(problem.is_going_down(), goes_down, "{answer}");
        }
    }
}
