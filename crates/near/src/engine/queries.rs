//! Calls whose answers are in files: they are read off the loop.
//!
//! Invariant: what the loop gives is the present state; the rest reads files and decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use neargate_core::command_exit::CommandExit;
use neargate_core::ids::{ReleaseId, RevisionNumber};
use neargate_core::machine::{Fact, JournalEntry, RevisionDefinition};

use super::tasks::TaskEnvironment;
use super::{Engine, reply};
use crate::api::server::{CallReply, EVENTS_PER_READ};
use crate::api::wire::{DataAccess, Problem, ReleaseProgress, SessionRequest, ShellEnvironment};
use crate::clock::EngineClock;
use crate::data::DataServiceName;
use crate::identity;
use crate::journal::{JournalError, JournalReader, StoredEntry};

/// The task in which a session is opened.
struct ExecTarget {
    service: String,
    definition: Arc<RevisionDefinition>,
    revision: RevisionNumber,
    task: String,
    port: Option<u16>,
}

/// Answers a call on a thread that may wait for a disk.
pub(super) fn answer<T: Send + 'static>(
    to: CallReply<T>,
    look: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) {
    tokio::task::spawn_blocking(move || reply(to, look()));
}

impl Engine {
    /// The environment of a session in a service's revision.
    pub(super) fn session(
        &self,
        name: &str,
        request: &SessionRequest,
        to: CallReply<ShellEnvironment>,
    ) {
        let surroundings = self.surroundings.clone();
        match self.opened(name, request) {
            Ok(opened) => answer(to, move || session(&surroundings, &opened)),
            Err(problem) => reply(to, Err(problem)),
        }
    }

    fn opened(&self, name: &str, request: &SessionRequest) -> Result<ExecTarget, Problem> {
        let services = &self.ledger.state().services;
        let service = services.get(name);
        let service =
            service.ok_or_else(|| Problem::usage(format!("there is no service `{name}`")))?;
        let revision = match &request.task {
            Some(task) => {
                let found = service.tasks.get(task);
                let found =
                    found.ok_or_else(|| Problem::usage(format!("there is no task `{task}`")))?;
                found.revision
            }
            None => service.primary,
        };
        let definition = service.revisions.get(&revision);
        let definition =
            definition.ok_or_else(|| Problem::failed(format!("`{name}` has no revision yet")))?;
        let asked = request.task.as_ref();
        Ok(ExecTarget {
            service: name.to_owned(),
            definition: Arc::clone(&definition.definition),
            revision,
            task: asked.map_or_else(|| format!("{name}-session"), ToString::to_string),
            port: asked.and_then(|task| self.running.get(task)?.port),
        })
    }

    /// How a data service is reached.
    pub(super) fn data_access(&self, name: &str, to: CallReply<DataAccess>) {
        let (key, engine) = match name.split_once('.') {
            Some(("database", name)) => (DataServiceName::database(name), "postgres"),
            Some(("cache", name)) => (DataServiceName::cache(name), "redis"),
            _ => {
                let problem = Problem::usage(format!("there is no data service `{name}`"))
                    .with_help("write database.NAME or cache.NAME");
                return reply(to, Err(problem));
            }
        };
        let surroundings = self.surroundings.clone();
        answer(to, move || {
            let url = surroundings
                .url(&key)
                .map_err(|error| Problem::of(&error, CommandExit::Failed))?;
            let engine = engine.to_owned();
            Ok(DataAccess { engine, url })
        });
    }

    /// Answers with the decisions after a position of the journal.
    pub(super) fn events(&self, after: u64, to: CallReply<Vec<ReleaseProgress>>) {
        if after >= self.ledger.last() {
            return reply(to, Ok(Vec::new()));
        }
        let (path, clock) = (self.state.database(), self.ledger.clock().clone());
        let unseen = self.unseen_code();
        answer(to, move || {
            let read = || -> Result<Vec<StoredEntry<JournalEntry>>, JournalError> {
                JournalReader::open(&path)?.read(after, EVENTS_PER_READ as u64)
            };
            let entries = read().map_err(|error| Problem::of(&error, CommandExit::Failed))?;
            Ok(entries
                .iter()
                .map(|entry| progress(entry, &clock, &unseen))
                .collect())
        });
    }
}

fn session(
    surroundings: &TaskEnvironment,
    opened: &ExecTarget,
) -> Result<ShellEnvironment, Problem> {
    let definition = &opened.definition;
    let env = surroundings
        .variables(definition, opened.revision, &opened.task, opened.port)
        .map_err(|error| Problem::of(&error, CommandExit::Failed))?;
    let directory = surroundings.directory(definition);
    Ok(ShellEnvironment {
        revision: opened.revision,
        env,
        snapshot: Some(directory.clone()),
        directory,
        identity: session_identity(surroundings, &opened.service)?,
    })
}

/// The user of a service's tasks, as they were given it; a session is never root's.
fn session_identity(
    surroundings: &TaskEnvironment,
    service: &str,
) -> Result<Option<(u32, u32)>, Problem> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let known = identity::known_of_service(&surroundings.state, service);
    let known =
        known.ok_or_else(|| Problem::failed(format!("no task of `{service}` was started yet")))?;
    Ok(Some((known.uid, known.gid)))
}

fn progress(
    stored: &StoredEntry<JournalEntry>,
    clock: &EngineClock,
    unseen: &BTreeMap<ReleaseId, String>,
) -> ReleaseProgress {
    let entry = &stored.entry;
    let mut progress = ReleaseProgress {
        seq: stored.seq,
        at: clock.wall_time(stored.at),
        event: entry.kind().to_owned(),
        subject: entry.service.to_string(),
        release: entry.release(),
        text: entry.describe(),
        outcome: None,
        reason: None,
        evidence: Vec::new(),
        notes: Vec::new(),
    };
    if let Fact::ReleaseFinished {
        release,
        outcome,
        reason,
        evidence,
        ..
    } = &entry.fact
    {
        progress.outcome = Some((*outcome).into());
        progress.reason = Some(reason.clone());
        progress.evidence.clone_from(evidence);
        if let Some(unseen) = unseen.get(release) {
            progress.text.push_str(&format!("; {unseen}"));
            progress.notes.push(unseen.clone());
        }
    }
    progress
}
