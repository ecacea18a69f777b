//! The engine may die at any moment; a full disk is survived.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use neargate_core::random::Random;
use neargate_near::own_processes::{self, ProcessRole};
use serde_json::Value;

use crate::app::{App, alive, kill, root, wait_for};
use crate::basics::curl;
use crate::load::Load;
use crate::releases::ECHO;

/// How often the engine is killed in the middle of releases.
const KILLS: u32 = 200;

fn release_in_progress(status: &Value) -> bool {
    !status["services"][0]["release"].is_null()
}

#[test]
fn two_hundred_engine_kills_in_releases_change_no_outcome_and_orphan_no_task() {
    let app = App::new(ECHO);
    app.up();
    let seed = std::env::var("NEARGATE_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_261_121);
    let mut random = Random::new(seed);
    let load = Load::start(app.address, "/", 100);
    let (mut kills, mut releases) = (0, 0);
    let began = Instant::now();
    let mut serving = 1;
    while kills < KILLS {
        assert!(
            began.elapsed() < Duration::from_secs(1200),
            "seed {seed}: too slow after {kills} kills"
        );
        let good = random.below(3) > 0;
        let fault = if good {
            format!("COLOUR=c{releases}")
        } else {
            "ECHO_FAULT=exit".to_owned()
        };
        app.ok(&[
            "deploy",
            "api",
            "--detach",
            "--set",
            &format!("service.api.env.{fault}"),
        ]);
        releases += 1;
        while app
            .try_status()
            .is_none_or(|status| release_in_progress(&status))
        {
            std::thread::sleep(Duration::from_millis(random.below(250)));
            app.kill_engine();
            kills += 1;
        }
        serving = expect_outcome(&app, good, releases + 1, serving, seed);
    }
    let tally = load.finish();
    assert_eq!(
        tally.failures(),
        0,
        "seed {seed}: {:?} of {}",
        tally.failed,
        tally.sent
    );
}

/// A release ends as it would have without the kills, and nothing else is left running.
fn expect_outcome(app: &App, good: bool, revision: u64, before: u64, seed: u64) -> u64 {
    let status = app.wait("two healthy tasks and no others", |status| {
        let service = &status["services"][0];
        !release_in_progress(status)
            && service["healthy"] == 2
            && service["tasks"]
                .as_array()
                .is_some_and(|tasks| tasks.len() == 2)
    });
    let service = &status["services"][0];
    let expected = if good { revision } else { before };
    assert_eq!(
        service["stable_revision"], expected,
        "seed {seed}: {service}"
    );
    let known: Vec<u64> = service["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .filter_map(|task| task["pid"].as_u64())
        .collect();
    wait_for("no orphaned task", || {
        (running_echoes(app).iter().all(|pid| known.contains(pid))).then_some(())
    });
    expected
}

/// Processes that run this app's echo program (its environment names the app's state by port).
fn running_echoes(app: &App) -> Vec<u64> {
    let ours = app.state().join("tasks");
    let Ok(tasks) = std::fs::read_dir(ours) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("state.json")).ok())
        .filter_map(|text| serde_json::from_str::<Value>(&text).ok()?["pid"].as_u64())
        .filter(|pid| alive(*pid))
        .collect()
}

/// An app that is up, whose state is on a disk of 48 MB; nothing when it cannot be had here.
fn on_a_small_disk() -> Option<(App, Mount)> {
    if !root() {
        println!("skipped: only root can mount a small file system");
        return None;
    }
    let app = App::new(ECHO);
    let mount = Mount::tmpfs(&app.state(), "48m");
    app.up();
    Some((app, mount))
}

/// Writes in blocks of these sizes, one after another, until the app's disk is full; the file that
/// fills it.
fn fill_disk(app: &App, sizes: &[&str]) -> PathBuf {
    let ballast = app.state().join("ballast");
    for size in sizes {
        let _ = Command::new("dd")
            .args(["if=/dev/zero", size, "oflag=append", "conv=notrunc"])
            .arg(format!("of={}", ballast.display()))
            .output();
    }
    ballast
}

