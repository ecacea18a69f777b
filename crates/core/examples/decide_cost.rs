//! What a decision costs: 1,000 services of 10 running tasks each, and events of every kind.
//!
//! `cargo run --release -p neargate-core --example decide_cost` prints the time that decide and
//! apply take per event, and ends with 1 when the 99th percentile is above 100 µs. Nothing is
//! written to disk: the journal is not part of the promise.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros)] // it measures time and prints

#[path = "../tests/world/mod.rs"]
mod world;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use neargate_core::health_reason::HealthFinding;
use neargate_core::ids::{ReleaseId, TaskId};
use neargate_core::machine::{
    self, Action, EntryLog, EnvironmentState, Event, GuardVerdict, JournalEntry, ProcessExit,
    Supersede, TaskHealth,
};
use neargate_core::model::Breaker;
use neargate_core::time::Timestamp;
use world::{Numbers, Random, Shift, definition};

const SERVICES: u64 = 1_000;
const TASKS: u32 = 10;
/// Events from outside that are measured; what follows from them comes on top.
const EVENTS: u64 = 20_000;
/// Bound of the 99th percentile that SPECIFICATION.md promises.
const PROMISED: Duration = Duration::from_micros(100);

/// Takes entries and forgets them.
struct Nowhere;

impl EntryLog for Nowhere {
    type Error = Infallible;

    fn append(&mut self, _: &[JournalEntry]) -> Result<(), Infallible> {
        Ok(())
    }
}

/// An environment whose processes do what they are told.
struct Environment {
    state: EnvironmentState,
    now: Timestamp,
    random: Random,
    /// Events to come, by time and order.
    coming: BTreeMap<(u64, u64), Event>,
    order: u64,
    /// Duration of each event, by kind.
    costs: BTreeMap<&'static str, Vec<Duration>>,
}

impl Environment {
    fn happen(&mut self, event: &Event) {
        let began = Instant::now();
        let step = machine::decide(&self.state, self.now, event);
        let Ok(persisted) = step.persist(&mut Nowhere);
        for entry in persisted.entries() {
            machine::apply(&mut self.state, entry);
        }
        let cost = began.elapsed();
        self.costs.entry(kind(event)).or_default().push(cost);
        for action in persisted.into_actions() {
            self.act(action);
        }
    }

    fn later(&mut self, delay_ms: u64, event: Event) {
        self.order += 1;
        self.coming
            .insert((self.now.0 + delay_ms, self.order), event);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::StartTask { task, .. } => {
                self.later(20, Event::TaskStarted { task: task.clone() });
                self.later(120, health(task, TaskHealth::Healthy));
            }
            Action::StopTask { task } | Action::KillTask { task } => {
                self.later(50, exited(task, ProcessExit::Code(0)));
            }
            Action::RunHook { release, run, .. } => {
                let finished = Event::HookFinished {
                    release,
                    run,
                    exit: ProcessExit::Code(0),
                    last_lines: Vec::new(),
                };
                self.later(200, finished);
            }
            Action::PublishRoutes | Action::StopHook { .. } => {}
        }
    }

    /// Lets time pass up to a moment: what comes by then happens, deadlines are kept.
    fn pass_to(&mut self, until: Timestamp) {
        loop {
            let event = self.coming.first_key_value().map(|((at, _), _)| *at);
            let deadline = machine::next_deadline(&self.state).map(|at| at.0);
            let Some(next) = event
                .into_iter()
                .chain(deadline)
                .min()
                .filter(|at| *at <= until.0)
            else {
                self.now = until;
                return;
            };
            self.now = Timestamp(next.max(self.now.0));
            if event == Some(next) {
                let (_, event) = self.coming.pop_first().expect("it was looked at");
                self.happen(&event);
            } else {
                self.happen(&Event::TimePassed);
            }
        }
    }

    fn deploy(&mut self, service: &str, version: u32) {
        let numbers = Numbers {
            desired: TASKS,
            minimum: 100,
            maximum: 200,
            hook: version.is_multiple_of(3),
            breaker: Some(Breaker::default()),
            strategy: match version % 4 {
                0 => Shift::Rolling,
                1 => Shift::Canary,
                2 => Shift::Linear,
                _ => Shift::BlueGreen,
            },
            guard: version.is_multiple_of(2),
            approve: false,
            jobs: false,
            low_traffic: "hold",
        };
        let mut definition = definition(numbers, version);
        definition.service.name = service.to_owned();
        let definition = Box::new(definition);
        let service = service.to_owned();
        self.happen(&Event::DeployRequested {
            service: service.into(),
            definition,
            firing: Vec::new(),
            supersede: Supersede::Refuse,
        });
    }

    fn some_task(&mut self, service: &str) -> Option<TaskId> {
        let tasks = &self.state.services.get(service)?.tasks;
        let count = u64::try_from(tasks.len()).unwrap_or(0);
        let index = usize::try_from(self.random.below(count.max(1))).unwrap_or(0);
        tasks.keys().nth(index).cloned()
    }

    /// A guard's word about the release in progress; mostly it is quiet.
    fn judged(&mut self, service: &str) -> Event {
        let release = self
            .state
            .services
            .get(service)
            .and_then(|s| s.release.as_ref());
        let (release, step) =
            release.map_or((ReleaseId::NONE, 0), |release| (release.id, release.step));
        let fired = self.random.chance(10);
        let verdict = if fired {
            GuardVerdict::Fired
        } else {
            GuardVerdict::Quiet
        };
        Event::GuardJudged {
            release,
            step,
            guard: "success".to_owned(),
            verdict,
            reason: "2 of 2".to_owned(),
        }
    }

    /// Something from outside.
    fn surprise(&mut self, n: u64) {
        let service = name(self.random.below(SERVICES));
        let task = self.some_task(&service).unwrap_or_else(|| "none".into());
        let event = match self.random.below(100) {
            0..40 => health(task, TaskHealth::Healthy),
            40..50 => health(task, TaskHealth::Unhealthy),
            50..65 => exited(task, ProcessExit::Code(1)),
            65..70 => Event::TaskDrained { task, cut: 0 },
            70..75 => Event::TimePassed,
            75..80 => self.judged(&service),
            80..90 => {
                return self.deploy(&service, u32::try_from(n).unwrap_or(u32::MAX));
            }
            90..94 => Event::ScaleRequested {
                service: service.into(),
                desired: u32::try_from(5 + self.random.below(11)).unwrap_or(TASKS),
            },
            94..98 => Event::RollbackRequested {
                service: service.into(),
                to: None,
            },
            98 => Event::RemovalRequested {
                service: service.into(),
            },
            _ => Event::TaskStartFailed {
                task,
                reason: "no such program".to_owned(),
                obstacle: None,
            },
        };
        self.happen(&event);
    }
}

