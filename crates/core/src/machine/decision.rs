//! A decision: entries to persist, and actions that only persisted entries give away.
//!
//! Invariant: there is no way to an action but through [`Decision::persist`], which consumes the
//! step and returns actions only when the journal took the entries. Acting before persisting
//! does not compile.

use super::entry::{Fact, JournalEntry};
use crate::ids::{ReleaseId, RevisionNumber, ServiceName, TaskId};

/// Something to do in the world. Executors are idempotent: an action may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Start a task's process.
    StartTask {
        service: ServiceName,
        revision: RevisionNumber,
        task: TaskId,
    },
    /// Tell a task to stop: signal, stop timeout, SIGKILL.
    StopTask { task: TaskId },
    /// End a task that did not stop.
    KillTask { task: TaskId },
    /// Run a job of a release.
    RunHook {
        release: ReleaseId,
        service: ServiceName,
        /// In this revision.
        revision: RevisionNumber,
        /// Name of the job.
        job: String,
        /// Which run of the release's jobs.
        run: u32,
    },
    /// Stop a job that took too long.
    StopHook {
        release: ReleaseId,
        service: ServiceName,
        /// Name of the job.
        job: String,
        /// Which run of the release's jobs.
        run: u32,
    },
    /// Publish the routing table of the present state.
    PublishRoutes,
}

/// Why a request is not done; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such service.
    #[error("there is no service `{0}`")]
    UnknownService(ServiceName),
    /// A release is in progress.
    #[error("release {release} of `{service}` to revision {to} is in progress ({stage})")]
    ReleaseInProgress {
        service: ServiceName,
        /// The release in progress.
        release: ReleaseId,
        /// To this revision.
        to: RevisionNumber,
        /// Name of its stage, `shifting`.
        stage: &'static str,
    },
    /// A guard breaches before anything began: a new revision would be blamed for it.
    #[error("guard `{alarm}` of `{service}` breaches already: {reason}")]
    GuardFiring {
        service: ServiceName,
        /// Name of the alarm.
        alarm: String,
        /// The alarm's reason, with its data points.
        reason: String,
    },
    /// There is no release to steer.
    #[error("`{0}` has no release in progress")]
    NoRelease(ServiceName),
    /// The release cannot do this now.
    #[error("release {release} of `{service}` ({stage}) cannot be {what}")]
    NotNow {
        service: ServiceName,
        /// The release in progress.
        release: ReleaseId,
        /// The refused request, in words.
        what: &'static str,
        /// Name of its stage, `shifting`.
        stage: &'static str,
    },
    /// No such revision.
    #[error("`{service}` has no revision {revision}; it has {known}")]
    UnknownRevision {
        service: ServiceName,
        /// The number asked for.
        revision: RevisionNumber,
        /// The numbers that exist.
        known: String,
    },
    /// Its release was never done: its hooks may not have run, its tasks may never have been healthy.
    #[error("revision {revision} of `{service}` was never stable; deploy it again instead")]
    NeverStable {
        service: ServiceName,
        /// The number asked for.
        revision: RevisionNumber,
    },
    /// Nothing to go back to.
    #[error("`{0}` has no older stable revision to roll back to; `--to` names any that was stable")]
    NoStableRevision(ServiceName),
    /// The revision serves already.
    #[error("revision {revision} of `{service}` serves already")]
    AlreadyServing {
        service: ServiceName,
        /// The number asked for.
        revision: RevisionNumber,
    },
    /// More tasks than near will run.
    #[error("{desired} tasks are more than the {most} that one service may have near")]
    TooManyTasks {
        /// The number asked for.
        desired: u32,
        /// Most tasks of one service near.
        most: u32,
    },
    /// A static site has no tasks.
    #[error("`{0}` is a static site: it has no tasks to scale")]
    NoTasks(ServiceName),
}

impl Refusal {
    /// Whether what was asked for names something that there is not, or that can never be done:
    /// no later moment makes it right (exit 2). Otherwise it is not the moment for it (exit 1).
    #[must_use]
    pub fn is_wrong_request(&self) -> bool {
        match self {
            Self::UnknownService(_)
            | Self::UnknownRevision { .. }
            | Self::NeverStable { .. }
            | Self::TooManyTasks { .. }
            | Self::NoTasks(_) => true,
            Self::ReleaseInProgress { .. }
            | Self::GuardFiring { .. }
            | Self::NoRelease(_)
            | Self::NotNow { .. }
            | Self::NoStableRevision(_)
            | Self::AlreadyServing { .. } => false,
        }
    }
}

/// Where entries are kept.
pub trait EntryLog {
    /// Why entries could not be written.
    type Error;

    /// Writes all entries or none.
    ///
    /// # Errors
    /// Nothing was written.
    fn append(&mut self, entries: &[JournalEntry]) -> Result<(), Self::Error>;
}

