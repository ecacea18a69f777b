//! Releases under seeded chaos, judged by the invariants that the machine promises.
//!
//! Each seed decides the numbers of a service, how its revisions behave, what people ask and
//! when, which events come late, twice or never, and when the engine dies. After every step
//! the oracles are asked. `NEARGATE_SEED=n` replays one seed.
#![allow(clippy::disallowed_methods)] // a seed to replay is named in the environment

mod world;

use neargate_core::machine::{
    self, Action, Event, Exit, Fact, Health, Lifecycle, Outcome, RevisionStatus, Stage, State,
    Task, limits,
};
use neargate_core::manifest::model::{Breaker, Threshold};
use world::{Behaviour, Numbers, World, definition};

const SEEDS: u64 = 1_500;
const RELEASES: u32 = 4;

fn numbers(world: &mut World) -> Numbers {
    let random = &mut world.random;
    let minimum = [0, 50, 66, 100][random.below(4) as usize];
    let maximum = [125, 150, 200][random.below(3) as usize];
    let desired = 1 + u32::try_from(random.below(6)).expect("small");
    // A service that can neither stop nor start would hang, as ECS does.
    let minimum = if desired * (maximum - 100) < 100 {
        minimum.min(50)
    } else {
        minimum
    };
    let minimum = if desired == 1 && maximum < 200 {
        0
    } else {
        minimum
    };
    let breaker = Breaker {
        threshold: [
            Threshold::BoundedPercent,
            Threshold::UnboundedPercent,
            Threshold::Count,
        ][random.below(3) as usize],
        value: 50,
        reset_on_healthy: random.chance(70),
        rollback: true,
    };
    let breaker = if breaker.threshold == Threshold::Count {
        Breaker {
            value: 3,
            ..breaker
        }
    } else {
        breaker
    };
    Numbers {
        desired,
        minimum,
        maximum,
        hook: random.chance(30),
        breaker: Some(breaker),
    }
}

fn behaviour(world: &mut World) -> Behaviour {
    [
        Behaviour::Good,
        Behaviour::Good,
        Behaviour::Slow,
        Behaviour::NeverHealthy,
        Behaviour::Crashing,
        Behaviour::Unstartable,
    ][world.random.below(6) as usize]
}

#[test]
fn no_seed_breaks_an_invariant() {
    let seeds = match std::env::var("NEARGATE_SEED")
        .ok()
        .and_then(|text| text.parse::<u64>().ok())
    {
        Some(seed) => seed..seed + 1,
        None => 0..SEEDS,
    };
    let mut outcomes = [0u32; 3];
    for seed in seeds {
        let run = std::panic::catch_unwind(|| simulate(seed));
        match run {
            Ok(counts) => (0..3).for_each(|i| outcomes[i] += counts[i]),
            Err(_) => panic!(
                "replay it: NEARGATE_SEED={seed} cargo test -p neargate-core --test simulation"
            ),
        }
    }
    if std::env::var("NEARGATE_SEED").is_err() {
        // The chaos must not be so kind, or so cruel, that an outcome never comes.
        assert!(outcomes.iter().all(|count| *count > 50), "{outcomes:?}");
    }
}

fn simulate(seed: u64) -> [u32; 3] {
    let mut world = World::new(seed);
    let numbers = numbers(&mut world);
    world.happen(&Event::UpRequested);
    for version in 1..=RELEASES {
        let behaviour = behaviour(&mut world);
        // The first one must be able to serve more often than not.
        let behaviour = if version == 1 && world.random.chance(80) {
            Behaviour::Good
        } else {
            behaviour
        };
        world.behaviour.insert(version, behaviour);
        world.hooks_succeed = world.random.chance(80);
        let before = world.service_or_none();
        let definition = Box::new(definition(numbers, version));
        judged(
            &mut world,
            &Event::DeployRequested {
                service: "api".into(),
                definition,
            },
            before.as_ref(),
        );
        chaos(&mut world, seed);
        if world.random.chance(20) {
            judged(
                &mut world,
                &Event::RollbackRequested {
                    service: "api".into(),
                    to: None,
                },
                None,
            );
            chaos(&mut world, seed);
        }
    }
    assert_eq!(
        replay(&world, world.tape.0.len()),
        world.state,
        "replay(journal) = state"
    );
    let mut counts = [0; 3];
    for finished in &world.service().history {
        counts[match finished.outcome {
            Outcome::Done => 0,
            Outcome::RolledBack => 1,
            Outcome::Failed => 2,
        }] += 1;
    }
    counts
}