#[test]
fn a_full_disk_is_a_clear_error_and_nothing_is_corrupted() {
    let Some((app, mount)) = on_a_small_disk() else {
        return;
    };
    let ballast = fill_disk(&app, &["bs=64k"]);
    let output = app.run(&["deploy", "api", "--set", "service.api.env.COLOUR=green"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_ne!(output.status.code(), Some(0), "{error}");
    assert!(
        error.to_lowercase().contains("space") || error.contains("disk"),
        "{error}"
    );
    assert!(curl(&app, "/").starts_with("1 api-"), "what runs goes on");
    std::fs::remove_file(&ballast).expect("the ballast");
    wait_for("a deploy that works again", || {
        app.run(&["deploy", "api", "--set", "service.api.env.COLOUR=blue"])
            .status
            .success()
            .then_some(())
    });
    let healthy = app.wait("two healthy tasks", |status| {
        status["services"][0]["healthy"] == 2
    });
    assert_eq!(healthy["services"][0]["release"], Value::Null);
    app.ok(&["down", "--purge", "--yes"]);
    drop(mount);
}

#[test]
fn an_engine_that_dies_on_a_full_disk_is_followed_by_one_that_knows_all_that_was_acknowledged() {
    let Some((app, mount)) = on_a_small_disk() else {
        return;
    };
    app.ok(&["deploy", "api", "--set", "service.api.env.COLOUR=green"]);
    app.ok(&["scale", "api=3"]);
    let before = app.ok(&["releases", "api", "--json"]);
    let ballast = fill_disk(&app, &["bs=64k", "bs=512"]);
    let engine = app.status()["engine"]["pid"].as_u64().expect("a pid");
    kill(engine);
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        assert!(curl(&app, "/").starts_with("2 api-"), "what runs goes on");
        std::thread::sleep(Duration::from_millis(100));
    }
    std::fs::remove_file(&ballast).expect("the ballast");
    app.wait("three healthy tasks, another engine", |status| {
        let service = &status["services"][0];
        service["healthy"] == 3
            && service["desired"] == 3
            && service["stable_revision"] == 2
            && status["engine"]["pid"] != engine
    });
    assert_eq!(app.ok(&["releases", "api", "--json"]), before);
    app.ok(&["deploy", "api", "--set", "service.api.env.COLOUR=blue"]);
    app.ok(&["down", "--purge", "--yes"]);
    drop(mount);
}

/// A command on an app without an engine whose disk takes nothing: exit 3, in these words, soon.
fn refused(app: &App, command: &[&str], expected: &str) {
    let began = Instant::now();
    let output = app.run(command);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{command:?}: {error}");
    assert!(error.contains(expected), "{command:?}: {error}");
    assert!(began.elapsed() < Duration::from_secs(30), "{command:?}");
}

/// Ends engine and watchdog, or the engine alone.
fn end_deciders(app: &App, least: ProcessRole) {
    for one in own_processes::of(&app.state()) {
        if (least..=ProcessRole::Engine).contains(&one.role) {
            kill(u64::from(one.process.pid));
        }
    }
}

#[test]
fn without_an_engine_a_disk_that_takes_nothing_is_named_and_down_stops_the_app() {
    for (least, command, expected) in [
        (ProcessRole::Engine, "status", " is full"),
        (ProcessRole::Watchdog, "up", " is full"),
        (ProcessRole::Watchdog, "status", " is read-only"),
    ] {
        let Some((app, mount)) = on_a_small_disk() else {
            return;
        };
        let cover = if expected == " is full" {
            fill_disk(&app, &["bs=64k", "bs=512", "bs=1"]);
            None
        } else {
            Some(Mount::read_only(&app.state()))
        };
        end_deciders(&app, least);
        let flags: &[&str] = if command == "up" {
            &["up", "-d"]
        } else {
            &[command]
        };
        refused(&app, flags, expected);
        let down = app.run(&["down"]);
        let error = String::from_utf8_lossy(&down.stderr).into_owned();
        assert!(down.status.success(), "{error}");
        assert!(error.contains(expected), "{error}");
        assert_eq!(own_processes::of(&app.state()), []);
        drop(cover);
        drop(mount);
    }
}

/// A small file system that goes away with the value.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// Mounts one here.
    pub(crate) fn tmpfs(at: &Path, size: &str) -> Self {
        std::fs::create_dir_all(at).expect("the mount point");
        let done = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=0700"),
                "tmpfs",
            ])
            .arg(at)
            .status()
            .expect("mount runs");
        assert!(done.success(), "cannot mount a tmpfs");
        Self(at.to_owned())
    }

    /// The same directory once more, on top, and read-only: whoever opens it by its path cannot
    /// write.
    fn read_only(at: &Path) -> Self {
        for options in [&["--bind"][..], &["-o", "remount,bind,ro"]] {
            let mut mount = Command::new("mount");
            let mount = mount.args(options).arg(at).arg(at);
            assert!(mount.status().expect("mount runs").success(), "{options:?}");
        }
        Self(at.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
