//! Listening sockets outlive engine and router, and one build of the program follows another.

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::app::{App, kill, wait_for};
use crate::basics::curl;
use crate::healing::{another, ends, one, processes, served_by, tasks};
use crate::load::Load;
use crate::releases::ECHO;

#[test]
fn connections_wait_when_engine_and_router_die_together() {
    let app = App::new(ECHO);
    app.up();
    let before = tasks(&app);
    let (address, over) = (app.address, Arc::new(AtomicBool::new(false)));
    let ended = over.clone();
    let knocking = std::thread::spawn(move || {
        let mut refused = 0;
        while !ended.load(Ordering::Relaxed) {
            refused += u32::from(TcpStream::connect(address).is_err());
            std::thread::sleep(Duration::from_millis(1));
        }
        refused
    });
    for _ in 0..3 {
        let pids = ["engine", "router"].map(|role| (role, one(&app, role)));
        pids.iter().for_each(|(_, pid)| kill(*pid));
        for (role, pid) in pids {
            wait_for("another one", || another(&app, role, pid));
        }
        served_by(&app, &before);
    }
    over.store(true, Ordering::Relaxed);
    assert_eq!(knocking.join().expect("it ends"), 0, "refused connections");
    ends(&app);
    TcpStream::connect(address).expect_err("nobody listens after `down`");
}

/// Program of the process with this pid.
fn program(pid: u64) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/exe")).expect("its program")
}

#[test]
fn up_by_another_build_takes_over_and_nobody_notices() {
    let app = App::new(ECHO);
    app.up();
    let before = tasks(&app);
    let other = app.folder().join("neargate-next");
    let mut bytes = std::fs::read(env!("CARGO_BIN_EXE_neargate")).expect("the program");
    bytes.push(b'\n');
    std::fs::write(&other, bytes).expect("another build");
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&other, all).expect("it may be run");
    let load = Load::start(app.address, "/", 100);
    let port = app.address.port().to_string();
    let output = std::process::Command::new(&other)
        .args(["up", "--detach", "--port", &port])
        .current_dir(app.folder())
        .output()
        .expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    assert!(error.contains("takes over"), "{error}");
    wait_for("all are of the other build", || {
        let roles = ["watchdog", "engine", "router"];
        let all: Vec<u64> = roles
            .iter()
            .flat_map(|role| processes(&app, role))
            .collect();
        (all.len() == 3 && all.iter().all(|pid| program(*pid) == other)).then_some(())
    });
    served_by(&app, &before);
    let tally = load.finish();
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
    // Shims of the build before start a watchdog of this one.
    let pids = ["watchdog", "engine"].map(|role| (role, one(&app, role)));
    pids.iter().for_each(|(_, pid)| kill(*pid));
    for (role, pid) in pids {
        let pid = wait_for("another one", || another(&app, role, pid));
        assert_eq!(program(pid), other, "{role}");
    }
    ends(&app);
}

#[test]
fn a_state_directory_that_lies_too_deep_is_refused_at_once() {
    let app = App::new(ECHO);
    let deep = |length: usize| {
        let mut path = app.folder().to_owned();
        while path.as_os_str().len() + 1 < length {
            let left = length - path.as_os_str().len() - 1;
            path.push("d".repeat(left.min(200)));
        }
        path.display().to_string()
    };
    let port = app.address.port().to_string();
    let began = Instant::now();
    let output = app.run(&["up", "--detach", "--port", &port, "--state-dir", &deep(481)]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("481 bytes"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10));
    let state = deep(480);
    app.ok(&["up", "--detach", "--port", &port, "--state-dir", &state]);
    assert!(curl(&app, "/").starts_with("1 api-"));
    app.ok(&["down", "--purge", "--yes", "--state-dir", &state]);
}
