//! Answers the API's calls.

use std::sync::Arc;

use neargate_core::command_exit::CommandExit;
use neargate_core::machine::{Event, RevisionDefinition, ServiceState};

use super::follow_up::FollowUp;
use super::prerequisites::numeric_edge;
use super::release_request::RevisionContents;
use super::tasks::TaskEnvironment;
use super::{Engine, owner, reply};
use crate::api::server::{ApiCall, CallReply};
use crate::api::wire::{Accepted, EnvironmentDefinition, Problem};

impl Engine {
    pub(super) fn answer(&mut self, call: ApiCall) {
        match call {
            ApiCall::Status(to) => {
                let status = self.status();
                reply(to, Ok(status));
            }
            ApiCall::Up(definition, to) => self.begin_up(*definition, to),
            ApiCall::Deploy(service, definition, to) => {
                self.begin_deploy(service, *definition, to);
            }
            ApiCall::Rollback(service, wish, to) => {
                self.surroundings.data.start_waiting();
                let event = Event::RollbackRequested {
                    service: service.as_str().into(),
                    to: wish.to,
                };
                self.ask(vec![event], FollowUp::WentBack(service, to));
            }
            ApiCall::Steer(service, steering, to) => {
                let event = super::release_history::steered(&service, &steering);
                self.ask(vec![event], FollowUp::Answer(to));
            }
            ApiCall::Releases(service, to) => reply(to, self.releases(&service)),
            ApiCall::Alarms(to) => reply(to, Ok(self.alarms())),
            ApiCall::Metrics(asked, to) => reply(to, Ok(self.figures(asked))),
            ApiCall::Scale(service, wish, to) => {
                self.surroundings.data.start_waiting();
                let event = Event::ScaleRequested {
                    service: service.as_str().into(),
                    desired: wish.desired,
                };
                self.ask(vec![event], FollowUp::Scaled(service, to));
            }
            ApiCall::Session(service, request, to) => self.session(&service, &request, to),
            ApiCall::Data(name, to) => self.data_access(&name, to),
            ApiCall::Observed(to) => self.observed(to),
            ApiCall::Events(after, to) => self.events(after, to),
            ApiCall::ReplaceRouter(to) => self.replace_router(to),
            ApiCall::Down(to) => self.down(to),
        }
    }

    /// The number of tasks was set; what people should know of it.
    pub(super) fn scaled(&self, service: &str, mut accepted: Accepted) -> Accepted {
        let scaled = self.ledger.state().services.get(service);
        let outside = scaled.and_then(ServiceState::outside_bounds);
        accepted.notes = outside.into_iter().collect();
        accepted
    }

    /// A state directory is one environment's of one app.
    pub(super) fn refuse_another_app(
        &self,
        definition: &EnvironmentDefinition,
    ) -> Result<(), Problem> {
        let own = owner::of_manifest(&definition.manifest);
        if let Some(claimed) = self.claimed.as_ref().filter(|claimed| **claimed != own) {
            return Err(owner::belongs_to_another(claimed, &definition.manifest));
        }
        Ok(())
    }

    /// The definition with an address in place of a name, unless it is another app's.
    pub(super) fn acceptable(
        &self,
        mut definition: EnvironmentDefinition,
    ) -> Result<EnvironmentDefinition, Problem> {
        self.refuse_another_app(&definition)?;
        numeric_edge(&mut definition.manifest);
        Ok(definition)
    }

    /// Takes what the app should be from now on; it is written.
    pub(super) fn set_definition(&mut self, definition: &Arc<EnvironmentDefinition>) {
        if self.definition.is_none() {
            let manifest = &definition.manifest;
            let (app, env) = (manifest.app.clone(), manifest.env.clone());
            self.surroundings = TaskEnvironment::of(
                &self.state,
                self.surroundings.supervisor.clone(),
                (app, env),
                self.surroundings.secrets.clone(),
            );
            self.watch_data();
        }
        self.definition = Some(Arc::clone(definition));
        self.watch_alarms();
    }

    /// The revision that a service of the manifest would be: artifact and secret versions of now.
    pub(super) fn revision(
        &self,
        definition: &EnvironmentDefinition,
        name: &str,
        contents: &RevisionContents,
    ) -> Result<RevisionDefinition, Problem> {
        let manifest = &definition.manifest;
        let service = manifest
            .services
            .get(name)
            .ok_or_else(|| Problem::usage(format!("there is no service `{name}`")))?;
        let content = contents.get(name).cloned().unwrap_or_default();
        Ok(RevisionDefinition {
            artifact: content.digest,
            root: definition.root.display().to_string(),
            secrets: content.secrets,
            overrides: definition.overrides.clone(),
            user: definition.cause.user.clone(),
            git: definition.cause.git.clone(),
            ..RevisionDefinition::of(manifest, service)
        })
    }

    fn replace_router(&mut self, to: CallReply<Accepted>) {
        match self.routers.replace() {
            Ok(_) => self.replacing.push(to),
            Err(error) => reply(to, Err(Problem::of(&error, CommandExit::Failed))),
        }
    }
}
