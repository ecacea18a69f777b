//! Tasks that do not start: back-off, what ends it, and how a release ends when neither revision
//! starts; how many tasks there should be.

use crate::world::stories::{NUMBERS, deploy, deploy_request, last, stable};
use crate::world::{Behaviour, Numbers, World, definition};
use neargate_core::ids::RevisionNumber;
use neargate_core::machine::{Event, Fact, Obstacle, ReleaseOutcome, Supersede};
use neargate_core::model::UsedResource;

/// Tasks of the stable revision cannot be started, and those that ran are gone.
fn hindered() -> World {
    let mut world = stable(NUMBERS);
    world.hindered.insert(1);
    let tasks: Vec<_> = world.service().tasks.keys().cloned().collect();
    for task in tasks {
        let event = Event::TaskExited {
            task,
            exit: neargate_core::machine::ProcessExit::Signal(9),
            last_lines: Vec::new(),
        };
        world.world_changes(&event);
        world.happen(&event);
    }
    for _ in 0..200 {
        world.step();
    }
    let backoff = &world.service().backoffs[&RevisionNumber(1)];
    assert!(backoff.failures > 5, "{backoff:?}");
    world
}

#[test]
fn the_wait_between_starts_doubles_up_to_30_seconds() {
    let world = hindered();
    let waits: Vec<u64> = world
        .tape
        .0
        .iter()
        .filter_map(|entry| match &entry.fact {
            Fact::StartsDelayed { until, .. } => Some(until.since(entry.at).as_secs()),
            _ => None,
        })
        .collect();
    assert_eq!(waits.first(), Some(&1));
    assert_eq!(waits.iter().max(), Some(&30));
    assert!(waits.is_sorted(), "{waits:?}");
}

#[test]
fn a_persons_word_ends_the_back_off() {
    let service = || "api".into();
    let asks = [
        Event::UpRequested,
        Event::ScaleRequested {
            service: service(),
            desired: 2,
        },
        deploy_request(definition(NUMBERS, 1), Supersede::Refuse),
        deploy_request(definition(NUMBERS, 2), Supersede::Refuse),
    ];
    for ask in asks {
        let mut world = hindered();
        while world
            .service()
            .starts_delayed_until(RevisionNumber(1))
            .is_none()
        {
            world.step();
        }
        world.hindered.clear();
        let began = world.now;
        world.happen(&ask);
        assert!(world.service().backoffs.is_empty(), "{ask:?}");
        assert!(world.settle(1_000), "{ask:?}");
        assert!(world.now.since(began).as_secs() < 5, "{ask:?}");
    }
}

#[test]
fn an_obstacle_that_is_gone_ends_the_back_off_of_those_that_it_hindered() {
    let uses = |name: &str| {
        let mut definition = definition(NUMBERS, 1);
        definition.service.uses = vec![UsedResource::Database(name.to_owned())];
        definition
    };
    let ends = |used: &str, gone: Obstacle| {
        let mut world = World::new(3);
        world.happen(&Event::UpRequested);
        world.happen(&deploy_request(uses(used), Supersede::Refuse));
        let task = world.service().tasks.keys().next().expect("a task").clone();
        let obstacle = Some(Obstacle::Cache("sessions".to_owned()));
        let reason = "no".to_owned();
        world.happen(&Event::TaskStartFailed {
            task,
            reason,
            obstacle,
        });
        assert_eq!(world.service().backoffs.len(), 1);
        world.happen(&Event::ObstacleRemoved { obstacle: gone });
        world.service().backoffs.is_empty()
    };
    let database = |name: &str| Obstacle::Database(name.to_owned());
    assert!(ends("main", database("main")));
    assert!(!ends("main", database("other")));
    assert!(!ends("main", Obstacle::Cache("main".to_owned())));
    assert!(ends("main", Obstacle::DiskFull));
    assert!(ends("main", Obstacle::Cache("sessions".to_owned())));
    assert!(ends("main", Obstacle::PortTaken(5000)));
}

#[test]
fn when_neither_revision_starts_the_release_ends_in_words_and_a_deploy_is_taken() {
    for (behaviour, way_back) in [
        (Behaviour::Unstartable, Behaviour::Unstartable),
        (Behaviour::Crashing, Behaviour::Crashing),
        (Behaviour::NeverHealthy, Behaviour::NeverHealthy),
    ] {
        let mut world = stable(NUMBERS);
        world.behaviour.insert(1, way_back);
        world.behaviour.insert(2, behaviour);
        deploy(&mut world, NUMBERS, 2);
        // The tasks of the stable revision go too, whatever the reason.
        world.processes.clear();
        world.coming.clear();
        world.happen(&Event::HostRestarted);
        let began = world.now;
        while world.service().release.is_some() {
            assert!(world.step(), "{behaviour:?}");
        }
        let (outcome, reason) = last(&world);
        assert_eq!(outcome, ReleaseOutcome::Failed, "{behaviour:?}");
        for part in [
            "revision 2 failed",
            "revision 1, to which it rolled back, failed too",
        ] {
            assert!(reason.contains(part), "{part}: {reason}");
        }
        assert!(world.now.since(began).as_secs() < 120, "{behaviour:?}");
        // The scheduler goes on trying; a deploy of something that works is taken.
        assert_eq!(world.service().primary, RevisionNumber(1));
        deploy(&mut world, NUMBERS, 3);
        assert!(world.settle(10_000), "{behaviour:?}");
        assert_eq!(
            (last(&world).0, world.service().stable),
            (ReleaseOutcome::Done, Some(RevisionNumber(3)))
        );
    }
}

