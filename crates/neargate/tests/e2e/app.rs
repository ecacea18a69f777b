//! One app under test: a manifest in a folder of its own, the real binary, real processes.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// One task of the echo service at every path; the app's name comes before it.
pub(crate) const ONE_TASK: &str = r#"
[service.api]
artifact = "echo"
command = ["echo"]
port = 3000
route = "/*"
drain = "1s"
health = { path = "/healthz", interval = "5s", timeout = "2s", healthy = 2 }
"#;

/// Generous: the machine may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// No command of a test takes longer.
const LONGEST: Duration = Duration::from_secs(150);

/// Nor of a large program of others: tens of thousands of files, tables made by its own migrations.
const LONGEST_NIGHTLY: Duration = Duration::from_secs(600);

fn longest() -> Duration {
    match std::env::var_os("NEARGATE_NIGHTLY") {
        Some(_) => LONGEST_NIGHTLY,
        None => LONGEST,
    }
}

/// User that runs the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// The user that runs the tests.
    Own,
    /// An ordinary user without a home (only when the tests run as root).
    Ordinary,
}

/// `nobody`: initdb wants a user with a name.
const ORDINARY: u32 = 65_534;

/// An app in a temporary folder; its processes end with it.
pub(crate) struct App {
    folder: TempDir,
    /// Where its edge listens.
    pub address: SocketAddr,
    user: User,
}

impl App {
    /// Writes the manifest; `{echo}` in it is the echo service's program.
    pub(crate) fn new(manifest: &str) -> Self {
        Self::owned_by(User::Own, manifest)
    }

    /// As [`App::new`], run by this user.
    pub(crate) fn owned_by(user: User, manifest: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("neargate-e2e-")
            .tempdir_in("/tmp")
            .expect("a folder");
        let echo = folder.path().join("echo");
        std::fs::copy(example("echo"), &echo).expect("the echo example is built");
        std::fs::write(folder.path().join("neargate.toml"), manifest).expect("the manifest");
        if user == User::Ordinary {
            give(folder.path());
        }
        Self {
            folder,
            address: free_address(),
            user,
        }
    }

    /// The folder with the manifest.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder().join(".neargate")
    }

    /// The command, ready to run in the app's folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_neargate");
        let mut command = match self.user {
            User::Own => Command::new(program),
            User::Ordinary => {
                let mut command = Command::new("setpriv");
                command.args([
                    &format!("--reuid={ORDINARY}"),
                    &format!("--regid={ORDINARY}"),
                ]);
                command.args(["--clear-groups", program]);
                command.env("HOME", self.folder());
                command
            }
        };
        command
            .args(arguments)
            .current_dir(self.folder())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end; one that does not end is ended, so that the test fails.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = piped.spawn().expect("the binary runs");
        let pid = child.id().to_string();
        let (done, ended) = std::sync::mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            let late = std::sync::mpsc::RecvTimeoutError::Timeout;
            if ended.recv_timeout(longest()) == Err(late) {
                let _ = Command::new("kill").arg(pid).status();
            }
        });
        let output = child.wait_with_output().expect("its output");
        drop(done);
        watch.join().expect("the watch ends");
        output
    }

    /// Runs a command that must succeed; its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "neargate {arguments:?}: {}\n{}{}\nengine.log:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.engine_log(),
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `neargate up --detach` on this app's port.
    pub(crate) fn up(&self) -> String {
        self.ok(&["up", "--detach", "--port", &self.address.port().to_string()])
    }

    /// `neargate status --json`.
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.ok(&["status", "--json"])).expect("status is JSON")
    }

    /// One service of the status.
    pub(crate) fn service(&self, name: &str) -> Value {
        let status = self.status();
        let services = status["services"].as_array().expect("services").clone();
        services
            .into_iter()
            .find(|service| service["name"] == name)
            .expect("the service is there")
    }

    /// Waits until the status satisfies a condition; says which one did not come true.
    pub(crate) fn wait(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || {
            Some(self.try_status()?).filter(|status| condition(status))
        })
    }

    /// Status, unless no engine answers.
    pub(crate) fn try_status(&self) -> Option<Value> {
        let output = self.run(&["status", "--json"]);
        output
            .status
            .success()
            .then(|| serde_json::from_slice(&output.stdout).expect("status is JSON"))
    }

    /// Kills the engine, and waits until its watchdog has started another one.
    pub(crate) fn kill_engine(&self) {
        let pid = |status: Value| status["engine"]["pid"].as_u64();
        let before = wait_for("an engine", || self.try_status().and_then(pid));
        let _ = Command::new("kill")
            .args(["-9", &before.to_string()])
            .status();
        wait_for("the next engine", || {
            self.try_status().and_then(pid).filter(|now| *now != before)
        });
    }

    /// The engine's own log, for messages.
    pub(crate) fn engine_log(&self) -> String {
        std::fs::read_to_string(self.state().join("engine.log")).unwrap_or_default()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("engine.log:\n{}", self.engine_log());
        }
        if self.state().exists() {
            let _ = self.run(&["down", "--purge", "--yes"]);
        }
    }
}

/// Polls until there is a value, for at most [`PATIENCE`].
pub(crate) fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "did not come true within {PATIENCE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Path of an example of this crate, which cargo builds beside the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("target/<profile>/deps/<test>");
    profile.join("examples").join(name)
}

fn give(folder: &Path) {
    let own = |path: &Path| {
        std::os::unix::fs::chown(path, Some(ORDINARY), Some(ORDINARY)).expect("chown");
    };
    own(folder);
    for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
        own(&entry.path());
    }
}

/// Ends a process at once.
pub(crate) fn kill(pid: u64) {
    let done = Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()
        .expect("kill runs");
    assert!(done.success(), "no process {pid}");
}

/// Whether a process exists (and is not a zombie).
pub(crate) fn alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Whether the tests run as root.
pub(crate) fn root() -> bool {
    rustix::process::geteuid().is_root()
}

/// An address that nobody has bound, and that the kernel gives nobody who asks for any port: programs of the tests
/// beside this one do. Each call gives another one.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 5_000;
    let begin = std::process::id() as u16;
    (0..COUNT)
        .find_map(|_| {
            let next = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let socket = TcpListener::bind(("127.0.0.1", FIRST + next % COUNT)).ok()?;
            socket.local_addr().ok()
        })
        .expect("a free port")
}
