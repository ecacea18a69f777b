//! The audit log: every verb that changes something leaves a line, and no line holds a secret.

use std::process::Command;

use serde_json::Value;

use crate::app::App;
use crate::releases::ECHO;

const HIDDEN: &str = "correct-horse-battery";

fn trail(app: &App) -> Vec<Value> {
    serde_json::from_str(&app.ok(&["trail", "--json", "--limit", "1000"])).expect("JSON")
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A repository with one commit, so that deploys have a git revision.
fn committed(app: &App) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=rosa", "-c", "user.email=rosa@example.com"])
            .args(arguments)
            .current_dir(app.folder())
            .output()
            .expect("git runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    std::fs::write(app.folder().join(".gitignore"), "*\n").expect("a file");
    git(&["init", "--quiet"]);
    git(&["commit", "--quiet", "--allow-empty", "-m", "first"]);
    git(&["rev-parse", "--short", "HEAD"])
}

/// Everything that people can ask for.
fn ask_for_everything(app: &App) {
    std::fs::write(app.folder().join("value"), HIDDEN).expect("a file");
    app.ok(&["secret", "set", "session", "--from", "value"]);
    app.ok(&["secret", "get", "session", "--reveal"]);
    app.up();
    let token = format!("service.api.env.TOKEN={HIDDEN}");
    app.ok(&["deploy", "api", "--set", &token]);
    app.ok(&["rollback", "api"]);
    app.ok(&["scale", "api=3"]);
    for verb in ["promote", "pause", "resume", "abort"] {
        assert_eq!(app.run(&[verb, "api"]).status.code(), Some(1), "{verb}");
    }
    assert_eq!(
        app.run(&["rollback", "api", "--to", "77"]).status.code(),
        Some(2)
    );
    app.ok(&["run", "api", "--", "sh", "-c", &format!("test {HIDDEN}")]);
    app.ok(&["exec", "api", "--", "true"]);
    app.ok(&["db", "connect", "main", "--", "-Atc", "select 1"]);
    app.ok(&["down"]);
}

#[test]
fn every_verb_leaves_a_line_and_no_secret_is_in_it() {
    let manifest = ECHO.replace(
        "drain = \"5s\"",
        "drain = \"5s\"\nuses = [\"secret.session\", \"database.main\"]",
    );
    let app =
        App::new(&(manifest + "\n[secret.session]\n\n[database.main]\nengine = \"postgres\"\n"));
    let commit = committed(&app);
    ask_for_everything(&app);
    let lines = trail(&app);
    let told: Vec<String> = lines
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("what"), text("subject"), text("outcome"))
        })
        .collect();
    assert_eq!(
        told,
        [
            "secret-set session accepted",
            "secret-get session accepted",
            "up  accepted",
            "deploy api accepted",
            "rollback api accepted",
            "scale api accepted",
            "promote api refused",
            "pause api refused",
            "resume api refused",
            "abort api refused",
            "rollback api refused",
            "run api accepted",
            "exec api accepted",
            "data-access database.main accepted",
            "down  accepted",
        ]
    );
    for line in &lines {
        assert_eq!(line["who"]["name"], user(), "{line}");
        assert!(line["at"].as_u64() > Some(1_700_000_000_000), "{line}");
    }
    let deploy = &lines[3];
    assert_eq!(deploy["detail"], "sets service.api.env.TOKEN");
    assert!(
        deploy["git"]
            .as_str()
            .is_some_and(|git| git.contains(&commit)),
        "{deploy}"
    );
    assert_eq!(
        (
            &deploy["releases"][0]["release"],
            &deploy["releases"][0]["revision"]
        ),
        (&2.into(), &2.into())
    );
    assert_eq!(lines[10]["reason"], "`api` has no revision 77; it has 1, 2");
    let file = std::fs::read_to_string(app.state().join("audit.log")).expect("the log");
    assert!(!file.contains(HIDDEN), "{file}");
    let shown = app.ok(&["trail", "api"]);
    assert!(shown.contains("release 2: api to revision 2"), "{shown}");
    assert!(!shown.contains("down"), "only of the service: {shown}");
}
