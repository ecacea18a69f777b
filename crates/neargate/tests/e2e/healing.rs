//! What dies or hangs is replaced with nobody at the keyboard, and nothing goes on unseen.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::app::{App, alive, kill, root, wait_for};
use crate::basics::curl;
use crate::data::{notes, repository};
use crate::load::Load;
use crate::releases::ECHO;

/// How fast what hangs is replaced, with room for a machine that is busy with other tests.
pub(crate) const HANG: Duration = Duration::from_secs(20);

/// Pids of this app's processes with this role.
pub(crate) fn processes(app: &App, role: &str) -> Vec<u64> {
    let state = app.state().display().to_string();
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let mut arguments = text.split('\0');
            arguments.nth(1) == Some(role) && arguments.any(|one| one.starts_with(&state))
        })
        .filter(|pid| alive(*pid))
        .collect()
}

/// The one process of this role, when it is not this one.
pub(crate) fn another(app: &App, role: &str, before: u64) -> Option<u64> {
    match processes(app, role).as_slice() {
        [pid] if *pid != before => Some(*pid),
        _ => None,
    }
}

pub(crate) fn one(app: &App, role: &str) -> u64 {
    wait_for(role, || another(app, role, 0))
}

/// Sends SIGSTOP to a process.
pub(crate) fn stop(pid: u64) {
    let done = Command::new("kill")
        .args(["-STOP", &pid.to_string()])
        .status();
    assert!(done.expect("kill runs").success(), "no process {pid}");
}

