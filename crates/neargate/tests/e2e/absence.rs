//! What was served while no engine listened is counted in the seconds in which it was served.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::app::{App, ONE_TASK, wait_for};
use crate::load::Load;

const RATE: u32 = 100;
const STOPPED: Duration = Duration::from_secs(6);

/// Alarms on every period in which much more was counted than was sent, or nothing at all.
const WATCHED: &str = r#"
[alarm.spike]
metric = "requests"
service = "api"
above = 450
period = "1s"
datapoints = "1/20"

[alarm.gap]
metric = "requests"
service = "api"
below = 50
period = "5s"
datapoints = "1/3"
missing = "breaching"
"#;

fn alarm(app: &App, name: &str) -> Value {
    let all: Value = serde_json::from_str(&app.ok(&["alarms", "--json"])).expect("JSON");
    let all = all.as_array().expect("alarms").clone();
    let found = all.into_iter().find(|alarm| alarm["name"] == name);
    found.expect("the alarm")
}

fn counted(app: &App) -> Option<f64> {
    let text = app.run(&["metrics", "--since", "10m", "--json"]).stdout;
    let table: Value = serde_json::from_slice(&text).ok()?;
    let rows = table["rows"].as_array()?;
    let whole = rows.iter().find(|row| row["revision"].is_null())?;
    whole["requests"].as_f64()
}

/// How often each alarm fired.
fn fired(app: &App) -> [usize; 2] {
    ["spike", "gap"].map(|name| {
        let history = alarm(app, name)["history"].as_array().cloned();
        let to_alarm = |change: &&Value| change["to"] == "ALARM";
        history.unwrap_or_default().iter().filter(to_alarm).count()
    })
}

#[test]
fn an_engine_that_was_stopped_under_load_sees_neither_a_spike_nor_a_gap() {
    let app = App::new(&format!("app = \"absence\"\n{ONE_TASK}{WATCHED}"));
    app.up();
    let load = Load::start(app.address, "/", RATE);
    // Without requests the second alarm stands in ALARM.
    wait_for("steady load", || {
        (alarm(&app, "gap")["state"] == "OK").then_some(())
    });
    let before = fired(&app);
    let begun = wait_for("counts", || counted(&app));
    let engine = app.status()["engine"]["pid"].to_string();
    let stopped = Command::new("kill").args(["-STOP", &engine]).status();
    assert!(stopped.expect("kill").success());
    // The watchdog may end it meanwhile; then another engine reads what was counted.
    // This is how long it is stopped: nothing is waited for.
    std::thread::sleep(STOPPED);
    let _ = Command::new("kill").args(["-CONT", &engine]).status();
    wait_for("an engine", || app.try_status());
    // The alarms have seen whole periods of before, meanwhile and after: nothing fires in them.
    let seconds = STOPPED.as_secs_f64() + 9.0;
    wait_for("whole periods after it", || {
        counted(&app).filter(|requests| *requests >= begun + seconds * f64::from(RATE))
    });
    let sent = load.finish().sent as f64;
    assert_eq!(fired(&app), before, "{:#}", alarm(&app, "gap"));
    wait_for("every request is counted once", || {
        counted(&app).filter(|requests| *requests >= sent)
    });
    assert_eq!(counted(&app), Some(sent));
}
