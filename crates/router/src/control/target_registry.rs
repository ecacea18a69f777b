//! All targets of the table in force: their checks, and those that are draining.
//!
//! Invariant: `Drained` is said of a target only after every worker has a table in which it
//! takes no new requests, and its last request ended (or was cut by the delay).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use neargate_core::ids::TaskId;
use neargate_core::liveness::PERIOD;
use neargate_core::model::{HealthCheck, Probe};
use neargate_core::routing::control::FromRouter;
use neargate_core::routing::slow_start::{self, OtherTarget, Registered};
use neargate_core::routing::table::{Admission, RoutingTable, TargetGroup, TargetHealth};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::engine_writer::EngineWriter;
use crate::checker::{CheckFinding, CheckedTarget, Checker, TargetHealthChange};
use crate::clock::CachedClock;
use crate::compiled_table::TargetStates;
use crate::count_history::{CountHistory, HistorySpan, WorkerReport};
use crate::heartbeat::WorkerBeat;
use crate::lateness::Lateness;
use crate::pressure::Pressure;
use crate::socket_diag::SocketDiag;
use crate::targets::TargetState;
use crate::worker::TableSwap;

const QUEUE: usize = 64;
/// From the order to cut a target's requests to saying that it has drained.
const CUTTING: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct TargetRegistry {
    workers: Vec<mpsc::Sender<TableSwap>>,
    beats: Vec<Arc<WorkerBeat>>,
    sites: Option<PathBuf>,
    diag: Option<Rc<SocketDiag>>,
    pressure: Arc<Pressure>,
    lateness: Lateness,
    beaten: Instant,
    version: u64,
    table: Option<Arc<RoutingTable>>,
    states: TargetStates,
    checks: BTreeMap<TaskId, ScheduledCheck>,
    findings: BTreeMap<TaskId, CheckFinding>,
    draining: BTreeMap<TaskId, DrainingTarget>,
    changes: mpsc::Receiver<TargetHealthChange>,
    changes_from: mpsc::Sender<TargetHealthChange>,
    idle: Arc<Notify>,
    engine: Option<EngineWriter>,
    clock: CachedClock,
    history: CountHistory,
    /// Up to where the engine was told the counts, milliseconds.
    told: u64,
    /// Whether it has not answered yet.
    unanswered: bool,
}

#[derive(Debug)]
struct ScheduledCheck {
    subject: CheckedTarget,
    running: JoinHandle<()>,
}

impl Drop for ScheduledCheck {
    fn drop(&mut self) {
        self.running.abort();
    }
}

#[derive(Debug)]
struct DrainingTarget {
    deadline: Instant,
    cut_at: Option<Instant>,
    done: Option<u64>,
}

