//! A world in simulated time around the real machine: tasks, jobs, health checks, users, alarms.
//!
//! Invariant: what decides is the machine, the guards and the alarms that decide near; only what
//! they decide about is modelled. Equal seeds give equal worlds.

mod observe;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use super::fault::Fault;
use super::notice::{Detector, Notice, StateBefore};
use super::timing::{RehearsalTiming, TimingModel};
use super::traffic::TrafficModel;
use crate::guard::StepAnalysis;
use crate::health::{Outcome as Checked, TargetCheck};
use crate::health_reason::HealthFinding;
use crate::ids::{ReleaseId, RevisionNumber, ServiceName, TaskId};
use crate::machine::{
    self, Action, EntryLog, EnvironmentState, Event, JournalEntry, ProcessExit, ServiceState,
    TaskHealth, TaskLifecycle,
};
use crate::metrics::{Sample, names};
use crate::monitoring::{self, Monitoring};
use crate::random::Random;
use crate::routing::table::TargetHealth;
use crate::time::Timestamp;

/// How often there is a look.
const LOOK: Duration = Duration::from_millis(250);

/// A process that is modelled.
struct ModelledProcess {
    revision: RevisionNumber,
    ran_at: Option<Timestamp>,
    gone: bool,
    leaving: bool,
    check: TargetCheck,
}

/// Something that will happen.
enum ScheduledEvent {
    Event(Event),
    /// A task's process runs.
    Runs(TaskId),
    /// A task is asked whether it is healthy.
    Check(TaskId),
    /// A task's process ends.
    Ends(TaskId, ProcessExit),
    /// The scheduler hears of it.
    Ended(TaskId, ProcessExit),
    /// ECS hears of an alarm.
    Alarm(String, String),
    /// Guards and alarms are looked at, requests flow.
    Look,
}

/// A modelled platform: its clock, tasks, requests and alarms.
pub(super) struct RehearsalWorld {
    pub state: EnvironmentState,
    pub now: Timestamp,
    pub traffic: TrafficModel,
    /// The revision that has the fault; 0: none yet.
    pub bad: RevisionNumber,
    /// Detectors that noticed the fault, and when.
    pub notices: Vec<Notice>,
    /// Alarms that fired: when, which, why.
    pub alarms: Vec<(Timestamp, String, String)>,
    /// When the database went.
    pub database_down: Option<Timestamp>,
    name: ServiceName,
    fault: Fault,
    on: TimingModel,
    timing: RehearsalTiming,
    random: Random,
    coming: BTreeMap<(Timestamp, u64), ScheduledEvent>,
    sequence: u64,
    processes: BTreeMap<TaskId, ModelledProcess>,
    pub watches: Monitoring,
    told_at: Timestamp,
    /// The last look at the users, and the release and step of then.
    flowing: (Timestamp, Option<(ReleaseId, u32)>),
    /// On ECS: the new version's target group, and its alarms that fired.
    group: Option<StepAnalysis>,
    heard: BTreeSet<String>,
}

/// A journal that keeps nothing: nobody replays a rehearsal.
struct DiscardingLog;

impl EntryLog for DiscardingLog {
    type Error = Infallible;

    fn append(&mut self, _: &[JournalEntry]) -> Result<(), Infallible> {
        Ok(())
    }
}

impl RehearsalWorld {
    /// An empty world with one service to come.
    pub(super) fn new(name: &str, fault: Fault, on: TimingModel, rate: f64, seed: u64) -> Self {
        let mut random = Random::new(seed);
        // Where in its minute a release begins is chance.
        let now = Timestamp(1_800_000_000_000 + random.below(60_000));
        let mut world = Self {
            state: EnvironmentState::default(),
            now,
            traffic: TrafficModel::new(rate, Random::new(random.draw())),
            bad: RevisionNumber::NONE,
            notices: Vec::new(),
            alarms: Vec::new(),
            database_down: None,
            name: name.into(),
            fault,
            on,
            timing: RehearsalTiming::of(on),
            random,
            coming: BTreeMap::new(),
            sequence: 0,
            processes: BTreeMap::new(),
            watches: Monitoring::new(now),
            told_at: now,
            flowing: (now, None),
            group: None,
            heard: BTreeSet::new(),
        };
        world.later(LOOK, ScheduledEvent::Look);
        world
    }

