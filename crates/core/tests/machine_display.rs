//! What people read about releases is so.

use std::time::Duration;

use crate::world::stories::{NUMBERS, deploy, deploy_request, last, stable};
use crate::world::{Behaviour, Numbers, Shift, World, definition};
use neargate_core::health_reason::HealthFinding;
use neargate_core::ids::RevisionNumber;
use neargate_core::machine::{Event, ReleaseOutcome, RevisionStatus, Supersede, TaskLifecycle};

#[test]
fn a_job_that_fails_says_how_much_of_the_traffic_had_moved_in_each_strategy() {
    for (strategy, words) in [
        (
            Shift::Rolling,
            "failed at 100 % of the traffic: exit code 3",
        ),
        (Shift::Canary, "failed before any traffic: exit code 3"),
    ] {
        let numbers = Numbers {
            strategy,
            jobs: true,
            ..NUMBERS
        };
        let mut world = stable(numbers);
        world.smoke_succeeds = false;
        deploy(&mut world, numbers, 2);
        assert!(world.settle(10_000));
        let (outcome, reason) = last(&world);
        assert_eq!(outcome, ReleaseOutcome::RolledBack);
        assert!(reason.ends_with(words), "{reason}");
    }
}

#[test]
fn a_shift_without_traffic_says_how_people_end_the_wait_and_when_it_ends_by_itself() {
    let numbers = Numbers {
        strategy: Shift::Canary,
        guard: true,
        ..NUMBERS
    };
    let mut world = stable(numbers);
    world.behaviour.insert(2, Behaviour::Unseen);
    deploy(&mut world, numbers, 2);
    let waits = |world: &World| neargate_core::machine::waiting_for(world.service(), world.now);
    while !waits(&world).contains("enough requests") {
        assert!(world.step());
    }
    let words = waits(&world);
    for part in [
        "neargate promote api",
        "low-traffic = \"go\"",
        "rolls back in 1d",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
}

/// The last release of a world in which version 2 never gets healthy.
fn never_healthy(grace: Duration) -> (String, Vec<String>) {
    let mut world = stable(NUMBERS);
    world.behaviour.insert(2, Behaviour::NeverHealthy);
    let mut wanted = definition(NUMBERS, 2);
    if let Some(health) = &mut wanted.service.health {
        health.grace = grace;
    }
    world.happen(&deploy_request(wanted, Supersede::Refuse));
    assert!(world.settle(10_000));
    let ended = world.service().history.back().expect("a finished release");
    (ended.reason.clone(), ended.evidence.clone())
}

#[test]
fn unhealthy_tasks_leave_their_last_log_lines_once_and_the_same_reason_once() {
    for grace in [Duration::ZERO, Duration::from_secs(60)] {
        let (reason, evidence) = never_healthy(grace);
        let headlines: Vec<&String> = evidence
            .iter()
            .filter(|line| !line.starts_with(' '))
            .collect();
        assert_eq!(headlines.len(), 1, "{grace:?}: {evidence:?}");
        assert!(headlines[0].starts_with("tasks api-r2-"), "{evidence:?}");
        assert!(headlines[0].contains(", api-r2-"), "{evidence:?}");
        let lines = evidence.iter().filter(|line| line.contains("no cache"));
        assert_eq!(lines.count(), 1, "{grace:?}: {evidence:?}");
        assert_eq!(reason.matches("`grace` in service").count(), 1, "{reason}");
    }
}

#[test]
fn the_reason_of_a_rollback_is_said_when_it_begins_and_not_again_at_its_end() {
    let mut world = stable(NUMBERS);
    world.behaviour.insert(2, Behaviour::Crashing);
    deploy(&mut world, NUMBERS, 2);
    assert!(world.settle(10_000));
    let (_, reason) = last(&world);
    let told = world
        .tape
        .0
        .iter()
        .map(neargate_core::machine::JournalEntry::describe);
    let told = told.filter(|line| line.contains(&reason));
    assert_eq!(told.count(), 1, "{reason}");
}

#[test]
fn a_forced_deploy_makes_a_revision_of_the_same_definition_and_a_plain_one_does_not() {
    let mut world = stable(NUMBERS);
    deploy(&mut world, NUMBERS, 1);
    assert!(world.service().release.is_none(), "nothing changed");
    let forced = || Event::NewRevisionForced {
        service: "api".into(),
        definition: Box::new(definition(NUMBERS, 1)),
        firing: Vec::new(),
        supersede: Supersede::Refuse,
    };
    world.happen(&forced());
    let began = world.service().release.clone().expect("a release");
    assert_eq!(
        (began.from, began.to),
        (RevisionNumber(1), RevisionNumber(2))
    );
    let step = neargate_core::machine::decide(&world.state, world.now, &forced());
    assert!(step.refusal().is_some(), "one is in progress");
    assert!(world.settle(10_000));
    assert_eq!(
        world.service().revisions[&RevisionNumber(2)].status,
        RevisionStatus::Stable
    );
}

#[test]
fn a_task_that_leaves_says_when_its_drain_and_its_stop_timeout_end() {
    let mut world = stable(NUMBERS);
    let task = |world: &World| world.service().tasks.values().next().cloned();
    let by = |world: &World| world.service().leaves_by(&task(world).expect("a task"));
    assert_eq!(by(&world), None);
    let began = world.now;
    world.happen(&Event::DownRequested);
    assert!(by(&world).is_some_and(|by| by > began));
    let mut drained = world.now;
    while matches!(
        task(&world).expect("a task").lifecycle,
        TaskLifecycle::Deactivating { .. }
    ) {
        assert!(world.step());
        drained = world.now;
    }
    // The definition's stop-timeout, and none of the machine's own slack.
    assert_eq!(by(&world), Some(drained.after(Duration::from_secs(30))));
}

#[test]
fn a_release_says_when_old_tasks_that_do_not_stop_are_killed() {
    let mut world = stable(NUMBERS);
    deploy(&mut world, NUMBERS, 2);
    let mut said = Vec::new();
    while world.service().release.is_some() && world.step() {
        said.push(neargate_core::machine::waiting_for(
            world.service(),
            world.now,
        ));
    }
    for words in [" to stop (killed in ", " to end its requests (at most "] {
        assert!(said.iter().any(|line| line.contains(words)), "{said:#?}");
    }
}

#[test]
fn a_task_without_a_health_check_says_when_it_counts_as_healthy() {
    for strategy in [Shift::Rolling, Shift::Canary] {
        let numbers = Numbers {
            strategy,
            ..NUMBERS
        };
        let mut world = stable(numbers);
        world.behaviour.insert(2, Behaviour::Slow);
        let mut wanted = definition(numbers, 2);
        wanted.service.health = None;
        world.happen(&deploy_request(wanted, Supersede::Refuse));
        for _ in 0..2 {
            assert!(world.step());
        }
        let said = neargate_core::machine::waiting_for(world.service(), world.now);
        let words = "has no health check: it counts as healthy once it has run for 40 seconds";
        assert!(said.contains(words), "{strategy:?}: {said}");
    }
}

#[test]
fn a_wrong_health_path_is_named_and_only_what_may_still_boot_is_told_of_its_grace() {
    for (answer, boots) in [(404, false), (500, false), (503, true), (502, true)] {
        let mut world = stable(NUMBERS);
        world.behaviour.insert(2, Behaviour::Slow);
        deploy(&mut world, NUMBERS, 2);
        while world.service().release.is_some() {
            let tasks: Vec<_> = world.service().tasks.keys().cloned().collect();
            for task in tasks
                .into_iter()
                .filter(|task| task.as_str().starts_with("api-r2"))
            {
                world.happen(&Event::TaskHealthChanged {
                    task,
                    health: neargate_core::machine::TaskHealth::Unhealthy,
                    reason: HealthFinding::Status(answer).into(),
                    last_lines: Vec::new(),
                });
            }
            assert!(world.step());
        }
        let (_, reason) = last(&world);
        let found = format!("Target.ResponseCodeMismatch: {answer} from / (never healthy)");
        assert!(reason.contains(&found), "{reason}");
        assert_eq!(reason.contains("`grace`"), boots, "{reason}");
    }
}

#[test]
fn a_person_who_deploys_again_asked_for_no_revision_that_failed() {
    let mut world = stable(NUMBERS);
    world.behaviour.insert(2, Behaviour::Crashing);
    deploy(&mut world, NUMBERS, 2);
    assert!(world.settle(10_000));
    assert!(
        world.service().backoffs.contains_key(&RevisionNumber(2)),
        "it is remembered"
    );
    let before = world.tape.0.len();
    deploy(&mut world, NUMBERS, 3);
    assert!(world.settle(10_000));
    let told = world.tape.0[before..]
        .iter()
        .map(neargate_core::machine::JournalEntry::describe);
    let asked: Vec<String> = told.filter(|line| line.contains("asked")).collect();
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn a_release_that_cut_requests_off_says_so_at_its_end() {
    let mut world = stable(NUMBERS);
    deploy(&mut world, NUMBERS, 2);
    while world.service().release.is_some() {
        let drains = world
            .service()
            .tasks
            .values()
            .find(|task| matches!(task.lifecycle, TaskLifecycle::Deactivating { .. }));
        if let Some(task) = drains.map(|task| task.id.clone()) {
            world.happen(&Event::TaskDrained { task, cut: 2 });
        }
        assert!(world.step());
    }
    let (outcome, reason) = last(&world);
    assert_eq!(outcome, ReleaseOutcome::Done);
    assert_eq!(
        reason,
        "revision 2 serves; 4 requests or connections were cut off at the end of `drain`"
    );
}
