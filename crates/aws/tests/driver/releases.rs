//! Releases by ECS, from the first to a rollback.

use neargate_core::ids::{ReleaseId, RevisionNumber};
use neargate_core::status_words::OutcomeName;
use serde_json::json;

use crate::world::{World, run, world};

const ROLLING: &str = r#"strategy = "rolling""#;
const MIGRATED: &str = r#"strategy = "rolling", before = ["migrate"]"#;

async fn released(world: &World, image: &str) -> neargate_core::release_report::ReleaseResult {
    let driver = world.client("first", ROLLING).await;
    let ended = driver.deploy("api", Some(image)).await.expect("it goes");
    assert_eq!(ended.outcome, OutcomeName::Done, "{ended:?}");
    ended
}

#[test]
fn first_deploy_registers_a_revision_and_follows_ecs_to_the_end() {
    let Some(world) = world("first") else { return };
    run(async {
        let ended = released(&world, "notes:1").await;
        assert_eq!(
            (ended.release, ended.revision),
            (ReleaseId(1), RevisionNumber(2))
        );
        assert!(world.heard("image: first -> notes:1"));
        let status = world
            .client("a", ROLLING)
            .await
            .status()
            .await
            .expect("status");
        let api = &status.services[0];
        assert_eq!(
            (api.desired, api.healthy, api.revision),
            (2, 2, RevisionNumber(2))
        );
        assert_eq!(api.stable_revision, Some(RevisionNumber(2)));
    });
}

#[test]
fn a_deploy_without_changes_registers_and_updates_nothing() {
    let Some(world) = world("noop") else { return };
    run(async {
        released(&world, "notes:1").await;
        let before = (
            world.calls("RegisterTaskDefinition"),
            world.calls("UpdateService"),
        );
        let driver = world.client("b", ROLLING).await;
        let ended = driver
            .deploy("api", Some("notes:1"))
            .await
            .expect("it goes");
        assert_eq!(
            (ended.outcome.as_str(), ended.release),
            ("done", ReleaseId::NONE)
        );
        let after = (
            world.calls("RegisterTaskDefinition"),
            world.calls("UpdateService"),
        );
        assert_eq!(before, after);
    });
}

#[test]
fn a_failed_migration_ends_the_release_before_the_service_is_touched() {
    let Some(world) = world("migrate") else {
        return;
    };
    run(async {
        released(&world, "notes:1").await;
        let updates = world.calls("UpdateService");
        let broken = json!({ "family": "migrate-api", "code": 3, "line": "no such table" });
        world.control("exit", &broken);
        let driver = world.client("b", MIGRATED).await;
        let ended = driver
            .deploy("api", Some("notes:2"))
            .await
            .expect("it is followed");
        // As near: back to what serves, which nobody has touched.
        assert_eq!(
            (ended.outcome.as_str(), ended.revision),
            ("rolled-back", RevisionNumber(2))
        );
        let reason = "job `migrate` failed before any new task was started: exit code 3";
        assert_eq!(ended.reason, reason);
        assert_eq!(
            ended.evidence,
            ["job migrate: exit code 3", "  no such table"]
        );
        assert_eq!(world.calls("UpdateService"), updates);

        let whole = json!({ "family": "migrate-api", "code": 0, "line": "12 tables" });
        world.control("exit", &whole);
        let ended = driver
            .deploy("api", Some("notes:2"))
            .await
            .expect("it goes");
        assert_eq!(
            (ended.outcome.as_str(), ended.revision),
            ("done", RevisionNumber(3))
        );
        assert!(world.heard("12 tables"));
    });
}

#[test]
fn a_rollback_by_ecs_is_a_failure_with_its_reason() {
    let Some(world) = world("ecsback") else {
        return;
    };
    run(async {
        released(&world, "notes:1").await;
        let statuses = ["IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"];
        world.control(
            "script",
            &json!({ "service": "ecsback-api", "statuses": statuses }),
        );
        let driver = world.client("b", ROLLING).await;
        let ended = driver
            .deploy("api", Some("notes:2"))
            .await
            .expect("it is followed");
        assert_eq!(
            (ended.outcome.as_str(), ended.revision),
            ("rolled-back", RevisionNumber(2))
        );
        assert!(ended.reason.contains("tasks failed to start"), "{ended:?}");
        let releases = driver.releases("api").await.expect("history");
        assert_eq!(
            releases.last().map(|it| it.outcome.as_str()),
            Some("rolled-back")
        );
    });
}

#[test]
fn a_rollback_by_us_serves_the_revision_that_served_before() {
    let Some(world) = world("usback") else { return };
    run(async {
        released(&world, "notes:1").await;
        released(&world, "notes:2").await;
        let driver = world.client("b", ROLLING).await;
        let ended = driver.rollback("api", None).await.expect("it goes");
        assert_eq!(
            (ended.outcome.as_str(), ended.revision),
            ("done", RevisionNumber(2))
        );
        let ended = driver
            .rollback("api", Some(RevisionNumber(3)))
            .await
            .expect("it goes");
        assert_eq!(ended.revision, RevisionNumber(3));
        let trouble = driver.abort_release("api").await.expect_err("none");
        assert_eq!(trouble.to_string(), "`api` has no release in progress");
        let trouble = driver
            .rollback("api", Some(RevisionNumber(9)))
            .await
            .expect_err("none such");
        assert_eq!(trouble.exit().number(), 2);
    });
}

#[test]
fn drift_is_found_and_named() {
    let Some(world) = world("drift") else { return };
    run(async {
        released(&world, "notes:1").await;
        let driver = world.client("b", ROLLING).await;
        assert_eq!(
            driver.drift("api").await.expect("drift"),
            Vec::<String>::new()
        );
        driver.scale("api", 1).await.expect("scaled");
        let lines = driver.drift("api").await.expect("drift");
        assert_eq!(lines, ["1 tasks are desired, the manifest allows 2 to 4"]);
    });
}

#[test]
fn a_command_runs_as_a_task_and_gives_its_exit_code() {
    let Some(world) = world("oneoff") else { return };
    run(async {
        released(&world, "notes:1").await;
        world.control(
            "exit",
            &json!({ "family": "oneoff-api", "code": 4, "line": "hello" }),
        );
        let driver = world.client("b", ROLLING).await;
        let code = driver.run("api", &["sh".to_owned()]).await.expect("it ran");
        assert_eq!(code, 4);
        assert!(world.heard("hello"));
        let from = neargate_core::time::Timestamp(0);
        let lines = driver.logs("api", from).await.expect("logs");
        assert!(lines.iter().any(|line| line.text == "hello"), "{lines:?}");
    });
}
