//! The supervisor: starts, adopts and stops processes, each held by a shim of its own.
//!
//! Invariant: a process and its shim outlive the engine, and what the engine needs to know of
//! them is in `tasks/<id>/`: `state.json` while it runs, `exit.json` when it has ended. Both
//! are written by the shim, whole or not at all. A pid counts only with its start time.

mod c_path;
mod child;
mod filter;
mod leftovers;
mod private_view;
pub mod session;
pub mod shim;
mod spec;
mod stopped;
mod stopping;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use neargate_core::machine::ProcessExit;
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub use stopped::wake;

pub use spec::{
    ExitRecord, LogTarget, OrphanPolicy, RunningProcess, StopPolicy, StopSignal, TaskSpec,
    WorkingDirectory,
};

use crate::paths::StateDir;
use crate::process_identity::ProcessIdentity;
use crate::shim_role::ShimRole;

/// A shim that has not reported by then is given up.
const REPORT_TIMEOUT: Duration = Duration::from_secs(30);
/// Where the kernel cannot tell of an end, it is looked for this often.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A report of a shim is smaller than this.
const REPORT_LIMIT: u64 = 64 * 1024;

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The shim itself did not start.
    #[error("cannot start the shim of {id}")]
    Shim {
        /// Id of the task or data service.
        id: String,
        #[source]
        source: io::Error,
    },
    /// The shim could not start the process, in its words.
    #[error("{reason}")]
    Process {
        /// Names the program and what is wrong.
        reason: String,
        /// The kernel's number, when it refused.
        os_error: Option<i32>,
    },
}

/// Rest of an earlier engine's process under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftBehind {
    /// Its process still runs.
    Running(RunningProcess),
    /// It ended while no engine looked.
    Exited(ShimRole, ProcessExit),
}

impl LeftBehind {
    /// Purpose of the process.
    #[must_use]
    pub fn role(&self) -> ShimRole {
        match self {
            Self::Running(running) => running.role(),
            Self::Exited(role, _) => role.clone(),
        }
    }
}

/// The one report of a shim.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ShimReport {
    Started(RunningProcess),
    Failed {
        reason: String,
        os_error: Option<i32>,
    },
}

/// Starts, finds and stops processes under one state directory.
#[derive(Debug, Clone)]
pub struct Supervisor {
    state: StateDir,
    shim: Vec<OsString>,
}

impl Supervisor {
    /// A supervisor that runs `shim` (program and first arguments) for every process.
    #[must_use]
    pub fn new(state: StateDir, shim: Vec<OsString>) -> Self {
        Self { state, shim }
    }

    /// Starts a process; one of this id that runs already is handed back instead.
    ///
    /// # Errors
    /// [`StartError::Process`] names the program that could not be run.
    pub async fn start(&self, spec: &TaskSpec) -> Result<RunningProcess, StartError> {
        if let Some(running) = self.running(&spec.id) {
            return Ok(running);
        }
        let failed = |source| StartError::Shim {
            id: spec.id.clone(),
            source,
        };
        if self.state.is_gone() {
            return Err(failed(io::ErrorKind::NotFound.into()));
        }
        let directory = self.directory(&spec.id);
        let made = directory.clone();
        let making = move || crate::atomic::private_directory(&made).map_err(io::Error::other);
        // Not on a thread that others need: the disk may be slow.
        let made = tokio::task::spawn_blocking(making).await;
        made.unwrap_or_else(|panic| Err(io::Error::other(panic)))
            .map_err(failed)?;
        let report = tokio::time::timeout(REPORT_TIMEOUT, self.run_shim(spec, &directory))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match report {
            Ok(ShimReport::Started(running)) => Ok(running),
            // Another call may have started it in the meantime.
            Ok(ShimReport::Failed { reason, os_error }) => self
                .running(&spec.id)
                .ok_or(StartError::Process { reason, os_error }),
            Err(source) => {
                // It may have started all the same: what nobody knows of must not run.
                self.kill(&spec.id);
                Err(failed(source))
            }
        }
    }

    async fn run_shim(&self, spec: &TaskSpec, directory: &Path) -> io::Result<ShimReport> {
        let (program, arguments) = self.shim.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .arg(directory)
            .arg(self.state.logs().join(&spec.log.service))
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut input = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let shim = child.id().and_then(ProcessIdentity::of);
        // Reaps the shim when it ends.
        tokio::spawn(async move { child.wait().await });
        let mut report = Vec::new();
        let exchange = async {
            input.write_all(&serde_json::to_vec(spec)?).await?;
            drop(input);
            output.take(REPORT_LIMIT).read_to_end(&mut report).await
        };
        tokio::select! {
            done = exchange => done?,
            never = stopped::keep_awake(|| shim.into_iter().collect()) => match never {},
        };
        Ok(serde_json::from_slice(&report)?)
    }

