//! How many descriptors a process may have (`RLIMIT_NOFILE`), divided among those who need them.
//!
//! Invariant: what a router or an engine keeps for itself is never given to clients or tasks, so
//! health is checked and commands are answered however many clients come. What the machine itself
//! lacks is told apart from what a target does ([`is_shortage`]).

use crate::model::{Manifest, Scale, Workload};

/// Descriptors of one thread's runtime: its poll and wake descriptors and the pair for signals; and
/// the socket at which the thread asks the kernel whose a connection is.
const RUNTIME: u64 = 7;
/// Files that a worker reads at the same time.
const FILES: u64 = 4;
/// Standard streams, logs, control sockets, and who listens at a target's address.
const FIXED: u64 = 20;
/// Health checks under way: a part of the limit, within these bounds.
const CHECKS: (u64, u64) = (16, 512);
const CHECKS_PART: u64 = 16;
/// Fewer client connections than this per worker are not worth starting for.
const FEWEST_CLIENTS: u64 = 8;

/// Clients of a worker that are refused with 503 at the same time.
pub const MOST_REFUSALS: u64 = 4;

/// How a router's descriptors are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouterBudget {
    /// Client connections per worker.
    pub clients: usize,
    /// Connections to targets per worker: each client connection may need one.
    pub targets: usize,
    /// Kept back for health checks, control, logs and files.
    pub reserve: u64,
}

/// Division of a router's limit of descriptors; `sockets`: the listening sockets that it was given.
///
/// # Errors
/// The lowest limit that it can serve with.
pub fn router_budget(limit: u64, workers: usize, sockets: usize) -> Result<RouterBudget, u64> {
    let (workers, sockets) = (workers.max(1) as u64, sockets as u64);
    let (clients, reserve) = divided(limit, workers, sockets);
    if clients < FEWEST_CLIENTS {
        let mut lowest = limit.max(reserve);
        while divided(lowest, workers, sockets).0 < FEWEST_CLIENTS {
            lowest += 1;
        }
        return Err(lowest);
    }
    let clients = usize::try_from(clients).unwrap_or(usize::MAX);
    Ok(RouterBudget {
        clients,
        targets: clients,
        reserve,
    })
}

/// Clients per worker, and what is kept back.
fn divided(limit: u64, workers: u64, sockets: u64) -> (u64, u64) {
    let checks = (limit / CHECKS_PART).clamp(CHECKS.0, CHECKS.1);
    // Each socket is held twice, and one client waits at it for a place.
    let per_worker = RUNTIME + FILES + MOST_REFUSALS;
    let reserve = FIXED + RUNTIME + workers * per_worker + 3 * sockets + checks;
    (limit.saturating_sub(reserve) / 2 / workers, reserve)
}

/// Descriptors of an engine without any task: journal, sockets, runtime, watchdog, routers, people
/// who follow.
const ENGINE: u64 = 64;
/// Descriptors for a task: a handle of its process; more while it starts.
const PER_TASK: u64 = 2;
/// Starts at the same time.
const STARTS: u64 = 16;
/// Descriptors for a database or a cache: its process and its checks.
const PER_DATA: u64 = 6;

/// The lowest limit with which an engine can hold this many tasks (while a release replaces them,
/// the old and the new), databases and caches, and listening sockets.
#[must_use]
pub fn engine_needs(tasks: u64, data: u64, sockets: u64) -> u64 {
    ENGINE + STARTS + tasks * PER_TASK + data * PER_DATA + sockets
}

/// For how many tasks of each service a limit must be enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskCountBasis {
    /// `scale.min`: what `up` starts.
    Fewest,
    /// `scale.max`: the most that scaling starts.
    Most,
}

/// Why a limit is too low for an app, in words; `None`: it is not. `workers`: of the router.
#[must_use]
pub fn shortfall(
    manifest: &Manifest,
    extent: TaskCountBasis,
    limit: u64,
    workers: usize,
) -> Option<String> {
    let count = |scale: &Scale| match extent {
        TaskCountBasis::Fewest => scale.min,
        TaskCountBasis::Most => scale.max,
    };
    let tasks = manifest
        .services
        .values()
        .map(|service| match service.runs {
            Workload::Static(_) => 0,
            // A release has the tasks of two revisions.
            _ => {
                u64::from(count(&service.scale))
                    * u64::from(service.release.maximum_percent.max(100))
                    / 100
            }
        });
    let tasks: u64 = tasks.sum::<u64>() + u64::from(!manifest.jobs.is_empty());
    let data = (manifest.databases.len() + manifest.caches.len()) as u64;
    let listening = manifest
        .services
        .values()
        .filter(|service| service.port.is_some());
    let sockets = (1 + listening.count()) * workers;
    let engine = engine_needs(tasks, data, sockets as u64);
    let router = router_budget(limit, workers, sockets).err().unwrap_or(0);
    let needed = engine.max(router);
    (needed > limit).then(|| {
        format!(
            "processes here may open {limit} files (`ulimit -Hn`); the app needs {needed}: the \
             engine {engine}, for up to {tasks} tasks while a release replaces them"
        )
    })
}

/// Whether an error number of the kernel (Linux) says that this machine or this process lacks
/// something: descriptors, memory, local ports. It says nothing about whoever was asked.
#[must_use]
pub fn is_shortage(errno: i32) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const EADDRNOTAVAIL: i32 = 99;
    const ENOBUFS: i32 = 105;
    matches!(errno, ENOMEM | ENFILE | EMFILE | EADDRNOTAVAIL | ENOBUFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_routers_limit_is_divided_and_never_overdrawn() {
        for (limit, workers, sockets, clients) in [
            (256, 2, 4, 42),
            (1_024, 1, 2, 456),
            (1_024, 2, 4, 222),
            (1_024, 4, 40, 94),
            (20_000, 2, 4, 4_854),
            (1_048_576, 4, 8, 130_994),
        ] {
            let budget = router_budget(limit, workers, sockets);
            let found = budget.map(|budget| (budget.clients, budget.targets));
            assert_eq!(
                found,
                Ok((clients, clients)),
                "{limit} {workers} {sockets}: {budget:?}"
            );
        }
    }

    #[test]
    fn every_limit_is_enough_or_the_lowest_that_is_enough_is_told() {
        for workers in 1..=4 {
            for sockets in [1, 8, 80] {
                for limit in (0..3_000).chain([65_536, 1 << 30]) {
                    match router_budget(limit, workers, sockets) {
                        Ok(budget) => {
                            let used = (budget.clients + budget.targets) * workers;
                            assert!(used as u64 + budget.reserve <= limit, "{limit} {budget:?}");
                        }
                        Err(lowest) => {
                            assert!(lowest > limit, "{limit} {lowest}");
                            let enough = router_budget(lowest, workers, sockets);
                            assert!(enough.is_ok(), "{lowest} {enough:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_engine_needs_more_for_every_task() {
        for (tasks, data, sockets, needed) in [
            (0, 0, 0, 80),
            (2, 0, 4, 88),
            (20, 2, 8, 140),
            (500, 4, 80, 1_184),
        ] {
            assert_eq!(engine_needs(tasks, data, sockets), needed);
        }
    }

    #[test]
    fn a_refused_connection_is_no_shortage() {
        for (errno, shortage) in [
            (24, true),
            (23, true),
            (99, true),
            (111, false),
            (110, false),
        ] {
            assert_eq!(is_shortage(errno), shortage, "{errno}");
        }
    }
}
