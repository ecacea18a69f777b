//! Releases: forward, back, and those that must not hurt.

use serde_json::Value;

use crate::app::App;
use crate::basics::curl;
use crate::load::Load;

/// Two tasks of the echo service.
pub(crate) const ECHO: &str = r#"
app = "echo"

[service.api]
artifact = "echo"
command = ["echo"]
port = 3000
route = "/*"
drain = "5s"
health = { path = "/healthz", interval = "5s", timeout = "2s", healthy = 2, unhealthy = 2 }
scale = { min = 2, max = 4 }
"#;

const SLOW_RATE: u32 = 500;

/// The last object that `deploy --json` prints.
pub(crate) fn outcome(output: &std::process::Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_revision_that_never_gets_healthy_is_rolled_back_and_nobody_notices() {
    let app = App::new(ECHO);
    app.up();
    let load = Load::start(app.address, "/", SLOW_RATE);
    let output = app.run(&[
        "deploy",
        "api",
        "--set",
        "service.api.env.ECHO_FAULT=bad-health",
        "--json",
    ]);
    let tally = load.finish();
    let last = outcome(&output);
    assert_eq!(output.status.code(), Some(1), "{last}");
    assert_eq!(last["outcome"], "rolled-back", "{last}");
    assert!(
        last["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("3 ")),
        "the threshold is 3: {last}"
    );
    assert!(last["evidence"].to_string().contains("503"), "{last}");
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
    assert_eq!(tally.by_revision.keys().collect::<Vec<_>>(), ["1"]);
    let service = app.service("api");
    assert_eq!(
        (&service["stable_revision"], &service["healthy"]),
        (&1.into(), &2.into())
    );
}

#[test]
fn a_revision_that_exits_at_once_is_rolled_back_with_its_last_log_lines() {
    let app = App::new(ECHO);
    app.up();
    let output = app.run(&["deploy", "api", "--set", "service.api.env.ECHO_FAULT=exit"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot read the configuration"), "{said}");
    assert!(
        said.contains("revision 1"),
        "the revision now serving is named: {said}"
    );
    assert!(curl(&app, "/").starts_with("1 api-"));
}

#[test]
fn a_failed_migration_stops_the_release_before_any_new_task() {
    let app = App::new(&format!(
        "{ECHO}\n[service.api.release]\nbefore = [\"migrate\"]\n\n[job.migrate]\nservice = \"api\"\n\
         command = [\"sh\", \"-c\", \"echo migrating $COLOUR; test \\\"$COLOUR\\\" != red\"]\n"
    ));
    app.up();
    let output = app.run(&[
        "deploy",
        "api",
        "--set",
        "service.api.env.COLOUR=red",
        "--json",
    ]);
    let last = outcome(&output);
    assert_eq!(output.status.code(), Some(1), "{last}");
    assert!(
        last["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("migrate")),
        "{last}"
    );
    assert!(
        last["evidence"].to_string().contains("migrating red"),
        "{last}"
    );
    let events = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        !events.contains("api-r2-"),
        "no task of revision 2 was started: {events}"
    );
    assert_eq!(app.service("api")["healthy"], 2);
    app.ok(&["deploy", "api", "--set", "service.api.env.COLOUR=green"]);
}

#[test]
fn a_release_in_progress_is_named_to_a_second_deploy() {
    let app = App::new(ECHO);
    app.up();
    app.ok(&[
        "deploy",
        "api",
        "--detach",
        "--set",
        "service.api.env.ECHO_FAULT=deaf",
    ]);
    let output = app.run(&["deploy", "api", "--set", "service.api.env.COLOUR=blue"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("release"), "{error}");
}
