//! Runs the data services' processes for the tests: under the real supervisor, in real shims.
//! Dropping a `DataSupervisor` while this lives is an engine's death; dropping this kills what is left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use neargate_core::ids::RevisionNumber;
use neargate_near::data::{NotStarted, ServerProcess, ServerProcesses, ServerStopSignal};
use neargate_near::identity::UserIdentity;
use neargate_near::logs;
use neargate_near::paths::StateDir;
use neargate_near::shim_role::ShimRole;
use neargate_near::supervisor::{
    self, LogTarget, OrphanPolicy, StopPolicy, Supervisor, TaskSpec, WorkingDirectory,
};
use rustix::process::{Pid, Signal, kill_process};

/// The supervisor of one state directory.
pub(crate) struct Shims {
    supervisor: Supervisor,
    state: StateDir,
    started: Mutex<Vec<String>>,
}

impl Shims {
    pub(crate) fn new(state: &Path) -> Self {
        let state = StateDir::at(state);
        Self {
            supervisor: Supervisor::new(state.clone(), vec![shim().into()]),
            state,
            started: Mutex::default(),
        }
    }

    /// Kills the shim of a process, not the process.
    #[allow(dead_code, reason = "not every test file needs it")]
    pub(crate) fn kill_shim(&self, id: &str) {
        let running = self.supervisor.running(id).unwrap();
        send(running.shim.pid, Signal::KILL);
    }
}

/// The example that is only a shim. `cargo test` builds it; a run of one test file does not.
fn shim() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own
        .parent()
        .unwrap()
        .with_file_name("examples")
        .join("shim");
    if !path.exists() {
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--package",
                "neargate-near",
                "--example",
                "shim",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CARGO_TARGET_DIR", path.ancestors().nth(3).unwrap())
            .status();
        assert!(built.unwrap().success(), "the shim was not built");
    }
    path
}

impl ServerProcesses for Shims {
    async fn start(&self, process: &ServerProcess) -> Result<u32, NotStarted> {
        self.started.lock().unwrap().push(process.id.clone());
        let spec = TaskSpec {
            id: process.id.clone(),
            role: Some(ShimRole::DataServer(process.id.clone())),
            log: LogTarget {
                service: process.id.clone(),
                revision: RevisionNumber::NONE,
            },
            argv: process.argv.clone(),
            env: BTreeMap::new(),
            place: WorkingDirectory::Directory(process.directory.clone()),
            identity: process
                .owner
                .ids()
                .map(|(uid, gid)| UserIdentity { uid, gid }),
            limits: None,
            port: None,
            stop: StopPolicy {
                signal: match process.stop {
                    ServerStopSignal::Interrupt => supervisor::StopSignal::Interrupt,
                    ServerStopSignal::Terminate => supervisor::StopSignal::Terminate,
                },
                timeout: process.stop_timeout,
                children: OrphanPolicy::Killed,
            },
        };
        let running = self.supervisor.start(&spec).await;
        running
            .map(|running| running.task.pid)
            .map_err(|error| NotStarted(error.to_string()))
    }

    async fn running(&self, id: &str) -> Option<u32> {
        self.supervisor.running(id).map(|running| running.task.pid)
    }

    async fn ended(&self, id: &str) -> String {
        self.supervisor.exited(id).await.to_string()
    }

    async fn stop(&self, id: &str) {
        self.supervisor.stop(id);
    }

    async fn kill(&self, id: &str) {
        self.supervisor.kill(id);
    }

    async fn last_lines(&self, id: &str, count: usize) -> Vec<String> {
        logs::last_lines(&self.state, id, id, count)
    }
}

impl Drop for Shims {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        for id in self.started.lock().unwrap().iter() {
            self.supervisor.kill(id);
            while self.supervisor.running(id).is_some() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may have ended by itself.
    let _ = kill_process(pid, signal);
}

/// Waits until the condition holds; fails the test after a generous while.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 90 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Files below a directory that hold these bytes.
pub(crate) fn files_with(directory: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                left.push(entry.path());
            } else if kind.is_file() {
                let content = fs::read(entry.path()).unwrap_or_default();
                if content.windows(bytes.len()).any(|part| part == bytes) {
                    found.push(entry.path());
                }
            }
        }
    }
    found
}

/// Processes whose command line or environment shows these bytes.
pub(crate) fn processes_with(bytes: &[u8]) -> Vec<PathBuf> {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        if entry.file_name().to_str() == Some(&own) {
            continue;
        }
        for name in ["cmdline", "environ"] {
            let content = fs::read(entry.path().join(name)).unwrap_or_default();
            if content.windows(bytes.len()).any(|part| part == bytes) {
                found.push(entry.path().join(name));
            }
        }
    }
    found
}
