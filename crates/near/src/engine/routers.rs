//! The routers of this engine: one serves; during a replacement one comes and one goes.
//!
//! Invariant: every living router has the latest table, and a target counts as drained only
//! when every living router has said so.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use neargate_core::ids::TaskId;
use neargate_core::routing::control::{FromRouter, RouterLoad, SecondCount, ToRouter};
use neargate_core::routing::table::{RoutingTable, TargetHealth};
use tokio::sync::oneshot;

use super::last_check::LastCheck;
use super::listeners::{ListenError, ListeningSockets};
use super::router_process::{self, RouterEvent, RouterProcess, RouterStartError};
use crate::input_channel::InputSender;
use crate::paths::StateDir;
use crate::program;
use crate::router_workers;
use crate::watchdog::sockets::NamedSockets;

/// A router that is replaced has this long for what is in flight.
const DRAIN: Duration = Duration::from_secs(30);
/// Between two attempts to start a router after one that did not come up.
const RETRY: Duration = Duration::from_millis(500);
/// News from the routers, for the engine.
#[derive(Debug)]
pub(super) enum RouterOutcome {
    /// A target's health changed, or what its checks find.
    Health {
        task: TaskId,
        health: TargetHealth,
        /// Result of its last check.
        check: LastCheck,
    },
    /// No router has requests of this task in flight any more.
    Drained {
        task: TaskId,
        /// Requests and upgraded connections that were cut off by the drain time.
        cut: u64,
    },
    /// A router answers.
    Joined(u64),
    /// A router ended.
    Left(u64),
    /// A router's counts.
    Counted {
        /// Number of the router.
        router: u64,
        /// Begin and end, milliseconds of its clock.
        stretch: (u64, u64),
        /// In the order of time.
        seconds: Vec<SecondCount>,
    },
    /// A replacement is complete: the new router serves alone.
    Replaced,
    /// A router that was started does not answer.
    NotStarted(Arc<RouterStartError>),
}

/// Which routers are done with a draining task.
#[derive(Debug, Default)]
struct DrainProgress {
    by: BTreeSet<u64>,
    /// Requests that they cut off, together.
    cut: u64,
}

/// All routers and what they share.
pub(super) struct Routers {
    program: PathBuf,
    state: StateDir,
    listeners: ListeningSockets,
    serving: Option<RouterProcess>,
    incoming: Option<RouterProcess>,
    retiring: Vec<RouterProcess>,
    starting: Option<StartingRouter>,
    last_number: u64,
    table: Option<RoutingTable>,
    /// The router that was found is of another build than this engine.
    outdated: bool,
    drained: BTreeMap<TaskId, DrainProgress>,
    facts: InputSender<(u64, RouterEvent)>,
}

/// A router that was started and has not answered yet.
struct StartingRouter {
    number: u64,
    connected: oneshot::Sender<Result<(), Arc<RouterStartError>>>,
    /// Ended as soon as it answers: the listeners were closed meanwhile.
    unwanted: bool,
}

/// Tells when a router that was started serves, or why it does not.
pub(super) type RouterConnected = oneshot::Receiver<Result<(), Arc<RouterStartError>>>;

impl Routers {
    /// Finds the routers that an earlier engine left; the newest serves, others retire.
    /// `inherited` are listening sockets that the watchdog kept: they count when no router lives.
    pub(super) async fn adopt(
        program: PathBuf,
        state: StateDir,
        facts: InputSender<(u64, RouterEvent)>,
        inherited: NamedSockets,
    ) -> Self {
        let mut routers = Self {
            program,
            state,
            listeners: ListeningSockets::default(),
            serving: None,
            incoming: None,
            retiring: Vec::new(),
            starting: None,
            last_number: 0,
            table: None,
            outdated: false,
            drained: BTreeMap::new(),
            facts,
        };
        for number in router_process::numbers(&routers.state) {
            routers.last_number = number;
            let found = router_process::adopt(&routers.state, number, routers.facts.clone()).await;
            let Some((router, names, sockets)) = found else {
                continue;
            };
            if let Some(older) = routers.serving.replace(router) {
                routers.retire(older);
            }
            // The newest router has the sockets of all listeners; older ones hold duplicates.
            routers.listeners.clear();
            routers.listeners.adopt(&names, sockets);
        }
        let serving = routers.serving.as_ref();
        routers.outdated = serving.is_some_and(|router| !program::is_own(router.pid));
        if routers.listeners.is_empty() {
            let (names, sockets): (Vec<String>, Vec<OwnedFd>) = inherited.into_iter().unzip();
            routers.listeners.adopt(&names, sockets);
        }
        routers
    }

    /// Whether this listener is open.
    #[must_use]
    pub(super) fn listens(&self, name: &str) -> bool {
        self.listeners.address(name).is_some()
    }

