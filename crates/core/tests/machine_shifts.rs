//! Releases that shift traffic, as stories.

use crate::world::stories::{NUMBERS, deploy, deploy_request, last, stable};
use crate::world::{Behaviour, Numbers, Shift, World, definition};
use neargate_core::ids::{ReleaseId, RevisionNumber};
use neargate_core::machine::{
    Event, Fact, ReleaseControl, ReleaseOutcome, RevisionStatus, Supersede,
};

const CANARY: Numbers = Numbers {
    strategy: Shift::Canary,
    guard: true,
    ..NUMBERS
};

/// Weights that revisions after the first got, in order, in tenths of a percent.
fn weights(world: &World) -> Vec<u32> {
    let steps = world.tape.0.iter().filter_map(|entry| match &entry.fact {
        Fact::StepTaken {
            release, weight, ..
        } if *release > ReleaseId::FIRST => Some(*weight),
        _ => None,
    });
    steps.collect()
}

fn steer(world: &mut World, steer: ReleaseControl) -> Option<String> {
    let event = Event::ReleaseSteered {
        service: "api".into(),
        steer,
        by: "ops".into(),
    };
    let step = neargate_core::machine::decide(&world.state, world.now, &event);
    let refusal = step.refusal().map(ToString::to_string);
    world.happen(&event);
    refusal
}

#[test]
fn a_good_canary_takes_every_step_and_both_revisions_run_in_full() {
    let mut world = stable(CANARY);
    deploy(&mut world, CANARY, 2);
    let mut most = 0;
    while world.service().release.is_some() {
        let of = |revision| {
            let tasks = world.service().tasks.values();
            tasks
                .filter(|task| task.revision == RevisionNumber(revision) && task.healthy())
                .count()
        };
        if world
            .service()
            .release
            .as_ref()
            .is_some_and(|release| release.step > 0)
        {
            let floor = if world.service().primary == RevisionNumber(1) {
                of(1)
            } else {
                of(2)
            };
            assert!(floor >= 2, "a revision in service has all its tasks");
        }
        most = most.max(of(1) + of(2));
        assert!(world.step());
    }
    assert_eq!(weights(&world), [100, 500, 1000]);
    assert_eq!(most, 4, "both revisions ran in full");
    let (outcome, _) = last(&world);
    assert_eq!(outcome, ReleaseOutcome::Done);
    let finished = world.service().history.back().expect("it ended");
    let story: Vec<&str> = finished
        .story
        .iter()
        .map(|moment| moment.text.as_str())
        .collect();
    for part in [
        "shifting step 1: 10 %",
        "guard success is quiet",
        "baking step 3: 100 %",
    ] {
        assert!(
            story.iter().any(|text| text.contains(part)),
            "{part}: {story:?}"
        );
    }
}

#[test]
fn canary_whose_guard_fires_returns_to_stable_at_its_first_step() {
    let mut world = stable(CANARY);
    world.behaviour.insert(2, Behaviour::Erroring);
    deploy(&mut world, CANARY, 2);
    assert!(world.settle(10_000));
    assert_eq!(weights(&world), [100]);
    let (outcome, reason) = last(&world);
    assert_eq!(outcome, ReleaseOutcome::RolledBack);
    assert!(
        reason.contains("guard `success` fired at 10 % of the traffic"),
        "{reason}"
    );
    assert_eq!(world.service().primary, RevisionNumber(1));
    assert_eq!(
        world.service().revisions[&RevisionNumber(2)].status,
        RevisionStatus::Failed
    );
    assert!(world.service().shares().is_none());
}

#[test]
fn linear_and_blue_green_take_the_weights_that_ecs_documents() {
    for (strategy, expected) in [
        (Shift::Linear, vec![400, 800, 1000]),
        (Shift::BlueGreen, vec![1000]),
    ] {
        let numbers = Numbers { strategy, ..CANARY };
        let mut world = stable(numbers);
        deploy(&mut world, numbers, 2);
        assert!(world.settle(10_000));
        assert_eq!(weights(&world), expected);
        assert_eq!(last(&world).0, ReleaseOutcome::Done);
    }
}

#[test]
fn rolling_with_a_guard_is_watched_after_it_and_goes_back_when_it_fires() {
    let numbers = Numbers {
        strategy: Shift::Rolling,
        ..CANARY
    };
    let mut world = stable(numbers);
    world.behaviour.insert(2, Behaviour::Erroring);
    deploy(&mut world, numbers, 2);
    assert!(world.settle(10_000));
    assert_eq!(last(&world).0, ReleaseOutcome::RolledBack);
    assert_eq!(world.service().primary, RevisionNumber(1));
}

