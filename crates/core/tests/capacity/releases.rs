//! Releases from their beginning to their end, call by call.

use std::collections::BTreeMap;
use std::time::Duration;

use neargate_core::ids::{ReleaseId, RevisionNumber};
use neargate_core::machine::{
    DeploymentProgress, GuardVerdict, ReleaseControl, ReleaseOutcome, ReleaseStage, RevisionStatus,
    waiting_for,
};

use super::world::{NEW, OLD, World, observed};

const CANARY: &str =
    r#"strategy = "canary", steps = [10, 50, 100], bake = "60s", guard = ["success-rate"]"#;
const ROLLING: &str = r#"strategy = "rolling""#;
const JOBS: &str =
    r#"strategy = "rolling", before = ["migrate"], after = ["migrate"], on-rollback = ["undo"]"#;
const AFTER: &str = r#"strategy = "rolling", after = ["migrate"], on-rollback = ["undo"]"#;

#[test]
fn a_canary_over_two_services_takes_its_steps_and_leaves_one_service() {
    let mut world = World::begin(World::services(), CANARY, true);
    let ended = world.run(GuardVerdict::Quiet);
    assert_eq!(
        (ended.outcome, ended.id),
        (ReleaseOutcome::Done, ReleaseId(4))
    );
    let calls = [
        "create 9 x3",
        "weight 100",
        "weight 500",
        "weight 1000",
        "main 9",
        "weight 0",
        "delete",
    ];
    assert_eq!(world.calls, calls);
    assert_eq!(
        (world.services.main.revision, world.services.visitor),
        (NEW, None)
    );
}

#[test]
fn a_guard_that_fires_takes_the_weight_away_before_the_second_service_goes() {
    let mut world = World::begin(World::services(), CANARY, true);
    while world.services.weight < 500 {
        world.round(GuardVerdict::Quiet);
    }
    let ended = world.run(GuardVerdict::Fired);
    assert_eq!(ended.outcome, ReleaseOutcome::RolledBack);
    let reason = "guard `success-rate` fired at 50 % of the traffic: 5 of 100 failed";
    assert_eq!(ended.reason, reason);
    let calls = [
        "create 9 x3",
        "weight 100",
        "weight 500",
        "weight 0",
        "delete",
    ];
    assert_eq!(world.calls, calls);
    assert_eq!(
        (world.services.main.revision, world.services.visitor),
        (OLD, None)
    );
}

#[test]
fn tasks_of_the_second_service_that_fail_trip_the_breaker() {
    let mut world = World::begin(World::services(), CANARY, true);
    while world.services.visitor.is_none() {
        world.round(GuardVerdict::Quiet);
    }
    if let Some(visitor) = &mut world.services.visitor {
        (visitor.healthy, visitor.failed) = (0, 3);
    }
    let ended = world.run(GuardVerdict::Quiet);
    assert_eq!(ended.outcome, ReleaseOutcome::RolledBack);
    let reason =
        "3 tasks of revision 9 failed (the breaker's threshold): ECS: a task failed to start";
    assert_eq!(ended.reason, reason);
    assert!(
        !world.calls.iter().any(|call| call.starts_with("weight")),
        "{:?}",
        world.calls
    );
}

#[test]
fn a_deployment_of_ecs_is_asked_for_once_and_followed_by_its_jobs() {
    let mut world = World::begin(World::deployment(), JOBS, true);
    let ended = world.run(GuardVerdict::Pending);
    assert_eq!(
        (ended.outcome, ended.reason.as_str()),
        (ReleaseOutcome::Done, "revision 9 serves")
    );
    let calls = ["job migrate", "deploy 9 after deployment-1", "job migrate"];
    assert_eq!(world.calls, calls);
    let story: Vec<&str> = ended.story.iter().map(|it| it.text.as_str()).collect();
    assert!(!story.contains(&"starting the new tasks"), "{story:?}");
}

#[test]
fn a_job_that_fails_before_ecs_was_asked_leaves_the_service_alone() {
    let mut world = World::begin(World::deployment(), JOBS, true);
    world.exits = BTreeMap::from([("migrate".to_owned(), 3)]);
    let ended = world.run(GuardVerdict::Pending);
    assert_eq!(ended.outcome, ReleaseOutcome::RolledBack);
    let reason = "job `migrate` failed before any new task was started: exit code 3";
    assert_eq!(ended.reason, reason);
    assert_eq!(world.calls, ["job migrate", "job undo"]);
    assert_eq!(
        world.service().revisions[&NEW].status,
        RevisionStatus::Failed
    );
}

#[test]
fn a_job_that_fails_after_ecs_has_deployed_deploys_the_revision_before() {
    let mut world = World::begin(World::deployment(), AFTER, true);
    world.exits = BTreeMap::from([("migrate".to_owned(), 3)]);
    let ended = world.run(GuardVerdict::Pending);
    assert_eq!(ended.outcome, ReleaseOutcome::RolledBack);
    let calls = [
        "deploy 9 after deployment-1",
        "job migrate",
        "deploy 7 after deployment-2",
        "job undo",
    ];
    assert_eq!(world.calls, calls);
    assert_eq!(world.serving, OLD);
}

