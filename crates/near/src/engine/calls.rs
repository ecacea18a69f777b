//! Answers the API's calls.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use neargate_core::machine::{Entry, Event, Fact, Refusal, RevisionDefinition, ServiceState};
use neargate_core::manifest::model::{Manifest, Service, Use};

use super::ledger::TurnError;
use super::preparation::Digests;
use super::provide::numeric_edge;
use super::tasks::chain;
use super::{DEFINITION, Engine, reply};
use crate::api::server::{Call, EVENTS_PER_READ, Reply};
use crate::api::wire::{
    Accepted, DataAccess, Definition, Problem, Progress, Session, SessionRequest, StartedRelease,
};
use crate::clock::Clock;
use crate::data::{DataError, Key};
use crate::identity;
use crate::journal::Stored;
use crate::secrets::Which;

impl Engine {
    pub(super) fn answer(&mut self, call: Call) {
        match call {
            Call::Status(to) => {
                let status = self.status();
                reply(to, Ok(status));
            }
            Call::Up(definition, to) => self.begin_up(*definition, to),
            Call::Deploy(service, definition, to) => {
                self.begin_deploy(service, *definition, to);
            }
            Call::Rollback(service, wish, to) => {
                self.surroundings.data.start_waiting();
                let event = Event::RollbackRequested {
                    service,
                    to: wish.to,
                };
                reply(to, self.ask(&event));
            }
            Call::Steer(service, steering, to) => {
                let event = super::releases::steered(service, &steering);
                reply(to, self.ask(&event));
            }
            Call::Releases(service, to) => reply(to, self.releases(&service)),
            Call::Alarms(to) => reply(to, Ok(self.alarms())),
            Call::Metrics(asked, to) => reply(to, Ok(self.figures(asked))),
            Call::Scale(service, wish, to) => reply(to, self.scale(&service, wish.desired)),
            Call::Session(service, request, to) => reply(to, self.session(&service, &request)),
            Call::Data(name, to) => reply(to, self.data_access(&name)),
            Call::Observed(to) => reply(to, self.observed()),
            Call::Events(after, to) => reply(to, self.events(after)),
            Call::ReplaceRouter(to) => self.replace_router(to),
            Call::Down(to) => self.down(to),
        }
    }

    /// Decides a request and says what it set in motion.
    pub(super) fn ask(&mut self, event: &Event) -> Result<Accepted, Problem> {
        let after = self.ledger.last();
        let actions = self.ledger.ask(event).map_err(|error| refused(&error))?;
        let entries = self
            .ledger
            .read(after, u64::MAX)
            .map_err(|error| problem(&error, 1))?;
        self.act_all(actions);
        Ok(Accepted {
            after,
            releases: started(&entries),
            in_progress: BTreeMap::new(),
            notes: self.notes.texts(),
        })
    }

    fn scale(&mut self, service: &str, desired: u32) -> Result<Accepted, Problem> {
        self.surroundings.data.start_waiting();
        let mut accepted = self.ask(&Event::ScaleRequested {
            service: service.to_owned(),
            desired,
        })?;
        let scaled = self.ledger.state().services.get(service);
        let outside = scaled.and_then(ServiceState::outside_bounds);
        accepted.notes = outside.into_iter().collect();
        Ok(accepted)
    }

    /// A state directory is one environment's of one app.
    pub(super) fn refuse_another_app(&self, definition: &Definition) -> Result<(), Problem> {
        let identity =
            |manifest: &Manifest| format!("app `{}`, environment `{}`", manifest.app, manifest.env);
        if let Some(before) = &self.definition
            && identity(&before.manifest) != identity(&definition.manifest)
        {
            let error = format!(
                "this state directory belongs to {}, not to {}",
                identity(&before.manifest),
                identity(&definition.manifest)
            );
            let help = "give each app and environment a state directory of its own: --state-dir";
            return Err(Problem {
                error,
                help: Some(help.to_owned()),
                exit: 2,
            });
        }
        Ok(())
    }