    /// The service; `None` before its first release.
    pub(super) fn service(&self) -> Option<&ServiceState> {
        self.state.services.get(&self.name)
    }

    /// The next thing happens.
    pub(super) fn step(&mut self) {
        let next = self.coming.first_key_value().map(|(key, _)| *key);
        let Some(key) = next else { return };
        match machine::next_deadline(&self.state) {
            Some(deadline) if deadline <= key.0 => {
                self.now = self.now.max(deadline);
                self.happen(&Event::TimePassed);
            }
            _ => {
                self.now = self.now.max(key.0);
                if let Some(coming) = self.coming.remove(&key) {
                    self.comes(coming);
                }
            }
        }
    }

    /// Decides, persists, applies, acts; a refusal is handed back.
    pub(super) fn happen(&mut self, event: &Event) -> Option<String> {
        let before = StateBefore::of(self.service());
        let step = machine::decide(&self.state, self.now, event);
        if let Some(refusal) = step.refusal() {
            return Some(refusal.to_string());
        }
        let Ok(persisted) = step.persist(&mut DiscardingLog);
        for entry in persisted.entries() {
            machine::apply(&mut self.state, entry);
        }
        if let Some(by) = Detector::by(&before, self.service(), event, self.now) {
            let at = self.now;
            self.notices.push(Notice { at, by });
        }
        for action in persisted.into_actions() {
            self.act(action);
        }
        None
    }