#[test]
fn too_little_traffic_holds_goes_on_or_goes_back_as_the_manifest_says() {
    for (low_traffic, outcome, steps) in [
        ("hold", ReleaseOutcome::Done, 3),
        ("go", ReleaseOutcome::Done, 3),
        ("back", ReleaseOutcome::RolledBack, 1),
    ] {
        let numbers = Numbers {
            low_traffic,
            ..CANARY
        };
        let mut world = stable(numbers);
        world.behaviour.insert(2, Behaviour::Unseen);
        let began = world.now;
        deploy(&mut world, numbers, 2);
        assert!(world.settle(10_000));
        assert_eq!(last(&world).0, outcome, "{low_traffic}");
        assert_eq!(weights(&world).len(), steps, "{low_traffic}");
        // Somebody sends enough requests 140 s after each step began.
        let held = world.now.since(began).as_secs() > 3 * 140;
        assert_eq!(held, low_traffic == "hold");
    }
}

#[test]
fn each_step_waits_for_approval_when_asked_to() {
    let numbers = Numbers {
        approve: true,
        guard: false,
        ..CANARY
    };
    let mut world = stable(numbers);
    deploy(&mut world, numbers, 2);
    let waits = |world: &World| neargate_core::machine::waiting_for(world.service(), world.now);
    while waits(&world) != "`neargate promote api`" {
        assert!(world.step());
    }
    assert_eq!(weights(&world), [0; 0], "nothing before the first approval");
    assert!(world.settle(10_000), "people approve, in the end");
    assert_eq!(weights(&world), [100, 500, 1000]);
    let approvals = world
        .tape
        .0
        .iter()
        .filter(|entry| matches!(entry.fact, Fact::GateMoved { .. }));
    assert_eq!(approvals.count(), 3, "one for each step");
}

#[test]
fn each_step_that_waits_for_a_person_is_named_and_no_other_moment_is() {
    let numbers = Numbers {
        approve: true,
        guard: false,
        ..CANARY
    };
    let mut world = stable(numbers);
    deploy(&mut world, numbers, 2);
    let mut named = Vec::new();
    while world.service().release.is_some() {
        let waits = neargate_core::machine::waiting_for(world.service(), world.now);
        if let Some(wanted) = neargate_core::machine::approval_wanted(world.service()) {
            assert_eq!(waits, "`neargate promote api`");
            named.push((wanted.step, wanted.steps, wanted.weight));
        }
        assert!(world.step());
    }
    named.dedup();
    assert_eq!(named, [(1, 3, 100), (2, 3, 500), (3, 3, 1000)]);
}

#[test]
fn people_promote_pause_resume_and_abort() {
    let mut world = stable(CANARY);
    assert_eq!(
        steer(&mut world, ReleaseControl::Abort).as_deref(),
        Some("`api` has no release in progress")
    );
    deploy(&mut world, CANARY, 2);
    let refused = steer(&mut world, ReleaseControl::Promote).expect("nothing waits yet");
    assert!(refused.contains("cannot be promoted"), "{refused}");
    while world
        .service()
        .release
        .as_ref()
        .is_none_or(|release| release.step == 0)
    {
        assert!(world.step());
    }
    assert_eq!(steer(&mut world, ReleaseControl::Pause), None);
    let soon = world.now.after(std::time::Duration::from_secs(3600));
    while !world.coming.is_empty() || world.service().deadline().is_some_and(|at| at < soon) {
        assert!(world.step());
    }
    assert_eq!(weights(&world), [100], "a paused release takes no step");
    assert_eq!(steer(&mut world, ReleaseControl::Resume), None);
    assert_eq!(
        weights(&world),
        [100, 500],
        "all that it waited for had come"
    );
    assert_eq!(steer(&mut world, ReleaseControl::PromoteFully), None);
    assert_eq!(weights(&world), [100, 500, 1000]);
    assert_eq!(steer(&mut world, ReleaseControl::Abort), None);
    assert!(world.settle(10_000));
    let (outcome, reason) = last(&world);
    assert_eq!(
        (outcome, reason.as_str()),
        (ReleaseOutcome::RolledBack, "aborted by ops")
    );
}

