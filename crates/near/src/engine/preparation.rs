//! `up` and `deploy`: what they need is made off the loop, then the loop decides.
//!
//! A request goes to a task of its own with its reply and comes back as an input: first
//! [`EngineInput::Provided`] (listeners served, data services started, secrets made; only `up`), then
//! [`EngineInput::Prepared`] (the artifacts' snapshots). Nothing is decided for a client that has gone
//! away in the meantime, or for an engine that is going down.
//!
//! Invariant: a snapshot that a request holds is not removed before the request is decided
//! ([`SnapshotLease`]); snapshots are removed only while no request holds any.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use neargate_core::command_exit::CommandExit;
use neargate_core::descriptors::TaskCountBasis;
use neargate_core::machine::{Event, RevisionDefinition, Supersede};
use neargate_core::model::UsedResource;

use super::artifact_copies::ArtifactCopies;
use super::follow_up::FollowUp;
use super::ledger::Proposal;
use super::notes::NoteCause;
use super::prerequisites::{ServiceAddresses, provide_off_loop};
use super::release_request::{
    Preparation, PreparedRequest, RequestGoal, RevisionContent, RevisionContents, SnapshotLease,
};
use super::routers::RouterConnected;
use super::{DEFINITION, Engine, EngineInput, owner, reply};
use crate::api::server::CallReply;
use crate::api::wire::{Accepted, EnvironmentDefinition, Problem};
use crate::descriptors;
use crate::locked::locked;
use crate::paths::StateDir;
use crate::secrets::{Secrets, VersionSelector};
use crate::snapshot::{FileSharing, remove, set_aside_unused, snapshot, source};

/// A request that needs more descriptors than the limit is not begun.
fn refuse_without_descriptors(definition: &EnvironmentDefinition) -> Result<(), Problem> {
    let shortfall = descriptors::shortfall(&definition.manifest, TaskCountBasis::Fewest);
    shortfall.map_or(Ok(()), |error| {
        let help = "raise the limit, end the engine (neargate down) and start again";
        Err(Problem::environment(error).with_help(help))
    })
}

impl Engine {
    /// `up`, first part: listeners are opened, then the definition is written.
    pub(super) fn begin_up(&mut self, definition: EnvironmentDefinition, to: CallReply<Accepted>) {
        let (after, supersede) = (self.ledger.last(), self.supersede_of_up());
        let begun = self
            .refuse_when_leaving()
            .and_then(|()| refuse_without_descriptors(&definition))
            .and_then(|()| self.acceptable(definition));
        let definition = match begun {
            Ok(definition) => definition,
            Err(problem) => return reply(to, Err(problem)),
        };
        // What cannot be served changes nothing: the listeners come first.
        let listening = match self.open_listeners(&definition.manifest) {
            Ok(listening) => listening,
            Err(unserved) => return unserved.answer(to),
        };
        let text = match serde_json::to_string(&definition) {
            Ok(text) => text,
            Err(error) => return reply(to, Err(Problem::of(&error, CommandExit::Failed))),
        };
        self.claimed = Some(owner::of_manifest(&definition.manifest));
        let request = Box::new(PreparedRequest {
            definition: Arc::new(definition),
            goal: RequestGoal::Up,
            supersede,
            after,
            reply: to,
        });
        self.preparing += 1;
        self.propose(Proposal {
            events: Vec::new(),
            facts: vec![(DEFINITION.to_owned(), text)],
            lasting: false,
            sequel: FollowUp::DefinitionTaken(request, listening),
        });
    }

    /// The definition is written, or could not be: then nothing has changed.
    pub(super) fn definition_taken(
        &mut self,
        request: PreparedRequest,
        (connected, addresses): (Option<RouterConnected>, ServiceAddresses),
        taken: Result<(), Problem>,
    ) {
        self.preparing -= 1;
        if let Err(problem) = taken {
            let definition = self.definition.as_ref();
            self.claimed = definition.map(|found| owner::of_manifest(&found.manifest));
            return reply(request.reply, Err(problem));
        }
        self.set_definition(&request.definition);
        // Told only now: the first definition makes new surroundings.
        self.tell_tasks(addresses);
        self.provide(request, connected);
    }

    /// `deploy`, first part: what can be refused without the artifact is.
    pub(super) fn begin_deploy(
        &mut self,
        name: String,
        definition: EnvironmentDefinition,
        to: CallReply<Accepted>,
    ) {
        let allowed = self
            .refuse_when_leaving()
            .and_then(|()| refuse_without_descriptors(&definition))
            .and_then(|()| self.refuse_deploy(&name, &definition));
        if let Err(problem) = allowed {
            return reply(to, Err(problem));
        }
        self.surroundings.data.start_waiting();
        let supersede = match definition.supersede {
            true => Supersede::TakeOver,
            false => Supersede::Refuse,
        };
        self.prepare_snapshots(PreparedRequest {
            definition: Arc::new(definition),
            goal: RequestGoal::Deploy(name),
            supersede,
            after: self.ledger.last(),
            reply: to,
        });
    }

