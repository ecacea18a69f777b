//! The engine as the watchdog sees it: started by it, or found running.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use neargate_core::liveness::{Hang, Liveness, ProcessDeath, Remedy};
use rustix::process::Signal;

use super::activity::ActivityMeter;
use super::sockets::{self, NamedSockets};
use super::{last_words, log_of};
use crate::journal;
use crate::paths::StateDir;
use crate::process_identity::ProcessIdentity;
use crate::process_signal;

/// An engine that replays a long journal may take this long until its loop runs.
const START: Duration = Duration::from_secs(120);

/// A running engine.
#[derive(Debug)]
pub(super) struct EngineProcess {
    pub process: ProcessIdentity,
    /// Its loop went round at least once.
    pub ready: bool,
    child: Option<Child>,
    handle: Option<OwnedFd>,
    began: Instant,
    liveness: Liveness,
    meter: ActivityMeter,
    reported: bool,
    hung: bool,
}

/// How an engine ended.
#[derive(Debug)]
pub(super) struct EngineExit {
    /// In words: `ended with exit code 1`.
    pub words: String,
    /// The last thing that it said of itself.
    pub last_words: Option<String>,
    pub death: ProcessDeath,
    /// How long it lived.
    pub lived: Duration,
    /// Whether its loop ever ran.
    pub ready: bool,
    /// Exit code, when it had one.
    pub code: Option<u8>,
}

impl EngineProcess {
    /// Starts one, on these listening sockets.
    ///
    /// # Errors
    /// The program cannot be run.
    pub(super) fn start(
        program: &Path,
        state: &StateDir,
        successor: bool,
        listeners: &NamedSockets,
    ) -> io::Result<Self> {
        let mut command = super::command(program);
        command.args(["engine", "--state-dir"]);
        command.arg(state.path());
        if successor {
            command.arg("--successor");
        }
        sockets::inherit(&mut command, listeners);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.stderr(log_of(state)).spawn()?;
        let pid = child.id();
        // A child that has ended already is known by its status.
        let process = ProcessIdentity::of(pid).unwrap_or(ProcessIdentity { pid, start: 0 });
        let mut engine = Self::adopted(process);
        engine.child = Some(child);
        Ok(engine)
    }

    /// One that somebody else started.
    #[must_use]
    pub(super) fn adopted(process: ProcessIdentity) -> Self {
        Self {
            process,
            ready: false,
            child: None,
            handle: process_signal::handle(process),
            began: Instant::now(),
            liveness: Liveness::default(),
            meter: ActivityMeter::of(process.pid, process.pid),
            reported: false,
            hung: false,
        }
    }

    /// The one that holds the engine's lock now.
    #[must_use]
    pub(super) fn found(state: &StateDir) -> Option<Self> {
        let process = ProcessIdentity::of(journal::holder(state)?)?;
        Some(Self::adopted(process))
    }

    /// Readable when it has ended.
    #[must_use]
    pub(super) fn handle(&self) -> Option<BorrowedFd<'_>> {
        self.handle.as_ref().map(AsFd::as_fd)
    }

    /// Its loop went round.
    pub(super) fn turned(&mut self) {
        self.ready = true;
        self.reported = true;
    }

    /// It lives; that counts until its loop runs.
    pub(super) fn lives(&mut self) {
        self.reported |= !self.ready;
    }

    /// Looks whether it hangs; what is to be done, and why, in words.
    pub(super) fn observe(&mut self, since: Duration) -> Option<(Remedy, &'static str)> {
        let reported = std::mem::take(&mut self.reported);
        let activity = self.meter.read();
        let late = !self.ready && self.began.elapsed() > START;
        let remedy = self.liveness.observe(since, reported, activity);
        let words = match remedy {
            Some(Remedy::Wake) => "is stopped: it is woken",
            Some(Remedy::Replace(Hang::Idle)) => {
                "hangs, it reported nothing and did nothing: it is replaced"
            }
            Some(Remedy::Replace(Hang::Busy)) => {
                "hangs, it reported nothing for a minute: it is replaced"
            }
            Some(Remedy::Replace(Hang::Stopped)) => "is stopped again: it is replaced",
            None if late => "did not come up within two minutes: it is replaced",
            None => return None,
        };
        let remedy = remedy.unwrap_or(Remedy::Replace(Hang::Busy));
        self.hung = remedy != Remedy::Wake;
        Some((remedy, words))
    }

    /// Ends it at once.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(handle) = &self.handle {
            let _ = rustix::process::pidfd_send_signal(handle, signal);
        }
    }

    /// How it ended; `None` while it runs.
    pub(super) fn ended(&mut self) -> Option<EngineExit> {
        let status = match &mut self.child {
            Some(child) => Some(child.try_wait().ok().flatten()?),
            None if self.process.runs() => return None,
            None => None,
        };
        let code = status.and_then(|status| status.code());
        let pipe = self.child.as_mut().and_then(|child| child.stdout.as_mut());
        Some(EngineExit {
            last_words: pipe.and_then(last_words::heard),
            words: self.words(status),
            death: self.death(status),
            lived: self.began.elapsed(),
            ready: self.ready,
            code: code.and_then(|code| u8::try_from(code).ok()),
        })
    }

    fn words(&self, status: Option<ExitStatus>) -> String {
        let signal = status.and_then(|status| status.signal());
        match (self.hung, status.and_then(|status| status.code()), signal) {
            (true, ..) => "hung".to_owned(),
            (false, Some(code), _) => format!("ended with exit code {code}"),
            (false, None, Some(signal)) => format!("was killed by signal {signal}"),
            (false, None, None) => "ended".to_owned(),
        }
    }

    fn death(&self, status: Option<ExitStatus>) -> ProcessDeath {
        let killed = [Signal::KILL.as_raw(), Signal::TERM.as_raw()];
        let signal = status.and_then(|status| status.signal());
        let wanted = status.is_none_or(|status| status.success());
        if self.hung && !self.ready {
            ProcessDeath::Crashed
        } else if self.hung || wanted || signal.is_some_and(|signal| killed.contains(&signal)) {
            ProcessDeath::Killed
        } else {
            ProcessDeath::Crashed
        }
    }
}
