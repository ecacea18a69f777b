//! Keeps one data service running: adopt or start, wait until it answers, watch, start again.
//!
//! Invariant: one keeper per service; a process that runs already is adopted, never started a
//! second time; every wait ends by itself, by the process or by a stop, and its reason is in
//! the facts meanwhile. When the engine ends without a stop, the process goes on.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::backoff::Backoff;
use super::error::DataError;
use super::facts::{Facts, Key, State};
use super::ports::{self, Ports, WhenTaken};
use super::probe::Answer;
use super::processes::Processes;
use super::service::{Address, Service};
use super::url;

/// Between two questions while it comes up.
const EAGER: Duration = Duration::from_millis(20);
/// Between two questions while it is available.
const CALM: Duration = Duration::from_secs(2);
/// Not accepting connections for this long is told as a failure. Nothing is killed for it: a
/// long recovery is still the fastest way back.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a port that another program has.
const PORT_LOOK: Duration = Duration::from_millis(500);
/// After the stop timeout the process is killed by its supervisor; this long after that, by us.
const GRACE: Duration = Duration::from_secs(10);
/// Lines of output to look for a reason in.
const LINES: usize = 40;

/// What the engine wants of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Running.
    Run,
    /// Stopped.
    Stop,
}

/// Facts of all services, shared by their keepers.
pub(super) type Board = watch::Sender<BTreeMap<Key, Facts>>;

/// Keeps one service.
pub(super) struct Keeper<P> {
    pub service: Service,
    pub processes: Arc<P>,
    pub ports: Ports,
    pub board: Arc<Board>,
    pub wanted: watch::Receiver<Wanted>,
}

/// How one life of the process ended.
enum End {
    /// As asked.
    Stopped,
    /// The engine goes away; the process stays.
    Left,
    /// By itself.
    Ended { available: Duration, words: String },
}

/// Why a wait was over.
enum Signal {
    Ended(String),
    Stop,
    Leave,
    /// A person asked, or the port is free again.
    Again,
    Look,
}

