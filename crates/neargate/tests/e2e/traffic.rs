//! No accepted request is lost.

use std::time::{Duration, Instant};

use crate::app::{App, alive, kill};
use crate::load::Load;
use crate::releases::ECHO;

const RATE: u32 = 400;

#[test]
fn deploy_rollback_scaling_and_router_replacement_lose_no_request() {
    let app = App::new(ECHO);
    app.up();
    let load = Load::start(app.address, "/", RATE);
    app.ok(&["deploy", "api", "--set", "service.api.env.COLOUR=green"]);
    app.ok(&["scale", "api=4"]);
    app.wait("four healthy tasks", |status| {
        status["services"][0]["healthy"] == 4
    });
    app.ok(&["rollback", "api"]);
    app.ok(&["scale", "api=2"]);
    app.wait("two tasks", |status| {
        status["services"][0]["tasks"]
            .as_array()
            .is_some_and(|t| t.len() == 2)
    });
    let before = app.status()["router"]["pid"].clone();
    replace_router(&app);
    assert_ne!(app.status()["router"]["pid"], before);
    let tally = load.finish();
    assert_eq!(tally.failures(), 0, "{:?} of {}", tally.failed, tally.sent);
    assert_eq!(tally.by_revision.keys().collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn requests_in_flight_survive_a_deploy() {
    let app = App::new(ECHO);
    app.up();
    let load = Load::start(app.address, "/slow?1500", 40);
    app.ok(&["deploy", "api", "--set", "service.api.env.COLOUR=green"]);
    let tally = load.finish();
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
}

#[test]
fn a_killed_task_loses_at_most_what_was_in_flight_in_it() {
    let app = App::new(ECHO);
    app.up();
    let load = Load::start(app.address, "/", RATE);
    let task = app.service("api")["tasks"][0]["pid"]
        .as_u64()
        .expect("a pid");
    kill(task);
    app.wait("two healthy tasks again", |status| {
        let service = &status["services"][0];
        service["healthy"] == 2
            && !service["tasks"]
                .to_string()
                .contains(&format!("\"pid\":{task},"))
    });
    let tally = load.finish();
    // 16 connections: no more can be in flight at one moment, and they are answered 502.
    assert!(tally.failures() <= 16, "{:?}", tally.failed);
    assert!(
        tally
            .failed
            .keys()
            .all(|why| why.starts_with("status 502 of revision")),
        "{:?}",
        tally.failed
    );
}

#[test]
fn a_killed_router_is_replaced_and_waiting_connections_are_served() {
    let app = App::new(ECHO);
    app.up();
    let router = app.status()["router"]["pid"].as_u64().expect("a pid");
    kill(router);
    let began = Instant::now();
    let load = Load::start(app.address, "/", RATE);
    let new = app.wait("a new router", |status| {
        status["router"]["pid"]
            .as_u64()
            .is_some_and(|pid| pid != router && alive(pid))
    });
    assert!(began.elapsed() < Duration::from_secs(10));
    let tally = load.finish();
    assert_eq!(
        tally.failures(),
        0,
        "connections made after the kill are served: {:?}",
        tally.failed
    );
    assert_eq!(new["services"][0]["healthy"], 2);
}

#[test]
fn a_killed_engine_is_not_noticed_and_its_successor_adopts_everything() {
    let app = App::new(ECHO);
    app.up();
    let before = app.status();
    let load = Load::start(app.address, "/", RATE);
    app.kill_engine();
    app.up();
    let after = app.status();
    assert_ne!(after["engine"]["pid"], before["engine"]["pid"]);
    assert_eq!(after["router"]["pid"], before["router"]["pid"]);
    assert_eq!(
        after["services"][0]["tasks"],
        before["services"][0]["tasks"]
    );
    app.ok(&["deploy", "api", "--set", "service.api.env.COLOUR=green"]);
    let tally = load.finish();
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
}

fn replace_router(app: &App) {
    let output = std::process::Command::new("curl")
        .args([
            "-sS",
            "--fail-with-body",
            "--max-time",
            "60",
            "-X",
            "POST",
            "--unix-socket",
        ])
        .arg(app.state().join("run/engine.sock"))
        .arg("http://engine/v1/router/replace")
        .output()
        .expect("curl runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
