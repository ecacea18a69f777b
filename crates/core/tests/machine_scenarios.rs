//! Releases as stories: what happens is written down, and the end is looked at.

use crate::world::stories::{NUMBERS, deploy, deploy_request, last, stable};
use crate::world::{Behaviour, Numbers, World, definition};
use neargate_core::ids::RevisionNumber;
use neargate_core::machine::{
    EnvironmentState, Event, Fact, ReleaseOutcome, RevisionStatus, Supersede,
};

#[test]
fn a_good_revision_replaces_the_old_one_and_is_stable() {
    let mut world = stable(NUMBERS);
    deploy(&mut world, NUMBERS, 2);
    assert!(world.settle(10_000));
    assert_eq!(last(&world).0, ReleaseOutcome::Done);
    assert_eq!(
        (world.service().stable, world.service().primary),
        (Some(RevisionNumber(2)), RevisionNumber(2))
    );
    assert!(
        world
            .service()
            .tasks
            .values()
            .all(|task| task.revision == RevisionNumber(2))
    );
}

#[test]
fn a_revision_that_fails_returns_to_stable_at_the_breakers_threshold() {
    for behaviour in [
        Behaviour::NeverHealthy,
        Behaviour::Crashing,
        Behaviour::Unstartable,
    ] {
        let mut world = stable(NUMBERS);
        world.behaviour.insert(2, behaviour);
        deploy(&mut world, NUMBERS, 2);
        assert!(world.settle(10_000), "{behaviour:?}");
        let (outcome, reason) = last(&world);
        assert_eq!(
            outcome,
            ReleaseOutcome::RolledBack,
            "{behaviour:?}: {reason}"
        );
        assert!(
            reason.starts_with("3 tasks of revision 2 failed"),
            "{reason}"
        );
        assert_eq!(
            (world.service().stable, world.service().primary),
            (Some(RevisionNumber(1)), RevisionNumber(1))
        );
        assert_eq!(
            world.service().revisions[&RevisionNumber(2)].status,
            RevisionStatus::Failed
        );
        assert!(
            world
                .service()
                .tasks
                .values()
                .all(|task| task.revision == RevisionNumber(1))
        );
    }
}

#[test]
fn a_first_revision_that_fails_has_nothing_to_return_to() {
    let mut world = World::new(1);
    world.happen(&Event::UpRequested);
    world.behaviour.insert(1, Behaviour::Unstartable);
    deploy(&mut world, NUMBERS, 1);
    assert!(world.settle(10_000));
    assert_eq!(last(&world).0, ReleaseOutcome::Failed);
    let created = world.tape.0.len();
    for _ in 0..50 {
        world.step();
    }
    let starts = world.tape.0[created..]
        .iter()
        .filter(|entry| matches!(entry.fact, Fact::TaskCreated { .. }));
    assert_eq!(starts.count(), 0, "a failed revision gets no new task");
}

#[test]
fn a_failed_hook_ends_the_release_before_any_task_of_the_new_revision() {
    let numbers = Numbers {
        hook: true,
        ..NUMBERS
    };
    let mut world = stable(numbers);
    world.hooks_succeed = false;
    deploy(&mut world, numbers, 2);
    assert!(world.settle(10_000));
    let (outcome, reason) = last(&world);
    assert_eq!(outcome, ReleaseOutcome::RolledBack);
    assert!(
        reason.contains("`migrate`") && reason.contains("exit code 3"),
        "{reason}"
    );
    let made = |entry: &&neargate_core::machine::JournalEntry| {
        matches!(
            entry.fact,
            Fact::TaskCreated {
                revision: RevisionNumber(2),
                ..
            }
        )
    };
    assert_eq!(world.tape.0.iter().filter(made).count(), 0);
}

#[test]
fn a_rollback_by_hand_runs_no_hook_again_and_makes_no_revision() {
    let numbers = Numbers {
        hook: true,
        ..NUMBERS
    };
    let mut world = stable(numbers);
    deploy(&mut world, numbers, 2);
    assert!(world.settle(10_000));
    let hooks = world.hooks.len();
    world.happen(&Event::RollbackRequested {
        service: "api".into(),
        to: None,
    });
    assert!(world.settle(10_000));
    assert_eq!(last(&world).0, ReleaseOutcome::Done);
    assert_eq!(
        (world.service().primary, world.service().next_revision),
        (RevisionNumber(1), RevisionNumber(3))
    );
    assert_eq!(world.hooks.len(), hooks);
}

#[test]
fn scaling_is_no_release_and_an_equal_definition_is_nothing() {
    let mut world = stable(NUMBERS);
    world.happen(&Event::ScaleRequested {
        service: "api".into(),
        desired: 4,
    });
    assert!(world.settle(10_000));
    assert_eq!(
        (world.service().tasks.len(), world.service().history.len()),
        (4, 1)
    );
    let entries = world.tape.0.len();
    deploy(&mut world, NUMBERS, 1);
    assert_eq!(world.tape.0.len(), entries);
    world.happen(&Event::ScaleRequested {
        service: "api".into(),
        desired: 2,
    });
    assert!(world.settle(10_000));
    assert_eq!(world.service().tasks.len(), 2);
}