    /// Everything that an earlier engine left.
    ///
    /// # Errors
    /// The directory, or the record of a task in it, cannot be read: whether the task runs is not
    /// known then. A record that is there and says nothing is that of a task which ended.
    pub fn adopt_all(&self) -> io::Result<Vec<LeftBehind>> {
        let entries = match fs::read_dir(self.state.tasks()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let Ok(id) = entry?.file_name().into_string() else {
                continue;
            };
            let started = match fs::read(self.directory(&id).join("state.json")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                text => serde_json::from_slice::<RunningProcess>(&text?).ok(),
            };
            found.push(match started {
                Some(running) if self.stands_here(&id, running.shim) => {
                    LeftBehind::Running(running)
                }
                Some(ended) if ended.id == id => LeftBehind::Exited(ended.role(), self.exit(&id)),
                Some(_) | None => {
                    LeftBehind::Exited(ShimRole::in_earlier_name(&id), self.exit(&id))
                }
            });
        }
        Ok(found)
    }

    /// The process with this id, if it runs.
    #[must_use]
    pub fn running(&self, id: &str) -> Option<RunningProcess> {
        self.started(id)
            .filter(|found| self.stands_here(id, found.shim))
    }

    /// Whether a shim runs and is of this directory: what a copy of a state directory says runs for
    /// the original.
    fn stands_here(&self, id: &str, shim: ProcessIdentity) -> bool {
        let place = |path: &Path| {
            fs::metadata(path)
                .map(|found| (found.dev(), found.ino()))
                .ok()
        };
        let stands = place(Path::new(&format!("/proc/{}/cwd", shim.pid)));
        shim.runs() && stands.is_some() && stands == place(&self.directory(id))
    }

    /// The shim's record of the start of its process.
    fn started(&self, id: &str) -> Option<RunningProcess> {
        let text = fs::read(self.directory(id).join("state.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Returns when the process has ended, with how; at once when it does not run. A shim that is
    /// stopped meanwhile is woken.
    pub async fn exited(&self, id: &str) -> ProcessExit {
        if let Some(running) = self.running(id) {
            tokio::select! {
                () = wait_for_end(running.shim) => {}
                never = stopped::keep_awake(|| vec![running.shim]) => match never {},
            }
        }
        self.exit_apart(id).await
    }

    /// As [`Supervisor::exited`], for a server that nobody has a reason to stop: all of it is
    /// woken.
    pub async fn server_exited(&self, id: &str) -> ProcessExit {
        if let Some(running) = self.running(id) {
            tokio::select! {
                () = wait_for_end(running.shim) => {}
                never = stopped::keep_awake(|| stopped::family(running.shim)) => match never {},
            }
        }
        self.exit_apart(id).await
    }

    /// How a process that was started has ended; `None` when it runs or was never started.
    #[must_use]
    pub fn ended(&self, id: &str) -> Option<ProcessExit> {
        let started = self.directory(id).join("state.json").exists();
        (started && self.running(id).is_none()).then(|| self.exit(id))
    }

    /// As [`Self::exit`], on a thread that may wait: what a killed shim left behind takes its time.
    async fn exit_apart(&self, id: &str) -> ProcessExit {
        let (supervisor, id) = (self.clone(), id.to_owned());
        let exit = tokio::task::spawn_blocking(move || supervisor.exit(&id));
        exit.await.unwrap_or(ProcessExit::Unknown)
    }

    /// How a process that does not run ended, by its shim's record. There is none when the shim
    /// was killed: what it could not end is ended here.
    fn exit(&self, id: &str) -> ProcessExit {
        let directory = self.directory(id);
        let record = fs::read(directory.join("exit.json"))
            .ok()
            .and_then(|text| serde_json::from_slice::<ExitRecord>(&text).ok());
        // A shim that runs stands elsewhere: this is a copy, and it looks after its own.
        let of_original = |started: &RunningProcess| started.shim.runs();
        if let (None, Some(started)) = (&record, self.started(id))
            && !of_original(&started)
        {
            leftovers::end_orphans(&started, &directory.join("scratch"));
        }
        record.map_or(ProcessExit::Unknown, |record| record.exit)
    }

    /// Asks it to stop as its spec says; the shim kills it after the timeout. Does not wait.
    pub fn stop(&self, id: &str) {
        self.signal_shim(id, Signal::TERM);
    }

    /// Kills it and all that it started. Does not wait.
    pub fn kill(&self, id: &str) {
        self.signal_shim(id, Signal::INT);
    }

    fn signal_shim(&self, id: &str, signal: Signal) {
        if let Some(running) = self.running(id)
            && let Some(pid) = pid(running.shim)
        {
            // It may have ended since: nothing to stop then.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Removes what is left of a process that has ended.
    pub fn forget(&self, id: &str) {
        if self.running(id).is_none() {
            let _ = fs::remove_dir_all(self.directory(id));
        }
    }

    fn directory(&self, id: &str) -> PathBuf {
        self.state.tasks().join(id)
    }
}

fn pid(process: ProcessIdentity) -> Option<Pid> {
    i32::try_from(process.pid).ok().and_then(Pid::from_raw)
}

/// Waits for the end of a process that need not be a child.
async fn wait_for_end(process: ProcessIdentity) {
    let Some(pid) = pid(process) else { return };
    let Ok(handle) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
        // It has ended, or the kernel is too old or out of descriptors.
        while process.runs() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        return;
    };
    // The pid may have been taken over before the handle was opened.
    if !process.runs() {
        return;
    }
    // SAFETY: the registration owns the descriptor, which nothing else closes or replaces.
    let registered = unsafe { AsyncFd::register(handle) };
    if let Ok(handle) = registered {
        let _ = handle.readable().await;
    }
}