    fn later(&mut self, delay: Duration, coming: ScheduledEvent) {
        self.sequence += 1;
        self.coming
            .insert((self.now.after(delay), self.sequence), coming);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::StartTask { revision, task, .. } => {
                let process = ModelledProcess {
                    revision,
                    ran_at: None,
                    gone: false,
                    leaving: false,
                    check: TargetCheck::new(TargetHealth::Initial),
                };
                self.processes.insert(task.clone(), process);
                let jitter = Duration::from_millis(self.random.below(50));
                self.later(self.timing.run + jitter, ScheduledEvent::Runs(task));
            }
            Action::StopTask { task } => {
                self.later(
                    self.timing.stop,
                    ScheduledEvent::Ends(task, ProcessExit::Code(0)),
                );
            }
            Action::KillTask { task } => {
                self.later(
                    Duration::ZERO,
                    ScheduledEvent::Ends(task, ProcessExit::Signal(9)),
                );
            }
            Action::RunHook {
                release,
                revision,
                job,
                run,
                ..
            } => self.run_job((release, run), revision, &job),
            Action::PublishRoutes => self.drain(),
            Action::StopHook { .. } => {}
        }
    }

    /// A job that does what it should, unless the fault is its own.
    fn run_job(&mut self, (release, run): (ReleaseId, u32), revision: RevisionNumber, job: &str) {
        let bad = revision == self.bad;
        if bad && self.fault == Fault::HookTimeout && run == 1 {
            return;
        }
        let definition = self
            .service()
            .and_then(|service| service.definition(revision));
        let policy = definition.map(|found| &found.service.release);
        let timeout = definition.and_then(|found| Some(found.jobs.get(job)?.timeout));
        // A job that succeeds has its time.
        let takes = timeout.map_or(self.timing.job, |timeout| self.timing.job.min(timeout / 2));
        let first = |list: Option<&Vec<String>>| {
            list.and_then(|list| list.first()).map(String::as_str) == Some(job)
        };
        let fails = bad
            && match self.fault {
                Fault::MigrateFail => first(policy.map(|policy| &policy.before)),
                Fault::SmokeFail => first(policy.map(|policy| &policy.smoke)),
                _ => false,
            };
        let event = Event::HookFinished {
            release,
            run,
            exit: ProcessExit::Code(i32::from(fails)),
            last_lines: Vec::new(),
        };
        self.later(takes, ScheduledEvent::Event(event));
    }

    /// Tasks that leave finish what is in flight. ECS waits for the whole deregistration delay.
    fn drain(&mut self) {
        let Some(service) = self.state.services.get(&self.name) else {
            return;
        };
        let leaving = service
            .tasks
            .values()
            .filter(|task| matches!(task.lifecycle, TaskLifecycle::Deactivating { .. }));
        let mut drained = Vec::new();
        for task in leaving {
            if let Some(process) = self.processes.get_mut(&task.id)
                && !process.leaving
            {
                process.leaving = true;
                drained.push(task.id.clone());
            }
        }
        if self.on == TimingModel::Near {
            for task in drained {
                let slow = match (self.fault, self.processes.get(&task)) {
                    (Fault::Latency(by), Some(process)) if process.revision == self.bad => by,
                    _ => Duration::from_millis(20),
                };
                self.later(
                    slow,
                    ScheduledEvent::Event(Event::TaskDrained { task, cut: 0 }),
                );
            }
        }
    }

    fn comes(&mut self, coming: ScheduledEvent) {
        match coming {
            ScheduledEvent::Event(event) => {
                self.happen(&event);
            }
            ScheduledEvent::Runs(task) => self.runs(task),
            ScheduledEvent::Check(task) => self.check(task),
            ScheduledEvent::Ends(task, exit) => self.ends(task, exit),
            ScheduledEvent::Ended(task, exit) => {
                self.processes.remove(&task);
                let last_lines = Vec::new();
                self.happen(&Event::TaskExited {
                    task,
                    exit,
                    last_lines,
                });
            }
            ScheduledEvent::Alarm(name, reason) => {
                for event in monitoring::alarm_fired(&self.state, &name, &reason) {
                    self.happen(&event);
                }
            }
            ScheduledEvent::Look => {
                self.evaluate();
                self.later(LOOK, ScheduledEvent::Look);
            }
        }
    }

    fn runs(&mut self, task: TaskId) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&task) else {
            return;
        };
        process.ran_at = Some(now);
        let bad = process.revision == self.bad;
        self.happen(&Event::TaskStarted { task: task.clone() });
        if let (true, Fault::Crash(after)) = (bad, self.fault) {
            let after = after.max(Duration::from_millis(10));
            self.later(
                after,
                ScheduledEvent::Ends(task.clone(), ProcessExit::Code(1)),
            );
        }
        self.later(self.timing.check, ScheduledEvent::Check(task));
    }

    fn check(&mut self, task: TaskId) {
        let Some(process) = self.processes.get_mut(&task) else {
            return;
        };
        let definition = self
            .state
            .services
            .get(&self.name)
            .and_then(|service| service.definition(process.revision));
        let Some(rule) = definition.and_then(|found| found.service.health.as_ref()) else {
            return;
        };
        let listens = process
            .ran_at
            .is_some_and(|ran| self.now >= ran.after(self.timing.listen));
        let outcome = if process.gone || !listens {
            Checked::Unreachable
        } else if process.revision == self.bad && self.fault == Fault::BadHealth {
            Checked::Failed
        } else {
            Checked::Passed
        };
        let found = process.check.observe(self.now, outcome, rule);
        let gap = match self.on {
            TimingModel::Near => process.check.next_gap(rule),
            TimingModel::Ecs => rule.interval,
        };
        self.later(gap, ScheduledEvent::Check(task.clone()));
        let (health, reason) = match found {
            Some(TargetHealth::Healthy) => (TaskHealth::Healthy, "answered 200"),
            Some(TargetHealth::Unhealthy) => (TaskHealth::Unhealthy, "answered 503"),
            _ => return,
        };
        self.happen(&Event::TaskHealthChanged {
            task,
            health,
            reason: HealthFinding::Other(reason.to_owned()).into(),
            last_lines: Vec::new(),
        });
    }

    fn ends(&mut self, task: TaskId, exit: ProcessExit) {
        let Some(process) = self.processes.get_mut(&task).filter(|found| !found.gone) else {
            return;
        };
        process.gone = true;
        let (revision, leaving) = (process.revision, process.leaving);
        if !leaving {
            let sample = Sample::of_task(names::RESTARTS, (&self.name, revision), &task, 1.0);
            self.record(&sample);
            let service = self.state.services.get(&self.name);
            if let Some(service) = service
                && service.tasks.get(&task).is_some_and(machine::Task::healthy)
                && service
                    .shares()
                    .is_none_or(|shares| shares[1].1 > 0 || shares[1].0 != revision)
            {
                self.traffic.lose(service, revision, service.tasks.len());
            }
        }
        self.later(self.timing.exit_seen, ScheduledEvent::Ended(task, exit));
    }
}
