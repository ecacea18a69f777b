//! A small world for the machine: a virtual clock, a journal, and tasks that behave or do not.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;

mod service;
pub(crate) mod stories;

pub(crate) use service::{Behaviour, JUDGED_AFTER_MS, Numbers, Shift, definition};

use neargate_core::health_reason::HealthFinding;
use neargate_core::ids::{ReleaseId, RevisionNumber, TaskId};
use neargate_core::machine::{
    self, Action, EntryLog, EnvironmentState, Event, Fact, GuardVerdict, JournalEntry, ProcessExit,
    Promotion, ReleaseControl, ServiceState, SplitCheck, TaskHealth,
};
pub(crate) use neargate_core::random::Random;
use neargate_core::time::Timestamp;

/// A journal in memory.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tape(pub Vec<JournalEntry>);

impl EntryLog for Tape {
    type Error = Infallible;

    fn append(&mut self, entries: &[JournalEntry]) -> Result<(), Infallible> {
        self.0.extend_from_slice(entries);
        Ok(())
    }
}

/// A process of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process {
    Running,
    /// It was told to stop.
    Stopping,
}

/// The machine and everything around it.
pub(crate) struct World {
    pub state: EnvironmentState,
    /// Everything that was persisted.
    pub tape: Tape,
    pub now: Timestamp,
    /// Processes that exist.
    pub processes: BTreeMap<TaskId, Process>,
    /// Behaviour by version (the definition's, not the revision's number).
    pub behaviour: BTreeMap<u32, Behaviour>,
    /// Events that will happen, by time.
    pub coming: VecDeque<(Timestamp, Event)>,
    /// Runs of jobs of each release that began.
    pub hooks: BTreeSet<(ReleaseId, u32)>,
    /// Whether `before` jobs succeed.
    pub hooks_succeed: bool,
    /// Whether `smoke` and `after` jobs succeed.
    pub smoke_succeeds: bool,
    /// Steps of releases whose guards and split are being measured.
    pub watched: BTreeSet<(ReleaseId, u32)>,
    /// Versions whose tasks cannot be started for now, for a cause outside of them.
    pub hindered: BTreeSet<u32>,
    /// Decides what is random.
    pub random: Random,
}

