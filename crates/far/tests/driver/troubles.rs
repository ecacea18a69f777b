//! What AWS refuses, and what the driver says of it.

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
        assert_eq!(trouble.exit(), 3, "{trouble}");
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
        assert_eq!(trouble.exit(), 3, "{trouble}");
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
        assert_eq!(ended.outcome, "done");
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
        assert_eq!(ended.outcome, "done");
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
        assert_eq!(trouble.exit(), 3);
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
                .contains("fires already: 5 of 100 failed"),
            "{trouble}"
        );
        assert_eq!(trouble.exit(), 1);
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