    /// The definition with an address in place of a name, unless it is another app's.
    pub(super) fn acceptable(&self, mut definition: Definition) -> Result<Definition, Problem> {
        self.refuse_another_app(&definition)?;
        numeric_edge(&mut definition.manifest);
        Ok(definition)
    }

    /// Takes what the app should be from now on.
    pub(super) fn set_definition(
        &mut self,
        definition: Definition,
    ) -> Result<Arc<Definition>, Problem> {
        let text = serde_json::to_string(&definition).map_err(|error| problem(&error, 1))?;
        self.ledger
            .put_meta(DEFINITION, &text)
            .map_err(|error| problem(&error, 1))?;
        if self.definition.is_none() {
            let supervisor = self.surroundings.supervisor.clone();
            let manifest = &definition.manifest;
            self.surroundings = super::tasks::surroundings(
                &self.state,
                supervisor,
                manifest.app.clone(),
                manifest.env.clone(),
            )
            .map_err(|error| problem(&error, 1))?;
            self.watch_data();
        }
        let definition = Arc::new(definition);
        self.definition = Some(Arc::clone(&definition));
        self.watch_alarms();
        Ok(definition)
    }

    /// The revision that a service of the manifest would be: artifact and secret versions of now.
    pub(super) fn revision(
        &self,
        definition: &Definition,
        name: &str,
        digests: &Digests,
    ) -> Result<RevisionDefinition, Problem> {
        let manifest = &definition.manifest;
        let service = manifest.services.get(name).ok_or_else(|| Problem {
            error: format!("there is no service `{name}`"),
            help: None,
            exit: 2,
        })?;
        Ok(RevisionDefinition {
            artifact: digests.get(name).cloned().flatten(),
            root: definition.root.display().to_string(),
            secrets: self.secret_versions(service)?,
            overrides: definition.overrides.clone(),
            user: definition.cause.user.clone(),
            git: definition.cause.git.clone(),
            ..RevisionDefinition::of(manifest, service)
        })
    }

    fn secret_versions(&self, service: &Service) -> Result<BTreeMap<String, u32>, Problem> {
        let secrets = self
            .surroundings
            .secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut versions = BTreeMap::new();
        for used in &service.uses {
            if let Use::Secret(name) = used {
                let (version, _) = secrets.get(name, Which::Current).map_err(|error| Problem {
                    error: chain(&error),
                    help: Some(format!("set it: neargate secret set {name}")),
                    exit: 1,
                })?;
                versions.insert(name.clone(), version);
            }
        }
        Ok(versions)
    }

    fn session(&self, name: &str, request: &SessionRequest) -> Result<Session, Problem> {
        let missing = |exit: u8, error: String| Problem {
            error,
            help: None,
            exit,
        };
        let failed = |error| missing(1, error);
        let service = self
            .ledger
            .state()
            .services
            .get(name)
            .ok_or_else(|| missing(2, format!("there is no service `{name}`")))?;
        let revision = match &request.task {
            Some(task) => {
                let task = service
                    .tasks
                    .get(task)
                    .ok_or_else(|| missing(2, format!("there is no task `{task}`")))?;
                task.revision
            }
            None => service.primary,
        };
        let definition = service
            .definition(revision)
            .ok_or_else(|| failed(format!("`{name}` has no revision yet")))?;
        let task = request
            .task
            .clone()
            .unwrap_or_else(|| format!("{name}-session"));
        let port = request
            .task
            .as_ref()
            .and_then(|task| self.running.get(task)?.port);
        let env = self
            .surroundings
            .variables(definition, revision, &task, port)
            .map_err(failed)?;
        let directory = self.surroundings.directory(definition);
        Ok(Session {
            revision,
            env,
            snapshot: Some(directory.clone()),
            directory,
            identity: self.session_identity(name).map_err(failed)?,
        })
    }

