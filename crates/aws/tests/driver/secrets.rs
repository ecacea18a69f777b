//! Secrets: set, listed, read, made by a release, and missed before one.

use neargate_aws::api::StagingLabel;
use neargate_core::preflight_finding::FindingState;
use neargate_core::secret::SecretValue;
use neargate_core::status_words::OutcomeName;
use serde_json::json;

use crate::world::{World, run, world};

const ROLLING: &str = r#"strategy = "rolling""#;

const SECRETS: &str = r#"
[secret.session]
generate = "base64:32"

[secret.salt]
generate = "hex:16"

[secret.stripe-key]

[secret.token]

[secret.maybe]
required = false

[database.main]
engine = "postgres"
"#;

fn keeping(app: &str, uses: &'static str) -> Option<World> {
    let mut world = world(app)?;
    (world.uses, world.more) = (uses, SECRETS);
    Some(world)
}

/// Variables that hold secrets in the newest task definition.
fn injected(world: &World) -> Vec<String> {
    let found = world.control(
        "definition",
        &json!({ "family": format!("{}-api", world.app) }),
    );
    let secrets = found["secrets"].as_array().cloned().unwrap_or_default();
    let name = |it: &serde_json::Value| it["name"].as_str().unwrap_or_default().to_owned();
    secrets.iter().map(name).collect()
}

#[test]
fn a_secret_is_set_read_and_listed_by_versions_in_both_stores() {
    let Some(world) = keeping("kept", "") else {
        return;
    };
    run(async {
        let driver = world.client("a", ROLLING).await;
        for name in ["stripe-key", "token"] {
            let trouble = driver.secret(name).await.expect_err("no value yet");
            let help = format!("neargate secret set {name} -e prod");
            assert!(trouble.to_string().contains(&help), "{trouble}");
            for value in ["first", "second"] {
                let value = SecretValue::new(value);
                driver.set_secret(name, &value).await.expect("it is set");
            }
            let (version, value) = driver.secret(name).await.expect("a value");
            assert_eq!(value.expose(), b"second");
            let all = driver.secret_versions().await.expect("a list");
            let (_, versions) = all.iter().find(|it| it.0 == name).expect("it is listed");
            let stages: Vec<StagingLabel> = versions.iter().map(|it| it.stage).collect();
            assert_eq!(
                stages,
                [StagingLabel::Current, StagingLabel::Previous],
                "{name}"
            );
            assert_eq!(versions[0].version, version, "{name}");
            assert!(versions[0].at.0 > 1_600_000_000_000, "{versions:?}");
        }
        let all = driver.secret_versions().await.expect("a list");
        let without: Vec<&str> = all
            .iter()
            .filter(|(_, versions)| versions.is_empty())
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(without, ["maybe", "salt", "session"]);
    });
}

#[test]
fn names_and_values_that_cannot_be_are_refused_in_words_without_the_value() {
    let Some(world) = keeping("refused", "") else {
        return;
    };
    run(async {
        let driver = world.client("a", ROLLING).await;
        let long = "hunter2".repeat(1000);
        let rows = [
            ("session-key", "x", 2, "it has maybe, salt, session"),
            ("database.main", "x", 2, "neargate infra apply -e prod"),
            ("token", "unset", 2, "mark of a parameter"),
            ("token", &long, 2, "7000 bytes, not 1 to 4096"),
            ("stripe-key", "", 2, "0 bytes"),
        ];
        for (name, value, exit, words) in rows {
            let value = SecretValue::new(value);
            let trouble = driver.set_secret(name, &value).await.expect_err("refused");
            assert_eq!(trouble.exit().number(), exit, "{name}");
            let said = trouble.to_string();
            assert!(said.contains(words) && !said.contains("hunter2"), "{said}");
        }
        let fault = json!({
            "action": "PutSecretValue", "holds": "refused/stripe-key", "times": 1,
            "code": "ValidationException", "message": "Value 'hunter2' is not to our taste",
        });
        world.control("fault", &fault);
        let value = SecretValue::new("hunter2");
        let trouble = driver.set_secret("stripe-key", &value).await;
        let said = format!("{:?}", trouble.expect_err("refused"));
        assert!(
            said.contains("taste") && !said.contains("hunter2"),
            "{said}"
        );
    });
}

#[test]
fn a_release_makes_what_is_generated_once_and_leaves_out_what_is_not_required() {
    let uses = r#""secret.session", "secret.salt", "secret.maybe""#;
    let Some(world) = keeping("made", uses) else {
        return;
    };
    run(async {
        let driver = world.client("a", ROLLING).await;
        let findings = driver.verify().await.expect("verify");
        let made = findings
            .iter()
            .filter(|it| it.words.contains("the next deploy generates it"));
        assert_eq!(made.count(), 2, "{findings:?}");
        let ended = driver
            .deploy("api", Some("notes:1"))
            .await
            .expect("it goes");
        assert_eq!(ended.outcome, OutcomeName::Done, "{}", ended.reason);
        assert!(world.heard("secret.session has a first value"));
        let text = async |name: &str| {
            let (_, value) = driver.secret(name).await.expect("a value");
            value.expose_text().expect("text").to_owned()
        };
        let (session, salt) = (text("session").await, text("salt").await);
        assert_eq!((session.len(), salt.len()), (43, 32));
        assert!(injected(&world).contains(&"SESSION".to_owned()));
        assert!(!injected(&world).contains(&"MAYBE".to_owned()));
        assert_eq!(driver.drift("api").await.expect("drift"), [""; 0]);
        driver
            .deploy("api", Some("notes:2"))
            .await
            .expect("it goes");
        assert_eq!((text("session").await, text("salt").await), (session, salt));
        driver
            .set_secret("maybe", &SecretValue::new("now"))
            .await
            .expect("it is set");
        driver
            .deploy("api", Some("notes:2"))
            .await
            .expect("it goes");
        assert!(injected(&world).contains(&"MAYBE".to_owned()));
        let told = world.told.borrow().join("\n");
        assert!(!told.contains(&text("session").await), "{told}");
    });
}

#[test]
fn missing_values_stop_a_release_all_at_once_before_anything_is_registered() {
    let uses = r#""database.main", "secret.stripe-key", "secret.token", "secret.session""#;
    let Some(world) = keeping("missed", uses) else {
        return;
    };
    run(async {
        let driver = world.client("a", ROLLING).await;
        let trouble = driver.deploy("api", Some("notes:1")).await;
        let trouble = trouble.expect_err("it is stopped");
        assert_eq!(trouble.exit().number(), 3);
        for command in [
            "database.main: there is none: neargate infra apply -e prod",
            "secret.stripe-key: there is none: neargate secret set stripe-key -e prod",
            "secret.token: there is none: neargate secret set token -e prod",
        ] {
            assert!(trouble.to_string().contains(command), "{trouble}");
        }
        assert_eq!(
            world.calls("RegisterTaskDefinition"),
            1,
            "only the world's own"
        );
        assert_eq!(world.calls("PutSecretValue"), 0, "nothing is made either");
        let findings = driver.verify().await.expect("verify");
        let missing = findings.iter().filter(|it| it.is == FindingState::Missing);
        assert_eq!(missing.count(), 3, "{findings:?}");
    });
}
