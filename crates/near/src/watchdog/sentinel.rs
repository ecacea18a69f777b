//! The engine's side: a thread that reports the loop's turns to the watchdog, and starts another
//! watchdog when it dies or hangs.
//!
//! Invariant: the thread reports a turn only when the loop made one. After [`Sentinel::leave`]
//! it starts nobody.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::Thread;
use std::time::{Duration, Instant};

use neargate_core::liveness::{Liveness, PERIOD, Remedy};

use super::activity::ActivityMeter;
use super::line::{self, ALIVE, ENGINE, LOOP, QUIT};
use super::sockets::{self, NamedSockets};
use super::start;
use crate::locked::locked;
use crate::paths::StateDir;
use crate::process_identity::ProcessIdentity;
use crate::process_signal;
use crate::socket::ShortName;

/// A watchdog that was started has this long to listen before another one is started.
const START: Duration = Duration::from_secs(2);
/// Waits for the watchdog's answer to the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// Reports the loop's turns.
#[derive(Debug, Clone)]
pub struct Sentinel {
    shared: Arc<SentinelState>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct SentinelState {
    turns: AtomicU64,
    leaving: AtomicBool,
    left: AtomicBool,
    listeners: Mutex<ListenerCopies>,
}

/// Copies of the engine's listening sockets, for the watchdog.
#[derive(Debug, Default)]
struct ListenerCopies {
    sockets: NamedSockets,
    /// Rises with every change; 0: there was none yet.
    version: u64,
}

impl Sentinel {
    /// Begins to report. `program` is this binary.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn begin(state: &StateDir, program: PathBuf) -> std::io::Result<Self> {
        let shared = Arc::new(SentinelState::default());
        let post = SentinelThread {
            state: state.clone(),
            program,
            shared: Arc::clone(&shared),
            line: None,
            children: Vec::new(),
            started: None,
            reported: 0,
        };
        let thread = std::thread::Builder::new()
            .name("sentinel".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || post.run())?;
        let thread = thread.thread().clone();
        Ok(Self { shared, thread })
    }

    /// These are the listening sockets now: the watchdog gets them, and has no others any more.
    pub fn hold(&self, sockets: NamedSockets) {
        let mut listeners = lock(&self.shared.listeners);
        listeners.sockets = sockets;
        listeners.version += 1;
        drop(listeners);
        self.thread.unpark();
    }

    /// The loop went round.
    pub fn turn(&self) {
        self.shared.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the watchdog that everything is stopped, and waits for its answer, a second at most.
    pub fn leave(&self) {
        self.shared.leaving.store(true, Ordering::Release);
        let deadline = Instant::now() + FAREWELL;
        while !self.shared.left.load(Ordering::Acquire) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn lock(listeners: &Mutex<ListenerCopies>) -> std::sync::MutexGuard<'_, ListenerCopies> {
    locked(listeners)
}

struct SentinelThread {
    state: StateDir,
    program: PathBuf,
    shared: Arc<SentinelState>,
    line: Option<WatchdogConnection>,
    children: Vec<Child>,
    started: Option<Instant>,
    reported: u64,
}

/// A connection to a watchdog.
struct WatchdogConnection {
    stream: UnixStream,
    watchdog: ProcessIdentity,
    liveness: Liveness,
    meter: ActivityMeter,
    looked: Instant,
    heard: bool,
    /// Version of the listening sockets that it has.
    listeners: u64,
}

impl WatchdogConnection {
    fn open(state: &StateDir) -> Option<Self> {
        let name = ShortName::of(&state.watchdog_socket()).ok()?;
        let stream = line::connect(name.path()).ok()?;
        line::send(&stream, &[ENGINE]).ok()?;
        let watchdog = line::peer(&stream)?;
        Some(Self {
            meter: ActivityMeter::of(watchdog.pid, watchdog.pid),
            stream,
            watchdog,
            liveness: Liveness::default(),
            looked: Instant::now(),
            heard: false,
            listeners: 0,
        })
    }
}

impl SentinelThread {
    fn run(mut self) {
        while !self.shared.left.load(Ordering::Acquire) {
            if self.line.is_none() {
                self.connect();
            }
            self.wait();
            self.hear();
            self.report();
            self.look();
            self.children
                .retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
        }
    }

    fn leaving(&self) -> bool {
        self.shared.leaving.load(Ordering::Acquire)
    }

    fn connect(&mut self) {
        self.line = WatchdogConnection::open(&self.state);
        if self.line.is_some() {
            self.started = None;
        } else if self.leaving() {
            // Nobody watches, so nobody starts anything again.
            self.shared.left.store(true, Ordering::Release);
        } else if self.started.is_none_or(|at| at.elapsed() > START) && !self.state.is_gone() {
            self.started = Some(Instant::now());
            self.children.extend(start(&self.program, &self.state).ok());
        }
    }

    /// Waits for a word of the watchdog, at most until the next report is due.
    fn wait(&self) {
        let pause = match (&self.line, self.leaving()) {
            (_, true) => Duration::from_millis(5),
            (None, _) => Duration::from_millis(20),
            (Some(line), _) => PERIOD.saturating_sub(line.looked.elapsed()),
        };
        std::thread::park_timeout(pause);
    }

    fn hear(&mut self) {
        let Some(line) = &mut self.line else { return };
        let mut bytes = [0; 64];
        match line.stream.read(&mut bytes) {
            Ok(0) => self.line = None,
            Ok(count) => {
                line.heard = true;
                if bytes[..count].contains(&QUIT) {
                    self.shared.left.store(true, Ordering::Release);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.line = None,
        }
    }

    fn report(&mut self) {
        let leaving = self.leaving();
        let Some(line) = &mut self.line else { return };
        let turns = self.shared.turns.load(Ordering::Relaxed);
        let word = match (leaving, turns != self.reported) {
            (true, _) => QUIT,
            (false, true) => LOOP,
            (false, false) => ALIVE,
        };
        self.reported = turns;
        let shared = lock(&self.shared.listeners);
        if line.listeners != shared.version {
            match sockets::send(&line.stream, &shared.sockets) {
                Ok(true) => line.listeners = shared.version,
                Ok(false) => {}
                Err(_) => return self.line = None,
            }
        }
        drop(shared);
        if line::send(&line.stream, &[word]).is_err() {
            self.line = None;
        }
    }

    fn look(&mut self) {
        let Some(line) = &mut self.line else { return };
        let since = line.looked.elapsed();
        if since < PERIOD {
            // It was woken for another reason.
            return;
        }
        line.looked = Instant::now();
        let heard = std::mem::take(&mut line.heard);
        let Some(remedy) = line.liveness.observe(since, heard, line.meter.read()) else {
            return;
        };
        if self.shared.leaving.load(Ordering::Acquire) {
            return;
        }
        let words = match remedy {
            Remedy::Wake => "is stopped: it is woken",
            Remedy::Replace(_) => "hangs: it is replaced",
        };
        let pid = line.watchdog.pid;
        crate::engine_log::log(&format!("the watchdog (pid {pid}) {words}"));
        process_signal::send(line.watchdog, process_signal::signal_for(remedy));
        if remedy != Remedy::Wake {
            self.line = None;
        }
    }
}
