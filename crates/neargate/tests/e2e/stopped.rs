//! What is stopped (SIGSTOP) and must not stay so is woken; a stopped task is replaced by its
//! health.

use std::time::Instant;

use serde_json::Value;

use crate::app::{App, root, wait_for};
use crate::basics::curl;
use crate::data::blueprint;
use crate::healing::{HANG, ends, one, processes, served_by, stop, tasks};
use crate::load::Load;
use crate::releases::ECHO;

fn is_stopped(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned());
    state.is_some_and(|state| state.starts_with('T'))
}

/// All run on as the same processes; how that took less than forever is [`HANG`].
fn woken(pids: &[u64], what: &str) {
    let began = Instant::now();
    wait_for(what, || {
        pids.iter().all(|pid| !is_stopped(*pid)).then_some(())
    });
    assert!(began.elapsed() < HANG, "{what}: {:?}", began.elapsed());
}

#[test]
fn whoever_is_stopped_is_woken_alone_or_together_and_nobody_notices() {
    let app = App::new(ECHO);
    app.up();
    let before = tasks(&app);
    let load = Load::start(app.address, "/", 100);
    let table: [&[&str]; 7] = [
        &["engine"],
        &["watchdog"],
        &["router"],
        &["shim"],
        &["engine", "router"],
        &["watchdog", "engine", "router"],
        &["engine", "shim"],
    ];
    for roles in table {
        let all: Vec<Vec<u64>> = roles.iter().map(|role| processes(&app, role)).collect();
        let pids: Vec<u64> = all.into_iter().flatten().collect();
        pids.iter().for_each(|pid| stop(*pid));
        woken(&pids, &format!("{roles:?} are woken"));
        served_by(&app, &before);
        for role in ["watchdog", "engine", "router"] {
            one(&app, role);
        }
    }
    let tally = load.finish();
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
    ends(&app);
}

#[test]
fn a_stopped_task_is_replaced_by_its_health_and_finishes_its_requests() {
    let app = App::new(ECHO);
    app.up();
    let pid = tasks(&app)[0]["pid"].as_u64().expect("a pid");
    let load = Load::start(app.address, "/", 20);
    stop(pid);
    let without = |status: &Value| {
        let tasks = &status["services"][0]["tasks"];
        let all = tasks.as_array().expect("tasks");
        !all.iter().any(|task| task["pid"] == pid)
    };
    app.wait("two other healthy tasks", |status| {
        status["services"][0]["healthy"] == 2 && without(status)
    });
    // On a machine that is busy with other tests the load may give up first.
    let patience = |why: &String| why.contains("would block") || why.contains("timed out");
    let mut failed = load.finish().failed;
    failed.retain(|why, _| !patience(why));
    assert_eq!(failed.len(), 0, "{failed:?}");
    ends(&app);
}

#[test]
fn a_task_that_is_stopped_ends_at_once_when_it_is_asked_to() {
    let app = App::new(ECHO);
    app.up();
    for task in tasks(&app).as_array().expect("tasks") {
        stop(task["pid"].as_u64().expect("a pid"));
    }
    let began = Instant::now();
    ends(&app);
    assert!(began.elapsed() < HANG, "{:?}", began.elapsed());
}

/// The process of a data service, and its children.
fn server(app: &App, id: &str) -> Vec<u64> {
    let path = app.state().join("tasks").join(id).join("state.json");
    let text = std::fs::read_to_string(path).expect("its record");
    let record: Value = serde_json::from_str(&text).expect("a record");
    let pid = record["task"]["pid"].as_u64().expect("a pid");
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let children = children
        .split_whitespace()
        .filter_map(|one| one.parse().ok());
    [pid].into_iter().chain(children).collect()
}

#[test]
fn all_of_a_data_server_is_woken() {
    if !root() {
        println!("skipped: needs /proc of another user's processes");
        return;
    }
    let app = blueprint("2-cloud-native-notes");
    app.up();
    for id in ["database-main", "cache-main"] {
        let pids = server(&app, id);
        pids.iter().for_each(|pid| stop(*pid));
        woken(&pids, id);
    }
    app.wait("both are available", |status| {
        status["databases"][0]["state"] == "available"
            && status["caches"][0]["state"] == "available"
    });
    assert!(curl(&app, "/api/notes").contains("notes"));
    ends(&app);
}
