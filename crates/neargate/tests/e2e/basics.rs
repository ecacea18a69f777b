//! The contract that scripts rely on, two apps on one machine, an ordinary user.

use std::process::Command;

use serde_json::Value;

use crate::app::{App, User, alive, root};
use crate::releases::ECHO;

#[test]
fn up_serves_and_status_has_the_shape_that_scripts_rely_on() {
    let app = App::new(ECHO);
    app.up();
    let answer = curl(&app, "/");
    assert!(answer.starts_with("1 api-"), "{answer}");
    let status = app.status();
    assert_eq!(status["app"], "echo");
    assert_eq!(status["env"], "local");
    assert_eq!(status["endpoint"], format!("http://{}", app.address));
    for process in ["engine", "router"] {
        assert!(alive(status[process]["pid"].as_u64().expect("a pid")));
        assert!(status[process]["started_at"].is_number());
    }
    let service = &status["services"][0];
    for (field, value) in [
        ("desired", 2),
        ("running", 2),
        ("healthy", 2),
        ("revision", 1),
        ("stable_revision", 1),
    ] {
        assert_eq!(service[field], value, "{field}");
    }
    assert_eq!(service["release"], Value::Null);
    for task in service["tasks"].as_array().expect("tasks") {
        assert_eq!(
            (&task["state"], &task["health"]),
            (&"running".into(), &"healthy".into())
        );
        assert!(alive(task["pid"].as_u64().expect("a pid")));
    }
    app.ok(&["down"]);
    assert!(app.try_status().is_none(), "the engine has ended");
}

#[test]
fn answers_carry_the_revision_and_the_task() {
    let app = App::new(ECHO);
    app.up();
    let head = curl_with(&app, "/", &["-i"]).to_ascii_lowercase();
    assert!(head.contains("x-neargate-revision: 1"), "{head}");
    assert!(head.contains("x-neargate-task: api-"), "{head}");
    assert!(head.contains("x-request-id: "), "{head}");
}

#[test]
fn a_taken_port_is_exit_3_and_names_its_holder_before_anything_is_built() {
    let app = App::new(&format!("{ECHO}build = \"touch built\"\n"));
    let _other = std::net::TcpListener::bind(app.address).expect("the port");
    let output = app.run(&["up", "--detach", "--port", &app.address.port().to_string()]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(
        error.contains(&format!("pid {} (", std::process::id())),
        "{error}"
    );
    assert!(!app.folder().join("built").exists(), "{error}");
    assert!(!app.state().exists(), "no engine was started");
}

#[test]
fn up_twice_changes_nothing_and_two_apps_do_not_clash() {
    let (one, two) = (App::new(ECHO), App::new(ECHO));
    one.up();
    two.up();
    let tasks = |app: &App| app.service("api")["tasks"].clone();
    let before = tasks(&one);
    one.up();
    assert_eq!(tasks(&one), before);
    two.ok(&["down", "--purge", "--yes"]);
    assert!(!two.state().join("state.db").exists());
    assert_eq!(tasks(&one), before);
    assert!(curl(&one, "/").starts_with("1 api-"));
}

#[test]
fn an_ordinary_user_can_do_all_of_it() {
    if !root() {
        println!("skipped: the other tests already run as an ordinary user");
        return;
    }
    let app = App::owned_by(User::Ordinary, ECHO);
    app.up();
    assert!(curl(&app, "/").starts_with("1 api-"));
    app.ok(&["deploy", "api", "--set", "service.api.env.COLOUR=green"]);
    assert!(curl(&app, "/").starts_with("2 api-"));
    app.ok(&["scale", "api=3"]);
    app.wait("three tasks", |status| {
        status["services"][0]["healthy"] == 3
    });
    app.ok(&["rollback", "api"]);
    assert!(curl(&app, "/").starts_with("1 api-"));
    app.ok(&["down"]);
}

#[test]
fn a_task_sees_its_own_environment_and_nothing_of_the_engines() {
    let app = App::new(ECHO);
    let mut command = app.command(&["up", "--detach", "--port", &app.address.port().to_string()]);
    assert!(
        command
            .env("LEAK", "engine's")
            .status()
            .expect("up runs")
            .success()
    );
    let environment = curl(&app, "/env");
    let mut names: Vec<&str> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|v| v.0)
        .collect();
    names.sort_unstable();
    for name in [
        "NEARGATE_APP",
        "NEARGATE_ENV",
        "NEARGATE_REVISION",
        "NEARGATE_SERVICE",
        "NEARGATE_TASK",
        "PORT",
    ] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    assert!(!environment.contains("engine's"), "{environment}");
    if root() {
        let pid = app.service("api")["tasks"][0]["pid"]
            .as_u64()
            .expect("a pid");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the task runs");
        let uid = status
            .lines()
            .find(|line| line.starts_with("Uid:"))
            .expect("a uid");
        assert!(!uid.contains("\t0"), "a task runs as root: {uid}");
    }
}

/// GET by curl, which is not ours.
pub(crate) fn curl(app: &App, path: &str) -> String {
    curl_with(app, path, &[])
}

fn curl_with(app: &App, path: &str, options: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "20"])
        .args(options)
        .arg(format!("http://{}{path}", app.address))
        .output()
        .expect("curl runs");
    assert!(
        output.status.success(),
        "curl {path}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
