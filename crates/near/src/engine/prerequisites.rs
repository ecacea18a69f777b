//! What an app needs before any of its tasks: listeners, data services, secrets.
//!
//! Invariant: asking again for what is there changes nothing; a service keeps its internal port
//! for its whole life.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use neargate_core::command_exit::CommandExit;
use neargate_core::error_chain::error_chain;
use neargate_core::model::Manifest;

use super::listeners::{ListenError, try_address};
use super::problems::data_problem;
use super::routers::{RouterConnected, RoutersError};
use super::routing_table::{EDGE, internal};
use super::tasks::TaskEnvironment;
use super::{Engine, reply};
use crate::api::server::CallReply;
use crate::api::wire::{EnvironmentDefinition, Problem};
use crate::clock::now;
use crate::locked::locked;
use crate::own_processes;
use crate::paths::StateDir;
use crate::port_holder;
use crate::ports::is_free;
use crate::secrets::{Secrets, SecretsError};

/// Where each service with a port is reached from inside, by its name.
pub(super) type ServiceAddresses = BTreeMap<String, SocketAddr>;

impl Engine {
    /// Data services, secrets and listeners of an app that was up, before the loop begins.
    pub(super) async fn provide_again(&mut self) -> Result<(), Problem> {
        let Some(definition) = self.definition.clone() else {
            return Ok(());
        };
        // A router that must be started comes up meanwhile; the loop learns of it.
        let opened = self.open_listeners(&definition.manifest);
        let (_, addresses) = opened.map_err(ListenerFailure::problem)?;
        self.tell_tasks(addresses);
        provide_off_loop(self.surroundings.clone(), definition).await
    }

    /// Opens the listeners of a manifest, and says where each service is reached from inside; a
    /// router that is started for them tells when it serves.
    pub(super) fn open_listeners(
        &mut self,
        manifest: &Manifest,
    ) -> Result<(Option<RouterConnected>, ServiceAddresses), ListenerFailure> {
        let edge = edge(manifest).map_err(ListenerFailure::Told)?;
        let addresses = self
            .internal_addresses(manifest)
            .map_err(ListenerFailure::Told)?;
        let mut wanted = vec![(EDGE.to_owned(), edge)];
        wanted.extend(
            addresses
                .iter()
                .map(|(service, address)| (internal(service), *address)),
        );
        let listening = self.routers.listen(&wanted);
        let connected = listening.map_err(ListenerFailure::of)?;
        Ok((connected, addresses))
    }

    /// Tasks that start from now on find the other services at these addresses.
    pub(super) fn tell_tasks(&self, addresses: ServiceAddresses) {
        *locked(&self.surroundings.internal) = addresses;
    }

    /// Where each service with a port is reached from inside.
    fn internal_addresses(&mut self, manifest: &Manifest) -> Result<ServiceAddresses, Problem> {
        let services = manifest.services.values();
        let with_port = services.filter(|service| service.port.is_some());
        with_port
            .map(|service| {
                let port = self.internal_port(&service.name)?;
                let address = SocketAddr::from(([127, 0, 0, 1], port));
                Ok((service.name.clone(), address))
            })
            .collect()
    }

    /// The port of a service's internal listener: the same for its whole life, but where somebody
    /// else has it and no task of ours runs that was told of it, as in a copy of a project.
    fn internal_port(&mut self, service: &str) -> Result<u16, Problem> {
        let key = format!("port.{service}");
        let known = self.ledger.fact(&key);
        if let Some(port) = known.and_then(|text| text.parse().ok())
            && (self.routers.listens(&internal(service)) || is_free(port) || self.tasks_run())
        {
            return Ok(port);
        }
        let port = self
            .assign_port()
            .map_err(|error| Problem::of(&error, CommandExit::Environment))?;
        // Whoever is told of it is decided later, and so written later.
        self.ledger.note(&key, &port.to_string());
        Ok(port)
    }

