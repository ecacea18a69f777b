//! What AWS refuses, and what the driver says of it.

use neargate_core::preflight_finding::FindingState;
use neargate_core::status_words::OutcomeName;
use serde_json::json;

use crate::world::{run, world};

const ROLLING: &str = r#"strategy = "rolling""#;

#[test]
fn expired_credentials_are_explained_and_end_with_exit_3() {
    let Some(world) = world("expired") else {
        return;
    };
    run(async {
        let message = "The security token included in the request is expired";
        let fault = json!({
            "action": "GetParameter", "holds": "/expired/", "times": 1,
            "code": "ExpiredTokenException", "message": message,
        });
        world.control("fault", &fault);
        let trouble = world.try_client("a", ROLLING).await.err().expect("refused");
        assert_eq!(trouble.exit().number(), 3, "{trouble}");
        assert!(trouble.to_string().contains(message), "{trouble}");
        assert!(trouble.help().expect("help").contains("sign in again"));
    });
}

#[test]
fn a_denied_permission_names_action_and_role() {
    let Some(world) = world("denied") else { return };
    run(async {
        let message = "User: arn:aws:sts::123456789012:assumed-role/deploy/ci is not authorized to \
                       perform: ecs:RegisterTaskDefinition because no identity-based policy allows it";
        let fault = json!({
            "action": "RegisterTaskDefinition", "holds": "denied-api", "times": 1,
            "code": "AccessDeniedException", "message": message,
        });
        world.control("fault", &fault);
        let driver = world.client("a", ROLLING).await;
        let trouble = driver
            .deploy("api", Some("notes:1"))
            .await
            .expect_err("refused");
        assert_eq!(trouble.exit().number(), 3, "{trouble}");
        let help = trouble.help().expect("help");
        assert!(
            help.contains("allows ecs:RegisterTaskDefinition to the role deploy"),
            "{help}"
        );
        // Nothing was begun: once the permission is there, the same command goes.
        let ended = driver
            .deploy("api", Some("notes:1"))
            .await
            .expect("it goes");
        assert_eq!(ended.outcome, OutcomeName::Done);
    });
}

#[test]
fn throttled_calls_are_tried_again() {
    let Some(world) = world("throttled") else {
        return;
    };
    run(async {
        let fault = json!({
            "action": "UpdateService", "holds": "throttled-api", "times": 3,
            "code": "ThrottlingException", "message": "Rate exceeded",
        });
        world.control("fault", &fault);
        let driver = world.client("a", ROLLING).await;
        let ended = driver
            .deploy("api", Some("notes:1"))
            .await
            .expect("it goes");
        assert_eq!(ended.outcome, OutcomeName::Done);
        assert_eq!(world.calls("UpdateService"), 4);
    });
}

#[test]
fn an_environment_that_is_not_there_says_how_to_make_it() {
    let Some(mut world) = world("nowhere") else {
        return;
    };
    run(async {
        world.app = "elsewhere".to_owned();
        let trouble = world.try_client("a", ROLLING).await.err().expect("refused");
        assert_eq!(trouble.exit().number(), 3);
        assert!(
            trouble
                .help()
                .expect("help")
                .contains("neargate infra apply -e prod")
        );
    });
}

#[test]
fn a_guard_that_fires_already_stops_the_release_before_it_begins() {
    let Some(world) = world("firing") else { return };
    run(async {
        let guarded = r#"strategy = "rolling", guard = ["success-rate"]"#;
        let driver = world.client("a", guarded).await;
        driver
            .deploy("api", Some("notes:1"))
            .await
            .expect("it goes");
        world.alarm("ALARM");
        let trouble = driver
            .deploy("api", Some("notes:2"))
            .await
            .expect_err("refused");
        assert!(
            trouble
                .to_string()
                .contains("breaches already: 5 of 100 failed"),
            "{trouble}"
        );
        assert_eq!(trouble.exit().number(), 1);
        let findings = driver.verify().await.expect("verify");
        assert!(
            findings.iter().any(|it| it.words.contains("it fires")),
            "{findings:?}"
        );
        let alarms = driver.alarms().await.expect("alarms");
        let state = alarms["success-rate"]
            .as_ref()
            .map(|it| it.state.to_string());
        assert_eq!(state.as_deref(), Some("ALARM"));
    });
}

#[test]
fn a_manifest_that_moved_away_from_the_applied_infrastructure_is_refused() {
    let Some(world) = world("moved") else { return };
    run(async {
        const BLUE_GREEN: &str = r#"strategy = "blue-green", bake = "5m""#;
        const STEPS: &str = r#"strategy = "canary", steps = [10, 50, 100]"#;
        for (by, applied, release, agree) in [
            ("driver", "ROLLING", BLUE_GREEN, false),
            ("driver", "ROLLING", STEPS, true),
            ("driver", "ROLLING", ROLLING, true),
            ("ecs", "ROLLING", BLUE_GREEN, false),
            ("ecs", "CANARY", BLUE_GREEN, true),
            ("ecs", "CANARY", STEPS, false),
        ] {
            let api = json!({ "weights_by": by, "deployment": { "strategy": applied } });
            world.control("facts", &json!({ "app": "moved", "api": api }));
            let driver = world.client("a", release).await;
            let findings = driver.verify().await.expect("verify");
            let found = findings.iter().find(|it| it.what == "release");
            let found = found.expect("a finding");
            assert_eq!(
                found.is == FindingState::Ok,
                agree,
                "{by} {applied} {release}: {found:?}"
            );
            if !agree {
                let trouble = driver.deploy("api", Some("notes:1")).await;
                let trouble = trouble.expect_err("refused");
                assert_eq!(trouble.exit().number(), 3);
                assert!(trouble.to_string().contains("infra apply"), "{trouble}");
            }
        }
        assert_eq!(world.calls("UpdateService"), 0);
    });
}

#[test]
fn user_and_root_of_a_task_are_those_of_the_applied_infrastructure() {
    let Some(world) = world("owner") else { return };
    run(async {
        let api = json!({ "user": "1000:1000", "read_only": false });
        world.control("facts", &json!({ "app": "owner", "api": api }));
        let driver = world.client("a", ROLLING).await;
        let ended = driver.deploy("api", Some("notes:1")).await;
        assert_eq!(ended.expect("it goes").outcome, OutcomeName::Done);
        let body = world.bodies("RegisterTaskDefinition").pop().expect("one");
        let container = &body["containerDefinitions"][0];
        assert_eq!(container["user"], "1000:1000");
        assert_eq!(container["readonlyRootFilesystem"], false);
        let drift = driver.drift("api").await.expect("drift");
        assert_eq!(drift, Vec::<String>::new());
    });
}
