//! The engine: one loop that decides, persists, and only then acts.
//!
//! Everything that happens — a task's exit, a router's word, a request on the API socket, a
//! timer — becomes one input of the loop. [`ledger`] decides with `neargate_core::machine`,
//! writes the journal, applies, and hands out the actions.
//!
//! Invariant: the loop alone owns the state; nothing acts before its entries are persisted.
//! An event whose entries cannot be written (a full disk) waits and is tried again; a person's
//! request that cannot be written is refused with the reason.

mod act;
mod adopt;
mod calls;
mod checks;
mod cookie_key;
mod copies;
mod data_processes;
mod environment;
mod error;
mod evidence;
mod figures;
mod hooks;
mod ids;
mod inputs;
mod interruptions;
mod judge;
mod lag;
mod leaving;
mod ledger;
mod listeners;
mod meter;
mod notes;
mod notifications;
mod observed;
mod obstacles;
mod own_log;
mod owner;
mod port_holder;
mod preparation;
mod provide;
mod releases;
mod router_process;
mod router_vigil;
mod routers;
mod routes;
mod strain;
mod tasks;
mod view;
mod vigil;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use neargate_core::liveness;
use neargate_core::machine::{self, Action, Event};
use neargate_core::metrics::Completeness;
use neargate_core::routing::sticky::CookieKey;
use neargate_core::time::Timestamp;
use neargate_core::watches::Watches;
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{RwLock, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Interval, MissedTickBehavior};

use crate::api::server::{self, Calls, Reply};
use crate::api::wire::{Accepted, Definition};
use crate::arrivals::{Sender, queue};
use crate::audit::AuditLog;
use crate::journal::{self, Journal, JournalError};
use crate::paths::StateDir;
use crate::ports::Ports;
use crate::supervisor::{Running, Supervisor};
use crate::watchdog::sentinel::Sentinel;
use crate::watchdog::sockets::Named;
use copies::Copies;
pub use error::EngineError;
use evidence::Incident;
use inputs::Input;
use lag::LagGauge;
use leaving::Leaving;
use ledger::Ledger;
use meter::Meter;
use notes::{Cause, Notes};
use notifications::Notifications;
pub(crate) use own_log::log;
pub use owner::owner;
pub use provide::edge_taken;
use routers::Routers;
pub(crate) use routers::most_workers;
use strain::Strain;
use tasks::Surroundings;
pub use vigil::Origin;

/// How often events that could not be written are tried again.
const CATCH_UP: Duration = Duration::from_millis(500);
/// Inputs that may wait for the loop.
const QUEUE: usize = 1024;
/// What answers the API has so long to send its last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Threads of everything that is not the loop: the API, starts, conversations with routers.
const WORKERS: usize = 2;
/// Log lines that go with a failed task.
const LAST_LINES: usize = 20;
/// The manifest that was asked for last, in the journal's meta table.
const DEFINITION: &str = "definition";

/// The engine.
struct Engine {
    state: StateDir,
    ledger: Ledger,
    surroundings: Arc<Surroundings>,
    routers: Routers,
    /// Version of the listening sockets that the watchdog got.
    shared_listeners: u64,
    cookie_key: CookieKey,
    /// What is observed of tasks that run.
    running: BTreeMap<String, Running>,
    /// Ports that were given out to tasks that are starting.
    starting: BTreeMap<String, u16>,
    /// HTTP checks that are asking, by the job's id.
    checks: BTreeMap<String, AbortHandle>,
    ports: Ports,
    definition: Option<Arc<Definition>>,
    inputs: Sender<Input>,
    incidents: mpsc::Sender<Incident>,
    /// Requests that are being prepared.
    preparing: usize,
    /// Read by those who need snapshots that no revision holds, written by the removal.
    snapshots: Arc<RwLock<()>>,
    copies: Copies,
    lag: LagGauge,
    started_at: Timestamp,
    router_since: (u32, Timestamp),
    publish: bool,
    /// The last attempt to provide what an app that is up lacks.
    mended: Instant,
    replacing: Vec<Reply<Accepted>>,
    leaving: Option<Leaving>,
    /// Whether nobody asked for `up` in this engine's life: what it finds was interrupted.
    interrupted: bool,
    notes: Notes,
    strain: Strain,
    watches: Watches,
    /// `None` while it is being read.
    meter: Option<Meter>,
    counted: Completeness,
    notifications: Notifications,
}

