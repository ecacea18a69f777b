//! `up` and `deploy`: what they need is made off the loop, then the loop decides.
//!
//! A request goes to a task of its own with its reply and comes back as an input: first
//! [`Input::Provided`] (listeners served, data services started, secrets made; only `up`), then
//! [`Input::Prepared`] (the artifacts' snapshots). Nothing is decided for a client that has gone
//! away in the meantime, or for an engine that is going down.
//!
//! Invariant: a snapshot that a request holds is not removed before the request is decided
//! ([`Lease`]); snapshots are removed only while no request holds any.

use std::collections::BTreeMap;
use std::sync::Arc;

use neargate_core::descriptors::Extent;
use neargate_core::machine::{Event, RevisionDefinition, Supersede};
use tokio::sync::OwnedRwLockReadGuard;

use super::calls::problem;
use super::copies::Copy;
use super::notes::Cause;
use super::provide::provide_off_loop;
use super::routers::Connected;
use super::{Engine, Input, reply};
use crate::api::server::Reply;
use crate::api::wire::{Accepted, Definition, Problem};
use crate::descriptors;
use crate::paths::StateDir;
use crate::snapshot::{Sharing, remove, set_aside_unused, snapshot, source};

/// Held while a request needs snapshots that no revision holds yet.
pub(super) type Lease = OwnedRwLockReadGuard<()>;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Goal {
    /// Everything of the manifest.
    Up,
    /// A release of one service.
    Deploy(String),
}

/// A request on its way.
pub(super) struct Request {
    pub(super) definition: Arc<Definition>,
    pub(super) goal: Goal,
    /// What becomes of a release in progress.
    pub(super) supersede: Supersede,
    /// Journal position at its beginning.
    pub(super) after: u64,
    pub(super) reply: Reply<Accepted>,
}

/// Digests of the artifacts of a request's services; `None`: the service has no artifact.
pub(super) type Digests = BTreeMap<String, Option<String>>;

/// What was prepared for a request.
pub(super) struct Prepared {
    pub(super) digests: Digests,
    pub(super) lease: Lease,
}

/// What cannot be held together is not begun.
fn refuse_without_descriptors(definition: &Definition) -> Result<(), Problem> {
    let shortfall = descriptors::shortfall(&definition.manifest, Extent::Fewest);
    shortfall.map_or(Ok(()), |error| {
        Err(Problem {
            error,
            help: Some("raise the limit, end the engine (neargate down) and start again".into()),
            exit: 3,
        })
    })
}

impl Request {
    fn services(&self) -> Vec<String> {
        match &self.goal {
            Goal::Up => self.definition.manifest.services.keys().cloned().collect(),
            Goal::Deploy(service) => vec![service.clone()],
        }
    }
}

impl Engine {
    /// `up`, first part: the definition is taken, listeners are opened.
    pub(super) fn begin_up(&mut self, definition: Definition, to: Reply<Accepted>) {
        let (after, supersede) = (self.ledger.last(), self.supersede_of_up());
        let begun = self
            .refuse_when_leaving()
            .and_then(|()| refuse_without_descriptors(&definition))
            .and_then(|()| self.take_definition(definition));
        match begun {
            Ok((connected, definition)) => {
                let goal = Goal::Up;
                let request = Request {
                    definition,
                    goal,
                    supersede,
                    after,
                    reply: to,
                };
                self.provide(request, connected);
            }
            Err(problem) => reply(to, Err(problem)),
        }
    }

    /// What cannot be served changes nothing: the listeners come first.
    fn take_definition(
        &mut self,
        definition: Definition,
    ) -> Result<(Option<Connected>, Arc<Definition>), Problem> {
        let definition = self.acceptable(definition)?;
        let (connected, addresses) = self.open_listeners(&definition.manifest)?;
        let definition = self.set_definition(definition)?;
        // Told only now: the first definition makes new surroundings.
        self.tell_tasks(addresses);
        Ok((connected, definition))
    }

    /// `deploy`, first part: what can be refused without the artifact is.
    pub(super) fn begin_deploy(
        &mut self,
        name: String,
        definition: Definition,
        to: Reply<Accepted>,
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
        self.prepare_snapshots(Request {
            definition: Arc::new(definition),
            goal: Goal::Deploy(name),
            supersede,
            after: self.ledger.last(),
            reply: to,
        });
    }

    fn refuse_when_leaving(&self) -> Result<(), Problem> {
        match self.leaving {
            Some(_) => Err(Problem {
                error: "the engine is going down".into(),
                help: None,
                exit: 1,
            }),
            None => Ok(()),
        }
    }

    fn refuse_deploy(&self, name: &str, definition: &Definition) -> Result<(), Problem> {
        let services = &definition.manifest.services;
        if !services.contains_key(name) {
            let known: Vec<&str> = services.keys().map(String::as_str).collect();
            return Err(Problem {
                error: format!("there is no service `{name}`"),
                help: Some(format!("the manifest has: {}", known.join(", "))),
                exit: 2,
            });
        }
        if self.definition.is_none() {
            return Err(Problem {
                error: "the app is not up".into(),
                help: Some("start the app first: neargate up".to_owned()),
                exit: 1,
            });
        }
        self.refuse_another_app(definition)
    }

