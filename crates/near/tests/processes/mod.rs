//! Runs the data services' processes for the tests: plainly, without shims. Dropping a `Data`
//! while this lives is an engine's death; dropping this kills what is left.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use neargate_near::data::{NotStarted, Process, Processes, StopSignal};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

/// Processes by id.
pub struct Direct {
    logs: tempfile::TempDir,
    running: Mutex<BTreeMap<String, Running>>,
}

#[derive(Clone)]
struct Running {
    pid: u32,
    stop: StopSignal,
    ended: watch::Receiver<Option<String>>,
}

impl Direct {
    pub fn new() -> Self {
        Self {
            logs: tempfile::tempdir().unwrap(),
            running: Mutex::new(BTreeMap::new()),
        }
    }

    fn get(&self, id: &str) -> Option<Running> {
        self.running.lock().unwrap().get(id).cloned()
    }

    fn log(&self, id: &str) -> PathBuf {
        self.logs.path().join(id)
    }

    fn spawn(&self, process: &Process) -> std::io::Result<Running> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(&process.id))?;
        let mut command = match process.owner.ids() {
            None => Command::new(&process.argv[0]),
            // It changes directory as root and user afterwards, as a shim does.
            Some((uid, gid)) => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={uid}"))
                    .arg(format!("--regid={gid}"))
                    .args(["--clear-groups", "--no-new-privs", "--"])
                    .arg(&process.argv[0]);
                command
            }
        };
        let mut child = command
            .args(&process.argv[1..])
            .current_dir(&process.directory)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        let (tell, ended) = watch::channel(None);
        let pid = child.id();
        std::thread::spawn(move || {
            let status = child.wait().unwrap();
            tell.send_replace(Some(status.to_string()));
        });
        Ok(Running {
            pid,
            stop: process.stop,
            ended,
        })
    }
}

impl Processes for Direct {
    async fn start(&self, process: &Process) -> Result<u32, NotStarted> {
        if let Some(pid) = self.running(&process.id).await {
            return Ok(pid);
        }
        let running = self
            .spawn(process)
            .map_err(|error| NotStarted(error.to_string()))?;
        let pid = running.pid;
        self.running
            .lock()
            .unwrap()
            .insert(process.id.clone(), running);
        Ok(pid)
    }

    async fn running(&self, id: &str) -> Option<u32> {
        let running = self.get(id)?;
        running.ended.borrow().is_none().then_some(running.pid)
    }

    async fn ended(&self, id: &str) -> String {
        match self.get(id) {
            None => "nothing".to_owned(),
            Some(mut running) => {
                let how = running.ended.wait_for(Option::is_some).await;
                how.unwrap().clone().unwrap()
            }
        }
    }

    async fn stop(&self, id: &str) {
        if let Some(running) = self.get(id) {
            let signal = match running.stop {
                StopSignal::Interrupt => Signal::INT,
                StopSignal::Terminate => Signal::TERM,
            };
            send(running.pid, signal);
        }
    }

    async fn kill(&self, id: &str) {
        if let Some(running) = self.get(id) {
            send(running.pid, Signal::KILL);
        }
    }

    async fn last_lines(&self, id: &str, count: usize) -> Vec<String> {
        let text = fs::read_to_string(self.log(id)).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        let running = std::mem::take(&mut *self.running.lock().unwrap());
        for running in running.values() {
            if running.ended.borrow().is_none() {
                // PostgreSQL ends its children on SIGQUIT, Redis itself on SIGTERM.
                send(running.pid, Signal::QUIT);
                send(running.pid, Signal::TERM);
            }
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        for running in running.values() {
            while running.ended.borrow().is_none() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            if running.ended.borrow().is_none() {
                send(running.pid, Signal::KILL);
            }
        }
    }
}

pub fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may have ended by itself.
    let _ = kill_process(pid, signal);
}

/// Waits until the condition holds; fails the test after a generous while.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 90 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Files below a directory that hold these bytes.
pub fn files_with(directory: &std::path::Path, bytes: &[u8]) -> Vec<PathBuf> {
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
pub fn processes_with(bytes: &[u8]) -> Vec<PathBuf> {
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