/// A journal in memory.
impl EntryLog for Vec<JournalEntry> {
    type Error = std::convert::Infallible;

    fn append(&mut self, entries: &[JournalEntry]) -> Result<(), Self::Error> {
        self.extend_from_slice(entries);
        Ok(())
    }
}

/// Where entries are kept that another machine writes: S3, with conditional writes.
pub trait RemoteEntryLog {
    /// Why entries could not be written.
    type Error;

    /// Writes all entries or none.
    ///
    /// # Errors
    /// Nothing was written.
    fn append(&mut self, entries: &[JournalEntry])
    -> impl Future<Output = Result<(), Self::Error>>;
}

/// A decision that was not persisted yet.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a decision does nothing until it is persisted"]
pub struct Decision {
    entries: Vec<JournalEntry>,
    actions: Vec<Action>,
    refusal: Option<Refusal>,
}

/// The proof that a step's entries are in the journal.
#[derive(Debug)]
#[must_use = "apply the entries, then take the actions"]
pub struct Persisted {
    entries: Vec<JournalEntry>,
    actions: Vec<Action>,
}

impl Decision {
    /// A step with these entries; the actions follow from them.
    pub(super) fn new(entries: Vec<JournalEntry>) -> Self {
        let mut actions: Vec<Action> = entries.iter().filter_map(action_of).collect();
        if entries.iter().any(changes_routes) {
            actions.push(Action::PublishRoutes);
        }
        Self {
            entries,
            actions,
            refusal: None,
        }
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        Self {
            entries: Vec::new(),
            actions: Vec::new(),
            refusal: Some(refusal),
        }
    }

    /// Entries that are to be persisted.
    #[must_use]
    pub fn entries(&self) -> &[JournalEntry] {
        &self.entries
    }

    /// Why the request is not done.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Persists the entries; only then are there actions.
    ///
    /// # Errors
    /// Those of the journal: nothing was written and nothing may be done.
    pub fn persist<J: EntryLog>(self, journal: &mut J) -> Result<Persisted, J::Error> {
        if !self.entries.is_empty() {
            journal.append(&self.entries)?;
        }
        Ok(Persisted {
            entries: self.entries,
            actions: self.actions,
        })
    }

    /// Persists the entries on another machine; only then are there actions.
    ///
    /// # Errors
    /// Those of the journal: nothing was written and nothing may be done.
    pub async fn persist_remotely<J: RemoteEntryLog>(
        self,
        journal: &mut J,
    ) -> Result<Persisted, J::Error> {
        if !self.entries.is_empty() {
            journal.append(&self.entries).await?;
        }
        Ok(Persisted {
            entries: self.entries,
            actions: self.actions,
        })
    }
}

impl Persisted {
    /// Entries that were persisted.
    #[must_use]
    pub fn entries(&self) -> &[JournalEntry] {
        &self.entries
    }

    /// Actions that are to be done now.
    #[must_use]
    pub fn into_actions(self) -> Vec<Action> {
        self.actions
    }
}

fn action_of(entry: &JournalEntry) -> Option<Action> {
    let service = || entry.service.clone();
    Some(match &entry.fact {
        Fact::TaskCreated { task, revision } => Action::StartTask {
            service: service(),
            revision: *revision,
            task: task.clone(),
        },
        Fact::TaskStopRequested { task, .. } => Action::StopTask { task: task.clone() },
        Fact::TaskKilled { task, .. } => Action::KillTask { task: task.clone() },
        Fact::HookStarted {
            release,
            job,
            revision,
            run,
            ..
        } => Action::RunHook {
            release: *release,
            service: service(),
            revision: *revision,
            job: job.clone(),
            run: *run,
        },
        Fact::HookFailed {
            release, job, run, ..
        } => Action::StopHook {
            release: *release,
            service: service(),
            job: job.clone(),
            run: *run,
        },
        _ => return None,
    })
}

fn changes_routes(entry: &JournalEntry) -> bool {
    !matches!(
        entry.fact,
        Fact::RevisionRegistered { .. }
            | Fact::DesiredChanged { .. }
            | Fact::HookStarted { .. }
            | Fact::HookSucceeded { .. }
            | Fact::HookFailed { .. }
            | Fact::TaskCreated { .. }
            | Fact::TaskKilled { .. }
            | Fact::StartsDelayed { .. }
            | Fact::StartsResumed { .. }
            | Fact::BackoffEnded { .. }
            | Fact::ScaleBoundsChanged { .. }
            | Fact::FailureCounted { .. }
            | Fact::FailuresForgotten { .. }
            | Fact::BakeEnded { .. }
            | Fact::GuardJudged { .. }
            | Fact::SplitMeasured { .. }
            | Fact::GateMoved { .. }
            | Fact::ServiceAdopted { .. }
            | Fact::CapacityChanged { .. }
    )
}