fn name(n: u64) -> String {
    format!("s{n:04}")
}

fn health(task: TaskId, health: TaskHealth) -> Event {
    Event::TaskHealthChanged {
        task,
        health,
        reason: HealthFinding::Other("status".to_owned()).into(),
        last_lines: Vec::new(),
    }
}

fn exited(task: TaskId, exit: ProcessExit) -> Event {
    Event::TaskExited {
        task,
        exit,
        last_lines: vec!["the last line".to_owned()],
    }
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::UpRequested => "up",
        Event::DownRequested => "down",
        Event::DeployRequested { .. } | Event::NewRevisionForced { .. } => "deploy",
        Event::ServiceAdopted { .. } => "adopted",
        Event::CapacityObserved { .. } => "capacity",
        Event::RemovalRequested { .. } => "removal",
        Event::ScaleRequested { .. } => "scale",
        Event::RollbackRequested { .. } => "rollback",
        Event::TaskStarted { .. } => "started",
        Event::TaskStartFailed { .. } => "start failed",
        Event::TaskExited { .. } => "exited",
        Event::TaskHealthChanged { .. } => "health",
        Event::TaskDrained { .. } => "drained",
        Event::HookFinished { .. } => "hook finished",
        Event::ReleaseSteered { .. } => "steered",
        Event::GuardJudged { .. } => "judged",
        Event::SplitMeasured { .. } => "measured",
        Event::ObstacleRemoved { .. } => "obstacle removed",
        Event::HostRestarted => "host restarted",
        Event::TimePassed => "time passed",
    }
}

/// The environment with every task running and healthy, costs forgotten.
fn running() -> Environment {
    let mut environment = Environment {
        state: EnvironmentState::default(),
        now: Timestamp(1_000_000),
        random: Random::new(7),
        coming: BTreeMap::new(),
        order: 0,
        costs: BTreeMap::new(),
    };
    environment.happen(&Event::UpRequested);
    for n in 0..SERVICES {
        environment.deploy(&name(n), 1);
    }
    environment.pass_to(Timestamp(1_060_000));
    environment.costs.clear();
    environment
}

fn print(what: &str, costs: &mut [Duration]) -> Duration {
    costs.sort_unstable();
    let at = |percent: usize| costs[(costs.len() - 1) * percent / 100];
    let micros = |cost: Duration| cost.as_secs_f64() * 1e6;
    println!(
        "{what:14} {:7} events   p50 {:7.1} µs   p99 {:7.1} µs   max {:8.1} µs",
        costs.len(),
        micros(at(50)),
        micros(at(99)),
        micros(at(100)),
    );
    at(99)
}

fn main() -> ExitCode {
    let mut environment = running();
    let services = environment.state.services.values();
    let tasks = services.flat_map(|s| s.tasks.values());
    let healthy = tasks.filter(|task| task.healthy()).count();
    println!(
        "{} services, {healthy} healthy tasks",
        environment.state.services.len()
    );
    for n in 0..EVENTS {
        environment.surprise(n + 2);
        let pause = environment.random.below(40);
        environment.pass_to(Timestamp(environment.now.0 + pause));
    }
    let mut all: Vec<Duration> = Vec::new();
    for (kind, costs) in &mut environment.costs {
        all.extend_from_slice(costs);
        print(kind, costs);
    }
    let worst = print("all", &mut all);
    environment.costs.clear();
    environment.happen(&Event::DownRequested);
    for (kind, costs) in &mut environment.costs {
        print(kind, costs);
    }
    println!(
        "promised: p99 of all at most {PROMISED:?}; down is one decision for the whole environment"
    );
    if worst <= PROMISED {
        ExitCode::SUCCESS
    } else {
        println!("the promise is not kept");
        ExitCode::FAILURE
    }
}
