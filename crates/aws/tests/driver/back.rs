//! Releases by ECS that go back: after a failed job, with jobs of their own, with a lost client.

use neargate_core::ids::RevisionNumber;
use neargate_core::status_words::OutcomeName;
use serde_json::json;

use crate::world::{World, run, until, world};

const ROLLING: &str = r#"strategy = "rolling""#;
const AFTER: &str = r#"strategy = "rolling", after = ["migrate"], on-rollback = ["undo"]"#;

async fn first(world: &World) {
    let driver = world.client("first", ROLLING).await;
    let ended = driver.deploy("api", Some("notes:1")).await;
    assert_eq!(ended.expect("it goes").outcome, OutcomeName::Done);
    world.told.borrow_mut().clear();
}

fn job(world: &World, command: &str, code: u32, line: &str) {
    let family = format!("{}-api {command}", world.app);
    let body = json!({ "family": family, "code": code, "line": line });
    world.control("exit", &body);
}

#[test]
fn a_failed_job_after_a_release_by_ecs_takes_it_back() {
    let Some(world) = world("after") else { return };
    run(async {
        first(&world).await;
        job(&world, "migrate", 3, "no such table");
        job(&world, "undo", 0, "restored");
        let updates = world.calls("UpdateService");
        let driver = world.client("b", AFTER).await;
        let ended = driver.deploy("api", Some("notes:2")).await;
        let ended = ended.expect("it is followed");
        let found = (ended.outcome.as_str(), ended.revision);
        assert_eq!(found, ("rolled-back", RevisionNumber(2)), "{ended:?}");
        let reason = "job `migrate` failed at 100 % of the traffic: exit code 3";
        assert_eq!(ended.reason, reason);
        assert_eq!(
            ended.evidence,
            ["job migrate: exit code 3", "  no such table"]
        );
        assert!(world.heard("undo| restored"));
        assert_eq!(world.calls("UpdateService"), updates + 2);
        let drift = driver.drift("api").await.expect("drift");
        assert_eq!(drift, Vec::<String>::new());
    });
}

#[test]
fn jobs_of_a_rollback_run_after_ecs_went_back_and_a_failed_one_is_named() {
    let Some(world) = world("undone") else { return };
    run(async {
        first(&world).await;
        let statuses = ["IN_PROGRESS", "ROLLBACK_SUCCESSFUL"];
        let script = json!({ "service": "undone-api", "statuses": statuses });
        world.control("script", &script);
        job(&world, "undo", 0, "restored");
        let driver = world.client("b", AFTER).await;
        let ended = driver.deploy("api", Some("notes:2")).await;
        assert_eq!(
            ended.expect("it is followed").outcome,
            OutcomeName::RolledBack
        );
        assert!(world.heard("undo| restored"));

        world.control("script", &script);
        job(&world, "undo", 1, "no backup");
        let ended = driver.deploy("api", Some("notes:2")).await;
        let ended = ended.expect("it is followed");
        assert_eq!(ended.outcome, OutcomeName::RolledBack);
        let (job, line) = ("job undo: exit code 1", "  no backup");
        assert_eq!(ended.evidence[ended.evidence.len() - 2..], [job, line]);
    });
}

#[test]
fn a_client_lost_on_the_way_back_is_gone_on_with() {
    let Some(world) = world("turnback") else {
        return;
    };
    run(async {
        first(&world).await;
        job(&world, "migrate", 3, "no such table");
        let updates = world.calls("UpdateService");
        let lost = world.client("a", AFTER).await;
        until(lost.deploy("api", Some("notes:2")), async {
            while !world.heard("rolling back: job `migrate` failed") {
                tokio::task::yield_now().await;
            }
        })
        .await;
        drop(lost);
        let again = world.client("a", AFTER).await;
        let ended = again.deploy("api", None).await.expect("it goes on");
        assert_eq!(
            (ended.outcome.as_str(), ended.revision),
            ("rolled-back", RevisionNumber(2)),
            "{ended:?}"
        );
        assert!(ended.reason.contains("job `migrate` failed"), "{ended:?}");
        assert_eq!(world.calls("UpdateService"), updates + 2);
        let jobs = world.bodies("RunTask");
        let migrations = jobs.iter().filter(|it| it.to_string().contains("migrate"));
        assert_eq!(migrations.count(), 1);
    });
}

#[test]
fn a_first_release_whose_job_fails_has_nothing_to_go_back_to() {
    let Some(world) = world("firstjob") else {
        return;
    };
    run(async {
        job(&world, "migrate", 3, "no such table");
        let driver = world.client("a", AFTER).await;
        let ended = driver.deploy("api", Some("notes:1")).await;
        let ended = ended.expect("it is followed");
        assert_eq!(
            (ended.outcome.as_str(), ended.revision),
            ("failed", RevisionNumber(2))
        );
        assert!(ended.reason.contains("job `migrate` failed"), "{ended:?}");
    });
}
