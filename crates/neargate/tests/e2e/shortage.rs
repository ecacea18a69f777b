//! More clients than the usual soft limit of open files, and a low hard one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Output;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit};
use serde_json::Value;

use crate::app::App;
use crate::releases::ECHO;

/// This process may have as many connections as the machine allows.
fn raise_own_limit() {
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, wanted).expect("the test's own limit");
}

/// `up` by a shell with this limit.
fn up(app: &App, limit: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_neargate");
    let port = app.address.port();
    let mut command = std::process::Command::new("sh");
    command.arg("-c").arg(format!(
        "ulimit {limit} && exec {program} up --detach --port {port}"
    ));
    command.current_dir(app.folder()).output().expect("a shell")
}

fn idle_clients(app: &App, count: usize) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect(app.address).expect("connected");
        stream.write_all(b"GET / HT").expect("sent");
        stream
    };
    (0..count).map(connect).collect()
}

fn status_of_a_request(app: &App) -> String {
    let mut stream = TcpStream::connect(app.address).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a timeout");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.chars().take(12).collect()
}

fn tasks(status: &Value) -> Vec<(String, String)> {
    let tasks = status["services"][0]["tasks"].as_array().expect("tasks");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = tasks
        .iter()
        .map(|task| (text(&task["id"]), text(&task["health"])))
        .collect();
    found.sort();
    found
}

/// Over several health checks, no task changes.
fn tasks_stay(app: &App, before: &[(String, String)]) {
    let until = Instant::now() + Duration::from_secs(12);
    while Instant::now() < until {
        assert_eq!(tasks(&app.status()), before);
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn twelve_hundred_idle_clients_cost_no_task_its_health() {
    raise_own_limit();
    let app = App::new(ECHO);
    let output = up(&app, "-Sn 1024");
    assert!(output.status.success(), "{output:?}");
    let before = tasks(&app.status());
    assert!(
        before.iter().all(|(_, health)| health == "healthy"),
        "{before:?}"
    );
    // The usual soft limit is 1,024.
    let clients = idle_clients(&app, 1_200);
    assert_eq!(status_of_a_request(&app), "HTTP/1.1 200");
    tasks_stay(&app, &before);
    let load = app.status()["router_load"].clone();
    assert_eq!(load["unmade_checks"], 0, "{load}");
    drop(clients);
}

#[test]
fn a_low_hard_limit_serves_new_clients_and_is_told() {
    raise_own_limit();
    let app = App::new(ECHO);
    let output = up(&app, "-n 256");
    assert!(output.status.success(), "{output:?}");
    let before = tasks(&app.status());
    let clients = idle_clients(&app, 400);
    assert_eq!(status_of_a_request(&app), "HTTP/1.1 200");
    tasks_stay(&app, &before);
    let status = app.status();
    let notes = status["notes"].to_string();
    assert!(notes.contains("the router is at its limits"), "{notes}");
    assert!(
        status["router_load"]["closed_idle"].as_u64() > Some(0),
        "{status}"
    );
    drop(clients);
    let deployed = app.run(&["deploy", "api", "--set", "service.api.env.COLOUR=green"]);
    assert!(deployed.status.success(), "{deployed:?}");
}

#[test]
fn an_app_that_does_not_fit_the_limit_is_refused_in_words() {
    let app = App::new(&ECHO.replace("min = 2, max = 4", "min = 400, max = 400"));
    let checked = |limit: &str| {
        let program = env!("CARGO_BIN_EXE_neargate");
        let mut command = std::process::Command::new("sh");
        command
            .arg("-c")
            .arg(format!("ulimit {limit} && exec {program} check"));
        let output = command.current_dir(app.folder()).output().expect("a shell");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let words = "processes here may open 256 files";
    assert!(checked("-n 256").contains(words));
    assert!(!checked("-n 4096").contains("may open"));
    let output = up(&app, "-n 256");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(words) && said.contains("800 tasks"), "{said}");
}