/// Runs the engine of a state directory until it is told to go. `program` is this binary: it
/// runs routers and shims. `listeners` are those that the watchdog kept open.
///
/// # Errors
/// [`EngineError`], before anything was started.
pub fn main(
    state: &StateDir,
    program: PathBuf,
    origin: Origin,
    listeners: Named,
) -> Result<(), EngineError> {
    // The loop has this thread to itself: nothing that others wait for can hold it up.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|source| EngineError::System {
            what: "cannot start the runtime",
            source,
        })?;
    let ended = runtime.block_on(run(state, program, origin, listeners));
    // A removal that goes on is taken up by the next engine.
    runtime.shutdown_background();
    ended
}

/// The manifest that was asked for last.
fn last_definition(ledger: &Ledger) -> Result<Option<Definition>, EngineError> {
    let text = ledger.get_meta(DEFINITION)?;
    text.map(|text| serde_json::from_str(&text).map_err(EngineError::Definition))
        .transpose()
}

async fn run(
    state: &StateDir,
    program: PathBuf,
    origin: Origin,
    listeners: Named,
) -> Result<(), EngineError> {
    let state = &vigil::enter(state)?;
    let _lock = journal::lock_when_free(state).await?;
    let sentinel = vigil::report(state, program.clone())?;
    let ledger = Ledger::replay(Journal::open(&state.database())?)?;
    let (definition, seq) = (last_definition(&ledger)?, ledger.seq());
    let (inputs, mut input) = queue(QUEUE);
    let (facts, mut fact) = queue(QUEUE);
    let (calls, mut call) = queue(QUEUE);
    let routers = Routers::adopt(program.clone(), state.clone(), facts, listeners).await;
    let mut engine = Engine::new(state, program, ledger, definition, inputs, routers)?;
    engine.succeed(origin).await?;
    let listener = listener(state)?;
    let audit = Arc::new(AuditLog::of(state));
    let (ending, ended) = oneshot::channel();
    let mut api = tokio::spawn(server::serve(listener, Calls { calls, seq }, audit, ended));
    let mut terminate = terminations()?;
    let periods = [judge::LOOK, figures::METER, liveness::PERIOD];
    let [mut looks, mut readings, mut beats] = periods.map(every);
    loop {
        engine.turn(&sentinel);
        if engine.finished() || engine.state.gone() {
            break;
        }
        engine.lag.idle(Instant::now());
        let due = Instant::now() + engine.timer();
        tokio::select! {
            Some(arrived) = input.recv() => {
                engine.lag.handling(arrived.at);
                engine.take(arrived.input);
            }
            Some(arrived) = fact.recv() => {
                engine.lag.handling(arrived.at);
                let (number, fact) = arrived.input;
                engine.learn(number, fact);
            }
            Some(arrived) = call.recv() => {
                engine.lag.handling(arrived.at);
                engine.answer(arrived.input);
            }
            () = tokio::time::sleep_until(due.into()) => {
                engine.lag.handling(due);
                engine.tick();
            }
            at = next_look(&mut looks, engine.watching()) => {
                engine.lag.handling(at);
                engine.look();
            }
            at = readings.tick() => {
                engine.lag.handling(at.into_std());
                engine.read_meters();
            }
            // So that the loop goes round, and reports it.
            _ = beats.tick() => engine.mend(),
            // Everything goes on without an engine; the next one adopts it.
            _ = terminate.recv() => break,
            _ = &mut api => break,
        }
    }
    if leave(state, engine, &sentinel).await {
        drop((input, fact, call));
        last_answers(ending, api).await;
    }
    Ok(())
}

/// The engine's end; `true`: whoever asked is answered still.
async fn leave(state: &StateDir, engine: Engine, sentinel: &Sentinel) -> bool {
    let _ = std::fs::remove_file(state.api_socket());
    if state.gone() {
        vigil::end_lost(state, sentinel).await;
        return false;
    }
    engine.end(sentinel);
    true
}

/// The next look; one that nobody waited for is not late when somebody waits again.
async fn next_look(looks: &mut Interval, watching: bool) -> Instant {
    if !watching {
        looks.reset();
        std::future::pending::<()>().await;
    }
    looks.tick().await.into_std()
}