#[test]
fn down_stops_all_and_up_brings_the_same_back() {
    let mut world = stable(NUMBERS);
    world.happen(&Event::DownRequested);
    while world.step() {}
    assert!(world.service().tasks.is_empty());
    assert!(world.processes.is_empty());
    world.happen(&Event::UpRequested);
    assert!(world.settle(10_000));
    assert_eq!(
        (world.service().tasks.len(), world.service().primary),
        (2, RevisionNumber(1))
    );
}

#[test]
fn a_second_deploy_in_a_release_is_refused_by_name() {
    let mut world = stable(NUMBERS);
    world.behaviour.insert(2, Behaviour::Slow);
    deploy(&mut world, NUMBERS, 2);
    let event = deploy_request(definition(NUMBERS, 3), Supersede::Refuse);
    let step = neargate_core::machine::decide(&world.state, world.now, &event);
    let refusal = step.refusal().expect("a refusal").to_string();
    assert!(
        refusal.contains("release 2") && refusal.contains("revision 2"),
        "{refusal}"
    );
}

#[test]
fn with_the_breaker_off_a_release_waits_in_words_and_fails_after_24_hours() {
    let numbers = Numbers {
        breaker: None,
        ..NUMBERS
    };
    let mut world = stable(numbers);
    let began = world.now;
    world.behaviour.insert(2, Behaviour::NeverHealthy);
    deploy(&mut world, numbers, 2);
    for _ in 0..200 {
        world.step();
    }
    let words = neargate_core::machine::waiting_for(world.service(), world.now);
    assert!(
        words.starts_with("0 of 2 tasks of revision 2 healthy"),
        "{words}"
    );
    assert!(world.settle(1_000_000));
    assert_eq!(last(&world).0, ReleaseOutcome::RolledBack);
    assert!(world.now.since(began).as_secs() >= 24 * 3600);
}

/// Deploys (`d`), failing ones (`x`) and rollbacks (`r`, perhaps to a revision), and what serves
/// after each.
type ReleaseScript = &'static [(&'static str, Option<u32>, u32)];
const STORIES: [(&str, ReleaseScript); 6] = [
    (
        "3 -> 2 -> 1, never forward",
        &[
            ("d", None, 2),
            ("d", None, 3),
            ("r", None, 2),
            ("r", None, 1),
        ],
    ),
    ("nothing older", &[("r", None, 1), ("r", None, 1)]),
    (
        "a fix after a rollback does not go back to what was left",
        &[
            ("d", None, 2),
            ("r", None, 1),
            ("d", None, 3),
            ("r", None, 1),
        ],
    ),
    (
        "somebody returned to 2 on purpose: it counts again",
        &[
            ("d", None, 2),
            ("r", None, 1),
            ("r", Some(2), 2),
            ("d", None, 3),
            ("r", None, 2),
        ],
    ),
    (
        "--to may go anywhere that was stable",
        &[
            ("d", None, 2),
            ("d", None, 3),
            ("r", Some(1), 1),
            ("r", None, 1),
            ("r", Some(3), 3),
        ],
    ),
    (
        "a revision that failed is no target",
        &[
            ("d", None, 2),
            ("x", None, 2),
            ("d", None, 4),
            ("r", None, 2),
        ],
    ),
];

#[test]
fn a_rollback_goes_to_an_older_stable_revision_that_nobody_has_left() {
    for (what, told) in STORIES {
        let mut world = stable(NUMBERS);
        for (number, (asked, to, serves)) in told.iter().enumerate() {
            let next = world.service().next_revision.0;
            match *asked {
                "r" => world.happen(&Event::RollbackRequested {
                    service: "api".into(),
                    to: to.map(RevisionNumber),
                }),
                asked => {
                    if asked == "x" {
                        world.behaviour.insert(next, Behaviour::Unstartable);
                    }
                    deploy(&mut world, NUMBERS, next);
                }
            }
            assert!(world.settle(10_000), "{what}, {number}");
            assert_eq!(
                world.service().primary,
                RevisionNumber(*serves),
                "{what}, {number}"
            );
        }
    }
}

#[test]
fn a_snapshot_of_a_version_without_ordinals_of_tasks_is_read_as_the_same_state() {
    let state = stable(NUMBERS).state;
    let mut snapshot = serde_json::to_value(&state).expect("JSON");
    let tasks = snapshot["services"]["api"]["tasks"].as_object_mut();
    for task in tasks.expect("tasks").values_mut() {
        let ordinal = task.as_object_mut().expect("a task").remove("ordinal");
        assert!(ordinal.is_some());
    }
    let read: EnvironmentState = serde_json::from_value(snapshot).expect("a state");
    assert_eq!(read, state);
    let (id, task) = state.services["api"]
        .tasks
        .first_key_value()
        .expect("a task");
    assert_eq!(
        read.task(id),
        Some((&state.services["api"], task)),
        "it is found by its id"
    );
}
