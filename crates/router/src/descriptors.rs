//! The limit of open files, divided.

use neargate_core::descriptors::router_budget;
use rustix::process::Resource;

use crate::{Limits, RouterError};

/// The bounds of each worker that the limit of open files allows.
///
/// # Errors
/// [`RouterError::Descriptors`].
pub(crate) fn within(
    limits: Limits,
    workers: usize,
    sockets: usize,
) -> Result<Limits, RouterError> {
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    let limit = limit.unwrap_or(u64::MAX);
    let budget = router_budget(limit, workers, sockets)
        .map_err(|needed| RouterError::Descriptors { limit, needed })?;
    Ok(Limits {
        connections: limits.connections.min(budget.clients),
        target_connections: limits.target_connections.min(budget.targets),
        ..limits
    })
}