    /// The listening sockets.
    #[must_use]
    pub(super) fn listeners(&self) -> &ListeningSockets {
        &self.listeners
    }

    /// The numbers of those that live.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.living().map(|router| router.number)
    }

    /// The router that serves: pid.
    #[must_use]
    pub(super) fn pid(&self) -> Option<u32> {
        self.serving.as_ref().map(|router| router.pid)
    }

    /// How full the router is that serves, and what it lacked.
    #[must_use]
    pub(super) fn load(&self) -> Option<RouterLoad> {
        self.serving.as_ref().map(RouterProcess::load)
    }

    /// Version of the newest table that any router has.
    #[must_use]
    pub(super) fn version(&self) -> u64 {
        let adopted = self.serving.as_ref().map_or(0, |router| router.version);
        self.table
            .as_ref()
            .map_or(0, |table| table.version)
            .max(adopted)
    }

    /// Makes sure that these listeners, and no others, are served: opens what is missing, and
    /// starts or replaces the router when the set changed; then the answer tells when it serves.
    ///
    /// # Errors
    /// A port is taken, and nothing has changed; or no router starts.
    pub(super) fn listen(
        &mut self,
        wanted: &[(String, SocketAddr)],
    ) -> Result<Option<RouterConnected>, RoutersError> {
        let workers = router_workers::most();
        let changed = self.listeners.set(wanted, workers)?;
        let absent = self.serving.is_none();
        (changed || absent).then(|| self.replace()).transpose()
    }

    /// Starts a router on the present sockets; when it has the table, the old one is drained.
    /// Does not wait: the end of the start is a [`RouterEvent::Connected`] for [`Routers::learn`].
    ///
    /// # Errors
    /// There are no descriptors for it; the old one goes on.
    pub(super) fn replace(&mut self) -> Result<RouterConnected, RoutersError> {
        if let Some(unfinished) = self.incoming.take() {
            self.retire(unfinished);
        }
        self.last_number += 1;
        let sockets = self.listeners.copies().map_err(|source| {
            let program = self.program.clone();
            RouterStartError::Spawn { program, source }
        })?;
        let (connected, answer) = oneshot::channel();
        // One that is still starting is retired when it answers.
        self.starting = Some(StartingRouter {
            number: self.last_number,
            connected,
            unwanted: false,
        });
        tokio::spawn(router_process::start(
            self.program.clone(),
            self.state.clone(),
            self.last_number,
            sockets,
            self.facts.clone(),
        ));
        Ok(answer)
    }

    /// A router that was started answers, or does not.
    fn connected(
        &mut self,
        number: u64,
        result: Result<RouterProcess, RouterStartError>,
    ) -> Vec<RouterOutcome> {
        let Some(starting) = self.starting.take_if(|one| one.number == number) else {
            if let Ok(router) = result {
                self.retire(router);
            }
            return Vec::new();
        };
        let result = result.map_err(Arc::new);
        let answer = result.as_ref().map(|_| ()).map_err(Arc::clone);
        // Whoever asked for it may have gone away.
        let _ = starting.connected.send(answer);
        let router = match result {
            Ok(router) => router,
            Err(error) => {
                if self.serving.is_none() && !starting.unwanted {
                    self.try_again(number);
                }
                return vec![RouterOutcome::NotStarted(error)];
            }
        };
        if starting.unwanted {
            router.order(drain_order(Duration::ZERO));
            self.retiring.push(router);
            return Vec::new();
        }
        if let Some(table) = &self.table {
            router.order(ToRouter::Publish {
                table: Box::new(table.clone()),
            });
        }
        if self.serving.is_some() {
            self.incoming = Some(router);
            return Vec::new();
        }
        self.serving = Some(router);
        match self.retiring.is_empty() {
            true => vec![RouterOutcome::Replaced],
            false => Vec::new(),
        }
    }

    /// Sends a table to every router.
    pub(super) fn publish(&mut self, table: RoutingTable) {
        let draining: BTreeSet<&TaskId> = table
            .groups
            .values()
            .flat_map(|group| &group.targets)
            .map(|target| &target.task)
            .collect();
        self.drained.retain(|task, _| draining.contains(task));
        for router in self.living() {
            router.order(ToRouter::Publish {
                table: Box::new(table.clone()),
            });
        }
        self.table = Some(table);
        if std::mem::take(&mut self.outdated) && self.starting.is_none() {
            // When it does not start, the old one goes on.
            let _ = self.replace();
        }
    }

    /// Ends the serving router (and any other) and closes the listeners.
    pub(super) fn close(&mut self, drain: Duration) {
        self.listeners.clear();
        for router in self.living() {
            router.order(drain_order(drain));
        }
        let leaving = self.serving.take().into_iter().chain(self.incoming.take());
        self.retiring.extend(leaving);
        if let Some(starting) = &mut self.starting {
            starting.unwanted = true;
        }
    }

    /// Whether no router lives.
    #[must_use]
    pub(super) fn is_gone(&self) -> bool {
        self.living().next().is_none() && self.starting.is_none()
    }

    /// Takes in what a router said; a serving router that died is replaced at once.
    pub(super) fn learn(&mut self, number: u64, fact: RouterEvent) -> Vec<RouterOutcome> {
        match fact {
            RouterEvent::Connected(result) => {
                let joined = result.is_ok().then_some(RouterOutcome::Joined(number));
                let learned = self.connected(number, result);
                joined.into_iter().chain(learned).collect()
            }
            RouterEvent::Ended => {
                let learned = self.ended(number);
                [RouterOutcome::Left(number)]
                    .into_iter()
                    .chain(learned)
                    .collect()
            }
            RouterEvent::Said(FromRouter::HealthChanged {
                task,
                health,
                reason,
                failures,
                threshold,
            }) if self.serves(number) => {
                let check = LastCheck::of(reason, failures, threshold);
                vec![RouterOutcome::Health {
                    task,
                    health,
                    check,
                }]
            }
            RouterEvent::Said(FromRouter::Drained { task, cut }) => {
                let drained = self.drained.entry(task).or_default();
                if drained.by.insert(number) {
                    drained.cut += cut;
                }
                self.all_drained()
            }
            RouterEvent::Said(FromRouter::Counted {
                from,
                through,
                seconds,
            }) => vec![RouterOutcome::Counted {
                router: number,
                stretch: (from, through),
                seconds,
            }],
            RouterEvent::Said(FromRouter::Published { .. }) => self.published(number),
            RouterEvent::Said(
                FromRouter::HealthChanged { .. }
                | FromRouter::Hello { .. }
                | FromRouter::Beat { .. },
            ) => Vec::new(),
        }
    }

    fn serves(&self, number: u64) -> bool {
        self.serving
            .as_ref()
            .is_some_and(|router| router.number == number)
    }

    fn living(&self) -> impl Iterator<Item = &RouterProcess> {
        self.serving
            .iter()
            .chain(&self.incoming)
            .chain(&self.retiring)
    }

    fn retire(&mut self, router: RouterProcess) {
        router.order(drain_order(DRAIN));
        self.retiring.push(router);
    }

    fn published(&mut self, number: u64) -> Vec<RouterOutcome> {
        if self
            .incoming
            .as_ref()
            .is_some_and(|router| router.number == number)
        {
            let old = std::mem::replace(&mut self.serving, self.incoming.take());
            if let Some(old) = old {
                self.retire(old);
            }
        }
        Vec::new()
    }

    fn ended(&mut self, number: u64) -> Vec<RouterOutcome> {
        let retired = self.retiring.len();
        self.retiring.retain(|router| router.number != number);
        self.incoming.take_if(|router| router.number == number);
        let mut learned = Vec::new();
        if retired != self.retiring.len() && self.incoming.is_none() {
            learned.push(RouterOutcome::Replaced);
        }
        if self
            .serving
            .take_if(|router| router.number == number)
            .is_some()
        {
            self.serving = self.incoming.take();
            if self.serving.is_none() && self.starting.is_none() && self.replace().is_err() {
                self.try_again(number);
            }
        } else if self.serving.is_none()
            && self.starting.is_none()
            && self.table.is_some()
            && self.retiring.is_empty()
        {
            // The attempt before this one failed.
            if self.listeners.sockets().next().is_some() && self.replace().is_err() {
                self.try_again(number);
            }
        }
        learned.extend(self.all_drained());
        learned
    }

    fn try_again(&self, number: u64) {
        let facts = self.facts.clone();
        tokio::spawn(async move {
            tokio::time::sleep(RETRY).await;
            let _ = facts.send((number, RouterEvent::Ended)).await;
        });
    }

    fn all_drained(&mut self) -> Vec<RouterOutcome> {
        let living: BTreeSet<u64> = self.living().map(|router| router.number).collect();
        let done: Vec<TaskId> = self
            .drained
            .iter()
            .filter(|(_, drained)| living.is_subset(&drained.by))
            .map(|(task, _)| task.clone())
            .collect();
        done.into_iter()
            .map(|task| {
                let cut = self.drained.remove(&task).map_or(0, |drained| drained.cut);
                RouterOutcome::Drained { task, cut }
            })
            .collect()
    }
}

fn drain_order(timeout: Duration) -> ToRouter {
    ToRouter::Drain {
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Why there is no router.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoutersError {
    /// A listening socket could not be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The router did not start or does not answer.
    #[error(transparent)]
    Router(#[from] RouterStartError),
}