    fn refuse_when_leaving(&self) -> Result<(), Problem> {
        match self.leaving {
            Some(_) => Err(Problem::going_down()),
            None => Ok(()),
        }
    }

    fn refuse_deploy(&self, name: &str, definition: &EnvironmentDefinition) -> Result<(), Problem> {
        let services = &definition.manifest.services;
        if !services.contains_key(name) {
            let known: Vec<&str> = services.keys().map(String::as_str).collect();
            let help = format!("the manifest has: {}", known.join(", "));
            return Err(Problem::usage(format!("there is no service `{name}`")).with_help(help));
        }
        if self.definition.is_none() {
            return Err(
                Problem::failed("the app is not up").with_help("start the app first: neargate up")
            );
        }
        self.refuse_another_app(definition)
    }

    fn provide(&mut self, request: PreparedRequest, connected: Option<RouterConnected>) {
        self.preparing += 1;
        let (surroundings, inputs) = (self.surroundings.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let provided = match serving(connected).await {
                Ok(()) => provide_off_loop(surroundings, request.definition.clone()).await,
                Err(problem) => Err(problem),
            };
            let _ = inputs
                .send(EngineInput::Provided(Box::new(request), provided))
                .await;
        });
    }

    /// `up`, second part: what was up before starts.
    pub(super) fn provided(&mut self, request: PreparedRequest, provided: Result<(), Problem>) {
        self.preparing -= 1;
        if provided.is_ok() {
            self.notes.clear(&NoteCause::NotProvided);
        }
        if request.reply.is_closed() {
            return;
        }
        match provided.and_then(|()| self.refuse_when_leaving()) {
            Ok(()) => {
                self.preparing += 1;
                let begun = FollowUp::UpBegun(Box::new(request));
                self.ask(vec![Event::UpRequested], begun);
            }
            Err(problem) => reply(request.reply, Err(problem)),
        }
    }

    /// `up`, third part: snapshots are taken.
    pub(super) fn up_begun(&mut self, request: PreparedRequest, begun: Result<(), Problem>) {
        self.preparing -= 1;
        match begun {
            Ok(()) => self.prepare_snapshots(request),
            Err(problem) => reply(request.reply, Err(problem)),
        }
    }

    fn prepare_snapshots(&mut self, mut request: PreparedRequest) {
        self.preparing += 1;
        let (state, inputs) = (self.state.clone(), self.inputs.clone());
        let (snapshots, copies) = (self.snapshots.clone(), self.copies.clone());
        let secrets = self.surroundings.secrets.clone();
        tokio::spawn(async move {
            let lease = snapshots.read_owned().await;
            let (definition, services) = (request.definition.clone(), request.services());
            let copy = copies.begin();
            let given_up = copy.giver_up();
            let mut taken = tokio::task::spawn_blocking(move || {
                let mut contents = take_snapshots(&state, &definition, services, &copy)?;
                note_secrets(&definition, &secrets, &mut contents)?;
                Ok(contents)
            });
            let taken = tokio::select! {
                taken = &mut taken => taken,
                () = request.reply.closed() => {
                    given_up.give_up();
                    taken.await
                }
            };
            let taken = taken.unwrap_or_else(|error| Err(Problem::of(&error, CommandExit::Bug)));
            let prepared = taken.map(|contents| Preparation { contents, lease });
            let _ = inputs
                .send(EngineInput::Prepared(Box::new(request), prepared))
                .await;
        });
    }

    /// Last part: the snapshots are there; decides.
    pub(super) fn prepared(
        &mut self,
        request: PreparedRequest,
        prepared: Result<Preparation, Problem>,
    ) {
        self.preparing -= 1;
        if request.reply.is_closed() {
            drop(prepared);
            return self.remove_unused_snapshots();
        }
        let decided = prepared.and_then(|prepared| {
            self.refuse_when_leaving()?;
            let events = match &request.goal {
                RequestGoal::Up => self.events_of_up(&request, &prepared.contents)?,
                RequestGoal::Deploy(name) => {
                    vec![self.event_of(&request, name, &prepared.contents)?]
                }
            };
            Ok((events, prepared.lease))
        });
        match decided {
            Ok((events, lease)) => {
                self.ask(events, FollowUp::ReleasesBegun(Box::new(request), lease));
            }
            Err(problem) => {
                self.remove_unused_snapshots();
                reply(request.reply, Err(problem));
            }
        }
    }

    /// The releases are decided, or refused: who asked is told.
    pub(super) fn releases_begun(
        &mut self,
        request: PreparedRequest,
        lease: SnapshotLease,
        accepted: Result<Accepted, Problem>,
    ) {
        drop(lease);
        self.remove_unused_snapshots();
        let answer = accepted.map(|mut accepted| {
            match &request.goal {
                RequestGoal::Deploy(name) => self.name_in_progress(&mut accepted, name),
                RequestGoal::Up => {
                    self.publish = true;
                    self.interrupted = false;
                    accepted.after = request.after;
                    self.name_going_on(&mut accepted, request.supersede);
                }
            }
            accepted
        });
        reply(request.reply, answer);
    }

    /// A release of each service, and the end of those that the manifest has no more.
    fn events_of_up(
        &self,
        request: &PreparedRequest,
        contents: &RevisionContents,
    ) -> Result<Vec<Event>, Problem> {
        let services = &request.definition.manifest.services;
        let releases = services
            .keys()
            .map(|name| self.event_of(request, name, contents));
        let mut events = releases.collect::<Result<Vec<Event>, Problem>>()?;
        let known = self.ledger.state().services.keys();
        let gone = known
            .filter(|name| !services.contains_key(name.as_str()))
            .cloned();
        events.extend(gone.map(|service| Event::RemovalRequested { service }));
        Ok(events)
    }

    fn event_of(
        &self,
        request: &PreparedRequest,
        name: &str,
        contents: &RevisionContents,
    ) -> Result<Event, Problem> {
        let revision = self.revision(&request.definition, name, contents)?;
        let forced = request.goal != RequestGoal::Up && request.definition.force;
        Ok(match forced {
            true => self.forced_event(name, revision, request.supersede),
            false => self.deploy_event(name, revision, request.supersede),
        })
    }

    fn deploy_event(
        &self,
        service: &str,
        definition: RevisionDefinition,
        supersede: Supersede,
    ) -> Event {
        Event::DeployRequested {
            service: service.into(),
            firing: self.firing(),
            definition: Box::new(definition),
            supersede,
        }
    }

    fn forced_event(
        &self,
        service: &str,
        definition: RevisionDefinition,
        supersede: Supersede,
    ) -> Event {
        Event::NewRevisionForced {
            service: service.into(),
            firing: self.firing(),
            definition: Box::new(definition),
            supersede,
        }
    }

    /// Removes snapshots that no revision holds, unless a request holds some: then its end does.
    pub(super) fn remove_unused_snapshots(&self) {
        let Ok(exclusive) = self.snapshots.clone().try_write_owned() else {
            return;
        };
        let services = self.ledger.state().services.values();
        let keep = services
            .flat_map(|service| service.revisions.values())
            .filter_map(|revision| revision.definition.artifact.clone())
            .collect();
        let artifacts = self.state.artifacts();
        tokio::task::spawn_blocking(move || {
            let aside = set_aside_unused(&artifacts, &keep);
            drop(exclusive);
            aside.iter().for_each(|directory| remove(directory));
        });
    }
}

