//! The limit of open files, divided.

use neargate_core::descriptors::router_budget;
use rustix::process::Resource;

use crate::{RouterError, RouterLimits};

/// The bounds of each worker that the limit of open files allows.
///
/// # Errors
/// [`RouterError::Descriptors`].
pub(crate) fn within(
    limits: RouterLimits,
    workers: usize,
    sockets: usize,
) -> Result<RouterLimits, RouterError> {
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    let limit = limit.unwrap_or(u64::MAX);
    let budget = router_budget(limit, workers, sockets)
        .map_err(|needed| RouterError::Descriptors { limit, needed })?;
    Ok(RouterLimits {
        connections: limits.connections.min(budget.clients),
        target_connections: limits.target_connections.min(budget.targets),
        ..limits
    })
}