/// Runs to quiet with faults on the way; then all must be as promised.
fn chaos(world: &mut World, seed: u64) {
    for step in 0..60_000 {
        if world.quiet() && world.coming.is_empty() {
            return settled(world);
        }
        // Faults come in the first part; a fair world follows, in which everything must end.
        if step < 300 {
            fault(world);
        }
        let before = world.service_or_none();
        if !world.step() {
            break;
        }
        judge(world, before.as_ref());
    }
    assert!(world.quiet(), "seed {seed}: no end: {:?}", world.state);
    settled(world);
}

trait Look {
    fn service_or_none(&self) -> Option<machine::ServiceState>;
}

impl Look for World {
    fn service_or_none(&self) -> Option<machine::ServiceState> {
        self.state.services.get("api").cloned()
    }
}

fn fault(world: &mut World) {
    match world.random.below(100) {
        // An event is lost: what it said is told again by whoever looks next.
        0 if !world.coming.is_empty() => {
            let at = world.random.below(world.coming.len() as u64) as usize;
            if let Some((_, event)) = world.coming.get(at).cloned()
                && matches!(event, Event::TaskDrained { .. })
            {
                world.coming.remove(at);
            }
        }
        // An event comes twice, and late.
        1..=3 if !world.coming.is_empty() => {
            let at = world.random.below(world.coming.len() as u64) as usize;
            if let Some((_, event)) = world.coming.get(at).cloned() {
                let delay = world.random.below(5_000);
                if !matches!(event, Event::TaskStartFailed { .. }) {
                    world.later(delay + 10_000, event);
                }
            }
        }
        // A task is killed from outside.
        4..=5 => {
            let victim = world
                .processes
                .keys()
                .nth(world.random.below(8) as usize)
                .cloned();
            if let Some(task) = victim {
                world.later(
                    1,
                    Event::TaskExited {
                        task,
                        exit: Exit::Signal(9),
                        last_lines: Vec::new(),
                    },
                );
            }
        }
        6 => {
            let desired = 1 + u32::try_from(world.random.below(6)).expect("small");
            world.happen(&Event::ScaleRequested {
                service: "api".into(),
                desired,
            });
        }
        // The engine dies, perhaps between persisting and acting.
        7..=10 => crash(world),
        _ => {}
    }
}

/// The engine dies and another one replays the journal, looks at the world, and goes on.
fn crash(world: &mut World) {
    let prefix = world.random.below(world.tape.0.len() as u64 + 1) as usize;
    let partial = replay(world, prefix);
    let text = serde_json::to_string(&partial).expect("a state is JSON");
    assert_eq!(
        serde_json::from_str::<State>(&text).expect("and back"),
        partial,
        "a snapshot loses nothing"
    );
    if world.random.chance(50) {
        // Persisted, but nothing was done.
        let lost = world.decide(&Event::TimePassed);
        drop(lost);
    }
    world.state = replay(world, world.tape.0.len());
    // What was said to the dead engine is gone; what is can be seen.
    let exits: Vec<String> = world
        .coming
        .iter()
        .filter_map(|(_, event)| match event {
            Event::TaskExited { task, .. } => Some(task.clone()),
            _ => None,
        })
        .collect();
    world.coming.retain(|(_, event)| {
        matches!(
            event,
            Event::TaskExited { .. } | Event::TaskHealthChanged { .. } | Event::HookFinished { .. }
        )
    });
    let tasks: Vec<Task> = world
        .state
        .services
        .values()
        .flat_map(|service| service.tasks.values().cloned())
        .collect();
    for task in tasks {
        let runs = world.processes.contains_key(&task.id);
        match (runs, task.lifecycle) {
            (true, _) => world.happen(&Event::TaskStarted {
                task: task.id.clone(),
            }),
            (false, Lifecycle::Pending { .. }) => {}
            (false, _) if exits.contains(&task.id) => {}
            (false, _) => {
                world.happen(&Event::TaskExited {
                    task: task.id,
                    exit: Exit::Unknown,
                    last_lines: Vec::new(),
                });
            }
        }
    }
    for action in machine::outstanding(&world.state) {
        world.act(action);
    }
    retell(world);
}