#[test]
fn a_deployment_that_ecs_rolls_back_stops_or_cannot_roll_back_ends_the_release_in_its_words() {
    for (ending, outcome, reason) in [
        (
            DeploymentProgress::RolledBack,
            ReleaseOutcome::RolledBack,
            "revision 9: RolledBack",
        ),
        (
            DeploymentProgress::Failed,
            ReleaseOutcome::Failed,
            "revision 9: Failed",
        ),
    ] {
        let mut world = World::begin(World::deployment(), ROLLING, true);
        world.endings = vec![ending];
        let ended = world.run(GuardVerdict::Pending);
        assert_eq!((ended.outcome, ended.reason.as_str()), (outcome, reason));
        assert_eq!(ended.evidence[1], "  tasks failed to start", "{ended:?}");
        assert_eq!(world.deployments.len(), 2, "nothing is deployed twice");
    }
}

#[test]
fn a_way_back_that_fails_too_ends_the_release() {
    let mut world = World::begin(World::deployment(), AFTER, true);
    world.exits = BTreeMap::from([("migrate".to_owned(), 3)]);
    world.endings = vec![
        DeploymentProgress::RolledBack,
        DeploymentProgress::Succeeded,
    ];
    let ended = world.run(GuardVerdict::Pending);
    assert_eq!(ended.outcome, ReleaseOutcome::Failed);
    assert!(
        ended.reason.contains("and the rollback failed: "),
        "{ended:?}"
    );
}

#[test]
fn an_aborted_deployment_is_rolled_back_by_ecs() {
    let mut world = World::begin(World::deployment(), ROLLING, true);
    world.round(GuardVerdict::Pending);
    // ECS lists it: only then can it be told to go back.
    let seen = world.observation().expect("a deployment");
    world.ask(&observed(seen));
    world.steer(ReleaseControl::Abort);
    world.endings = vec![DeploymentProgress::InProgress; 3];
    let ended = world.run(GuardVerdict::Pending);
    assert_eq!(
        (ended.outcome, ended.reason.as_str()),
        (ReleaseOutcome::RolledBack, "aborted by ann")
    );
    assert_eq!(
        world.calls,
        ["deploy 9 after deployment-1", "roll back deployment-2"]
    );
}

#[test]
fn a_deployment_that_ecs_never_lists_ends_the_release() {
    let mut world = World::begin(World::deployment(), ROLLING, true);
    while world.ended().is_none() {
        world.round(GuardVerdict::Pending);
        world.deployments.truncate(1);
        assert!(
            world.now.0 < 2_000_000,
            "{}",
            waiting_for(world.service(), world.now)
        );
    }
    let ended = world.ended().expect("it has ended");
    assert_eq!(ended.outcome, ReleaseOutcome::RolledBack);
    assert!(
        ended
            .reason
            .contains("began no deployment of revision 9 within 5m"),
        "{ended:?}"
    );
}

#[test]
fn a_first_release_that_ecs_cannot_do_has_nothing_to_go_back_to() {
    let mut world = World::begin(World::deployment(), ROLLING, false);
    world.endings = vec![DeploymentProgress::Failed];
    let ended = world.run(GuardVerdict::Pending);
    assert_eq!(
        (ended.outcome, ended.from),
        (ReleaseOutcome::Failed, RevisionNumber::NONE)
    );
}

#[test]
fn a_site_is_copied_and_what_is_missing_brings_the_files_before_back() {
    let mut world = World::begin(World::files(), ROLLING, true);
    let ended = world.run(GuardVerdict::Pending);
    assert_eq!((ended.outcome, world.files), (ReleaseOutcome::Done, NEW));
    assert_eq!(ended.reason, "revision 9 serves: 0 files are not there");

    let mut world = World::begin(World::files(), ROLLING, true);
    world.missing = vec![0, 2];
    let ended = world.run(GuardVerdict::Pending);
    assert_eq!(
        (ended.outcome, world.files),
        (ReleaseOutcome::RolledBack, OLD)
    );
    assert_eq!(ended.reason, "2 files are not there");
    assert_eq!(world.calls, ["copy 9", "copy 7"]);

    let mut world = World::begin(World::files(), ROLLING, true);
    world.missing = vec![1, 2];
    let ended = world.run(GuardVerdict::Pending);
    assert_eq!(ended.outcome, ReleaseOutcome::Failed, "{ended:?}");
}

#[test]
fn what_a_release_waits_for_is_ecs_own_word() {
    let mut world = World::begin(World::deployment(), ROLLING, true);
    world.round(GuardVerdict::Pending);
    let words = |world: &World| waiting_for(world.service(), world.now);
    assert_eq!(words(&world), "ECS to begin the deployment");
    world.endings = vec![DeploymentProgress::InProgress; 9];
    world.round(GuardVerdict::Pending);
    assert_eq!(words(&world), "revision 9: InProgress");
    let mut site = World::begin(World::files(), ROLLING, true);
    site.now = site.now.after(Duration::from_secs(1));
    assert_eq!(words(&site), "the copy of its files");
    let stage = site.service().release.as_ref().map(|release| release.stage);
    assert_eq!(stage, Some(ReleaseStage::ScaleUp));
}