impl<P: Processes> Keeper<P> {
    /// Runs until a stop is wanted or the engine goes away.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut coming = State::Starting;
        let mut taken = WhenTaken::Move;
        loop {
            let mut port_taken = None;
            let end = match self.live(coming, taken).await {
                Ok(end) => end,
                Err(error) => {
                    if let DataError::PortTaken { port, .. } = &error {
                        port_taken = Some(*port);
                    }
                    End::Ended {
                        available: Duration::ZERO,
                        words: error.in_words(),
                    }
                }
            };
            let (available, words) = match end {
                End::Stopped => return self.tell(State::Stopped, None, None),
                End::Left => return,
                End::Ended { available, words } => (available, words),
            };
            if available > Duration::ZERO {
                taken = WhenTaken::Refuse;
                coming = State::Recovering;
            }
            let wait = backoff.ended(available);
            let state = if backoff.hopeless() {
                State::Failed
            } else {
                coming
            };
            let words = format!(
                "{words}; next start in {}",
                neargate_core::duration::rounded(wait)
            );
            self.tell(state, Some(words), None);
            match self.pause(wait, port_taken).await {
                Signal::Stop => return self.tell(State::Stopped, None, None),
                Signal::Leave => return,
                Signal::Again => backoff = Backoff::default(),
                Signal::Ended(_) | Signal::Look => {}
            }
        }
    }

    /// One life of the process.
    async fn live(&mut self, coming: State, taken: WhenTaken) -> Result<End, DataError> {
        self.service = self.service.located();
        let id = self.service.key.process();
        let (pid, address) = match self.processes.running(&id).await {
            Some(pid) => (pid, self.service.address()?),
            None => {
                self.tell(coming, Some("preparing its files".to_owned()), None);
                let (process, address) = self.service.prepare(&self.ports, taken).await?;
                let pid = self.processes.start(&process).await;
                let pid = pid.map_err(|source| DataError::Start {
                    service: self.service.key.label(),
                    source,
                })?;
                (pid, address)
            }
        };
        self.note(|facts| {
            facts.port = Some(address.port);
            facts.pid = Some(pid);
        });
        let url = self.service.url(&address);
        let redacted = url.expose_text().map(url::redacted).unwrap_or_default();
        self.note(|facts| facts.url_redacted = redacted);
        Ok(self.watch(coming, pid, &address).await)
    }

    async fn watch(&mut self, mut coming: State, pid: u32, address: &Address) -> End {
        let id = self.service.key.process();
        let processes = Arc::clone(&self.processes);
        let mut ended = pin!(processes.ended(&id));
        let mut since: Option<Instant> = None;
        let mut asked = Instant::now();
        loop {
            let pause = match self.service.probe(address).await {
                Answer::Ready => {
                    since.get_or_insert_with(Instant::now);
                    asked = Instant::now();
                    coming = State::Recovering;
                    self.tell(State::Available, None, Some(pid));
                    CALM
                }
                Answer::NotYet(words) => {
                    let state = if asked.elapsed() > PATIENCE {
                        State::Failed
                    } else {
                        coming
                    };
                    let words = format!("waiting until it accepts connections: {words}");
                    self.tell(state, Some(words), Some(pid));
                    EAGER
                }
                // What is not known stays as it is.
                Answer::NotAsked => {
                    asked = Instant::now();
                    EAGER
                }
            };
            let signal = tokio::select! {
                how = &mut ended => Signal::Ended(how),
                signal = wait_for(&mut self.wanted, pause) => signal,
            };
            match signal {
                Signal::Ended(how) => {
                    let available = since.map_or(Duration::ZERO, |since| since.elapsed());
                    let words = self.reason(&how).await;
                    return End::Ended { available, words };
                }
                Signal::Stop => {
                    self.stop().await;
                    return End::Stopped;
                }
                Signal::Leave => return End::Left,
                Signal::Again | Signal::Look => {}
            }
        }
    }

    async fn stop(&self) {
        let id = self.service.key.process();
        self.processes.stop(&id).await;
        let patience = self.service.stop_timeout() + GRACE;
        let ended = self.processes.ended(&id);
        if tokio::time::timeout(patience, ended).await.is_err() {
            self.processes.kill(&id).await;
            // The kernel ends a killed process; a longer wait would hide a broken disk.
            let _ = tokio::time::timeout(GRACE, self.processes.ended(&id)).await;
        }
    }

    /// Waits before the next start: less when a person asks for it, or when the port that was
    /// taken is free again.
    async fn pause(&mut self, wait: Duration, port_taken: Option<u16>) -> Signal {
        let until = Instant::now() + wait;
        if *self.wanted.borrow_and_update() == Wanted::Stop {
            return Signal::Stop;
        }
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Signal::Look;
            }
            match tokio::time::timeout(left.min(PORT_LOOK), self.wanted.changed()).await {
                Ok(Err(_)) => return Signal::Leave,
                Ok(Ok(())) if *self.wanted.borrow() == Wanted::Stop => return Signal::Stop,
                Ok(Ok(())) => return Signal::Again,
                Err(_) if port_taken.is_some_and(ports::is_free) => return Signal::Again,
                Err(_) => {}
            }
        }
    }

    /// How it ended, with the line of its output that says most.
    async fn reason(&self, how: &str) -> String {
        let id = self.service.key.process();
        let lines = self.processes.last_lines(&id, LINES).await;
        let marks = ["PANIC:", "FATAL:", "ERROR:", "# "];
        let told = lines
            .iter()
            .rev()
            .find(|line| marks.iter().any(|mark| line.contains(mark)))
            .or(lines.last());
        match told {
            Some(line) => format!("ended with {how}: {}", line.trim()),
            None => format!("ended with {how}"),
        }
    }

    fn tell(&self, state: State, words: Option<String>, pid: Option<u32>) {
        self.note(|facts| {
            facts.state = state;
            facts.words = words;
            facts.pid = pid;
        });
    }

    /// Changes the facts; nobody is woken when they stay the same.
    fn note(&self, change: impl FnOnce(&mut Facts)) {
        self.board.send_if_modified(|board| {
            let Some(facts) = board.get_mut(&self.service.key) else {
                return false;
            };
            let before = facts.clone();
            change(facts);
            *facts != before
        });
    }
}

/// Waits for a stop, for the engine to go away, or for the time to pass.
async fn wait_for(wanted: &mut watch::Receiver<Wanted>, pause: Duration) -> Signal {
    let told = wanted.wait_for(|wanted| *wanted == Wanted::Stop);
    match tokio::time::timeout(pause, told).await {
        Err(_) => Signal::Look,
        Ok(Ok(_)) => Signal::Stop,
        Ok(Err(_)) => Signal::Leave,
    }
}
