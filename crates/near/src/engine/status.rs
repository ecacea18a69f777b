//! The state as `status` shows it.

use std::time::Instant;

use neargate_core::machine::{self, ReleaseKind, ServiceState, Task};
use neargate_core::status::{
    ProcessStatus, ReleaseStatus, ServiceKind, ServiceStatus, Status, TaskStatus,
};
use neargate_core::status_words::StrategyName;
use neargate_core::time::Timestamp;

use super::Engine;
use super::last_check::LastCheck;
use crate::data::DataServiceKind;

impl Engine {
    /// The whole environment.
    pub(super) fn status(&mut self) -> Status {
        let manifest = self
            .definition
            .as_ref()
            .map(|definition| &definition.manifest);
        let endpoint = manifest.map_or_else(String::new, |manifest| manifest.edge.url());
        let facts = self.surroundings.data.facts();
        let of = |kind: DataServiceKind| {
            facts
                .iter()
                .filter(|f| f.key.kind == kind)
                .map(crate::data::DataServiceStatus::status)
                .collect()
        };
        Status {
            app: manifest.map_or_else(String::new, |manifest| manifest.app.clone()),
            env: manifest.map_or_else(String::new, |manifest| manifest.env.clone()),
            endpoint,
            services: self
                .ledger
                .state()
                .services
                .values()
                .map(|service| self.service_status(service))
                .collect(),
            databases: of(DataServiceKind::Database),
            caches: of(DataServiceKind::Cache),
            engine: ProcessStatus {
                pid: std::process::id(),
                started_at: self.wall_time(self.started_at),
            },
            router: self.router_status(),
            notes: self.notes.texts(),
            engine_version: Some(crate::program::VERSION.to_owned()),
            router_load: self.routers.load(),
            engine_loop: Some(self.lag.read(Instant::now())),
            copying: self.copies.read(),
        }
    }

    fn router_status(&mut self) -> Option<ProcessStatus> {
        let pid = self.routers.pid()?;
        if self.router_since.0 != pid {
            self.router_since = (pid, self.now());
        }
        Some(ProcessStatus {
            pid,
            started_at: self.wall_time(self.router_since.1),
        })
    }

    fn service_status(&self, service: &ServiceState) -> ServiceStatus {
        let count = |matches: fn(&Task) -> bool| {
            u32::try_from(service.tasks.values().filter(|task| matches(task)).count())
                .unwrap_or(u32::MAX)
        };
        let mut tasks: Vec<&Task> = service.tasks.values().collect();
        tasks.sort_by_key(|task| (task.revision, task.ordinal));
        let trouble = StartTrouble::of(service, self.now());
        let mut status = ServiceStatus {
            name: service.name.to_string(),
            kind: kind(service),
            desired: service.desired,
            running: count(|task| matches!(task.lifecycle, machine::TaskLifecycle::Running { .. })),
            healthy: count(Task::healthy),
            needed: needed(service),
            revision: service
                .release
                .as_ref()
                .map_or(service.primary, |release| release.to),
            stable_revision: service.stable,
            release: self.release_status(service),
            tasks: tasks
                .into_iter()
                .map(|task| self.task_status(service, task))
                .collect(),
            failing: trouble.as_ref().is_some_and(|trouble| trouble.failing),
            trouble: trouble.map(|trouble| trouble.words),
        };
        let check = status.last_check().map(str::to_owned);
        if let (Some(release), Some(found)) = (&mut status.release, check)
            && !release.waiting_for.contains(&found)
        {
            release
                .waiting_for
                .push_str(&format!("; last check: {found}"));
        }
        status
    }

    fn task_status(&self, service: &ServiceState, task: &Task) -> TaskStatus {
        let running = self.running.get(&task.id);
        TaskStatus {
            id: task.id.clone(),
            pid: running.map(|running| running.task.pid),
            port: running.and_then(|running| running.port),
            revision: task.revision,
            state: task.into(),
            health: task.health.into(),
            last_check: self.last_check(task),
            started_at: task.ran_at.map(|at| self.wall_time(at)),
            leaves_by: service.leaves_by(task).map(|at| self.wall_time(at)),
        }
    }

    fn last_check(&self, task: &Task) -> Option<String> {
        if task.health == machine::TaskHealth::Unhealthy {
            let reason = &task.health_reason;
            return (!reason.is_empty()).then(|| reason.to_string());
        }
        self.last_checks.get(&task.id).map(LastCheck::describe)
    }

    /// A moment as people are shown it.
    pub(super) fn wall_time(&self, at: Timestamp) -> Timestamp {
        self.ledger.clock().wall_time(at)
    }

    fn release_status(&self, service: &ServiceState) -> Option<ReleaseStatus> {
        let release = service.release.as_ref()?;
        let definition = service.definition(release.to)?;
        let strategy = match release.kind {
            ReleaseKind::Deploy => StrategyName::from(&definition.service.release.strategy),
            ReleaseKind::Rollback => StrategyName::Rolling,
        };
        Some(ReleaseStatus {
            id: release.id,
            strategy,
            stage: release.stage.into(),
            step: release.step,
            weight: machine::weight(service),
            held: machine::is_held(service),
            paused: release.gate == machine::Promotion::Paused,
            waiting_for: machine::waiting_for(service, self.now()),
            started_at: self.wall_time(release.started_at),
        })
    }
}

fn kind(service: &ServiceState) -> ServiceKind {
    let newest = service.release.as_ref().map(|release| release.to);
    match service.definition(newest.unwrap_or(service.primary)) {
        Some(definition) if !definition.has_tasks() => ServiceKind::Static,
        _ => ServiceKind::Tasks,
    }
}

/// From this many failed starts in a row on, the trouble is told as a failure; starts go on.
const FAILED_AFTER: u32 = 3;

/// Why a service has fewer tasks than wanted, outside of a release.
struct StartTrouble {
    words: String,
    /// Its release failed, or several starts in a row.
    failing: bool,
}

impl StartTrouble {
    fn of(service: &ServiceState, now: Timestamp) -> Option<Self> {
        if service.release.is_some() {
            return None;
        }
        let failed = service.history.back();
        let failed = failed.filter(|last| last.outcome == machine::ReleaseOutcome::Failed);
        let failed = failed.map(|last| format!("release {} failed: {}", last.id, last.reason));
        if service.stable.is_none() {
            return failed.map(|words| Self {
                words,
                failing: true,
            });
        }
        let backoff = service.backoffs.get(&service.primary)?;
        let mut words = match backoff.until {
            Some(until) => format!(
                "the next task is started in {}",
                neargate_core::duration::rounded(until.since(now))
            ),
            None => String::from("a task is started"),
        };
        let failing = backoff.failures >= FAILED_AFTER;
        if failing {
            let (failures, reason) = (backoff.failures, &backoff.reason);
            let primary = service.primary;
            words = format!(
                "{failures} starts of revision {primary} failed in a row, the last one: {reason}; {words}"
            );
            if let Some(failed) = failed {
                words = format!("{failed}; {words}");
            }
        }
        Some(Self { words, failing })
    }
}

/// Healthy tasks that there must be for the service to serve as asked: all that are wanted, or,
/// while a release replaces a stable revision, its capacity floor.
fn needed(service: &ServiceState) -> u32 {
    let policy = |revision| {
        let definition = service.definition(revision)?;
        Some(&definition.service.release)
    };
    match (&service.release, service.stable) {
        (Some(release), Some(_)) => policy(release.to).map_or(service.desired, |policy| {
            let floor = machine::limits::floor(service.desired_tasks(), policy);
            floor.max(1).min(service.desired)
        }),
        _ => service.desired,
    }
}
