//! `down`, a power cut and lost tasks in the middle of releases: the stable revision comes back.

use crate::world::stories::{NUMBERS, deploy, deploy_request, last, stable};
use crate::world::{Behaviour, Numbers, Shift, World, definition};
use neargate_core::ids::RevisionNumber;
use neargate_core::machine::{
    self, Event, ReleaseControl, ReleaseOutcome, ReleaseStage, Supersede,
};

const STRATEGIES: [Shift; 4] = [
    Shift::Rolling,
    Shift::Canary,
    Shift::Linear,
    Shift::BlueGreen,
];

/// A release to a revision that never gets healthy, some steps under way.
fn in_mid_release(numbers: Numbers) -> World {
    let mut world = stable(numbers);
    world.behaviour.insert(2, Behaviour::NeverHealthy);
    deploy(&mut world, numbers, 2);
    for _ in 0..6 {
        world.step();
    }
    let release = world.service().release.as_ref().expect("a release");
    assert_eq!(release.stage, ReleaseStage::ScaleUp);
    world
}

/// Everything of the world is gone; the next engine sees no task.
fn power_cut(world: &mut World) {
    world.processes.clear();
    world.coming.clear();
    world.happen(&Event::HostRestarted);
    for action in machine::outstanding(&world.state) {
        world.execute(action);
    }
}

fn down_and_up(world: &mut World) {
    world.happen(&Event::DownRequested);
    while world.step() && !world.service().tasks.is_empty() {}
    world.happen(&Event::UpRequested);
}

fn of_revision(world: &World, revision: u32) -> usize {
    let tasks = world.service().tasks.values();
    tasks
        .filter(|task| task.revision == RevisionNumber(revision))
        .count()
}

fn healthy_of(world: &World, revision: u32) -> usize {
    let tasks = world.service().tasks.values();
    tasks
        .filter(|task| task.revision == RevisionNumber(revision) && task.healthy())
        .count()
}

#[test]
fn after_an_interruption_the_stable_revision_serves_within_seconds_in_every_strategy() {
    for strategy in STRATEGIES {
        for interrupt in [down_and_up, power_cut] {
            let numbers = Numbers {
                strategy,
                ..NUMBERS
            };
            let mut world = in_mid_release(numbers);
            interrupt(&mut world);
            assert_eq!(
                of_revision(&world, 1),
                2,
                "{strategy:?}: they are wanted at once"
            );
            let began = world.now;
            while healthy_of(&world, 1) < 2 {
                assert!(world.step(), "{strategy:?}");
            }
            assert!(world.now.since(began).as_secs() < 2, "{strategy:?}");
            assert!(world.settle(10_000), "{strategy:?}");
            assert_eq!(last(&world).0, ReleaseOutcome::RolledBack, "{strategy:?}");
            assert_eq!(healthy_of(&world, 1), 2);
        }
    }
}

#[test]
fn a_power_cut_counts_no_failure_and_delays_no_start() {
    let mut world = stable(NUMBERS);
    world.behaviour.insert(2, Behaviour::Slow);
    deploy(&mut world, NUMBERS, 2);
    for _ in 0..6 {
        world.step();
    }
    for _ in 0..5 {
        power_cut(&mut world);
        let service = world.service();
        assert_eq!(
            service.release.as_ref().map(|release| release.failures),
            Some(0)
        );
        assert!(service.backoffs.is_empty());
        assert_eq!((of_revision(&world, 1), of_revision(&world, 2)), (2, 2));
    }
    assert!(world.settle(10_000));
    assert_eq!(last(&world).0, ReleaseOutcome::Done);
}

#[test]
fn a_power_cut_at_half_the_traffic_begins_the_shift_again() {
    let numbers = Numbers {
        strategy: Shift::Canary,
        ..NUMBERS
    };
    let mut world = stable(numbers);
    deploy(&mut world, numbers, 2);
    while world
        .service()
        .release
        .as_ref()
        .is_none_or(|release| release.step < 2)
    {
        assert!(world.step());
    }
    power_cut(&mut world);
    let release = world.service().release.as_ref().expect("it goes on");
    assert_eq!((release.stage, release.weight), (ReleaseStage::ScaleUp, 0));
    assert!(world.settle(10_000));
    assert_eq!(last(&world).0, ReleaseOutcome::Done);
}

#[test]
fn stable_tasks_that_die_by_themselves_in_a_rolling_release_come_back_up_to_the_floor() {
    let mut world = in_mid_release(NUMBERS);
    let tasks: Vec<_> = world.service().tasks.keys().cloned().collect();
    for task in tasks
        .into_iter()
        .filter(|task| task.as_str().starts_with("api-r1"))
    {
        let event = Event::TaskExited {
            task,
            exit: machine::ProcessExit::Signal(9),
            last_lines: Vec::new(),
        };
        world.world_changes(&event);
        world.happen(&event);
    }
    assert_eq!(of_revision(&world, 1), 2);
    assert!(world.settle(10_000));
    assert_eq!(last(&world).0, ReleaseOutcome::RolledBack);
}

#[test]
fn down_in_a_rollback_by_hand_keeps_the_revision_that_served() {
    let mut world = stable(NUMBERS);
    deploy(&mut world, NUMBERS, 2);
    assert!(world.settle(10_000));
    world.behaviour.insert(1, Behaviour::NeverHealthy);
    world.happen(&Event::RollbackRequested {
        service: "api".into(),
        to: None,
    });
    world.step();
    down_and_up(&mut world);
    assert_eq!(of_revision(&world, 2), 2, "the one that served");
    assert!(world.settle(10_000));
    assert_eq!(last(&world).0, ReleaseOutcome::RolledBack);
    assert_eq!(world.service().primary, RevisionNumber(2));
}

