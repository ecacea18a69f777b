//! What an app needs before any of its tasks: listeners, data services, secrets.
//!
//! Invariant: asking again for what is there changes nothing; a service keeps its internal port
//! for its whole life.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};

use neargate_core::manifest::model::Manifest;

use super::Engine;
use super::calls::{data_problem, problem};
use super::routers::Connected;
use super::routes::{EDGE, internal};
use super::tasks::Surroundings;
use crate::api::wire::{Definition, Problem};
use crate::clock::now;
use crate::paths::StateDir;
use crate::secrets::{Secrets, SecretsError};

impl Engine {
    /// Data services, secrets and listeners of an app that was up, before the loop begins.
    pub(super) async fn provide_again(&mut self) -> Result<(), Problem> {
        let Some(definition) = self.definition.clone() else {
            return Ok(());
        };
        // A router that must be started comes up meanwhile; the loop learns of it.
        self.open_listeners(&definition.manifest)?;
        provide_off_loop(self.surroundings.clone(), definition).await
    }

    /// Opens the listeners of a manifest; a router that is started for them tells when it serves.
    pub(super) fn open_listeners(
        &mut self,
        manifest: &Manifest,
    ) -> Result<Option<Connected>, Problem> {
        let wanted = self.wanted_listeners(manifest)?;
        let listening = self.routers.listen(&wanted);
        listening.map_err(|error| problem(&error, 3))
    }

    fn wanted_listeners(
        &mut self,
        manifest: &Manifest,
    ) -> Result<Vec<(String, SocketAddr)>, Problem> {
        let address: IpAddr = manifest.edge.address.parse().map_err(|_| Problem {
            error: format!(
                "edge.address `{}` is not an IP address",
                manifest.edge.address
            ),
            help: Some("write for example 127.0.0.1 or 0.0.0.0".into()),
            exit: 2,
        })?;
        let mut wanted = vec![(
            EDGE.to_owned(),
            SocketAddr::new(address, manifest.edge.port),
        )];
        let mut addresses = BTreeMap::new();
        for service in manifest
            .services
            .values()
            .filter(|service| service.port.is_some())
        {
            let port = self.internal_port(&service.name)?;
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            wanted.push((internal(&service.name), address));
            addresses.insert(service.name.clone(), address);
        }
        *self
            .surroundings
            .internal
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = addresses;
        Ok(wanted)
    }

    /// The port of a service's internal listener: the same for its whole life.
    fn internal_port(&mut self, service: &str) -> Result<u16, Problem> {
        let key = format!("port.{service}");
        let known = self
            .ledger
            .get_meta(&key)
            .map_err(|error| problem(&error, 1))?;
        if let Some(port) = known.and_then(|text| text.parse().ok()) {
            return Ok(port);
        }
        let port = self.assign_port().map_err(|error| Problem {
            error,
            help: None,
            exit: 3,
        })?;
        self.ledger
            .put_meta(&key, &port.to_string())
            .map_err(|error| problem(&error, 1))?;
        Ok(port)
    }
}

/// Starts the data services of a manifest and makes the secrets that it generates.
pub(super) async fn provide_off_loop(
    surroundings: Arc<Surroundings>,
    definition: Arc<Definition>,
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
    provided.unwrap_or_else(|error| Err(problem(&error, 70)))
}

/// Makes the secrets that a manifest generates and that are not there yet. Blocks.
pub(super) fn ensure_secrets(state: &StateDir, manifest: &Manifest) -> Result<(), Problem> {
    let failed = |error: SecretsError| problem(&error, 1);
    // A connection of its own: the loop reads secrets by another, and must not wait for this one.
    let mut secrets = Secrets::open(state).map_err(failed)?;
    for secret in manifest.secrets.values() {
        if let Some(rule) = secret.generate {
            secrets.ensure(now(), &secret.name, rule).map_err(failed)?;
        }
    }
    Ok(())
}
