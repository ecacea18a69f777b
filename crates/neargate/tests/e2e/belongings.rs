//! What belongs to a state directory: a copy of it is another app, a refused `up` changes nothing,
//! and one that is removed with its data services comes again.

use std::path::Path;
use std::process::{Command, Output};

use crate::app::{App, alive, wait_for};
use crate::basics::curl;
use crate::releases::ECHO;

fn run_in(app: &App, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = app.command(arguments);
    let output = command.current_dir(folder).output();
    output.expect("the binary runs")
}

fn ok_in(app: &App, folder: &Path, arguments: &[&str]) -> String {
    let output = run_in(app, folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn pids(status: &str) -> Vec<u64> {
    let status: serde_json::Value = serde_json::from_str(status).expect("JSON");
    let tasks = status["services"][0]["tasks"].as_array().expect("tasks");
    tasks
        .iter()
        .filter_map(|task| task["pid"].as_u64())
        .collect()
}

#[test]
fn a_copy_of_a_running_project_is_an_app_of_its_own() {
    let app = App::new(&format!(
        "{ECHO}uses = [\"cache.main\"]\n[cache.main]\nengine = \"redis\"\n"
    ));
    app.up();
    let original = pids(&app.ok(&["status", "--json"]));
    let copy = app.folder().with_extension("copy");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(app.folder())
        .arg(&copy)
        .status();
    assert!(copied.expect("cp runs").success());
    let port = App::new(ECHO).address.port().to_string();
    ok_in(&app, &copy, &["up", "--detach", "--port", &port]);
    let copied = pids(&ok_in(&app, &copy, &["status", "--json"]));
    assert_eq!((original.len(), copied.len()), (2, 2));
    assert!(copied.iter().all(|pid| !original.contains(pid)));
    assert_eq!(pids(&app.ok(&["status", "--json"])), original);
    ok_in(&app, &copy, &["down", "--purge", "--yes"]);
    assert_eq!(pids(&app.ok(&["status", "--json"])), original);
    assert!(curl(&app, "/").starts_with("1 api-"));
    std::fs::remove_dir_all(&copy).expect("the copy");
}

#[test]
fn an_up_that_is_refused_changes_nothing() {
    let app = App::new(ECHO);
    app.up();
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("its port").port().to_string();
    let refused = app.run(&["up", "--detach", "--port", &port]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let endpoint = format!("http://{}", app.address);
    assert_eq!(app.status()["endpoint"], endpoint);
    // The next engine and router serve where the app served.
    let status = app.status();
    for process in ["router", "engine"] {
        crate::app::kill(status[process]["pid"].as_u64().expect("a pid"));
    }
    wait_for("another engine and router", || {
        let now = app.try_status()?;
        let another = |process: &str| {
            now[process]["pid"].is_u64() && now[process]["pid"] != status[process]["pid"]
        };
        (another("engine") && another("router")).then_some(())
    });
    assert_eq!(app.status()["endpoint"], endpoint);
    wait_for("an answer", || {
        curl(&app, "/").starts_with("1 api-").then_some(())
    });
}

#[test]
fn a_state_directory_with_a_cache_is_removed_at_once_and_up_begins_anew() {
    let app = App::new(&format!(
        "{ECHO}uses = [\"cache.main\"]\n[cache.main]\nengine = \"redis\"\n"
    ));
    for _ in 0..3 {
        app.up();
        let removed = Command::new("rm").arg("-rf").arg(app.state()).output();
        let removed = removed.expect("rm runs");
        assert!(removed.status.success(), "{removed:?}");
    }
    app.up();
    assert!(curl(&app, "/").starts_with("1 api-"));
}

#[test]
fn all_ends_when_the_file_system_of_the_state_directory_is_unmounted_under_it() {
    let app = App::new(ECHO);
    std::fs::create_dir(app.state()).expect("a folder");
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        let output = command.args(arguments).arg(app.state()).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !run("mount", &["-t", "tmpfs", "-o", "mode=0700", "none"]) {
        println!("nothing may be mounted here: not tried");
        return;
    }
    app.up();
    let status = app.status();
    let mut all = pids(&status.to_string());
    for process in ["engine", "router"] {
        all.extend(status[process]["pid"].as_u64());
    }
    assert!(all.len() >= 3, "{status}");
    assert!(run("umount", &["--lazy"]));
    wait_for("the end of everything", || {
        all.iter().all(|pid| !alive(*pid)).then_some(())
    });
    // Another app of the same name at the same place.
    app.up();
    assert!(curl(&app, "/").starts_with("1 api-"));
}
