//! A state directory of a test, with a supervisor that runs the example shim.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use neargate_core::ids::RevisionNumber;
use neargate_near::identity;
use neargate_near::logs;
use neargate_near::paths::StateDir;
use neargate_near::shim_role::ShimRole;
use neargate_near::supervisor::{
    LeftBehind, LogTarget, OrphanPolicy, RunningProcess, StopPolicy, StopSignal, Supervisor,
    TaskSpec, WorkingDirectory,
};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

/// Time after which every wait of these tests gives up; far longer than any of them takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One state directory. Dropping it kills what runs in it.
pub(crate) struct World {
    pub state: StateDir,
    pub supervisor: Supervisor,
    /// Open to every user, for programs and signs of tasks.
    pub open: PathBuf,
    _directory: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        Self::at(path.join("state"), path.join("open"), directory)
    }

    /// With a state directory somewhere else.
    pub(crate) fn at(state: PathBuf, open: PathBuf, directory: TempDir) -> Self {
        for (path, mode) in [(directory.path(), 0o711), (&*open, 0o777), (&*state, 0o700)] {
            fs::create_dir_all(path).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let state = StateDir::at(state);
        Self {
            supervisor: Supervisor::new(state.clone(), vec![shim().into()]),
            state,
            open,
            _directory: directory,
        }
    }

    /// A task of the service `api` in a snapshot that holds nothing.
    pub(crate) fn task(&self, id: &str, argv: &[&str]) -> TaskSpec {
        let snapshot = self.state.artifacts().join("empty");
        fs::create_dir_all(&snapshot).unwrap();
        fs::set_permissions(&snapshot, fs::Permissions::from_mode(0o755)).unwrap();
        TaskSpec {
            id: id.to_owned(),
            role: Some(ShimRole::Task(id.into())),
            log: LogTarget {
                service: "api".to_owned(),
                revision: RevisionNumber(1),
            },
            argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
            env: BTreeMap::new(),
            place: WorkingDirectory::Snapshot(snapshot),
            identity: identity::of_service(&self.state, "api").unwrap(),
            limits: None,
            port: None,
            stop: StopPolicy {
                signal: StopSignal::Terminate,
                timeout: PATIENCE,
                children: OrphanPolicy::Asked,
            },
        }
    }

    pub(crate) fn script(&self, id: &str, script: &str) -> TaskSpec {
        self.task(id, &["sh", "-c", script])
    }

    /// Starts a script and waits for its first line.
    pub(crate) async fn talking(&self, spec: &TaskSpec) -> RunningProcess {
        let running = self.supervisor.start(spec).await.unwrap();
        eventually("the task says something", || {
            !self.lines(&spec.id).is_empty()
        });
        running
    }

    pub(crate) fn lines(&self, id: &str) -> Vec<String> {
        logs::last_lines(&self.state, "api", id, 1000)
    }

    /// The record of an end, as its JSON.
    pub(crate) fn record(&self, id: &str) -> String {
        let path = self.state.tasks().join(id).join("exit.json");
        fs::read_to_string(path).unwrap_or_default()
    }

    /// A supervisor that knows only what lies in the state directory: the next engine's.
    pub(crate) fn next_engine(&self) -> Supervisor {
        Supervisor::new(self.state.clone(), vec![shim().into()])
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = identity::give_back(&self.state);
        for found in self.supervisor.adopt_all().unwrap_or_default() {
            if let LeftBehind::Running(running) = found {
                self.supervisor.kill(&running.id);
                let deadline = Instant::now() + PATIENCE;
                while running.shim.runs() && Instant::now() < deadline {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }
}

/// The example that is only a shim. `cargo test` builds it; a run of one test file does not.
fn shim() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let examples = own.parent().unwrap().with_file_name("examples");
    let path = examples.join("shim");
    if !path.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "neargate-near"])
            .args(["--example", "shim"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CARGO_TARGET_DIR", path.ancestors().nth(3).unwrap())
            .status();
        assert!(built.unwrap().success(), "the shim was not built");
    }
    path
}

/// Waits until the condition holds; fails the test after [`PATIENCE`].
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// A field of `/proc/PID/status`; `None` when there is no such process.
pub(crate) fn status(pid: u32, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim_start_matches(':').trim().to_owned())
}

/// Whether a process runs; one that has ended and waits to be reaped does not.
pub(crate) fn runs(pid: u32) -> bool {
    status(pid, "State").is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// Zombies whose parent is this process.
pub(crate) fn zombies_of(parent: u32) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid: &u32| {
            status(pid, "PPid").is_some_and(|text| text == parent.to_string())
                && status(pid, "State").is_some_and(|state| state.starts_with('Z'))
        })
        .count()
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a test that only root can do has to be left out; says so.
pub(crate) fn skipped_without_root() -> bool {
    if !is_root() {
        println!("skipped: only root can do this");
    }
    !is_root()
}

/// A program of a snapshot.
pub(crate) fn program(directory: &Path, name: &str, text: &str) {
    fs::create_dir_all(directory).unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}