    fn provide(&mut self, request: Request, connected: Option<Connected>) {
        self.preparing += 1;
        let (surroundings, inputs) = (self.surroundings.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let provided = match serving(connected).await {
                Ok(()) => provide_off_loop(surroundings, request.definition.clone()).await,
                Err(problem) => Err(problem),
            };
            let _ = inputs
                .send(Input::Provided(Box::new(request), provided))
                .await;
        });
    }

    /// `up`, second part: what was up before starts; snapshots are taken.
    pub(super) fn provided(&mut self, request: Request, provided: Result<(), Problem>) {
        self.preparing -= 1;
        if provided.is_ok() {
            self.notes.clear(&Cause::NotProvided);
        }
        if request.reply.is_closed() {
            return;
        }
        let asked = provided
            .and_then(|()| self.refuse_when_leaving())
            .and_then(|()| self.ask(&Event::UpRequested));
        match asked {
            Ok(_) => self.prepare_snapshots(request),
            Err(problem) => reply(request.reply, Err(problem)),
        }
    }

    fn prepare_snapshots(&mut self, mut request: Request) {
        self.preparing += 1;
        let (state, inputs) = (self.state.clone(), self.inputs.clone());
        let (snapshots, copies) = (self.snapshots.clone(), self.copies.clone());
        tokio::spawn(async move {
            let lease = snapshots.read_owned().await;
            let (definition, services) = (request.definition.clone(), request.services());
            let copy = copies.begin();
            let given_up = copy.giver_up();
            let mut taken = tokio::task::spawn_blocking(move || {
                take_snapshots(&state, &definition, services, &copy)
            });
            let taken = tokio::select! {
                taken = &mut taken => taken,
                () = request.reply.closed() => {
                    given_up.give_up();
                    taken.await
                }
            };
            let taken = taken.unwrap_or_else(|error| Err(problem(&error, 70)));
            let prepared = taken.map(|digests| Prepared { digests, lease });
            let _ = inputs
                .send(Input::Prepared(Box::new(request), prepared))
                .await;
        });
    }

    /// Last part: the snapshots are there; decides.
    pub(super) fn prepared(&mut self, request: Request, prepared: Result<Prepared, Problem>) {
        self.preparing -= 1;
        let decided = if request.reply.is_closed() {
            drop(prepared);
            None
        } else {
            Some(prepared.and_then(|prepared| {
                self.refuse_when_leaving()?;
                let decided = self.decide(&request, &prepared.digests);
                drop(prepared.lease);
                decided
            }))
        };
        self.remove_unused_snapshots();
        if let Some(decided) = decided {
            reply(request.reply, decided);
        }
    }

    fn decide(&mut self, request: &Request, digests: &Digests) -> Result<Accepted, Problem> {
        match &request.goal {
            Goal::Up => self.decide_up(request, digests),
            Goal::Deploy(name) => {
                let revision = self.revision(&request.definition, name, digests)?;
                let event = match request.definition.force {
                    true => self.forced_event(name, revision, request.supersede),
                    false => self.deploy_event(name, revision, request.supersede),
                };
                let mut accepted = self.ask(&event)?;
                self.name_in_progress(&mut accepted, name);
                Ok(accepted)
            }
        }
    }

    fn decide_up(&mut self, request: &Request, digests: &Digests) -> Result<Accepted, Problem> {
        let definition = &request.definition;
        let mut accepted = Accepted::default();
        let mut refusals = Vec::new();
        for name in definition.manifest.services.keys() {
            let revision = self.revision(definition, name, digests)?;
            match self.ask(&self.deploy_event(name, revision, request.supersede)) {
                Ok(one) => accepted.releases.extend(one.releases),
                Err(refusal) => refusals.push(refusal),
            }
        }
        let known: Vec<String> = self.ledger.state().services.keys().cloned().collect();
        for name in known {
            if !definition.manifest.services.contains_key(&name) {
                self.ask(&Event::RemovalRequested { service: name })?;
            }
        }
        if let Some(refusal) = refusals.pop() {
            return Err(refusal);
        }
        self.publish = true;
        self.interrupted = false;
        accepted.after = request.after;
        accepted.notes = self.notes.texts();
        let going_on = self.going_on(&accepted);
        accepted.notes.extend(going_on);
        Ok(accepted)
    }

    fn deploy_event(
        &self,
        service: &str,
        definition: RevisionDefinition,
        supersede: Supersede,
    ) -> Event {
        Event::DeployRequested {
            service: service.to_owned(),
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
            service: service.to_owned(),
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
async fn serving(connected: Option<Connected>) -> Result<(), Problem> {
    let answer = match connected {
        Some(connected) => connected.await.unwrap_or(Ok(())),
        None => Ok(()),
    };
    answer.map_err(|error| Problem {
        error,
        help: None,
        exit: 3,
    })
}

/// Takes the snapshots of these services, one after another. Blocks.
fn take_snapshots(
    state: &StateDir,
    definition: &Definition,
    services: Vec<String>,
    copy: &Copy,
) -> Result<Digests, Problem> {
    let mut digests = Digests::new();
    for name in services {
        let Some(service) = definition.manifest.services.get(&name) else {
            continue;
        };
        let digest = source(service)
            .map(|path| {
                let path = definition.root.join(path);
                let progress = copy.of(&name);
                let (artifacts, state) = (state.artifacts(), state.path());
                snapshot(&artifacts, &path, &state, Sharing::allowed(), &progress)
            })
            .transpose()
            .map_err(|error| problem(&error, 1))?;
        digests.insert(name, digest);
    }
    Ok(digests)
}