impl World {
    /// An empty world.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: EnvironmentState::default(),
            tape: Tape::default(),
            now: Timestamp(1_000_000),
            processes: BTreeMap::new(),
            behaviour: BTreeMap::new(),
            coming: VecDeque::new(),
            hooks: BTreeSet::new(),
            hooks_succeed: true,
            smoke_succeeds: true,
            watched: BTreeSet::new(),
            hindered: BTreeSet::new(),
            random: Random::new(seed),
        }
    }

    pub(crate) fn service(&self) -> &ServiceState {
        &self.state.services["api"]
    }

    /// How tasks of a revision behave.
    pub(crate) fn behaviour_of(&self, revision: RevisionNumber) -> Behaviour {
        let service = self.state.services.get("api");
        let version = service
            .and_then(|service| service.definition(revision))
            .and_then(|definition| definition.service.env["VERSION"].parse().ok());
        let Some(version) = version else {
            return Behaviour::Good;
        };
        if self.hindered.contains(&version) {
            return Behaviour::Unstartable;
        }
        self.behaviour
            .get(&version)
            .copied()
            .unwrap_or(Behaviour::Good)
    }

    /// Decides, persists, applies; the actions are handed back. Refused requests change nothing.
    pub(crate) fn decide(&mut self, event: &Event) -> Vec<Action> {
        let step = machine::decide(&self.state, self.now, event);
        if step.refusal().is_some() {
            assert!(step.entries().is_empty(), "a refusal changes nothing");
            return Vec::new();
        }
        let Ok(persisted) = step.persist(&mut self.tape);
        for entry in persisted.entries() {
            self.both_revisions_are_up(entry);
            machine::apply(&mut self.state, entry);
        }
        persisted.into_actions()
    }

    /// A release takes its steps with all tasks of both revisions up, whoever asked for them; but
    /// for a person who gives the new revision all the traffic.
    fn both_revisions_are_up(&self, entry: &JournalEntry) {
        let Fact::StepTaken { release: id, .. } = &entry.fact else {
            return;
        };
        let service = &self.state.services[&entry.service];
        let release = service.release.as_ref().expect("of a release");
        assert_eq!(release.id, *id);
        let fully = release.gate == Promotion::PromotedFully;
        let healthy_of = |revision| {
            let own = service.tasks.values();
            own.filter(|task| task.revision == revision && task.healthy())
                .count()
        };
        for revision in [release.from, release.to] {
            let needed = service.shifts(release) && (!fully || revision == release.to);
            assert!(
                !needed || healthy_of(revision) >= service.desired as usize,
                "a step was taken without all tasks of revision {revision}: {service:?}"
            );
        }
    }

    /// Decides and acts.
    pub(crate) fn happen(&mut self, event: &Event) {
        for action in self.decide(event) {
            self.execute(action);
        }
    }

    /// Something that will happen in a while.
    pub(crate) fn later(&mut self, delay_ms: u64, event: Event) {
        let at = Timestamp(self.now.0 + delay_ms);
        let place = self.coming.partition_point(|(other, _)| *other <= at);
        self.coming.insert(place, (at, event));
    }

    /// Does an action; twice is as good as once.
    pub(crate) fn execute(&mut self, action: Action) {
        match action {
            Action::StartTask { revision, task, .. } => self.start(revision, task),
            Action::StopTask { task } | Action::KillTask { task } => self.stop(task),
            Action::RunHook {
                release, job, run, ..
            } => self.hook(release, &job, run),
            Action::PublishRoutes => {
                self.drain();
                self.watch();
            }
            Action::StopHook { .. } => {}
        }
    }

    fn start(&mut self, revision: RevisionNumber, task: TaskId) {
        if self.processes.contains_key(&task) {
            return;
        }
        let behaviour = self.behaviour_of(revision);
        let delay = 10 + self.random.below(200);
        if behaviour == Behaviour::Unstartable {
            self.later(
                delay,
                Event::TaskStartFailed {
                    task,
                    reason: "no such program".into(),
                    obstacle: None,
                },
            );
            return;
        }
        self.processes.insert(task.clone(), Process::Running);
        self.later(delay, Event::TaskStarted { task: task.clone() });
        let health = |health, reason: &str| Event::TaskHealthChanged {
            task: task.clone(),
            health,
            reason: HealthFinding::Other(reason.into()).into(),
            last_lines: Vec::new(),
        };
        let (after, event) = match behaviour {
            Behaviour::Good | Behaviour::Erroring | Behaviour::Unseen => {
                (100, health(TaskHealth::Healthy, "200"))
            }
            Behaviour::Slow => (20_000, health(TaskHealth::Healthy, "200")),
            Behaviour::NeverHealthy => {
                let unhealthy = Event::TaskHealthChanged {
                    task: task.clone(),
                    health: TaskHealth::Unhealthy,
                    reason: HealthFinding::Other("503".into()).into(),
                    last_lines: vec!["no cache".into()],
                };
                (10_000, unhealthy)
            }
            Behaviour::Crashing | Behaviour::Unstartable => (
                50,
                Event::TaskExited {
                    task: task.clone(),
                    exit: ProcessExit::Code(1),
                    last_lines: vec!["boom".into()],
                },
            ),
        };
        self.later(delay + after, event);
    }

    fn stop(&mut self, task: TaskId) {
        match self.processes.get(&task) {
            Some(Process::Running) => {
                self.processes.insert(task.clone(), Process::Stopping);
                let delay = 10 + self.random.below(500);
                self.later(
                    delay,
                    Event::TaskExited {
                        task,
                        exit: ProcessExit::Code(0),
                        last_lines: Vec::new(),
                    },
                );
            }
            Some(Process::Stopping) => {}
            None => self.later(
                1,
                Event::TaskExited {
                    task,
                    exit: ProcessExit::Unknown,
                    last_lines: Vec::new(),
                },
            ),
        }
    }

    /// A job runs once: asked again, its process or its exit is found.
    fn hook(&mut self, release: ReleaseId, job: &str, run: u32) {
        let runs = |event: &Event| matches!(event, Event::HookFinished { release: r, run: n, .. } if (*r, *n) == (release, run));
        if self.coming.iter().any(|(_, event)| runs(event)) {
            return;
        }
        let succeeds = match job {
            "migrate" => self.hooks_succeed,
            "undo" => true,
            _ => self.smoke_succeeds,
        };
        let delay = if self.hooks.insert((release, run)) {
            1_000
        } else {
            1
        };
        let exit = if succeeds {
            ProcessExit::Code(0)
        } else {
            ProcessExit::Code(3)
        };
        self.later(
            delay,
            Event::HookFinished {
                release,
                run,
                exit,
                last_lines: vec!["migrating".into()],
            },
        );
    }

    /// Guards are judged and the split is measured, in each step anew; people promote.
    pub(crate) fn watch(&mut self) {
        let Some(service) = self.state.services.get("api") else {
            return;
        };
        let Some(release) = service.release.clone() else {
            return;
        };
        let guarded = service
            .definition(release.to)
            .is_some_and(|to| !to.guards.is_empty());
        let approves = service
            .definition(release.to)
            .is_some_and(|to| to.service.release.approve);
        let waits = matches!(
            release.stage,
            machine::ReleaseStage::TestTraffic
                | machine::ReleaseStage::Shifting
                | machine::ReleaseStage::Baking
        );
        let up = self.state.phase == machine::EnvironmentPhase::Up;
        if !up || !waits || !self.watched.insert((release.id, release.step)) {
            return;
        }
        if approves || release.gate == Promotion::Paused {
            let steer = Event::ReleaseSteered {
                service: "api".into(),
                steer: ReleaseControl::Promote,
                by: "ops".into(),
            };
            self.later(90_000, steer);
        }
        if release.step == 0 {
            return;
        }
        let split = |split, share| Event::SplitMeasured {
            release: release.id,
            step: release.step,
            split,
            share,
            requests: 1000,
        };
        self.later(900, split(SplitCheck::Off, 0));
        self.later(2_000, split(SplitCheck::Verified, release.weight));
        if guarded {
            let verdict = match self.behaviour_of(release.to) {
                Behaviour::Erroring => GuardVerdict::Fired,
                Behaviour::Unseen => GuardVerdict::TooLittle,
                _ => GuardVerdict::Quiet,
            };
            let judged = |verdict| Event::GuardJudged {
                release: release.id,
                step: release.step,
                guard: "success".into(),
                verdict,
                reason: "2 of 2".into(),
            };
            self.later(JUDGED_AFTER_MS, judged(verdict));
            // Somebody sends requests after all.
            self.later(JUDGED_AFTER_MS + 100_000, judged(GuardVerdict::Quiet));
        }
    }

    /// The router says that draining tasks are idle.
    fn drain(&mut self) {
        let draining: Vec<TaskId> = self
            .state
            .services
            .values()
            .flat_map(|service| service.tasks.values())
            .filter(|task| matches!(task.lifecycle, machine::TaskLifecycle::Deactivating { .. }))
            .map(|task| task.id.clone())
            .collect();
        for task in draining {
            let delay = self.random.below(3_000);
            self.later(delay, Event::TaskDrained { task, cut: 0 });
        }
    }

    /// The next thing that happens; `false` when nothing will.
    pub(crate) fn step(&mut self) -> bool {
        let deadline = machine::next_deadline(&self.state);
        let next = self.coming.front().map(|(at, _)| *at);
        match (next, deadline) {
            (Some(at), Some(deadline)) if deadline <= at => self.pass(deadline),
            (None, Some(deadline)) => self.pass(deadline),
            (Some(at), _) => {
                self.now = self.now.max(at);
                if let Some((_, event)) = self.coming.pop_front() {
                    self.world_changes(&event);
                    self.happen(&event);
                }
            }
            (None, None) => return false,
        }
        true
    }

    fn pass(&mut self, to: Timestamp) {
        self.now = self.now.max(to);
        self.happen(&Event::TimePassed);
    }

    /// Changes the world by the facts of an event.
    pub(crate) fn world_changes(&mut self, event: &Event) {
        if let Event::TaskExited { task, .. } = event {
            self.processes.remove(task);
        }
    }

    /// Runs until the service has no release and all its tasks are healthy, or `limit` steps.
    pub(crate) fn settle(&mut self, limit: usize) -> bool {
        for _ in 0..limit {
            if self.quiet() {
                return true;
            }
            if !self.step() {
                return self.quiet();
            }
        }
        false
    }

    /// No release, and exactly the healthy tasks that are wanted (or a failed first release).
    pub(crate) fn quiet(&self) -> bool {
        let Some(service) = self.state.services.get("api") else {
            return true;
        };
        let failed = service.stable.is_none() && service.history.back().is_some();
        let healthy = service.tasks.values().filter(|task| task.healthy()).count();
        service.release.is_none()
            && (failed || (healthy == service.desired as usize && service.tasks.len() == healthy))
    }
}