#[test]
fn up_leaves_an_interrupted_release_alone_or_takes_it_over() {
    let ask = |world: &mut World, version, supersede| {
        let event = deploy_request(definition(NUMBERS, version), supersede);
        let step = machine::decide(&world.state, world.now, &event);
        let refused = step.refusal().is_some();
        world.happen(&event);
        let to = world.service().release.as_ref().map(|release| release.to);
        (refused, to)
    };
    // The stable definition, the one under way, and another one: in a live engine, and after an
    // interruption.
    for (version, supersede, refused, to) in [
        (1, Supersede::Continue, false, 2),
        (2, Supersede::Continue, false, 2),
        (3, Supersede::Continue, true, 2),
        (1, Supersede::ContinueOrTakeOver, false, 2),
        (2, Supersede::ContinueOrTakeOver, false, 2),
        (3, Supersede::ContinueOrTakeOver, false, 3),
        (1, Supersede::Refuse, true, 2),
    ] {
        let mut world = in_mid_release(NUMBERS);
        down_and_up(&mut world);
        let answer = ask(&mut world, version, supersede);
        assert_eq!(
            answer,
            (refused, Some(RevisionNumber(to))),
            "{version} {supersede:?}"
        );
        assert!(world.settle(10_000));
        let expected = if to == 3 { 3 } else { 1 };
        assert_eq!(
            world.service().stable,
            Some(RevisionNumber(expected)),
            "{version} {supersede:?}"
        );
    }
}

/// A shift after `down` and `up`, whose new revision is up and whose stable one cannot start.
fn without_the_stable_revision(strategy: Shift) -> World {
    let numbers = Numbers {
        strategy,
        ..NUMBERS
    };
    let mut world = stable(numbers);
    world.behaviour.insert(2, Behaviour::Slow);
    deploy(&mut world, numbers, 2);
    world.behaviour.insert(1, Behaviour::NeverHealthy);
    down_and_up(&mut world);
    while healthy_of(&world, 2) < 2 {
        assert!(world.step());
    }
    for _ in 0..50 {
        assert!(world.step());
    }
    world
}

fn stage(world: &World) -> Option<ReleaseStage> {
    let release = world.service().release.as_ref();
    release.map(|release| release.stage)
}

fn steer(world: &mut World, steer: ReleaseControl) -> bool {
    let event = Event::ReleaseSteered {
        service: "api".into(),
        steer,
        by: "ops".into(),
    };
    let refused = machine::decide(&world.state, world.now, &event)
        .refusal()
        .is_some();
    world.happen(&event);
    !refused
}

#[test]
fn a_shift_waits_for_the_stable_revision_and_says_so() {
    for strategy in [Shift::Canary, Shift::Linear, Shift::BlueGreen] {
        let mut world = without_the_stable_revision(strategy);
        assert_eq!(stage(&world), Some(ReleaseStage::ScaleUp), "{strategy:?}");
        let words = machine::waiting_for(world.service(), world.now);
        for part in [
            "0 of 2 tasks of revision 1 healthy",
            "503",
            "`neargate promote api --full`",
        ] {
            assert!(words.contains(part), "{strategy:?}: {words}");
        }
        assert!(!words.contains("of revision 2 healthy"), "{words}");
        assert!(!steer(&mut world, ReleaseControl::Promote), "{strategy:?}");
        world.behaviour.insert(1, Behaviour::Good);
        assert!(world.settle(10_000), "{strategy:?}");
        assert_eq!(last(&world).0, ReleaseOutcome::Done, "{strategy:?}");
    }
}

#[test]
fn a_shift_without_its_stable_revision_ends_by_a_person_or_after_a_day() {
    let mut world = without_the_stable_revision(Shift::Canary);
    assert!(steer(&mut world, ReleaseControl::PromoteFully));
    assert!(world.settle(10_000), "all the traffic is the new one's");
    assert_eq!(last(&world).0, ReleaseOutcome::Done);
    assert_eq!(
        (world.service().stable, of_revision(&world, 1)),
        (Some(RevisionNumber(2)), 0)
    );

    let mut world = without_the_stable_revision(Shift::Canary);
    assert!(steer(&mut world, ReleaseControl::Abort));
    assert_eq!(stage(&world), Some(ReleaseStage::RollingBack));

    let mut world = without_the_stable_revision(Shift::Canary);
    let canary = Numbers {
        strategy: Shift::Canary,
        ..NUMBERS
    };
    let newer = definition(canary, 3);
    world.happen(&deploy_request(newer, Supersede::TakeOver));
    for _ in 0..100 {
        assert!(world.step());
    }
    assert_eq!(healthy_of(&world, 3), 2);
    assert!(steer(&mut world, ReleaseControl::PromoteFully));
    assert!(world.settle(10_000));
    assert_eq!(world.service().stable, Some(RevisionNumber(3)));

    let mut world = without_the_stable_revision(Shift::Canary);
    let day = world.now.after(std::time::Duration::from_secs(24 * 3600));
    while stage(&world) == Some(ReleaseStage::ScaleUp) {
        assert!(world.step());
    }
    assert!(world.now <= day);
    assert_eq!(stage(&world), Some(ReleaseStage::RollingBack));
}
