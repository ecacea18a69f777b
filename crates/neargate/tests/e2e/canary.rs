//! Releases that shift traffic: a good one goes through, a bad one is met by few and goes back.

use serde_json::Value;

use crate::app::{App, wait_for};
use crate::basics::curl;
use crate::load::{Load, Tally};
use crate::releases::outcome;

/// `bake` of the manifest below, in milliseconds.
const BAKE_MS: u64 = 2_000;

/// Near's own short periods, so that a release takes seconds.
pub(crate) const CANARY: &str = r#"
app = "echo"

[service.api]
artifact = "echo"
command = ["echo"]
port = 3000
route = "/*"
drain = "5s"
env = { COLOUR = "blue" }
uses = ["secret.session"]
health = { path = "/healthz", interval = "5s", timeout = "2s", healthy = 2, unhealthy = 2 }
scale = { min = 2, max = 4 }

[service.api.release]
strategy = "canary"
steps = [10, 50, 100]
bake = "2s"
guard = ["success", "slow", "memory"]
smoke = ["look"]
on-rollback = ["undo"]

[job.look]
service = "api"
command = ["sh", "-c", "curl -fsS -H \"X-Neargate-Revision: $NEARGATE_REVISION\" $NEARGATE_SERVICE_URL/ | grep \"^$NEARGATE_REVISION \" && test \"$SMOKE\" != fails"]
timeout = "20s"

[job.undo]
service = "api"
command = ["sh", "-c", "printf undone"]

[secret.session]
generate = "hex:16"

[alarm.success]
metric = "success_rate"
service = "api"
below = 99.5
period = "1s"
datapoints = "2/2"
minimum-samples = 5

[alarm.slow]
metric = "latency"
statistic = "p95"
service = "api"
above = 300
period = "1s"
datapoints = "2/2"
minimum-samples = 3

[alarm.memory]
metric = "memory"
statistic = "maximum"
service = "api"
above = 10
period = "1s"
datapoints = "2/2"
"#;

pub(crate) const RATE: u32 = 400;

/// Requests that failed and were not the new revision's own. The router's own answers (502, 503)
/// carry no revision: the stable one, all healthy, gives no cause for them.
pub(crate) fn failures_of_others(tally: &Tally, new: u32) -> u64 {
    let own = [format!("of revision {new}"), "of revision ".to_owned()];
    let others = tally
        .failed
        .iter()
        .filter(|(why, _)| !own.iter().any(|own| why.ends_with(own)));
    others.map(|(_, count)| count).sum()
}

pub(crate) fn deploy(app: &App, settings: &[&str]) -> (Value, Tally, Option<i32>) {
    let load = Load::start(app.address, "/", RATE);
    let mut arguments = vec!["deploy", "api", "--json"];
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    let output = app.run(&arguments);
    let tally = load.finish();
    (outcome(&output), tally, output.status.code())
}

pub(crate) fn releases(app: &App) -> Vec<Value> {
    serde_json::from_str(&app.ok(&["releases", "api", "--json"])).expect("releases are JSON")
}

/// Texts and times (ms) of the newest release's story.
pub(crate) fn story(app: &App) -> Vec<(u64, String)> {
    let newest = releases(app).pop().expect("a release");
    let moments = newest["story"].as_array().expect("a story").clone();
    moments
        .iter()
        .map(|moment| {
            let text = moment["text"].as_str().unwrap_or_default().to_owned();
            (moment["at"].as_u64().unwrap_or_default(), text)
        })
        .collect()
}

pub(crate) fn at(story: &[(u64, String)], text: &str) -> u64 {
    let found = story.iter().find(|(_, told)| told.contains(text));
    found.unwrap_or_else(|| panic!("{text} in {story:?}")).0
}

