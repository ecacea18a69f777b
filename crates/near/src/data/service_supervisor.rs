//! Keeps one data service running: adopt or start, wait until it answers, watch, start again.
//!
//! Invariant: one keeper per service; a process that runs already is adopted, never started a
//! second time; every wait ends by itself, by the process or by a stop, and its reason is in
//! the facts meanwhile. When the engine ends without a stop, the process goes on.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use neargate_core::error_chain::error_chain;
use tokio::sync::watch;

use super::backoff::Backoff;
use super::error::DataError;
use super::ports::{self, DataPorts, TakenPortPolicy};
use super::probe::ProbeResult;
use super::processes::ServerProcesses;
use super::service::{DataService, DataServiceAddress};
use super::status::{DataServiceName, DataServiceState, DataServiceStatus};
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

/// State that the engine wants of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DesiredState {
    Run,
    Stop,
}

/// Facts of all services, shared by their keepers.
pub(super) type StatusSender = watch::Sender<BTreeMap<DataServiceName, DataServiceStatus>>;

/// Keeps one service.
pub(super) struct ServiceSupervisor<P> {
    pub service: DataService,
    pub processes: Arc<P>,
    pub ports: DataPorts,
    pub board: Arc<StatusSender>,
    pub wanted: watch::Receiver<DesiredState>,
}

/// How one life of the process ended.
enum ProcessEnd {
    /// The engine had asked for it.
    Stopped,
    /// The engine goes away; the process stays.
    Left,
    /// Without being asked: how long it was available, and its last lines.
    Ended { available: Duration, words: String },
}

/// Why a wait was over.
enum WaitEnd {
    Ended(String),
    Stop,
    Leave,
    /// A person asked, or the port is free again.
    Again,
    Look,
}

impl<P: ServerProcesses> ServiceSupervisor<P> {
    /// Runs until a stop is wanted or the engine goes away.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut coming = DataServiceState::Starting;
        let mut taken = TakenPortPolicy::Move;
        loop {
            let mut port_taken = None;
            let end = match self.live(coming, taken).await {
                Ok(end) => end,
                Err(error) => {
                    if let DataError::PortTaken { port, .. } = &error {
                        port_taken = Some(*port);
                    }
                    ProcessEnd::Ended {
                        available: Duration::ZERO,
                        words: error_chain(&error),
                    }
                }
            };
            let (available, words) = match end {
                ProcessEnd::Stopped => return self.tell(DataServiceState::Stopped, None, None),
                ProcessEnd::Left => return,
                ProcessEnd::Ended { available, words } => (available, words),
            };
            if available > Duration::ZERO {
                taken = TakenPortPolicy::Refuse;
                coming = DataServiceState::Recovering;
            }
            let wait = backoff.ended(available);
            let state = if backoff.hopeless() {
                DataServiceState::Failed
            } else {
                coming
            };
            let words = format!(
                "{words}; next start in {}",
                neargate_core::duration::rounded(wait)
            );
            self.tell(state, Some(words), None);
            match self.pause(wait, port_taken).await {
                WaitEnd::Stop => return self.tell(DataServiceState::Stopped, None, None),
                WaitEnd::Leave => return,
                WaitEnd::Again => backoff = Backoff::default(),
                WaitEnd::Ended(_) | WaitEnd::Look => {}
            }
        }
    }

    /// One life of the process.
    async fn live(
        &mut self,
        coming: DataServiceState,
        taken: TakenPortPolicy,
    ) -> Result<ProcessEnd, DataError> {
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

    async fn watch(
        &mut self,
        mut coming: DataServiceState,
        pid: u32,
        address: &DataServiceAddress,
    ) -> ProcessEnd {
        let id = self.service.key.process();
        let processes = Arc::clone(&self.processes);
        let mut ended = pin!(processes.ended(&id));
        let mut since: Option<Instant> = None;
        let mut asked = Instant::now();
        loop {
            let pause = match self.service.probe(address).await {
                ProbeResult::Ready => {
                    since.get_or_insert_with(Instant::now);
                    asked = Instant::now();
                    coming = DataServiceState::Recovering;
                    self.tell(DataServiceState::Available, None, Some(pid));
                    CALM
                }
                ProbeResult::NotYet(words) => {
                    let state = if asked.elapsed() > PATIENCE {
                        DataServiceState::Failed
                    } else {
                        coming
                    };
                    let words = format!("waiting until it accepts connections: {words}");
                    self.tell(state, Some(words), Some(pid));
                    EAGER
                }
                // What is not known stays as it is.
                ProbeResult::NotAsked => {
                    asked = Instant::now();
                    EAGER
                }
            };
            let signal = tokio::select! {
                how = &mut ended => WaitEnd::Ended(how),
                signal = wait_for(&mut self.wanted, pause) => signal,
            };
            match signal {
                WaitEnd::Ended(how) => {
                    let available = since.map_or(Duration::ZERO, |since| since.elapsed());
                    let words = self.reason(&how).await;
                    return ProcessEnd::Ended { available, words };
                }
                WaitEnd::Stop => {
                    self.stop().await;
                    return ProcessEnd::Stopped;
                }
                WaitEnd::Leave => return ProcessEnd::Left,
                WaitEnd::Again | WaitEnd::Look => {}
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
    async fn pause(&mut self, wait: Duration, port_taken: Option<u16>) -> WaitEnd {
        let until = Instant::now() + wait;
        if *self.wanted.borrow_and_update() == DesiredState::Stop {
            return WaitEnd::Stop;
        }
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return WaitEnd::Look;
            }
            match tokio::time::timeout(left.min(PORT_LOOK), self.wanted.changed()).await {
                Ok(Err(_)) => return WaitEnd::Leave,
                Ok(Ok(())) if *self.wanted.borrow() == DesiredState::Stop => return WaitEnd::Stop,
                Ok(Ok(())) => return WaitEnd::Again,
                Err(_) if port_taken.is_some_and(ports::is_free) => return WaitEnd::Again,
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

    fn tell(&self, state: DataServiceState, words: Option<String>, pid: Option<u32>) {
        self.note(|facts| {
            facts.state = state;
            facts.words = words;
            facts.pid = pid;
        });
    }

    /// Changes the facts; nobody is woken when they stay the same.
    fn note(&self, change: impl FnOnce(&mut DataServiceStatus)) {
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
async fn wait_for(wanted: &mut watch::Receiver<DesiredState>, pause: Duration) -> WaitEnd {
    let told = wanted.wait_for(|wanted| *wanted == DesiredState::Stop);
    match tokio::time::timeout(pause, told).await {
        Err(_) => WaitEnd::Look,
        Ok(Ok(_)) => WaitEnd::Stop,
        Ok(Err(_)) => WaitEnd::Leave,
    }
}