#[test]
fn a_failed_smoke_job_goes_back_before_any_traffic_and_the_undo_job_runs_once() {
    let numbers = Numbers {
        jobs: true,
        ..CANARY
    };
    let mut world = stable(numbers);
    world.smoke_succeeds = false;
    deploy(&mut world, numbers, 2);
    assert!(world.settle(10_000));
    let (outcome, reason) = last(&world);
    assert_eq!(outcome, ReleaseOutcome::RolledBack);
    assert_eq!(reason, "job `smoke` failed before any traffic: exit code 3");
    assert_eq!(weights(&world), [0; 0]);
    let jobs: Vec<&str> = world
        .tape
        .0
        .iter()
        .filter_map(|entry| match &entry.fact {
            Fact::HookStarted {
                job,
                release: ReleaseId(2),
                ..
            } => Some(job.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(jobs, ["smoke", "undo"]);
}

#[test]
fn a_guard_that_fires_already_refuses_the_release() {
    let mut world = stable(CANARY);
    let event = Event::DeployRequested {
        service: "api".into(),
        definition: Box::new(definition(CANARY, 2)),
        firing: vec![("success".into(), "97 is less than 99.5".into())],
        supersede: Supersede::Refuse,
    };
    let step = neargate_core::machine::decide(&world.state, world.now, &event);
    let refusal = step.refusal().expect("a refusal").to_string();
    assert_eq!(
        refusal,
        "guard `success` of `api` breaches already: 97 is less than 99.5"
    );
    world.happen(&event);
    assert!(world.service().release.is_none());
}

#[test]
fn a_newer_deploy_supersedes_the_release_in_progress() {
    let mut world = stable(CANARY);
    deploy(&mut world, CANARY, 2);
    while world
        .service()
        .release
        .as_ref()
        .is_none_or(|release| release.step == 0)
    {
        assert!(world.step());
    }
    world.happen(&deploy_request(definition(CANARY, 3), Supersede::TakeOver));
    assert!(world.settle(10_000));
    let outcomes: Vec<_> = world
        .service()
        .history
        .iter()
        .map(|f| (f.to, f.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            (RevisionNumber(1), ReleaseOutcome::Done),
            (RevisionNumber(2), ReleaseOutcome::Failed),
            (RevisionNumber(3), ReleaseOutcome::Done)
        ]
    );
    assert_eq!(world.service().primary, RevisionNumber(3));
}

#[test]
fn a_canary_that_supersedes_a_rolling_release_shifts_from_the_stable_revision() {
    let mut world = stable(CANARY);
    let rolling = Numbers {
        strategy: Shift::Rolling,
        ..CANARY
    };
    deploy(&mut world, rolling, 2);
    let serves = |world: &World, revision| {
        let tasks = world.service().tasks.clone();
        let mut own = tasks.values().filter(|task| task.revision == revision);
        own.any(neargate_core::machine::Task::healthy)
    };
    while !serves(&world, RevisionNumber(2)) {
        assert!(world.step());
    }
    assert_eq!(
        world.service().primary,
        RevisionNumber(2),
        "half of it is done"
    );
    world.happen(&deploy_request(definition(CANARY, 3), Supersede::TakeOver));
    let release = world.service().release.clone().expect("it began");
    assert_eq!(
        (release.from, release.to),
        (RevisionNumber(1), RevisionNumber(3))
    );
    let mut waited = String::new();
    while world.service().release.is_some() {
        let service = world.service();
        let release = service.release.clone().expect("in progress");
        let strays = service.strays().len();
        if strays > 0 {
            waited = neargate_core::machine::waiting_for(service, world.now);
        }
        let started = service
            .tasks
            .values()
            .any(|task| task.revision == RevisionNumber(3));
        assert!(
            strays == 0 || !started,
            "one revision is in service before it shifts"
        );
        let healthy = service.tasks.values().filter(|task| task.healthy()).count();
        assert!(healthy >= 2, "the floor: {release:?}");
        assert!(world.step());
    }
    assert!(waited.contains("revision 1 healthy"), "{waited}");
    let canary = world.tape.0.iter().filter_map(|entry| match &entry.fact {
        Fact::StepTaken {
            release: ReleaseId(3),
            weight,
            ..
        } => Some(*weight),
        _ => None,
    });
    assert_eq!(canary.collect::<Vec<u32>>(), [100, 500, 1000]);
    assert_eq!(last(&world).0, ReleaseOutcome::Done);
    assert_eq!(world.service().primary, RevisionNumber(3));
}

#[test]
fn a_canary_that_supersedes_a_rolling_release_and_fails_ends_on_the_stable_revision() {
    let mut world = stable(CANARY);
    let rolling = Numbers {
        strategy: Shift::Rolling,
        ..CANARY
    };
    world.behaviour.insert(2, Behaviour::Slow);
    world.behaviour.insert(3, Behaviour::Erroring);
    deploy(&mut world, rolling, 2);
    while world.service().primary != RevisionNumber(2) {
        assert!(world.step());
    }
    world.happen(&deploy_request(definition(CANARY, 3), Supersede::TakeOver));
    assert!(world.settle(10_000));
    assert_eq!(last(&world).0, ReleaseOutcome::RolledBack);
    assert_eq!(world.service().primary, RevisionNumber(1));
    assert!(
        world
            .service()
            .tasks
            .values()
            .all(|task| task.revision == RevisionNumber(1))
    );
}
