//! The stable port of each data service.
//!
//! Invariant: a port is written beside the data before it is used, and kept as long as it is
//! free when needed; tasks hold it in their URLs. Ports come from 30000..=31999: above the
//! tasks' ports, below the kernel's ephemeral ones.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::error::DataError;
use crate::locked::locked;
use crate::port_holder;

/// First port of data services.
pub(super) const FIRST: u16 = 30_000;
/// Last port of data services.
pub(super) const LAST: u16 = 31_999;

/// Ports given out by this engine.
#[derive(Debug, Clone, Default)]
pub(super) struct DataPorts(Arc<Mutex<BTreeSet<u16>>>);

/// Choice when the port that was used before is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TakenPortPolicy {
    /// Nobody uses the service yet: take another.
    Move,
    /// Its users know the port: refuse.
    Refuse,
}

impl DataPorts {
    /// The port in `file`, or another by the rule, written to `file`.
    pub(super) fn assign(
        &self,
        service: &str,
        file: &Path,
        taken: TakenPortPolicy,
    ) -> Result<u16, DataError> {
        let mut given = locked(&self.0);
        if let Some(port) = remembered_port(file) {
            if is_free(port) {
                given.insert(port);
                return Ok(port);
            }
            if taken == TakenPortPolicy::Refuse {
                return Err(DataError::PortTaken {
                    service: service.to_owned(),
                    port,
                    holder: port_holder::in_words(port),
                });
            }
        }
        let count = LAST - FIRST + 1;
        let start = offset(file) % count;
        let port = (0..count)
            .map(|step| FIRST + (start + step) % count)
            .find(|port| !given.contains(port) && is_free(*port))
            .ok_or_else(|| DataError::NoPort {
                service: service.to_owned(),
                first: FIRST,
                last: LAST,
            })?;
        crate::atomic::write(file, format!("{port}\n").as_bytes(), 0o600).map_err(|source| {
            DataError::Write {
                service: service.to_owned(),
                source,
            }
        })?;
        given.insert(port);
        Ok(port)
    }
}

/// The port that was given before.
pub(super) fn remembered_port(file: &Path) -> Option<u16> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Environments begin to look at different places, by the path of their state.
fn offset(file: &Path) -> u16 {
    let digest = Sha256::digest(file.as_os_str().as_encoded_bytes());
    u16::from_le_bytes([digest[0], digest[1]])
}

/// Whether a process could listen on it now.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_kept_moved_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("port");
        let ports = DataPorts::default();
        let first = ports
            .assign("database main", &file, TakenPortPolicy::Move)
            .unwrap();
        assert!((FIRST..=LAST).contains(&first));
        let again = DataPorts::default().assign("database main", &file, TakenPortPolicy::Move);
        assert_eq!(again.unwrap(), first);
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        let error = ports
            .assign("database main", &file, TakenPortPolicy::Refuse)
            .unwrap_err();
        assert!(error.to_string().contains(&first.to_string()), "{error}");
        let holds = format!("by pid {} (", std::process::id());
        assert!(error.to_string().contains(&holds), "{error}");
        let moved = ports
            .assign("database main", &file, TakenPortPolicy::Move)
            .unwrap();
        assert_ne!(moved, first);
        assert_eq!(remembered_port(&file), Some(moved));
        drop(holder);
    }

    #[test]
    fn services_of_one_engine_never_share_a_port() {
        let dir = tempfile::tempdir().unwrap();
        let ports = DataPorts::default();
        let given: BTreeSet<u16> = (0..20)
            .map(|number| {
                let file = dir.path().join(number.to_string());
                ports
                    .assign("cache main", &file, TakenPortPolicy::Move)
                    .unwrap()
            })
            .collect();
        assert_eq!(given.len(), 20);
    }
}