async fn last_answers(ending: oneshot::Sender<()>, api: JoinHandle<std::io::Result<()>>) {
    let _ = ending.send(());
    if !api.is_finished() {
        // Whoever does not read its answer by then is not waited for.
        let _ = tokio::time::timeout(LAST_ANSWERS, api).await;
    }
}

fn listener(state: &StateDir) -> Result<UnixListener, EngineError> {
    server::bind(&state.api_socket()).map_err(|source| EngineError::System {
        what: "cannot open the API socket",
        source,
    })
}

fn terminations() -> Result<Signal, EngineError> {
    signal(SignalKind::terminate()).map_err(|source| EngineError::System {
        what: "cannot listen for signals",
        source,
    })
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

impl Engine {
    fn new(
        state: &StateDir,
        program: PathBuf,
        ledger: Ledger,
        definition: Option<Definition>,
        inputs: Sender<Input>,
        routers: Routers,
    ) -> Result<Self, EngineError> {
        let now = ledger.clock().now();
        let supervisor = Supervisor::new(state.clone(), vec![program.into(), "shim".into()]);
        let (app, env) = definition
            .as_ref()
            .map_or_else(Default::default, |found: &Definition| {
                (found.manifest.app.clone(), found.manifest.env.clone())
            });
        let surroundings = tasks::surroundings(state, supervisor, app, env)?;
        Ok(Self {
            state: state.clone(),
            notifications: Notifications::after(ledger.last()),
            ledger,
            surroundings,
            cookie_key: cookie_key::open(&state.cookie_key())?,
            routers,
            shared_listeners: 0,
            running: BTreeMap::new(),
            starting: BTreeMap::new(),
            checks: BTreeMap::new(),
            ports: Ports::of(state),
            definition: definition.map(Arc::new),
            incidents: evidence::reader(state.clone(), inputs.clone()),
            inputs,
            preparing: 0,
            snapshots: Arc::default(),
            copies: Copies::default(),
            lag: LagGauge::new(Instant::now()),
            started_at: now,
            router_since: (0, now),
            publish: false,
            mended: Instant::now(),
            replacing: Vec::new(),
            leaving: None,
            interrupted: true,
            notes: Notes::default(),
            strain: Strain::default(),
            watches: Watches::new(now),
            meter: Some(Meter::default()),
            counted: Completeness::default(),
        })
    }

    /// This moment on the timeline.
    fn now(&self) -> Timestamp {
        self.ledger.clock().now()
    }

    /// An event of the world: decided now, or kept until it can be written.
    fn happened(&mut self, event: Event) {
        let (actions, error) = self.ledger.happened(event);
        self.note_journal(Cause::JournalUnwritable, error.as_ref());
        self.act_all(actions);
    }

    /// Notes what the journal cannot do now, and takes it back when it can.
    fn note_journal(&mut self, cause: Cause, error: Option<&JournalError>) {
        let text = error.map(|error| format!("{}: {}", cause.words(), tasks::chain(error)));
        if self.notes.set(cause, text.as_slice()) {
            text.iter().for_each(|text| log(text));
        }
    }

    fn tick(&mut self) {
        if self.ledger.behind() {
            let (actions, error) = self.ledger.catch_up();
            self.note_journal(Cause::JournalUnwritable, error.as_ref());
            self.act_all(actions);
        } else {
            self.happened(Event::TimePassed);
        }
        let compacted = self.ledger.compact().err();
        self.note_journal(Cause::JournalGrows, compacted.as_ref());
    }

    fn timer(&self) -> Duration {
        if self.ledger.behind() {
            return CATCH_UP;
        }
        let deadline = machine::next_deadline(self.ledger.state());
        deadline.map_or(Duration::from_secs(3600), |deadline| {
            deadline.since(self.now())
        })
    }

    fn act_all(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.act(action);
        }
    }

    /// Tells what was decided, and publishes the routing table when something changed that it shows.
    fn flush(&mut self) {
        self.tell();
        if std::mem::take(&mut self.publish) && self.leaving.is_none() {
            let table = self.table();
            self.routers.publish(table);
            self.wake_leaving();
        }
        self.go_down();
    }
}

/// A reply that was never sent must not look like an answer.
fn reply<T>(to: oneshot::Sender<T>, value: T) {
    let _ = to.send(value);
}