impl TargetRegistry {
    /// `sites`: where the snapshots of sites are seen, when not where a table says.
    pub(super) fn new(
        workers: Vec<mpsc::Sender<TableSwap>>,
        beats: Vec<Arc<WorkerBeat>>,
        pressure: Arc<Pressure>,
        clock: CachedClock,
        (sites, diag): (Option<PathBuf>, Option<SocketDiag>),
    ) -> Self {
        let (changes_from, changes) = mpsc::channel(QUEUE);
        Self {
            history: CountHistory::new(workers.len(), clock.millis(Instant::now())),
            told: 0,
            unanswered: false,
            clock,
            workers,
            beats,
            sites,
            diag: diag.map(Rc::new),
            pressure,
            lateness: Lateness::measured(),
            beaten: Instant::now(),
            version: 0,
            table: None,
            states: TargetStates::new(),
            checks: BTreeMap::new(),
            findings: BTreeMap::new(),
            draining: BTreeMap::new(),
            changes,
            changes_from,
            idle: Arc::new(Notify::new()),
            engine: None,
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn forget_engine(&mut self) {
        self.engine = None;
    }

    /// Tells a new engine the health of every target and which have drained.
    pub(super) async fn meet_engine(&mut self, engine: EngineWriter) {
        self.engine = Some(engine);
        self.told = self.history.horizon();
        self.unanswered = false;
        for (task, state) in self.states.clone() {
            let finding = self.findings.get(&task).cloned().unwrap_or_default();
            self.tell(&health_told(task, state.health(), finding)).await;
        }
        let drained: Vec<(TaskId, u64)> = self
            .draining
            .iter()
            .filter_map(|(task, d)| Some((task.clone(), d.done?)))
            .collect();
        for (task, cut) in drained {
            self.tell(&FromRouter::Drained { task, cut }).await;
        }
    }

    async fn tell(&mut self, message: &FromRouter) {
        if let Some(engine) = &mut self.engine
            && engine.send(message).await.is_err()
        {
            self.engine = None;
        }
    }

    /// Puts a table in force on every worker, unless a newer one is.
    pub(super) async fn publish(&mut self, mut table: RoutingTable) {
        if table.version > self.version {
            if let Some(sites) = &self.sites {
                table.find_sites_in(sites);
            }
            self.version = table.version;
            self.take_states(&table);
            let table = Arc::new(table);
            self.swap(&table).await;
            self.take_draining(&table);
            self.take_checks(&table);
            self.table = Some(table);
        }
        let version = self.version;
        self.tell(&FromRouter::Published { version }).await;
    }

    fn take_states(&mut self, table: &RoutingTable) {
        let mut states = TargetStates::new();
        let mut told = Vec::new();
        for group in table.groups.values() {
            let checked = is_checked(group.health.as_ref());
            let registered = self.registered(group);
            for target in &group.targets {
                let known = self.states.get(&target.task).cloned();
                if known.is_none() || !checked {
                    told.push((group, target));
                }
                let state = known.unwrap_or_else(|| {
                    let idle = self.idle.clone();
                    Arc::new(TargetState::new(target.task.clone(), registered, idle))
                });
                state.set_draining(target.admission != Admission::Admitted);
                states.insert(target.task.clone(), state);
            }
        }
        for (group, target) in told {
            change_health(&states, group, &target.task, target.health);
        }
        self.findings.retain(|task, _| states.contains_key(task));
        self.states = states;
    }

    fn registered(&self, group: &TargetGroup) -> Registered {
        let mut targets = group.targets.iter();
        match targets.any(|target| self.states.contains_key(&target.task)) {
            true => Registered::Beside,
            false => Registered::IntoEmpty,
        }
    }

    async fn swap(&self, table: &Arc<RoutingTable>) {
        let states = Arc::new(self.states.clone());
        let mut waits = Vec::new();
        for worker in &self.workers {
            let (done, wait) = oneshot::channel();
            let swap = TableSwap {
                table: table.clone(),
                states: states.clone(),
                done,
            };
            if worker.send(swap).await.is_ok() {
                waits.push(wait);
            }
        }
        for wait in waits {
            // A worker that has ended routes nothing.
            let _ = wait.await;
        }
    }

    fn take_draining(&mut self, table: &RoutingTable) {
        let mut draining = BTreeMap::new();
        for target in table.groups.values().flat_map(|g| &g.targets) {
            if let Admission::Draining { delay_ms } = target.admission {
                let entry = self
                    .draining
                    .remove(&target.task)
                    .unwrap_or_else(|| DrainingTarget {
                        deadline: Instant::now() + Duration::from_millis(delay_ms),
                        cut_at: None,
                        done: None,
                    });
                draining.insert(target.task.clone(), entry);
            }
        }
        self.draining = draining;
        self.idle.notify_one();
    }

    fn take_checks(&mut self, table: &RoutingTable) {
        let mut checks = BTreeMap::new();
        for group in table.groups.values() {
            let rule = group.health.as_ref().filter(|h| is_checked(Some(h)));
            let targets = group.targets.iter().filter(|target| {
                target.admission == Admission::Admitted
                    && (rule.is_some() || target.owner.is_some())
            });
            for target in targets {
                let subject = CheckedTarget {
                    task: target.task.clone(),
                    address: target.address,
                    owner: target.owner,
                    rule: rule.cloned(),
                };
                let known = self.checks.remove(&target.task);
                let same = known.filter(|check| check.subject == subject);
                let check = same.unwrap_or_else(|| self.start_check(subject));
                checks.insert(target.task.clone(), check);
            }
        }
        self.checks = checks;
    }

    fn start_check(&self, subject: CheckedTarget) -> ScheduledCheck {
        let known = self
            .states
            .get(&subject.task)
            .map_or(TargetHealth::Initial, |s| s.health());
        let checker = Checker {
            subject: subject.clone(),
            changes: self.changes_from.clone(),
            pressure: self.pressure.clone(),
            lateness: self.lateness.clone(),
            diag: self.diag.clone(),
        };
        let watch = checker.watch(known);
        ScheduledCheck {
            subject,
            running: tokio::task::spawn_local(watch),
        }
    }

    /// Waits for something to do, at most `turn`. Nothing is lost when it is dropped.
    pub(super) async fn wait(&mut self, turn: Duration) -> Option<TargetHealthChange> {
        let idle = self.idle.clone();
        tokio::select! {
            changed = self.changes.recv() => changed,
            () = idle.notified() => None,
            () = tokio::time::sleep(turn) => None,
        }
    }

    /// Does what there is to do. Not to be dropped half-way: it writes to the engine.
    pub(super) async fn apply(&mut self, changed: Option<TargetHealthChange>) {
        if let Some(changed) = changed {
            self.health_changed(changed).await;
        }
        self.look_at_draining().await;
        if self.beaten.elapsed() >= PERIOD {
            self.beaten = Instant::now();
            let workers = self.beats.iter().filter_map(|beat| beat.read()).collect();
            let load = self.pressure.read();
            self.tell(&FromRouter::Beat { workers, load }).await;
        }
    }

    async fn health_changed(&mut self, changed: TargetHealthChange) {
        let task = changed.task;
        if !self.states.contains_key(&task) {
            return;
        }
        let groups = self.table.iter().flat_map(|table| table.groups.values());
        for group in groups.filter(|group| group.targets.iter().any(|t| t.task == task)) {
            change_health(&self.states, group, &task, changed.health);
        }
        self.findings.insert(task.clone(), changed.finding.clone());
        self.tell(&health_told(task, changed.health, changed.finding))
            .await;
    }

    async fn look_at_draining(&mut self) {
        let now = Instant::now();
        let mut drained = Vec::new();
        for (task, entry) in &mut self.draining {
            let Some(state) = self.states.get(task).filter(|_| entry.done.is_none()) else {
                continue;
            };
            let waited = entry.cut_at.is_some_and(|at| now >= at + CUTTING);
            if state.in_flight() == 0 || waited {
                entry.done = Some(state.cut_so_far());
                drained.push((task.clone(), state.cut_so_far()));
            } else if entry.cut_at.is_none() && now >= entry.deadline {
                entry.cut_at = Some(now);
                state.cut_now();
            }
        }
        for (task, cut) in drained {
            self.tell(&FromRouter::Drained { task, cut }).await;
        }
    }

    /// Takes what a worker counted.
    pub(super) async fn counted(&mut self, report: WorkerReport) {
        self.history.record(report);
        self.tell_counts().await;
    }

    /// The engine has the counts up to a moment.
    pub(super) async fn counts_acknowledged(&mut self, through: u64) {
        self.unanswered &= through < self.told;
        self.tell_counts().await;
    }

    /// Tells the next counts, when there is an engine that has taken those before.
    async fn tell_counts(&mut self) {
        if self.engine.is_none() || self.unanswered {
            return;
        }
        if let Some(stretch) = self.history.after(self.told) {
            self.unanswered = true;
            self.told = stretch.through;
            self.tell(&counted(stretch)).await;
        }
    }

    /// Tells all that is left, to whoever is there: this router ends.
    pub(super) async fn tell_last_counts(&mut self) {
        self.history.end(self.clock.millis(Instant::now()));
        while let Some(stretch) = self.history.after(self.told) {
            self.told = stretch.through;
            self.tell(&counted(stretch)).await;
        }
    }
}

fn health_told(task: TaskId, health: TargetHealth, finding: CheckFinding) -> FromRouter {
    FromRouter::HealthChanged {
        task,
        health,
        reason: finding.reason,
        failures: finding.failures,
        threshold: finding.threshold,
    }
}

fn counted(stretch: HistorySpan) -> FromRouter {
    FromRouter::Counted {
        from: stretch.from,
        through: stretch.through,
        seconds: stretch.seconds,
    }
}

/// A target's health as it is now, and whether its slow start begins or ends with that.
fn change_health(states: &TargetStates, group: &TargetGroup, task: &TaskId, to: TargetHealth) {
    let Some(state) = states.get(task) else {
        return;
    };
    let duration = group.warm_up();
    let others = group
        .targets
        .iter()
        .filter(|target| target.task != *task && target.admission == Admission::Admitted)
        .filter_map(|target| states.get(&target.task))
        .map(|other| OtherTarget {
            health: other.health(),
            warmth: other.warmth(duration),
        });
    let change = (state.health(), to);
    if slow_start::begins(change, duration, state.registered, others) {
        // Before it is healthy for any worker.
        state.begin_slow_start();
    } else if to != TargetHealth::Healthy {
        state.leave_slow_start();
    }
    state.set_health(to);
}

fn is_checked(health: Option<&HealthCheck>) -> bool {
    health.is_some_and(|h| matches!(h.probe, Probe::Http { .. }))
}