/// Waits for a router that was started; one that was replaced by another start is no problem.
async fn serving(connected: Option<RouterConnected>) -> Result<(), Problem> {
    let answer = match connected {
        Some(connected) => connected.await.unwrap_or(Ok(())),
        None => Ok(()),
    };
    answer.map_err(|error| Problem::of(&*error, CommandExit::Environment))
}

/// Takes the snapshots of these services, one after another. Blocks.
fn take_snapshots(
    state: &StateDir,
    definition: &EnvironmentDefinition,
    services: Vec<String>,
    copy: &ArtifactCopies,
) -> Result<RevisionContents, Problem> {
    let mut contents = RevisionContents::new();
    for name in services {
        let Some(service) = definition.manifest.services.get(&name) else {
            continue;
        };
        let digest = source(service)
            .map(|path| {
                let path = definition.root.join(path);
                let progress = copy.of(&name);
                let (artifacts, state) = (state.artifacts(), state.path());
                snapshot(&artifacts, &path, &state, FileSharing::allowed(), &progress)
            })
            .transpose()
            .map_err(|error| Problem::of(&error, CommandExit::Failed))?;
        let secrets = BTreeMap::new();
        contents.insert(name, RevisionContent { digest, secrets });
    }
    Ok(contents)
}

/// Notes the present versions of the secrets that these services use. Blocks.
fn note_secrets(
    definition: &EnvironmentDefinition,
    secrets: &Mutex<Secrets>,
    contents: &mut RevisionContents,
) -> Result<(), Problem> {
    let secrets = locked(secrets);
    for (name, content) in contents {
        let Some(service) = definition.manifest.services.get(name) else {
            continue;
        };
        for used in &service.uses {
            if let UsedResource::Secret(name) = used {
                let found = secrets.get(name, VersionSelector::Current);
                let (version, _) = found.map_err(|error| {
                    Problem::of(&error, CommandExit::Failed)
                        .with_help(format!("set it: neargate secret set {name}"))
                })?;
                content.secrets.insert(name.clone(), version);
            }
        }
    }
    Ok(())
}