#[test]
fn a_stable_revision_that_starts_again_serves_without_anybodys_word() {
    let mut world = stable(NUMBERS);
    world.hindered.insert(1);
    world.behaviour.insert(2, Behaviour::Crashing);
    deploy(&mut world, NUMBERS, 2);
    world.processes.clear();
    world.coming.clear();
    world.happen(&Event::HostRestarted);
    while world.service().release.is_some() {
        assert!(world.step());
    }
    world.hindered.clear();
    let began = world.now;
    assert!(world.settle(10_000));
    assert!(world.now.since(began).as_secs() <= 31);
}

/// A number that a person scaled to, and the number after a deploy with these bounds.
#[test]
fn a_deploy_keeps_what_a_person_scaled_to_until_the_manifests_bounds_change() {
    for (before, scaled, after, expected) in [
        ((1, 1), 6, (1, 1), 6),
        ((1, 1), 12, (1, 1), 12),
        ((1, 1), 0, (1, 1), 0),
        ((0, 4), 0, (0, 4), 0),
        ((0, 4), 3, (0, 4), 3),
        ((2, 4), 3, (2, 4), 3),
        ((2, 4), 6, (2, 4), 6),
        ((2, 4), 6, (2, 5), 5),
        ((1, 1), 6, (2, 10), 6),
        ((1, 1), 6, (2, 2), 2),
        ((2, 2), 2, (3, 3), 3),
        ((1, 1), 0, (2, 2), 2),
    ] {
        let of = |version, (min, max)| {
            let mut definition = definition(NUMBERS, version);
            definition.service.scale.min = min;
            definition.service.scale.max = max;
            deploy_request(definition, Supersede::Refuse)
        };
        // A new revision, and the same one as `up` asks for it.
        for version in [2, 1] {
            let mut world = World::new(5);
            world.happen(&Event::UpRequested);
            world.happen(&of(1, before));
            assert_eq!(world.service().desired, before.0);
            assert!(world.settle(10_000));
            world.happen(&Event::ScaleRequested {
                service: "api".into(),
                desired: scaled,
            });
            assert!(world.settle(10_000));
            world.happen(&of(version, after));
            let what = format!("{before:?} scaled to {scaled}, then {after:?}");
            assert_eq!(world.service().desired, expected, "{what}");
            assert!(world.settle(10_000), "{what}");
            world.happen(&of(version, after));
            assert_eq!(world.service().desired, expected, "{what}, again");
        }
    }
}

#[test]
fn a_number_of_tasks_that_the_manifest_does_not_give_is_said() {
    let mut world = stable(NUMBERS);
    let bounds = world.service().bounds_in_force().expect("bounds");
    for (desired, words) in [
        (bounds.min, None),
        (bounds.max, None),
        (bounds.max + 3, Some("is more than the")),
        (0, Some("is fewer than the")),
    ] {
        world.happen(&Event::ScaleRequested {
            service: "api".into(),
            desired,
        });
        assert_eq!(world.service().desired, desired, "as on ECS");
        let said = world.service().outside_bounds();
        match words {
            None => assert_eq!(said, None, "{desired}"),
            Some(words) => assert!(said.expect("words").contains(words), "{desired}"),
        }
    }
}

#[test]
fn a_service_that_was_removed_begins_at_its_minimum_again() {
    let mut world = stable(NUMBERS);
    world.happen(&Event::ScaleRequested {
        service: "api".into(),
        desired: 5,
    });
    assert!(world.settle(10_000));
    world.happen(&Event::RemovalRequested {
        service: "api".into(),
    });
    deploy(&mut world, NUMBERS, 9);
    assert_eq!(world.service().desired, NUMBERS.desired);
}

#[test]
fn a_task_that_was_never_healthy_fails_with_the_words_that_name_grace() {
    let numbers = Numbers { ..NUMBERS };
    let mut world = stable(numbers);
    world.behaviour.insert(2, Behaviour::NeverHealthy);
    deploy(&mut world, numbers, 2);
    assert!(world.settle(10_000));
    let (_, reason) = last(&world);
    assert!(
        reason.contains("`grace` in service.api.health is 0s"),
        "{reason}"
    );
}