/// SIGSTOP again and again until they are dead: whoever wakes them achieves nothing, as in a
/// deadlock.
fn hang(pids: Vec<u64>) {
    pids.iter().for_each(|pid| stop(*pid));
    std::thread::spawn(move || {
        while pids.iter().any(|pid| alive(*pid)) {
            for pid in &pids {
                let pid = rustix::process::Pid::from_raw(i32::try_from(*pid).expect("a pid"));
                let pid = pid.expect("a pid");
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::STOP);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    });
}

pub(crate) fn tasks(app: &App) -> Value {
    app.status()["services"][0]["tasks"].clone()
}

/// `down`, after which nothing of the app runs.
pub(crate) fn ends(app: &App) {
    app.ok(&["down", "--purge", "--yes"]);
    for role in ["watchdog", "engine", "router", "shim"] {
        assert_eq!(processes(app, role), Vec::<u64>::new(), "{role}");
    }
}

/// Every request answered, by healthy tasks that are still the same.
pub(crate) fn served_by(app: &App, before: &Value) {
    app.wait("the same healthy tasks", |status| {
        status["services"][0]["healthy"] == 2 && status["services"][0]["tasks"] == *before
    });
    assert!(curl(app, "/").starts_with("1 api-"));
}

#[test]
fn a_dead_engine_or_watchdog_or_both_are_replaced_and_nobody_notices() {
    let app = App::new(ECHO);
    app.up();
    let before = tasks(&app);
    let load = Load::start(app.address, "/", 200);
    for roles in [&["engine"][..], &["watchdog"], &["watchdog", "engine"]] {
        let pids: Vec<(&str, u64)> = roles.iter().map(|role| (*role, one(&app, role))).collect();
        for (_, pid) in &pids {
            kill(*pid);
        }
        for (role, pid) in pids {
            wait_for("another one", || another(&app, role, pid));
        }
        served_by(&app, &before);
    }
    let tally = load.finish();
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
    ends(&app);
}

#[test]
fn a_hung_engine_or_watchdog_or_both_are_replaced_and_nobody_notices() {
    let app = App::new(ECHO);
    app.up();
    let before = tasks(&app);
    let load = Load::start(app.address, "/", 200);
    for roles in [&["engine"][..], &["watchdog"], &["watchdog", "engine"]] {
        let pids: Vec<(&str, u64)> = roles.iter().map(|role| (*role, one(&app, role))).collect();
        let began = Instant::now();
        hang(pids.iter().map(|(_, pid)| *pid).collect());
        for (role, pid) in pids {
            wait_for("another one", || another(&app, role, pid));
        }
        assert!(began.elapsed() < HANG, "{roles:?}: {:?}", began.elapsed());
        served_by(&app, &before);
    }
    let tally = load.finish();
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
    ends(&app);
}

#[test]
fn a_hung_router_is_replaced_also_when_the_engine_dies_or_hangs_with_it() {
    let app = App::new(ECHO);
    app.up();
    for engine in ["", "killed", "hangs"] {
        let (router, other) = (one(&app, "router"), one(&app, "engine"));
        let began = Instant::now();
        match engine {
            "killed" => kill(other),
            "hangs" => hang(vec![other]),
            _ => {}
        }
        hang(vec![router]);
        wait_for("another router", || another(&app, "router", router));
        assert!(began.elapsed() < HANG, "{engine}: {:?}", began.elapsed());
        wait_for("an answer", || {
            let output = Command::new("curl")
                .args(["-fsS", "-m", "2", &format!("http://{}/", app.address)])
                .output()
                .expect("curl runs");
            output.status.success().then_some(())
        });
    }
    ends(&app);
}

/// `bench/healing` in short: its promises hold for this seed.
#[test]
fn random_kills_and_stops_of_everything_heal_by_themselves() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let target = notes().parent().expect("its folder").to_owned();
    let output = Command::new(repository().join("bench/healing"))
        .env("TARGET", target)
        .env("PORT", free.expect("a free port").port().to_string())
        .envs([("SEED", "7"), ("STRIKES", "14"), ("SECONDS_EACH", "30")])
        .env("RATE", "40")
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_command_ends_with_words_when_nobody_answers() {
    let app = App::new(ECHO);
    app.up();
    let all = ["watchdog", "engine", "shim"].map(|role| processes(&app, role));
    let all: Vec<u64> = all.into_iter().flatten().collect();
    all.iter().for_each(|pid| stop(*pid));
    let began = Instant::now();
    let output = app.run(&["status"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("does not answer"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(40));
    for pid in all {
        let done = Command::new("kill")
            .args(["-CONT", &pid.to_string()])
            .status();
        assert!(done.expect("kill runs").success());
    }
    app.wait("it answers again", |_| true);
    ends(&app);
}

#[test]
fn a_release_is_followed_through_the_engines_death() {
    let slow = "\n[service.api.release]\nbefore = [\"wait\"]\n\n[job.wait]\nservice = \"api\"\ncommand = [\"sleep\", \"3\"]\n";
    let app = App::new(&format!("{ECHO}{slow}"));
    app.up();
    let engine = one(&app, "engine");
    let mut deploy = app.command(&["deploy", "api", "--set", "service.api.env.COLOUR=green"]);
    let child = deploy
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    app.wait("a release", |status| {
        !status["services"][0]["release"].is_null()
    });
    kill(engine);
    let output = child.wait_with_output().expect("its end");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    assert!(error.contains("revision 2 serves"), "{error}");
}

#[test]
fn all_ends_when_the_state_directory_is_removed_and_up_begins_anew() {
    let app = App::new(ECHO);
    app.up();
    let mut all: Vec<u64> = Vec::new();
    for role in ["watchdog", "engine", "router", "shim"] {
        all.extend(processes(&app, role));
    }
    assert_eq!(all.len(), 5, "{all:?}");
    std::fs::remove_dir_all(app.state()).expect("the state directory");
    wait_for("the end of everything", || {
        all.iter().all(|pid| !alive(*pid)).then_some(())
    });
    app.up();
    std::fs::remove_dir_all(app.state()).expect("the state directory");
    // At once: the port is not yet free, and the processes before are still going.
    app.up();
    assert!(curl(&app, "/").starts_with("1 api-"));
    std::fs::remove_dir_all(app.state()).expect("the state directory");
    let output = app.run(&["down"]);
    assert!(output.status.success(), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("its data was removed with"), "{words}");
    for role in ["watchdog", "engine", "router", "shim"] {
        assert_eq!(processes(&app, role), Vec::<u64>::new(), "{role}");
    }
}

#[test]
fn a_renamed_project_is_the_same_app() {
    let app = App::new(ECHO);
    let old = app.folder().join("old");
    let new = app.folder().join("new");
    std::fs::create_dir(&old).expect("a folder");
    for name in ["neargate.toml", "echo"] {
        std::fs::rename(app.folder().join(name), old.join(name)).expect("a move");
    }
    let port = app.address.port().to_string();
    let run = |folder: &Path, arguments: &[&str]| {
        let mut command = app.command(arguments);
        let output = command
            .current_dir(folder)
            .output()
            .expect("the binary runs");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    run(&old, &["up", "--detach", "--port", &port]);
    assert_eq!(processes_in(&app, &old, "shim").len(), 2);
    std::fs::rename(&old, &new).expect("a rename");
    let green = "service.api.env.COLOUR=green";
    run(&new, &["deploy", "api", "--set", green]);
    assert!(curl(&app, "/").starts_with("2 api-"));
    let task = format!("{}/.neargate/tasks/api-r1-1", new.display());
    wait_for("the end of the tasks before", || {
        (!Path::new(&task).exists()).then_some(())
    });
    let engine = processes_in(&app, &new, "engine");
    engine.iter().for_each(|pid| kill(*pid));
    wait_for("another engine", || {
        let now = processes_in(&app, &new, "engine");
        (now.len() == 1 && now != engine).then_some(())
    });
    run(&new, &["scale", "api=3"]);
    run(&new, &["down", "--purge", "--yes"]);
    assert!(!new.join(".neargate").exists());
    assert_eq!(processes_in(&app, &new, "shim"), Vec::<u64>::new());
}

/// Processes of a role that stand in this folder now.
fn processes_in(_: &App, folder: &Path, role: &str) -> Vec<u64> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &u64| {
            let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let is = text.split(|byte| *byte == 0).nth(1) == Some(role.as_bytes());
            let place = std::fs::read_link(format!("/proc/{pid}/cwd"));
            is && place.is_ok_and(|place| place.starts_with(folder))
        })
        .filter(|pid| alive(*pid))
        .collect()
}

#[test]
fn a_task_that_dies_on_a_full_disk_does_not_end_the_engine() {
    if !root() {
        println!("skipped: only root can mount a small file system");
        return;
    }
    let app = App::new(ECHO);
    let mount = crate::durability::Mount::tmpfs(&app.state(), "48m");
    app.up();
    let engine = one(&app, "engine");
    let ballast = app.state().join("ballast");
    let _ = Command::new("dd")
        .args(["if=/dev/zero", "bs=4k"])
        .arg(format!("of={}", ballast.display()))
        .output();
    let task = app.service("api")["tasks"][0]["pid"]
        .as_u64()
        .expect("a pid");
    kill(task);
    let told = app.wait("the trouble is told", |status| {
        status["notes"]
            .to_string()
            .contains("journal cannot be written")
    });
    assert_eq!(told["engine"]["pid"], engine, "the same engine");
    assert!(
        curl(&app, "/").starts_with("1 api-"),
        "the other task serves"
    );
    std::fs::remove_file(&ballast).expect("the ballast");
    app.wait("two healthy tasks", |status| {
        status["services"][0]["healthy"] == 2
            && !status["services"][0]["tasks"]
                .to_string()
                .contains(&format!("\"pid\":{task},"))
    });
    assert_eq!(one(&app, "engine"), engine);
    app.ok(&["down", "--purge", "--yes"]);
    drop(mount);
}
