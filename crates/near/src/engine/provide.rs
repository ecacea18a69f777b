//! What an app needs before any of its tasks: listeners, data services, secrets.
//!
//! Invariant: asking again for what is there changes nothing; a service keeps its internal port
//! for its whole life.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::PoisonError;

use neargate_core::manifest::model::Manifest;

use super::Engine;
use super::calls::{data_problem, problem};
use super::routes::{EDGE, internal};
use crate::api::wire::Problem;
use crate::clock::now;

impl Engine {
    /// Data services, secrets and listeners that the app needs, before any task.
    pub(super) async fn provide(&mut self) -> Result<(), Problem> {
        let Some(definition) = self.definition.clone() else {
            return Ok(());
        };
        let manifest = &definition.manifest;
        let wanted = self.wanted_listeners(manifest)?;
        self.routers
            .listen(&wanted)
            .await
            .map_err(|error| problem(&error, 3))?;
        for database in manifest.databases.values() {
            self.surroundings
                .data
                .start_database(database)
                .map_err(|error| data_problem(&error))?;
        }
        for cache in manifest.caches.values() {
            self.surroundings
                .data
                .start_cache(cache)
                .map_err(|error| data_problem(&error))?;
        }
        self.ensure_secrets(manifest)
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
        let none = || Problem {
            error: "no port is free between 20000 and 29999".into(),
            help: None,
            exit: 3,
        };
        let port = self.assign_port().ok_or_else(none)?;
        self.ledger
            .put_meta(&key, &port.to_string())
            .map_err(|error| problem(&error, 1))?;
        Ok(port)
    }

    pub(super) fn ensure_secrets(&mut self, manifest: &Manifest) -> Result<(), Problem> {
        let mut secrets = self
            .surroundings
            .secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for secret in manifest.secrets.values() {
            if let Some(rule) = secret.generate {
                secrets
                    .ensure(now(), &secret.name, rule)
                    .map_err(|error| problem(&error, 1))?;
            }
        }
        Ok(())
    }
}
