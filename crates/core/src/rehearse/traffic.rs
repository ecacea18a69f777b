//! The modelled router and its users: a steady stream of requests, shared as the weights say.
//!
//! Invariant: each request goes to one healthy task of the revision that its share gives it, to
//! an unhealthy one only when there is no other (fail-open), and is counted once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::ids::{RevisionNumber, TaskId};
use crate::machine::{ServiceState, Task, TaskHealth, TaskLifecycle};
use crate::metrics::Window;
use crate::random::Random;
use crate::routing::control::RequestCount;

/// Effect of a task on requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum TaskBehaviour {
    /// Each request is answered well.
    Good,
    /// This share is answered with 500, percent.
    Failing(f64),
    /// Each takes so much longer.
    Slow(Duration),
    /// Its process is gone, and the router does not know yet.
    Gone,
}

/// Requests and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RequestTally {
    /// All requests, failed and slowed ones included.
    pub requests: u64,
    /// Answered with 5xx, by the task or by the router for it.
    pub failed: u64,
    /// Slowed down by the fault.
    pub slowed: u64,
}

/// The users and the router.
#[derive(Debug)]
pub(super) struct TrafficModel {
    rate: f64,
    random: Random,
    owed: f64,
    owed_new: u64,
    turn: usize,
    counts: BTreeMap<String, RequestCount>,
    /// By revision; those of no task count for the revision that they were meant for.
    pub tallies: BTreeMap<RevisionNumber, RequestTally>,
}

/// How a healthy request is taken to do: percent of requests, microseconds.
const LATENCIES: [(f64, u64); 4] = [
    (60.0, 5_000),
    (90.0, 10_000),
    (99.0, 25_000),
    (100.0, 80_000),
];
/// A request in flight for longer than this is answered with 504 (near's default idle timeout).
const GATEWAY_TIMEOUT: u16 = 504;

impl TrafficModel {
    pub(super) fn new(rate: f64, random: Random) -> Self {
        Self {
            rate,
            random,
            owed: 0.0,
            owed_new: 0,
            turn: 0,
            counts: BTreeMap::new(),
            tallies: BTreeMap::new(),
        }
    }

    /// The requests of a stretch of time.
    pub(super) fn flow(
        &mut self,
        stretch: Duration,
        service: &ServiceState,
        conduct: impl Fn(&TaskId) -> TaskBehaviour,
    ) {
        self.owed += self.rate * stretch.as_secs_f64();
        let shares = service.shares();
        let groups =
            shares.map(|shares| shares.map(|(revision, _)| members(service, Some(revision))));
        let all = members(service, None);
        while self.owed >= 1.0 {
            self.owed -= 1.0;
            let (revision, group) = match (shares, &groups) {
                (Some([(stable, _), (new, share)]), Some([of_stable, of_new])) => {
                    self.owed_new += u64::from(share);
                    if self.owed_new >= 1000 {
                        self.owed_new -= 1000;
                        (new, of_new)
                    } else {
                        (stable, of_stable)
                    }
                }
                _ => (service.primary, &all),
            };
            self.turn = self.turn.wrapping_add(1);
            match group.get(self.turn % group.len().max(1)) {
                Some(task) => self.ask(service, task, conduct(&task.id)),
                None => self.unserved(service, revision, 503),
            }
        }
    }

    fn ask(&mut self, service: &ServiceState, task: &Task, conduct: TaskBehaviour) {
        if conduct == TaskBehaviour::Gone {
            self.unserved(service, task.revision, 502);
            return;
        }
        let drawn = self.random.below(100) as f64;
        let usual = LATENCIES.iter().find(|(most, _)| drawn < *most);
        let mut micros = usual.map_or(5_000, |(_, micros)| *micros);
        let mut status = 200;
        let tally = self.tallies.entry(task.revision).or_default();
        tally.requests += 1;
        match conduct {
            TaskBehaviour::Failing(percent) if self.random.chance(percent) => status = 500,
            TaskBehaviour::Slow(by) => {
                tally.slowed += 1;
                let idle = idle_timeout(service, task.revision);
                if by >= idle {
                    status = GATEWAY_TIMEOUT;
                }
                micros += by.min(idle).as_micros() as u64;
            }
            TaskBehaviour::Good | TaskBehaviour::Gone | TaskBehaviour::Failing(_) => {}
        }
        tally.failed += u64::from(status >= 500);
        let count = self.count(service, task.revision, task.id.as_str());
        let by_whom = if status == GATEWAY_TIMEOUT {
            &mut count.router_status
        } else {
            &mut count.target_status
        };
        *by_whom.entry(status).or_default() += 1;
        count.latency.record(micros as f64 / 1000.0, 1);
    }

    /// A request that no task answered.
    fn unserved(&mut self, service: &ServiceState, revision: RevisionNumber, status: u16) {
        let tally = self.tallies.entry(revision).or_default();
        tally.requests += 1;
        tally.failed += 1;
        let count = self.count(service, revision, "");
        *count.router_status.entry(status).or_default() += 1;
    }

    /// Requests that were in a task when it died.
    pub(super) fn lose(&mut self, service: &ServiceState, revision: RevisionNumber, tasks: usize) {
        let typical = Duration::from_millis(10).as_secs_f64();
        let in_flight = self.rate * typical / tasks.max(1) as f64;
        for _ in 0..in_flight.round() as u64 {
            self.unserved(service, revision, 502);
        }
    }

    fn count(
        &mut self,
        service: &ServiceState,
        revision: RevisionNumber,
        task: &str,
    ) -> &mut RequestCount {
        let fresh = || RequestCount {
            service: service.name.to_string(),
            revision,
            task: task.to_owned(),
            target_status: BTreeMap::new(),
            router_status: BTreeMap::new(),
            kept: 0,
            latency: Window::default(),
        };
        let key = format!("{revision} {task}");
        self.counts.entry(key).or_insert_with(fresh)
    }

    /// Counts that the router tells once a second.
    pub(super) fn drain_counts(&mut self) -> Vec<RequestCount> {
        std::mem::take(&mut self.counts).into_values().collect()
    }
}

/// Tasks that take requests: of one revision, or of all.
fn members(service: &ServiceState, revision: Option<RevisionNumber>) -> Vec<Task> {
    let running = |task: &&Task| {
        matches!(task.lifecycle, TaskLifecycle::Running { .. })
            && (revision.is_none_or(|revision| task.revision == revision))
    };
    let known = || service.tasks.values().filter(running);
    let healthy: Vec<Task> = known().filter(|task| task.healthy()).cloned().collect();
    if healthy.is_empty() {
        let open = known().filter(|task| task.health == TaskHealth::Unhealthy);
        return open.cloned().collect();
    }
    healthy
}

fn idle_timeout(service: &ServiceState, revision: RevisionNumber) -> Duration {
    let definition = service.definition(revision);
    definition.map_or(Duration::from_secs(60), |found| found.service.idle_timeout)
}