    /// The user of a service's tasks, as they were given it; a session is never root's.
    fn session_identity(&self, service: &str) -> Result<Option<(u32, u32)>, String> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let known = identity::known_of_service(&self.state, service);
        let known = known.ok_or_else(|| format!("no task of `{service}` was started yet"))?;
        Ok(Some((known.uid, known.gid)))
    }

    fn data_access(&self, name: &str) -> Result<DataAccess, Problem> {
        let (key, engine) = match name.split_once('.') {
            Some(("database", name)) => (Key::database(name), "postgres"),
            Some(("cache", name)) => (Key::cache(name), "redis"),
            _ => {
                let help = Some("write database.NAME or cache.NAME".to_owned());
                return Err(Problem {
                    error: format!("there is no data service `{name}`"),
                    help,
                    exit: 2,
                });
            }
        };
        let url = self.surroundings.url(&key).map_err(|error| Problem {
            error,
            help: None,
            exit: 1,
        })?;
        Ok(DataAccess {
            engine: engine.to_owned(),
            url,
        })
    }

    fn events(&self, after: u64) -> Result<Vec<Progress>, Problem> {
        let entries = self
            .ledger
            .read(after, EVENTS_PER_READ as u64)
            .map_err(|error| problem(&error, 1))?;
        let clock = self.ledger.clock();
        Ok(entries.iter().map(|entry| progress(entry, clock)).collect())
    }

    fn replace_router(&mut self, to: Reply<Accepted>) {
        match self.routers.replace() {
            Ok(_) => self.replacing.push(to),
            Err(error) => reply(to, Err(problem(&error, 1))),
        }
    }
}

fn started(entries: &[Stored<Entry>]) -> BTreeMap<String, StartedRelease> {
    entries
        .iter()
        .filter_map(|stored| match &stored.entry.fact {
            Fact::ReleaseStarted { release, to, .. } => Some((
                stored.entry.service.clone(),
                StartedRelease {
                    id: *release,
                    revision: *to,
                },
            )),
            _ => None,
        })
        .collect()
}

fn progress(stored: &Stored<Entry>, clock: &Clock) -> Progress {
    let entry = &stored.entry;
    let mut progress = Progress {
        seq: stored.seq,
        at: clock.shown(stored.at),
        event: entry.kind().to_owned(),
        subject: entry.service.clone(),
        release: entry.release(),
        text: entry.describe(),
        outcome: None,
        reason: None,
        evidence: Vec::new(),
    };
    if let Fact::ReleaseFinished {
        outcome,
        reason,
        evidence,
        ..
    } = &entry.fact
    {
        progress.outcome = Some(outcome.name().to_owned());
        progress.reason = Some(reason.clone());
        progress.evidence.clone_from(evidence);
    }
    progress
}

fn refused(error: &TurnError) -> Problem {
    let help = match error {
        TurnError::Refused(Refusal::ReleaseInProgress { service, .. }) => Some(format!(
            "wait for it (neargate status --watch), end it (neargate abort {service}), or \
             replace it (neargate deploy {service} --supersede)"
        )),
        TurnError::Refused(Refusal::GuardFiring { .. }) => Some(
            "the app breaches this guard before the release: repair it first, or take the guard out of `release.guard`"
                .to_owned(),
        ),
        TurnError::Refused(_) | TurnError::Journal(_) => None,
    };
    let wrong = matches!(error, TurnError::Refused(refusal) if refusal.is_wrong_request());
    Problem {
        error: chain(error),
        help,
        exit: if wrong { 2 } else { 1 },
    }
}

pub(super) fn problem(error: &dyn std::error::Error, exit: u8) -> Problem {
    Problem {
        error: chain(error),
        help: None,
        exit,
    }
}

pub(super) fn data_problem(error: &DataError) -> Problem {
    problem(error, if error.is_environment() { 3 } else { 1 })
}
