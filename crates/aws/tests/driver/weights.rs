//! Canaries of many steps: core's machine moves the listener's weights.

use neargate_core::ids::{ReleaseId, RevisionNumber};
use neargate_core::status_words::OutcomeName;
use std::time::Duration;

use neargate_core::machine::ReleaseControl;

use crate::world::{World, both, run, until, world};

const ROLLING: &str = r#"strategy = "rolling""#;
const CANARY: &str =
    r#"strategy = "canary", steps = [10, 50, 100], bake = "1m", guard = ["success-rate"]"#;
const SLOW: &str =
    r#"strategy = "canary", steps = [10, 50, 100], bake = "1h", guard = ["success-rate"]"#;

async fn first(world: &World) {
    let driver = world.client("first", ROLLING).await;
    let ended = driver
        .deploy("api", Some("notes:1"))
        .await
        .expect("it goes");
    assert_eq!(ended.outcome, OutcomeName::Done, "{ended:?}");
    world.told.borrow_mut().clear();
}

async fn heard(world: &World, text: &str) {
    while !world.heard(text) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn canary_of_many_steps_moves_the_weights_and_leaves_one_service() {
    let Some(world) = world("canary") else { return };
    run(async {
        first(&world).await;
        let driver = world.client("a", CANARY).await;
        let ended = driver
            .deploy("api", Some("notes:2"))
            .await
            .expect("it goes");
        assert_eq!(
            (ended.outcome.as_str(), ended.revision),
            ("done", RevisionNumber(3)),
            "{ended:?}"
        );
        for share in ["10 %", "50 %", "100 %"] {
            assert!(world.heard(share), "{share}: {:?}", world.told.borrow());
        }
        assert_eq!(
            driver.drift("api").await.expect("drift"),
            Vec::<String>::new()
        );
        let releases = driver.releases("api").await.expect("history");
        let last = releases.last().expect("a release");
        assert_eq!(
            (last.strategy.as_str(), last.from, last.to),
            ("canary", RevisionNumber(2), RevisionNumber(3))
        );
    });
}

#[test]
fn an_alarm_in_mid_step_takes_the_weights_back() {
    let Some(world) = world("alarmed") else {
        return;
    };
    run(async {
        first(&world).await;
        let driver = world.client("a", SLOW).await;
        let release = driver.deploy("api", Some("notes:2"));
        let alarm = async {
            heard(&world, "at 10 %").await;
            world.alarm("ALARM");
        };
        let (ended, ()) = both(release, alarm).await;
        let ended = ended.expect("it is followed");
        assert_eq!(
            (ended.outcome.as_str(), ended.revision),
            ("rolled-back", RevisionNumber(2)),
            "{ended:?}"
        );
        assert!(
            ended.reason.contains("guard `success-rate` fired at 10 %"),
            "{ended:?}"
        );
        assert!(ended.reason.contains("5 of 100 failed"), "{ended:?}");
        assert_eq!(
            driver.drift("api").await.expect("drift"),
            Vec::<String>::new()
        );
    });
}

#[test]
fn a_lost_client_is_gone_on_with_and_a_second_one_is_refused_meanwhile() {
    let Some(world) = world("lost") else { return };
    run(async {
        first(&world).await;
        let lost = world.client("a", SLOW).await;
        until(
            lost.deploy("api", Some("notes:2")),
            heard(&world, "at 10 %"),
        )
        .await;
        drop(lost);

        let second = world.client("b", SLOW).await;
        let trouble = second
            .deploy("api", Some("notes:2"))
            .await
            .expect_err("refused");
        assert!(
            trouble.to_string().contains("a drives a release"),
            "{trouble}"
        );
        let status = second.status().await.expect("status");
        let release = status.services[0].release.clone().expect("a release");
        assert_eq!((release.stage.as_str(), release.step), ("shifting", 1));
        assert!((release.weight - 10.0).abs() < f64::EPSILON);

        let again = world.client("a", SLOW).await;
        again
            .steer("api", ReleaseControl::PromoteFully)
            .await
            .expect("promoted");
        let ended = again.deploy("api", None).await.expect("it goes on");
        assert_eq!(
            (ended.outcome.as_str(), ended.revision),
            ("done", RevisionNumber(3)),
            "{ended:?}"
        );
        assert!(world.heard("resumes release 2, whose client is gone"));
        // The service itself, which Terraform would have made, and one visitor.
        assert_eq!(world.calls("CreateService"), 2);
    });
}

#[test]
fn a_rollback_from_another_client_turns_a_canary_round() {
    let Some(world) = world("turned") else { return };
    run(async {
        first(&world).await;
        let driver = world.client("a", SLOW).await;
        let other = world.client("b", SLOW).await;
        let release = driver.deploy("api", Some("notes:2"));
        let back = async {
            heard(&world, "at 10 %").await;
            other.rollback("api", None).await
        };
        let (ended, seen) = both(release, back).await;
        for ended in [ended.expect("it is followed"), seen.expect("it is seen")] {
            assert_eq!(
                (ended.outcome.as_str(), ended.revision),
                ("rolled-back", RevisionNumber(2))
            );
            assert!(ended.reason.contains("aborted by ann"), "{ended:?}");
        }
        assert_eq!(
            driver.drift("api").await.expect("drift"),
            Vec::<String>::new()
        );
    });
}

#[test]
fn a_lease_that_runs_out_lets_any_client_go_on_with_what_was_left() {
    let Some(world) = world("expiry") else { return };
    run(async {
        first(&world).await;
        let lease = Duration::from_secs(2);
        let lost = world.leased("a", SLOW, lease).await.expect("it opens");
        until(
            lost.deploy("api", Some("notes:2")),
            heard(&world, "at 10 %"),
        )
        .await;
        drop(lost);
        let other = world.leased("b", SLOW, lease).await.expect("it opens");
        let mut refusals = 0;
        let goes_on = async {
            loop {
                match other.deploy("api", None).await {
                    Ok(ended) => break ended,
                    Err(trouble) => {
                        let words = trouble.to_string();
                        assert!(words.contains("a drives a release"), "{words}");
                        refusals += 1;
                    }
                }
            }
        };
        let third = world.client("c", SLOW).await;
        let promote = async {
            heard(&world, "resumes release 2, whose client is gone").await;
            third.steer("api", ReleaseControl::PromoteFully).await
        };
        let (ended, promoted) = both(goes_on, promote).await;
        promoted.expect("promoted");
        assert!(refusals > 0, "the lease held for a while");
        assert_eq!(
            (ended.outcome.as_str(), ended.release, ended.revision),
            ("done", ReleaseId(2), RevisionNumber(3)),
            "{ended:?}"
        );
        assert_eq!(world.calls("CreateService"), 2);
        let drift = other.drift("api").await.expect("drift");
        assert_eq!(drift, Vec::<String>::new());
    });
}
