//! What goes wrong, and what people do in the middle of it.

use neargate_core::health_reason::HealthFinding;
use neargate_core::ids::{RevisionNumber, TaskId};
use neargate_core::machine::{
    self, EnvironmentState, Event, Obstacle, ProcessExit, ReleaseControl, Supersede, Task,
    TaskHealth, TaskLifecycle,
};

use super::{FindService, judged, replay};
use crate::world::{Behaviour, Numbers, World, definition};

pub(super) fn fault(world: &mut World) {
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
            if let Some((when, event)) = world.coming.get(at).cloned() {
                let delay = when.0.saturating_sub(world.now.0) + world.random.below(5_000);
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
                        exit: ProcessExit::Signal(9),
                        last_lines: Vec::new(),
                    },
                );
            }
        }
        6 => {
            // Of none, a revision that cannot start would be stable at once, as on ECS.
            let desired = 1 + u32::try_from(world.random.below(6)).expect("small");
            world.happen(&Event::ScaleRequested {
                service: "api".into(),
                desired,
            });
        }
        // The engine dies, perhaps between persisting and acting.
        7..=10 => crash(world),
        11 => power_cut(world),
        12 => kill_all(world),
        13 => hinder(world),
        14 => relieve(world),
        _ => {}
    }
}

/// Every task is killed, and the engine sees it.
fn kill_all(world: &mut World) {
    let tasks: Vec<TaskId> = world.processes.keys().cloned().collect();
    for task in tasks {
        let exit = ProcessExit::Signal(9);
        let last_lines = Vec::new();
        world.later(
            1,
            Event::TaskExited {
                task,
                exit,
                last_lines,
            },
        );
    }
}

/// Something outside keeps the stable revision from starting.
fn hinder(world: &mut World) {
    let stable = world.service_or_none().and_then(|service| {
        let definition = service.definition(service.stable?)?;
        definition.service.env["VERSION"].parse::<u32>().ok()
    });
    world.hindered.extend(stable);
}

/// The obstacle that kept revisions from starting is gone, and somebody says so.
pub(super) fn relieve(world: &mut World) {
    world.hindered.clear();
    let obstacle = Obstacle::DiskFull;
    world.happen(&Event::ObstacleRemoved { obstacle });
}

/// Measurements of a step are not known to the engine that begins the step again.
fn request_down(world: &mut World) {
    world.happen(&Event::DownRequested);
    world.watched.clear();
    world.coming.retain(|(_, event)| {
        !matches!(
            event,
            Event::GuardJudged { .. } | Event::SplitMeasured { .. }
        )
    });
}

/// `down`, and `up` after a while, perhaps with another manifest.
fn go_down(world: &mut World, numbers: Numbers, version: u32) {
    request_down(world);
    let pause = world.random.below(60_000);
    world.later(pause, Event::UpRequested);
    let version = match world.random.below(4) {
        0 => version + 200,
        1 => version.saturating_sub(1).max(1),
        _ => version,
    };
    let supersede = if world.random.chance(50) {
        Supersede::ContinueOrTakeOver
    } else {
        Supersede::Continue
    };
    world.later(
        pause + 1,
        Event::DeployRequested {
            service: "api".into(),
            definition: Box::new(definition(numbers, version)),
            firing: Vec::new(),
            supersede,
        },
    );
}

/// All processes are gone at once, the engine's among them; the next engine sees none.
fn power_cut(world: &mut World) {
    world.processes.clear();
    world.state = replay(world, world.tape.0.len());
    world.coming.retain(|(_, event)| asked_by_people(event));
    world.watched.clear();
    world.now.0 += world.random.below(300_000);
    world.happen(&Event::HostRestarted);
    for action in machine::outstanding(&world.state) {
        world.execute(action);
    }
    world.watch();
}

fn asked_by_people(event: &Event) -> bool {
    matches!(
        event,
        Event::ReleaseSteered { .. } | Event::UpRequested | Event::DeployRequested { .. }
    )
}

/// People do things in the middle of a release.
pub(super) fn interfere(world: &mut World, numbers: Numbers, version: u32) {
    let steer = match world.random.below(1000) {
        0..=3 => ReleaseControl::Pause,
        4..=7 => ReleaseControl::Promote,
        8 => ReleaseControl::PromoteFully,
        9 => ReleaseControl::Abort,
        10..=14 => ReleaseControl::Resume,
        15 => {
            let before = world.service_or_none();
            let deploy = Event::DeployRequested {
                service: "api".into(),
                definition: Box::new(definition(numbers, version + 100)),
                firing: Vec::new(),
                supersede: Supersede::TakeOver,
            };
            judged(world, &deploy, before.as_ref());
            return;
        }
        16 => {
            request_down(world);
            world.happen(&Event::UpRequested);
            return;
        }
        17..=20 => return go_down(world, numbers, version),
        _ => return,
    };
    let before = world.service_or_none();
    let event = Event::ReleaseSteered {
        service: "api".into(),
        steer,
        by: "ops".into(),
    };
    judged(world, &event, before.as_ref());
    if steer == ReleaseControl::Pause {
        let resume = Event::ReleaseSteered {
            service: "api".into(),
            steer: ReleaseControl::Resume,
            by: "ops".into(),
        };
        world.later(300_000, resume);
    }
}

/// The engine dies and another one replays the journal, looks at the world, and goes on.
fn crash(world: &mut World) {
    let prefix = world.random.below(world.tape.0.len() as u64 + 1) as usize;
    let partial = replay(world, prefix);
    let text = serde_json::to_string(&partial).expect("a state is JSON");
    assert_eq!(
        serde_json::from_str::<EnvironmentState>(&text).expect("and back"),
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
    let exits: Vec<TaskId> = world
        .coming
        .iter()
        .filter_map(|(_, event)| match event {
            Event::TaskExited { task, .. } => Some(task.clone()),
            _ => None,
        })
        .collect();
    world.coming.retain(|(_, event)| {
        asked_by_people(event)
            || matches!(
                event,
                Event::TaskExited { .. }
                    | Event::TaskHealthChanged { .. }
                    | Event::HookFinished { .. }
            )
    });
    // A new engine measures anew.
    world.watched.clear();
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
            (false, TaskLifecycle::Pending { .. }) => {}
            (false, _) if exits.contains(&task.id) => {}
            (false, _) => {
                world.happen(&Event::TaskExited {
                    task: task.id,
                    exit: ProcessExit::Unknown,
                    last_lines: Vec::new(),
                });
            }
        }
    }
    for action in machine::outstanding(&world.state) {
        world.execute(action);
    }
    retell(world);
    world.watch();
}

/// Health checks go on: a task that has no verdict gets one.
fn retell(world: &mut World) {
    let tasks: Vec<(TaskId, RevisionNumber)> = world
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
        let (health, reason) = match world.behaviour_of(revision) {
            Behaviour::NeverHealthy => (TaskHealth::Unhealthy, "503"),
            Behaviour::Crashing => {
                world.later(
                    50,
                    Event::TaskExited {
                        task,
                        exit: ProcessExit::Code(1),
                        last_lines: Vec::new(),
                    },
                );
                continue;
            }
            _ => (TaskHealth::Healthy, "200"),
        };
        world.later(
            500,
            Event::TaskHealthChanged {
                task,
                health,
                reason: HealthFinding::Other(reason.into()).into(),
                last_lines: Vec::new(),
            },
        );
    }
}