    /// Whether any task runs; before the loop begins, of those that were found.
    fn tasks_run(&self) -> bool {
        self.tasks_found || !self.running.is_empty() || !self.starting.is_empty()
    }
}

/// Why a manifest's listeners are not open.
pub(super) enum ListenerFailure {
    /// Somebody listens there.
    Taken(SocketAddr),
    /// Any other failure, as the problem that is answered.
    Told(Problem),
}

impl ListenerFailure {
    fn of(error: RoutersError) -> Self {
        match error {
            RoutersError::Listen(ListenError::Taken { address }) => Self::Taken(address),
            other => Self::Told(Problem::of(&other, CommandExit::Environment)),
        }
    }

    /// In words. Blocks: looks for the holder of a taken port.
    pub(super) fn problem(self) -> Problem {
        match self {
            Self::Told(problem) => problem,
            Self::Taken(address) => Problem::environment(port_holder::port_taken(address)),
        }
    }

    /// Tells whoever asked.
    pub(super) fn answer<T: Send + 'static>(self, to: CallReply<T>) {
        tokio::task::spawn_blocking(move || reply(to, Err(self.problem())));
    }
}

/// Where a manifest's edge listens.
fn edge(manifest: &Manifest) -> Result<SocketAddr, Problem> {
    let address: IpAddr = manifest.edge.address.parse().map_err(|_| {
        let written = &manifest.edge.address;
        Problem::usage(format!("edge.address `{written}` is not an IP address"))
            .with_help("write for example 127.0.0.1 or 0.0.0.0")
    })?;
    Ok(SocketAddr::new(address, manifest.edge.port))
}

/// Why the edge of a manifest could not listen, when it is not this state directory's own processes
/// that have its port, in words. Asks nobody, so that it can be said before anything is built.
#[must_use]
pub fn edge_taken(manifest: &Manifest, state: &StateDir) -> Option<String> {
    let mut manifest = manifest.clone();
    numeric_edge(&mut manifest);
    // What is no address is the engine's to refuse.
    let address = edge(&manifest).ok()?;
    let error = try_address(address).err()?;
    let runs = !own_processes::of(&state.path()).is_empty();
    (!runs || port_holder::is_anothers(address, &state.path())).then(|| match error {
        ListenError::Taken { address } => port_holder::port_taken(address),
        other => error_chain(&other),
    })
}

/// Loopback names would have to be resolved; the edge's address is an address.
pub(super) fn numeric_edge(manifest: &mut Manifest) {
    if manifest.edge.address == "localhost" {
        "127.0.0.1".clone_into(&mut manifest.edge.address);
    }
}

/// Starts the data services of a manifest and makes the secrets that it generates.
pub(super) async fn provide_off_loop(
    surroundings: Arc<TaskEnvironment>,
    definition: Arc<EnvironmentDefinition>,
) -> Result<(), Problem> {
    let provide = move || {
        let manifest = &definition.manifest;
        for database in manifest.databases.values() {
            let started = surroundings.data.start_database(database);
            started.map_err(|error| data_problem(&error))?;
        }
        for cache in manifest.caches.values() {
            let started = surroundings.data.start_cache(cache);
            started.map_err(|error| data_problem(&error))?;
        }
        ensure_secrets(&surroundings.state, manifest)
    };
    let provided = tokio::task::spawn_blocking(provide).await;
    provided.unwrap_or_else(|error| Err(Problem::of(&error, CommandExit::Bug)))
}

/// Makes the secrets that a manifest generates and that are not there yet. Blocks.
pub(super) fn ensure_secrets(state: &StateDir, manifest: &Manifest) -> Result<(), Problem> {
    let failed = |error: SecretsError| Problem::of(&error, CommandExit::Failed);
    // A connection of its own: the loop reads secrets by another, and must not wait for this one.
    let mut secrets = Secrets::open(state).map_err(failed)?;
    for secret in manifest.secrets.values() {
        if let Some(rule) = secret.generate {
            secrets.ensure(now(), &secret.name, rule).map_err(failed)?;
        }
    }
    Ok(())
}