/// Health checks go on: a task that has no verdict gets one.
fn retell(world: &mut World) {
    let tasks: Vec<(String, u32)> = world
        .service_or_none()
        .into_iter()
        .flat_map(|s| s.tasks.into_values())
        .map(|t| (t.id, t.revision))
        .collect();
    for (task, revision) in tasks {
        let known = world.coming.iter().any(|(_, event)| matches!(event, Event::TaskHealthChanged { task: other, .. } if *other == task));
        if known || !world.processes.contains_key(&task) {
            continue;
        }
        let (health, reason) = match world.behaviour.get(&revision) {
            Some(Behaviour::NeverHealthy) => (Health::Unhealthy, "503"),
            Some(Behaviour::Crashing) => {
                world.later(
                    50,
                    Event::TaskExited {
                        task,
                        exit: Exit::Code(1),
                        last_lines: Vec::new(),
                    },
                );
                continue;
            }
            _ => (Health::Healthy, "200"),
        };
        world.later(
            500,
            Event::TaskHealthChanged {
                task,
                health,
                reason: reason.into(),
                last_lines: Vec::new(),
            },
        );
    }
}

fn replay(world: &World, prefix: usize) -> State {
    let mut state = State::default();
    for entry in &world.tape.0[..prefix] {
        machine::apply(&mut state, entry);
    }
    state
}

fn judged(world: &mut World, event: &Event, before: Option<&machine::ServiceState>) {
    let entries = world.tape.0.len();
    world.happen(event);
    if world.tape.0.len() > entries {
        judge(world, before);
    }
}

/// What must hold after every decision.
fn judge(world: &World, before: Option<&machine::ServiceState>) {
    let Some(service) = world.service_or_none() else {
        return;
    };
    let Some(definition) = service.definition(service.primary) else {
        return;
    };
    let policy = &definition.service.release;
    let active = service.tasks.values().filter(|task| task.active()).count();
    let ceiling = limits::ceiling(service.desired, policy) as usize;
    if let Some(before) = before {
        let grew = active > before.tasks.values().filter(|task| task.active()).count();
        assert!(
            !grew || active <= ceiling,
            "the ceiling is {ceiling}: {service:?}"
        );
        floor_holds(world, before, &service);
    }
    if let Some(release) = &service.release {
        assert!(
            machine::next_deadline(&world.state).is_some(),
            "every wait has a deadline"
        );
        assert!(
            !machine::waiting_for(&service, world.now).is_empty(),
            "every wait has a name"
        );
        let moves = !matches!(release.stage, Stage::Pending | Stage::BeforeHooks);
        let primary = service
            .revisions
            .get(&service.primary)
            .map(|revision| revision.status);
        assert!(
            !moves || primary != Some(RevisionStatus::Failed),
            "new tasks of a failed revision: {release:?}"
        );
    }
    let begun = world.tape.0.iter().filter(|entry| {
        matches!(&entry.fact, Fact::HookStarted { release, .. } if service.release.as_ref().is_some_and(|r| r.id == *release))
    });
    assert!(begun.count() <= 1, "a job was begun twice in one release");
}

/// Our own stops never take healthy tasks below the floor.
fn floor_holds(world: &World, before: &machine::ServiceState, now: &machine::ServiceState) {
    let Some(definition) = now.definition(now.primary) else {
        return;
    };
    let floor = limits::floor(now.desired, &definition.service.release) as usize;
    let retired = now
        .tasks
        .values()
        .filter(|task| !task.active() && before.tasks.get(&task.id).is_some_and(Task::healthy))
        .count();
    let healthy = now.tasks.values().filter(|task| task.healthy()).count();
    let unhealthy_before = now.tasks.values().any(|task| {
        !task.active()
            && before
                .tasks
                .get(&task.id)
                .is_some_and(|old| old.healthy() && task.health != old.health)
    });
    if retired > 0 && !unhealthy_before && world.state.phase == machine::Phase::Up {
        assert!(
            healthy >= floor,
            "{healthy} healthy tasks are left of at least {floor}: {now:?}"
        );
    }
}

/// What must hold when all is quiet.
fn settled(world: &World) {
    let service = world.service();
    if let Some(stable) = service.stable {
        assert_eq!(
            service.primary, stable,
            "a release ends on a stable revision"
        );
    }
    for task in world.processes.keys() {
        assert!(service.tasks.contains_key(task), "task {task} is orphaned");
    }
    let created = |revision| {
        world.tape.0.iter().rev().take_while(
            move |entry| !matches!(entry.fact, Fact::RevisionFailed { revision: r } if r == revision),
        )
    };
    for (number, revision) in &service.revisions {
        if revision.status == RevisionStatus::Failed {
            let after = created(*number).filter(
                |e| matches!(e.fact, Fact::TaskCreated { revision: r, .. } if r == *number),
            );
            assert_eq!(after.count(), 0, "a failed revision gets no new task");
        }
    }
    assert!(
        !machine::outstanding(&world.state)
            .iter()
            .any(|action| matches!(action, Action::StartTask { .. }))
            || service.stable.is_none()
    );
}
