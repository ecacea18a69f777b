//! The watchdog: a small process that starts the engine again when it dies or hangs
//! (docs/decisions/0007).
//!
//! It holds `run/watchdog.lock` and listens on `run/watchdog.sock`. One thread; it waits for the
//! engine's end (pidfd), for its reports, and for questions of shims and commands. The engine
//! watches it in turn ([`sentinel`]), and shims start one when there is none ([`engine_visit`]).
//!
//! Invariant: one watchdog per state directory. It kills nobody but the engine of its own state
//! directory, by pid and start time. After the engine has said that everything is stopped it
//! starts nothing. When the state directory is gone it ends what belongs to it.

mod activity;
mod connections;
mod engine_process;
pub mod engine_visit;
pub mod last_words;
pub mod line;
pub mod sentinel;
pub mod sockets;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use neargate_core::liveness::{PERIOD, ProcessDeath, Restarts};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::FlockOperation;

pub use activity::ActivityMeter;

use crate::engine_log::log;
use crate::own_processes;
use crate::paths::StateDir;
use crate::private_file;
use crate::process_signal;
use crate::search_path::SEARCH_PATH;
use crate::socket::ShortName;
use connections::{ConnectionEvent, EngineConnections};
use engine_process::{EngineExit, EngineProcess};
use line::{EngineReport, QUIT, WATCHDOG};
use sockets::NamedSockets;

/// Attempts to get the lock, 50 ms apart: a watchdog that was killed may still be going.
const ATTEMPTS: u32 = 10;
/// Listening sockets are kept for the next engine for this long.
const UNSERVED: Duration = Duration::from_secs(60);
/// An engine whose directory is gone has this long to end what belongs to it.
const GONE: Duration = Duration::from_secs(5);

/// Why there is no watchdog.
#[derive(Debug, thiserror::Error)]
pub enum WatchdogError {
    /// Something of the operating system.
    #[error("{what}")]
    System {
        /// The step that failed, in words.
        what: &'static str,
        #[source]
        source: io::Error,
    },
    /// The first engine did not come up; it has said why in `engine.log`.
    #[error("the engine did not start: {words}")]
    Engine {
        /// Its exit code.
        code: u8,
        /// Why, in its own words.
        words: String,
    },
}

/// Reason for which the watchdog runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchReason {
    /// A command starts the first engine: when that fails, the command says why.
    First,
    /// An engine runs or ran: it is started for as long as it takes.
    Again,
}

/// Starts a watchdog in the background, for an engine that runs or ran.
///
/// # Errors
/// The program cannot be run.
pub fn start(program: &Path, state: &StateDir) -> io::Result<Child> {
    let mut command = command(program);
    command.args(["watchdog", "--again", "--state-dir"]);
    command.arg(state.path()).stdin(Stdio::null());
    if std::env::var_os("PATH").is_none() {
        // A shim has no environment.
        command.env("PATH", SEARCH_PATH);
    }
    command.stdout(Stdio::null()).stderr(log_of(state));
    command.spawn()
}

/// A command that runs this binary.
#[must_use]
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    if program.starts_with("/proc") {
        command.arg0("neargate");
    }
    command
}

/// This binary: where it lies, or, after its file was replaced or removed, as it runs.
#[must_use]
pub fn own_program() -> PathBuf {
    match std::env::current_exe() {
        Ok(path) if path.exists() => path,
        _ => "/proc/self/exe".into(),
    }
}

/// `engine.log` to append to; on a full disk nothing.
fn log_of(state: &StateDir) -> Stdio {
    match private_file::append(&state.engine_log()) {
        Ok(file) => file.into(),
        Err(_) => Stdio::null(),
    }
}

