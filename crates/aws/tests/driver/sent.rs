//! What UpdateService carries for each strategy, as the ECS API reference has it
//! (DeploymentConfiguration, LinearConfiguration, CanaryConfiguration, AdvancedConfiguration).

use neargate_core::status_words::OutcomeName;
use serde_json::{Value, json};

use crate::world::{run, world};

const ROLLING: &str = r#"strategy = "rolling""#;

/// The last UpdateService after a first release and one with `release`, and the world's ARNs.
async fn sent(app: &str, release: &str) -> Option<(Value, Value)> {
    let world = world(app)?;
    let driver = world.client("a", ROLLING).await;
    driver
        .deploy("api", Some("notes:1"))
        .await
        .expect("it goes");
    let driver = world.client("a", release).await;
    let ended = driver.deploy("api", Some("notes:2")).await;
    assert_eq!(ended.expect("it goes").outcome, OutcomeName::Done);
    let made = world.made.clone();
    world.bodies("UpdateService").pop().map(|body| (body, made))
}

fn common(strategy: &str, app: &str) -> Value {
    json!({
        "strategy": strategy,
        "minimumHealthyPercent": 100,
        "maximumPercent": 200,
        "deploymentCircuitBreaker": {
            "enable": true, "rollback": true, "resetOnHealthyTask": true,
            "thresholdConfiguration": { "type": "BOUNDED_PERCENT", "value": 50 },
        },
        "alarms": {
            "alarmNames": [format!("{app}-success-rate")], "enable": true, "rollback": true,
        },
    })
}

fn with(mut all: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().expect("an object") {
        all[key] = value.clone();
    }
    all
}

#[test]
fn a_shift_by_ecs_is_sent_with_its_settings_groups_rules_and_role() {
    for (app, release, word, settings) in [
        (
            "bluegreen",
            r#"strategy = "blue-green", bake = "5m", guard = ["success-rate"]"#,
            "BLUE_GREEN",
            json!({ "bakeTimeInMinutes": 5 }),
        ),
        (
            "linear",
            r#"strategy = "linear", percent = 12.5, interval = "3m", bake = "4m""#,
            "LINEAR",
            json!({
                "bakeTimeInMinutes": 4,
                "linearConfiguration": { "stepPercent": 12.5, "stepBakeTimeInMinutes": 3 },
            }),
        ),
        (
            "onestep",
            r#"strategy = "canary", steps = [5, 100], bake = "2m""#,
            "CANARY",
            json!({
                "bakeTimeInMinutes": 2,
                "canaryConfiguration": { "canaryPercent": 5.0, "canaryBakeTimeInMinutes": 2 },
            }),
        ),
    ] {
        run(async {
            let Some((body, made)) = sent(app, release).await else {
                return;
            };
            let expected = with(common(word, app), &settings);
            assert_eq!(body["deploymentConfiguration"], expected, "{word}");
            let balancers = json!([{
                "targetGroupArn": made["blue"], "containerName": "app", "containerPort": 3000,
                "advancedConfiguration": {
                    "alternateTargetGroupArn": made["green"],
                    "productionListenerRule": made["rule"],
                    "testListenerRule": format!("{}-test", made["rule"].as_str().unwrap_or("")),
                    "roleArn": "arn:aws:iam::123456789012:role/weights",
                },
            }]);
            assert_eq!(body["loadBalancers"], balancers, "{word}");
            assert!(body.get("desiredCount").is_none(), "scaling's number stays");
        });
    }
}

#[test]
fn a_rolling_release_is_sent_without_groups_or_bake() {
    run(async {
        let release = r#"strategy = "rolling", minimum-percent = 50, maximum-percent = 150"#;
        let Some((body, _)) = sent("rolled", release).await else {
            return;
        };
        let percents = json!({ "minimumHealthyPercent": 50, "maximumPercent": 150 });
        let expected = with(common("ROLLING", "rolled"), &percents);
        assert_eq!(body["deploymentConfiguration"], expected);
        assert!(body.get("loadBalancers").is_none(), "{body}");
    });
}
