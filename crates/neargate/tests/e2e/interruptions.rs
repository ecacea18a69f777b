//! `down`, a power cut, a dead engine and a taken port in the middle of things: what was stable
//! serves again, and nothing that a person asked for is undone.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::app::{App, kill, wait_for};
use crate::basics::curl;
use crate::releases::ECHO;

/// A release that stays under way: the new revision never listens.
fn in_mid_release(release: &str) -> App {
    let app = App::new(&format!("{ECHO}\n{release}"));
    app.up();
    app.ok(&[
        "deploy",
        "api",
        "--detach",
        "--set",
        "service.api.env.ECHO_FAULT=deaf",
    ]);
    app.wait("a task of the new revision", |status| {
        status["services"][0]["tasks"]
            .as_array()
            .is_some_and(|tasks| tasks.iter().any(|task| task["revision"] == 2))
    });
    app
}

/// Ends every process of the app at once, as a power cut does: engine, router, shims, tasks, data.
fn cut_the_power(app: &App) {
    let status = app.status();
    kill(status["engine"]["pid"].as_u64().expect("an engine"));
    let state = app.state().display().to_string();
    let ours = |pid: &str| {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        text(read("cmdline")).contains(&state)
    };
    let tasks = status["services"][0]["tasks"].as_array().cloned();
    let tasks = tasks.unwrap_or_default();
    let mut pids: Vec<u64> = tasks
        .iter()
        .filter_map(|task| task["pid"].as_u64())
        .collect();
    for process in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let name = process.file_name().to_string_lossy().into_owned();
        if let Ok(pid) = name.parse::<u64>()
            && ours(&name)
        {
            pids.push(pid);
        }
    }
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    // Some end with others before their turn.
    let _ = Command::new("kill")
        .arg("-9")
        .args(&pids)
        .stderr(Stdio::null())
        .status();
    wait_for("the end of every process", || {
        let gone = |pid: &String| !crate::app::alive(pid.parse().unwrap_or(0));
        pids.iter().all(gone).then_some(())
    });
}

/// Tasks of the stable revision that are healthy.
fn stable_and_healthy(app: &App) -> usize {
    let service = app.service("api");
    let tasks = service["tasks"].as_array().cloned().unwrap_or_default();
    let counts = |task: &&serde_json::Value| task["revision"] == 1 && task["health"] == "healthy";
    tasks.iter().filter(counts).count()
}

#[test]
fn after_down_or_a_power_cut_in_a_release_up_succeeds_and_the_stable_revision_serves() {
    interrupted("");
}

#[test]
fn after_down_or_a_power_cut_in_a_canary_up_succeeds_and_the_stable_revision_serves() {
    interrupted("[service.api.release]\nstrategy = \"canary\"\nsteps = [50, 100]\nbake = \"5s\"\n");
}

fn interrupted(release: &str) {
    for down in [true, false] {
        let app = in_mid_release(release);
        if down {
            app.ok(&["down"]);
        } else {
            cut_the_power(&app);
        }
        app.up();
        assert_eq!(stable_and_healthy(&app), 2, "down: {down}");
        assert!(curl(&app, "/").starts_with("1 api-"));
        // The release ends in words, and the app is as before.
        let status = app.wait("the end of the release", |status| {
            status["services"][0]["release"].is_null()
        });
        assert_eq!(status["services"][0]["stable_revision"], 1);
        app.up();
    }
}

#[test]
fn up_with_another_manifest_after_a_power_cut_releases_that_one() {
    let app = in_mid_release("");
    cut_the_power(&app);
    let port = app.address.port().to_string();
    app.ok(&[
        "up",
        "--detach",
        "--port",
        &port,
        "--set",
        "service.api.env.COLOUR=green",
    ]);
    assert_eq!(app.service("api")["stable_revision"], 3);
    assert!(curl(&app, "/").starts_with("3 api-"));
}

#[test]
fn a_deploy_and_an_up_after_the_engines_death_keep_what_a_person_scaled_to() {
    let without_scale: String = ECHO
        .lines()
        .filter(|line| !line.starts_with("scale"))
        .map(|line| format!("{line}\n"))
        .collect();
    let app = App::new(&without_scale);
    app.up();
    assert_eq!(app.service("api")["desired"], 1);
    app.ok(&["scale", "api=4"]);
    app.ok(&["deploy", "api", "--set", "service.api.env.COLOUR=green"]);
    assert_eq!(app.service("api")["desired"], 4);
    kill(app.status()["engine"]["pid"].as_u64().expect("a pid"));
    app.up();
    assert_eq!(app.service("api")["healthy"], 4);
    let port = format!("edge.port={}", app.address.port());
    let plan = |set: &str| app.ok(&["plan", "--set", &port, "--set", set]);
    let told = plan("service.api.scale=2");
    assert!(told.contains("scale 4 → 2"), "{told}");
    app.ok(&["scale", "api=0"]);
    app.ok(&["deploy", "api", "--set", "service.api.env.COLOUR=blue"]);
    assert_eq!(app.service("api")["desired"], 0);
}

#[test]
fn when_a_port_is_free_again_the_app_serves_without_anybodys_word() {
    let app = App::new(&format!(
        "{ECHO}uses = [\"cache.main\"]\n\n[cache.main]\nengine = \"redis\"\n"
    ));
    app.up();
    cut_the_power(&app);
    let taken = TcpListener::bind(app.address).expect("nobody listens any more");
    let mut engine = app
        .command(&["engine"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the engine starts");
    let port = app.address.port().to_string();
    app.wait("a note about the port", |status| {
        status["notes"].to_string().contains(&port)
    });
    drop(taken);
    let status = app.wait("two healthy tasks", |status| {
        status["services"][0]["healthy"] == 2
    });
    assert!(!status["notes"].to_string().contains(&port), "{status}");
    assert!(curl(&app, "/").starts_with("1 api-"));
    app.ok(&["down", "--purge", "--yes"]);
    let _ = engine.wait();
}

#[test]
fn when_neither_revision_starts_the_release_fails_in_words_and_another_deploy_is_taken() {
    let app = App::new(ECHO);
    app.up();
    // What revision 1 runs is gone, and its tasks with it.
    let artifacts = app.state().join("artifacts");
    for artifact in std::fs::read_dir(&artifacts).expect("snapshots").flatten() {
        let program = artifact.path().join("echo");
        if program.exists() {
            std::fs::remove_file(&program).expect("the program of revision 1");
        }
    }
    std::fs::write(app.folder().join("echo"), "#!/bin/sh\nexit 7\n").expect("a bad program");
    let tasks = app.service("api")["tasks"].as_array().cloned();
    for task in tasks.unwrap_or_default() {
        kill(task["pid"].as_u64().expect("a pid"));
    }
    let output = app.run(&["deploy", "api"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("exit code 7"), "{said}");
    assert!(
        said.contains("to which it rolled back, failed too"),
        "{said}"
    );
    assert!(!said.contains("revision 1 serves"), "{said}");
    let example = std::env::current_exe().expect("the test's own path");
    let profile = example.ancestors().nth(2).expect("target/<profile>");
    let folder = app.folder().join("echo");
    // Not the bytes of revision 1: those of its snapshot are gone.
    let mut program = std::fs::read(profile.join("examples").join("echo")).expect("echo");
    program.extend(b"\n");
    std::fs::write(folder, program).expect("a good program");
    app.ok(&["deploy", "api"]);
    assert_eq!(app.service("api")["healthy"], 2);
}