/// Watches the engine of a state directory until everything has stopped. Returns at once when
/// another watchdog does already.
///
/// # Errors
/// [`WatchdogError`].
pub fn main(state: &StateDir, program: PathBuf, duty: WatchReason) -> Result<(), WatchdogError> {
    let system = |what| move |source| WatchdogError::System { what, source };
    // It fails only for the leader of a session.
    let _ = rustix::process::setsid();
    state
        .make()
        .map_err(|error| system("the state directory cannot be used")(io::Error::other(error)))?;
    let state = state
        .opened()
        .map_err(system("cannot open the state directory"))?;
    let _ = std::env::set_current_dir(state.path());
    let Some(_lock) = lock(&state).map_err(system("cannot lock the state directory"))? else {
        return Ok(());
    };
    link_program(&state, &program);
    let listener = bind(&state).map_err(system("cannot open the watchdog's socket"))?;
    Watchdog {
        engine: EngineProcess::found(&state),
        guests: EngineConnections::new(listener),
        program,
        duty,
        restarts: Restarts::default(),
        start_at: Some(Instant::now()),
        words: String::new(),
        listeners: NamedSockets::new(),
        turned: Instant::now(),
        leaving: false,
        gone: None,
        looked: Instant::now(),
        state,
    }
    .run()
}

