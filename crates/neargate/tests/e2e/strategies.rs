//! Blue-green and linear, end to end: a good revision goes through, a bad one goes back.

use crate::app::App;
use crate::basics::curl;
use crate::canary::{CANARY, RATE, at, deploy, story};
use crate::hooks::{serving, went_back};
use crate::load::Load;

fn with(strategy: &str) -> App {
    let canary = "strategy = \"canary\"\nsteps = [10, 50, 100]\nbake = \"2s\"";
    let app = App::new(&CANARY.replace(canary, strategy));
    app.up();
    app
}

/// Answer, at the edge, to a request with the test header.
fn answers(app: &App, header: Option<&str>) -> String {
    let mut command = std::process::Command::new("curl");
    command.args(["-fsS", "--max-time", "10"]);
    if let Some(revision) = header {
        command.args(["-H", &format!("X-Neargate-Revision: {revision}")]);
    }
    let output = command
        .arg(format!("http://{}/", app.address))
        .output()
        .expect("curl runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn blue_green_is_reached_by_the_test_route_before_traffic_and_switches_at_once() {
    let app = with("strategy = \"blue-green\"\nbake = \"2s\"\napprove = true");
    let load = Load::start(app.address, "/", RATE);
    let green = "service.api.env.COLOUR=green";
    app.ok(&["deploy", "api", "--detach", "--set", green]);
    app.wait("it waits for approval", |status| {
        let waits = &status["services"][0]["release"]["waiting_for"];
        waits == "`neargate promote api`"
    });
    assert_eq!(answers(&app, Some("2")), "2", "the test route");
    for _ in 0..20 {
        assert_eq!(answers(&app, None), "1", "no traffic before it is promoted");
    }
    app.ok(&["promote", "api"]);
    app.wait("all traffic", |status| {
        status["services"][0]["release"]["stage"] == "baking"
    });
    app.wait("green answers", |_| answers(&app, None) == "2");
    for _ in 0..20 {
        assert_eq!(answers(&app, None), "2", "all of the traffic at once");
    }
    let service = app.service("api");
    assert_eq!(service["healthy"], 4, "blue is whole until green has baked");
    app.wait("it is done", |status| {
        status["services"][0]["release"].is_null()
    });
    let tally = load.finish();
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
    assert!(curl(&app, "/env").contains("COLOUR=green"));
}

#[test]
fn blue_green_with_errors_switches_back_at_once_to_tasks_that_never_left() {
    let app = with("strategy = \"blue-green\"\nbake = \"20s\"");
    let before = serving(&app);
    let ended = deploy(&app, &["service.api.env.ECHO_FAULT=errors"]);
    went_back(&app, &before, &ended);
    let reason = ended.0["reason"].as_str().unwrap_or_default();
    assert!(
        reason.starts_with("guard `success` fired at 100 % of the traffic"),
        "{reason}"
    );
    let story = story(&app);
    let noticed = at(&story, "guard success fired") - at(&story, "baking step 1: 100 %");
    assert!(noticed <= 2_000 + 2_000, "noticed after {noticed} ms");
    let back = at(&story, "rolling back") - at(&story, "guard success fired");
    assert!(back < 100, "back after {back} ms");
    let left = story.iter().any(|(_, text)| text.contains("task api-r1-"));
    assert!(!left, "blue's tasks never left: {story:?}");
}

#[test]
fn linear_takes_equal_steps_and_no_request_fails() {
    let app = with("strategy = \"linear\"\npercent = 40\ninterval = \"2s\"\nbake = \"1s\"");
    let (last, tally, code) = deploy(&app, &["service.api.env.COLOUR=green"]);
    assert_eq!(code, Some(0), "{last}");
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
    let story = story(&app);
    let steps = [
        "shifting step 1: 40 %",
        "shifting step 2: 80 %",
        "baking step 3: 100 %",
    ];
    let times: Vec<u64> = steps.iter().map(|step| at(&story, step)).collect();
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= 2_000, "the interval: {times:?}");
    }
}

#[test]
fn linear_with_errors_goes_back_at_its_first_step() {
    let app = with("strategy = \"linear\"\npercent = 40\ninterval = \"2s\"\nbake = \"1s\"");
    let before = serving(&app);
    let ended = deploy(&app, &["service.api.env.ECHO_FAULT=errors"]);
    went_back(&app, &before, &ended);
    let reason = ended.0["reason"].as_str().unwrap_or_default();
    assert!(
        reason.starts_with("guard `success` fired at 40 % of the traffic"),
        "{reason}"
    );
    // 5 % of two fifths, while it lasted.
    let tally = &ended.1;
    assert!(
        tally.failures() * 1000 <= tally.sent * 25,
        "{:?}",
        tally.failed
    );
}