#[test]
fn a_good_canary_takes_every_step_and_no_request_fails() {
    let app = App::new(CANARY);
    app.up();
    let (last, tally, code) = deploy(&app, &["service.api.env.COLOUR=green"]);
    assert_eq!(
        (code, &last["outcome"]),
        (Some(0), &"done".into()),
        "{last}"
    );
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
    let story = story(&app);
    for text in [
        "testing the new revision",
        "job look succeeded",
        "shifting step 1: 10 %",
        "the router sent the new revision",
        "guard success is quiet",
        "shifting step 2: 50 %",
        "baking step 3: 100 %",
        "done: revision 2 serves",
    ] {
        at(&story, text);
    }
    let dwell = at(&story, "shifting step 2") - at(&story, "shifting step 1");
    assert!(dwell >= 2_000, "a step lasts at least its bake: {dwell} ms");
    assert!(curl(&app, "/env").contains("COLOUR=green"));
}

/// Deploys a bad version under load: it goes back, says why, and what serves is whole.
fn goes_back(settings: &[&str], why: &str, most_failed_permille: u64) -> App {
    let app = App::new(CANARY);
    app.up();
    let secret = |app: &App| {
        let environment = curl(app, "/env");
        let line = environment
            .lines()
            .find(|line| line.starts_with("SESSION="));
        line.expect("the secret").to_owned()
    };
    let before = secret(&app);
    let (last, tally, code) = deploy(&app, settings);
    assert_eq!(code, Some(1), "{last}");
    assert_eq!(last["outcome"], "rolled-back", "{last}");
    let reason = last["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(why), "{reason} is not {why}");
    assert_eq!(failures_of_others(&tally, 2), 0, "{:?}", tally.failed);
    assert!(
        tally.failures() * 1000 <= tally.sent * most_failed_permille,
        "{} of {} failed: {:?}",
        tally.failures(),
        tally.sent,
        tally.failed
    );
    let service = app.service("api");
    assert_eq!(service["stable_revision"], 1);
    assert_eq!(service["healthy"], 2);
    assert!(curl(&app, "/env").contains("COLOUR=blue"));
    assert_eq!(secret(&app), before);
    at(&story(&app), "job undo succeeded");
    app
}

#[test]
fn errors_go_back_at_the_first_step_within_the_guards_own_time() {
    // 5 % of the requests of a tenth of the users, while it lasted.
    let app = goes_back(
        &["service.api.env.ECHO_FAULT=errors"],
        "guard `success` fired at 10 % of the traffic",
        6,
    );
    let story = story(&app);
    let noticed = at(&story, "guard success fired") - at(&story, "shifting step 1");
    assert!(noticed <= 2_000 + 2_000, "noticed after {noticed} ms");
    assert!(!story.iter().any(|(_, text)| text.contains("step 2")));
}

#[test]
fn slowness_goes_back_by_the_percentile_guard() {
    let why = "guard `slow` fired at 10 % of the traffic";
    goes_back(&["service.api.env.ECHO_FAULT=slow"], why, 0);
}

#[test]
fn a_memory_leak_goes_back_by_the_memory_guard() {
    goes_back(
        &["service.api.env.ECHO_FAULT=leak"],
        "guard `memory` fired",
        0,
    );
}

#[test]
fn a_crash_loop_goes_back_by_the_breaker() {
    // By default a task that was healthy sets ECS's count back: this manifest counts them all.
    let counting = "service.api.release.breaker.reset-on-healthy=false";
    // What was in flight in a task that crashes is an error: a guard of errors may be first.
    let guards = r#"service.api.release.guard=["memory"]"#;
    let settings = ["service.api.env.ECHO_FAULT=late-exit", counting, guards];
    goes_back(&settings, "failed (the breaker's threshold)", 200);
}

#[test]
fn bad_health_goes_back_before_any_traffic() {
    let why = "failed (the breaker's threshold)";
    goes_back(&["service.api.env.ECHO_FAULT=bad-health"], why, 0);
}

#[test]
fn a_failed_smoke_test_goes_back_before_any_traffic() {
    let why = "job `look` failed before any traffic: exit code 1";
    goes_back(&["service.api.env.SMOKE=fails"], why, 0);
}

#[test]
fn too_little_traffic_holds_until_somebody_promotes() {
    let app = App::new(CANARY);
    app.up();
    app.ok(&[
        "deploy",
        "api",
        "--detach",
        "--set",
        "service.api.env.COLOUR=green",
    ]);
    for step in 1..=2 {
        let status = app.wait("it waits for requests", |status| {
            let release = &status["services"][0]["release"];
            let waits = release["waiting_for"].as_str().unwrap_or_default();
            release["step"] == step && waits.contains("enough requests to judge")
        });
        let weight = &status["services"][0]["release"]["weight"];
        assert_eq!(weight.as_f64(), Some([10.0, 50.0][step - 1]));
        app.ok(&["promote", "api"]);
    }
    app.wait("the last step", |status| {
        status["services"][0]["release"]["stage"] == "baking"
    });
    app.ok(&["promote", "api", "--full"]);
    app.wait("it is done", |status| {
        let service = &status["services"][0];
        service["release"].is_null() && service["stable_revision"] == 2
    });
}

#[test]
fn people_pause_resume_abort_and_supersede() {
    let app = App::new(&CANARY.replace("guard = [\"success\", \"slow\", \"memory\"]", ""));
    app.up();
    let refused = app.run(&["promote", "api"]);
    assert_eq!(refused.status.code(), Some(1));
    app.ok(&[
        "deploy",
        "api",
        "--detach",
        "--set",
        "service.api.env.COLOUR=green",
    ]);
    app.wait("the first step", |status| {
        status["services"][0]["release"]["step"] == 1
    });
    app.ok(&["pause", "api"]);
    let again = app.run(&["deploy", "api", "--set", "service.api.env.COLOUR=red"]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(1), "{said}");
    assert!(
        said.contains("is in progress") && said.contains("--supersede"),
        "{said}"
    );
    let paused = judged_until(&app);
    wait_for("the engine judged on, beyond the bake", || {
        (judged_until(&app) > paused + BAKE_MS).then_some(())
    });
    let release = app.service("api")["release"].clone();
    assert_eq!(release["step"], 1, "a paused release stays: {release}");
    assert_eq!(
        release["waiting_for"],
        "`neargate resume api`: it is paused"
    );
    app.ok(&[
        "deploy",
        "api",
        "--supersede",
        "--detach",
        "--set",
        "service.api.env.COLOUR=red",
    ]);
    app.wait("the second release's first step", |status| {
        let release = &status["services"][0]["release"];
        release["step"] == 1 && release["id"] == 3
    });
    app.ok(&["abort", "api"]);
    app.wait("it went back", |status| {
        status["services"][0]["release"].is_null()
    });
    let outcomes: Vec<String> = releases(&app)
        .iter()
        .map(|release| format!("{} {}", release["outcome"], release["reason"]))
        .collect();
    assert!(
        outcomes[1].contains("superseded by a newer deploy"),
        "{outcomes:?}"
    );
    assert!(
        outcomes[2].contains("rolled-back") && outcomes[2].contains("aborted by"),
        "{outcomes:?}"
    );
    assert!(curl(&app, "/env").contains("COLOUR=blue"));
    let told = app.ok(&["releases", "show", "3"]);
    assert!(told.contains("shifting step 1: 10 %"), "{told}");
}

#[test]
fn a_release_goes_on_through_the_engines_death_at_every_step() {
    let app = App::new(CANARY);
    app.up();
    let load = Load::start(app.address, "/", RATE);
    app.ok(&[
        "deploy",
        "api",
        "--detach",
        "--set",
        "service.api.env.COLOUR=green",
    ]);
    for step in 1..=3 {
        app.wait("the next step", |status| {
            let service = &status["services"][0];
            service["release"].is_null() || service["release"]["step"] == step
        });
        app.kill_engine();
    }
    app.wait("it is done", |status| {
        let service = &status["services"][0];
        service["release"].is_null() && service["stable_revision"] == 2
    });
    let tally = load.finish();
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
}

/// The newest second whose figures the engine has taken in, in milliseconds.
fn judged_until(app: &App) -> u64 {
    let text = app.ok(&["metrics", "--json"]);
    let figures: Value = serde_json::from_str(&text).expect("figures are JSON");
    figures["until"].as_u64().expect("a time")
}