fn lock(state: &StateDir) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(state.watchdog_lock())?;
    for _ in 0..ATTEMPTS {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// For shims, which may be of another version.
fn link_program(state: &StateDir, program: &Path) {
    let link = state.program();
    let _ = std::fs::remove_file(&link);
    if !program.starts_with("/proc") {
        // Without it they start a watchdog from their own program.
        let _ = std::os::unix::fs::symlink(program, link);
    }
}

fn bind(state: &StateDir) -> io::Result<UnixListener> {
    let name = ShortName::of(&state.watchdog_socket())?;
    match std::fs::remove_file(name.path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(name.path())?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

struct Watchdog {
    state: StateDir,
    program: PathBuf,
    duty: WatchReason,
    engine: Option<EngineProcess>,
    guests: EngineConnections,
    restarts: Restarts,
    /// When the next engine is started, when there is none.
    start_at: Option<Instant>,
    words: String,
    /// Copies of the listening sockets.
    listeners: NamedSockets,
    /// When an engine's loop went round last.
    turned: Instant,
    leaving: bool,
    gone: Option<Instant>,
    looked: Instant,
}

impl Watchdog {
    fn run(mut self) -> Result<(), WatchdogError> {
        loop {
            self.wait();
            self.converse();
            if let Some(ended) = self.engine.as_mut().and_then(EngineProcess::ended) {
                self.engine = None;
                self.ended(&ended)?;
            }
            if self.looked.elapsed() >= PERIOD {
                self.look();
            }
            if self.engine.is_none() {
                if self.leaving {
                    return Ok(());
                }
                if self.gone.is_some() {
                    own_processes::end_all(&self.state.path(), own_processes::GRACE);
                    return Ok(());
                }
                self.start_when_due();
            }
        }
    }

    fn wait(&self) {
        let mut pause = PERIOD.saturating_sub(self.looked.elapsed());
        if let (None, Some(at)) = (&self.engine, self.start_at) {
            pause = pause.min(at.saturating_duration_since(Instant::now()));
        }
        let mut fds: Vec<PollFd<'_>> = self
            .guests
            .descriptors()
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        if let Some(handle) = self.engine.as_ref().and_then(EngineProcess::handle) {
            fds.push(PollFd::from_borrowed_fd(handle, PollFlags::IN));
        }
        let pause = Timespec::try_from(pause.max(Duration::from_millis(1))).ok();
        // An interrupted wait is as good as a short one.
        let _ = rustix::event::poll(&mut fds, pause.as_ref());
    }

    fn converse(&mut self) {
        for word in self.guests.hear() {
            match word {
                ConnectionEvent::Engine(process) => {
                    let same = self
                        .engine
                        .as_ref()
                        .is_some_and(|known| known.process == process);
                    if !same {
                        self.engine = Some(EngineProcess::adopted(process));
                    }
                }
                ConnectionEvent::Turned => {
                    self.turned = Instant::now();
                    // One has come up: from now on the next is started for as long as it takes.
                    self.duty = WatchReason::Again;
                    self.engine.iter_mut().for_each(EngineProcess::turned);
                }
                ConnectionEvent::Lives => self.engine.iter_mut().for_each(EngineProcess::lives),
                ConnectionEvent::Sockets(listeners) => self.listeners = listeners,
                ConnectionEvent::Quit => {
                    self.leaving = true;
                    // Before the answer: the ports are free when `down` has ended.
                    self.listeners.clear();
                    self.guests.tell_engine(QUIT);
                }
                ConnectionEvent::Asked { guest, now } => {
                    if now {
                        self.start_at = self.start_at.map(|at| at.min(Instant::now()));
                    }
                    let report = self.report();
                    self.guests.answer(guest, &report);
                }
            }
        }
    }

    fn report(&self) -> EngineReport {
        let wait = match (&self.engine, self.start_at) {
            (None, Some(at)) => Some(at.saturating_duration_since(Instant::now())),
            _ => None,
        };
        EngineReport {
            engine: self.engine.as_ref().map(|engine| engine.process.pid),
            ready: self.engine.as_ref().is_some_and(|engine| engine.ready),
            next_start_ms: wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            words: self.words.clone(),
        }
    }

    fn look(&mut self) {
        let since = self.looked.elapsed();
        self.looked = Instant::now();
        self.guests.tell_engine(WATCHDOG);
        if self.turned.elapsed() > UNSERVED {
            self.listeners.clear();
        }
        if self.gone.is_none() && self.state.is_gone() {
            self.gone = Some(Instant::now());
        }
        let late = self.gone.is_some_and(|at| at.elapsed() > GONE);
        let Some(engine) = &mut self.engine else {
            return;
        };
        if let Some((remedy, words)) = engine.observe(since) {
            log(&format!("the engine (pid {}) {words}", engine.process.pid));
            engine.signal(process_signal::signal_for(remedy));
        } else if late {
            engine.kill();
        }
    }

    fn ended(&mut self, ended: &EngineExit) -> Result<(), WatchdogError> {
        if self.leaving || self.gone.is_some() {
            return Ok(());
        }
        if let Some(other) = EngineProcess::found(&self.state) {
            // Somebody else has started one.
            self.engine = Some(other);
            return Ok(());
        }
        if self.duty == WatchReason::First && !ended.ready && ended.death == ProcessDeath::Crashed {
            return Err(WatchdogError::Engine {
                code: ended.code.unwrap_or(1),
                words: self.reason(ended),
            });
        }
        let wait = self.restarts.ended(ended.death, ended.lived);
        self.words.clone_from(&ended.words);
        if ended.death == ProcessDeath::Crashed {
            self.words = format!("{}: {}", self.words, self.reason(ended));
        }
        log(&format!(
            "the engine {}; the next one is started in {}",
            self.words,
            neargate_core::duration::format(wait)
        ));
        self.start_at = Some(Instant::now() + wait);
        Ok(())
    }

    /// Why it ended: by its own words, or by its log.
    fn reason(&self, ended: &EngineExit) -> String {
        let told = ended.last_words.clone();
        told.unwrap_or_else(|| last_words::logged(&self.state.engine_log()))
    }

    fn start_when_due(&mut self) {
        if self.start_at.is_some_and(|at| at > Instant::now()) {
            return;
        }
        let successor = self.duty == WatchReason::Again || !self.words.is_empty();
        match EngineProcess::start(&self.program, &self.state, successor, &self.listeners) {
            Ok(engine) => self.engine = Some(engine),
            Err(error) => {
                let wait = self.restarts.ended(ProcessDeath::Crashed, Duration::ZERO);
                self.words = format!("cannot be started: {error}");
                log(&format!("the engine {}", self.words));
                self.start_at = Some(Instant::now() + wait.max(PERIOD));
            }
        }
    }
}
