//! Releases whose guards see nothing, and a database that dies in one.

use serde_json::Value;

use crate::app::{App, kill, wait_for};
use crate::canary::{CANARY, at, failures_of_others, releases, story};
use crate::hooks::{serving, went_back};
use crate::load::Load;
use crate::releases::outcome;

const GUARDS: &str = "guard = [\"success\", \"slow\", \"memory\"]";

/// The canary, guarded by the success rate alone.
fn guarded_by_success(alarm: &str, release: &str, more: &str) -> App {
    let manifest = CANARY
        .replace(GUARDS, &format!("guard = [\"success\"]\n{release}"))
        .replacen("datapoints = \"2/2\"\nminimum-samples = 5", alarm, 1);
    App::new(&(manifest + more))
}

fn alarm_state(app: &App, name: &str) -> String {
    let alarms: Value = serde_json::from_str(&app.ok(&["alarms", "--json"])).expect("JSON");
    let alarms = alarms.as_array().expect("a list").clone();
    let found = alarms.into_iter().find(|alarm| alarm["name"] == name);
    found.map(|alarm| alarm.to_string()).unwrap_or_default()
}

#[test]
fn a_guard_without_data_that_counts_as_breaching_goes_back() {
    // Of 40 requests a second the new revision gets one in 25 s: most of its periods are empty.
    let app = guarded_by_success("datapoints = \"1/2\"\nmissing = \"breaching\"", "", "");
    let manifest = app.folder().join("neargate.toml");
    let text = std::fs::read_to_string(&manifest).expect("the manifest");
    let text = text.replace("steps = [10, 50, 100]", "steps = [0.1, 100]");
    std::fs::write(&manifest, text).expect("the manifest");
    app.up();
    let before = serving(&app);
    let load = Load::start(app.address, "/", 40);
    wait_for("the service's own alarm is quiet", || {
        alarm_state(&app, "success")
            .contains("\"OK\"")
            .then_some(())
    });
    let set = ["--set", "service.api.env.COLOUR=green"];
    let output = app.run(&["deploy", "api", "--json", set[0], set[1]]);
    let ended = (outcome(&output), load.finish(), output.status.code());
    went_back(&app, &before, &ended);
    let reason = ended.0["reason"].as_str().unwrap_or_default();
    assert!(
        reason.starts_with("guard `success` fired at 0.1 % of the traffic"),
        "{reason}"
    );
    assert!(
        reason.contains("missing"),
        "it says what was missing: {reason}"
    );
    assert_eq!(ended.1.failures(), 0, "{:?}", ended.1.failed);
}

#[test]
fn a_guard_without_data_goes_back_or_on_as_low_traffic_says() {
    let app = guarded_by_success("datapoints = \"2/2\"", "low-traffic = \"back\"", "");
    app.up();
    let before = serving(&app);
    let deploy = |settings: &[&str]| {
        let mut arguments = vec!["deploy", "api", "--json"];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        let output = app.run(&arguments);
        (outcome(&output), output.status.code())
    };
    let (last, code) = deploy(&["service.api.env.COLOUR=green"]);
    assert_eq!(code, Some(1), "{last}");
    assert_eq!(last["reason"], "too few requests to judge guard `success`");
    assert_eq!(last["outcome"], "rolled-back", "{last}");
    assert_eq!(serving(&app), before);
    let go = "service.api.release.low-traffic=go";
    let (last, code) = deploy(&["service.api.env.COLOUR=red", go]);
    assert_eq!(code, Some(0), "{last}");
    assert!(serving(&app).contains(&"COLOUR=red".to_owned()));
}

/// The postmaster's pid, from its own file; none while it does not run.
fn postmaster(app: &App) -> Option<u64> {
    let output = std::process::Command::new("find")
        .arg(app.state())
        .args(["-name", "postmaster.pid"])
        .output()
        .ok()?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let text = std::fs::read_to_string(path).ok()?;
    let pid: u64 = text.lines().next()?.trim().parse().ok()?;
    crate::app::alive(pid).then_some(pid)
}

#[test]
fn a_database_that_dies_in_a_release_takes_it_back_and_the_stable_revision_serves_again() {
    let app = guarded_by_success(
        "datapoints = \"2/2\"\nminimum-samples = 5",
        "",
        "\n[database.main]\nengine = \"postgres\"\n",
    );
    let manifest = app.folder().join("neargate.toml");
    let text = std::fs::read_to_string(&manifest).expect("the manifest");
    let text = text.replace(
        "\"secret.session\"]",
        "\"secret.session\", \"database.main\"]",
    );
    std::fs::write(&manifest, text).expect("the manifest");
    app.up();
    let before = serving(&app);
    let load = Load::start(app.address, "/database", 200);
    let set = ["--set", "service.api.env.COLOUR=green"];
    app.ok(&["deploy", "api", "--detach", set[0], set[1]]);
    app.wait("the first step", |status| {
        status["services"][0]["release"]["step"] == 1
    });
    // Whatever starts it again: it is dead until the release has gone back.
    wait_for("the release goes back", || {
        if let Some(pid) = postmaster(&app) {
            kill(pid);
        }
        let status = app.try_status()?;
        let release = status["services"][0]["release"].clone();
        (release.is_null() || release["stage"] == "rolling-back").then_some(())
    });
    app.wait("it is over, and the database is back", |status| {
        status["services"][0]["release"].is_null() && status["databases"][0]["state"] == "available"
    });
    let newest = releases(&app).pop().expect("a release");
    assert_eq!(newest["outcome"], "rolled-back", "{newest}");
    let reason = newest["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("guard `success` fired"), "{reason}");
    at(&story(&app), "job undo succeeded");
    load.finish();
    let load = Load::start(app.address, "/database", 200);
    wait_for("the stable revision serves", || {
        (serving(&app) == before).then_some(())
    });
    let tally = load.finish();
    assert_eq!(failures_of_others(&tally, 2), 0, "{:?}", tally.failed);
    assert_eq!(app.service("api")["stable_revision"], 1);
}
