//! The engine: one loop that decides, persists, and only then acts.
//!
//! Everything that happens — a task's exit, a router's word, a request on the API socket, a
//! timer — becomes one input of the loop. [`mod@ledger`] decides with `neargate_core::machine`, has
//! the journal's thread ([`journal_writer`]) write, applies what is written, and hands out the
//! actions; [`decisions`] hands it what is to be decided and does what follows.
//!
//! Invariant: the loop alone owns the state, and waits for no disk; nothing acts before its entries
//! are persisted. An event whose entries cannot be written (a full disk) waits and is tried again; a
//! person's request that cannot be written is refused with the reason.

mod adopt;
mod artifact_copies;
mod calls;
mod cookie_key;
mod data_processes;
mod decisions;
mod engine_lifetime;
mod environment;
mod error;
mod evidence;
mod execute;
mod follow_up;
mod hooks;
mod http_checks;
mod input_handlers;
mod inputs;
mod interruptions;
mod journal_writer;
mod lag;
mod last_check;
mod ledger;
mod listeners;
mod metrics;
mod monitoring;
mod notes;
mod notifications;
mod observed;
mod obstacles;
mod owner;
mod preparation;
mod prerequisites;
mod problems;
mod queries;
mod release_history;
mod release_request;
mod router_process;
mod router_rooms;
mod router_strain;
mod router_watch;
mod routers;
mod routing_table;
mod shutdown;
mod start_failure;
mod status;
mod task_usage;
mod tasks;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use neargate_core::ids::TaskId;
use neargate_core::liveness;
use neargate_core::machine::{self, Action, Event};
use neargate_core::metrics::Completeness;
use neargate_core::monitoring::Monitoring;
use neargate_core::routing::sticky::CookieKey;
use neargate_core::time::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{RwLock, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Interval, MissedTickBehavior};

use crate::api::server::{self, ApiState, CallReply};
use crate::api::wire::{Accepted, EnvironmentDefinition};
use crate::audit_log::AuditLog;
use crate::engine_log::{self, log};
use crate::input_channel::{InputReceiver, InputSender, queue};
use crate::journal::{self, Journal};
use crate::paths::StateDir;
use crate::secrets::Secrets;
use crate::shim_role::JobRunId;
use crate::supervisor::{RunningProcess, Supervisor};
use crate::watchdog::sentinel::Sentinel;
use crate::watchdog::sockets::NamedSockets;
use artifact_copies::Copies;
pub use engine_lifetime::EngineOrigin;
pub use error::EngineError;
use evidence::Incident;
use execute::StartingTask;
use inputs::EngineInput;
use journal_writer::JournalReport;
use lag::LagGauge;
use last_check::LastCheck;
use ledger::{Ledger, ReplayedJournal};
use notes::Notes;
use notifications::Notifications;
pub use observed::{observed_at_rest, secret_names};
pub use owner::{another_app, edge, owner};
pub use prerequisites::edge_taken;
use router_strain::RouterStrain;
use routers::Routers;
use shutdown::EngineShutdown;
use task_usage::UsageMeter;
use tasks::TaskEnvironment;

/// How often events that could not be written are tried again.
const CATCH_UP: Duration = Duration::from_millis(500);
/// Without a deadline, time passes this often.
const IDLE: Duration = Duration::from_secs(3600);
/// Inputs that may wait for the loop.
const QUEUE: usize = 1024;
/// Longest wait for the API to send its last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Threads of everything that is not the loop: the API, starts, conversations with routers.
const WORKERS: usize = 2;
/// Log lines that go with a failed task.
const LAST_LINES: usize = 20;
/// The manifest that was asked for last, in the journal's meta table.
const DEFINITION: &str = "definition";

/// The task that serves the API.
type ApiTask = JoinHandle<std::io::Result<()>>;

struct Engine {
    state: StateDir,
    ledger: Ledger,
    surroundings: Arc<TaskEnvironment>,
    routers: Routers,
    /// Version of the listening sockets that the watchdog got.
    shared_listeners: u64,
    cookie_key: CookieKey,
    /// Processes of tasks that run.
    running: BTreeMap<TaskId, RunningProcess>,
    /// Last failed checks of tasks that are not unhealthy.
    last_checks: BTreeMap<TaskId, LastCheck>,
    /// Whether tasks were found that are not taken over yet.
    tasks_found: bool,
    /// Tasks that are starting.
    starting: BTreeMap<TaskId, StartingTask>,
    /// HTTP checks that are asking, by the job's run.
    checks: BTreeMap<JobRunId, AbortHandle>,
    definition: Option<Arc<EnvironmentDefinition>>,
    /// Whose state directory this is, from the moment at which its definition is being written.
    claimed: Option<String>,
    inputs: InputSender<EngineInput>,
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
    replacing: Vec<CallReply<Accepted>>,
    leaving: Option<EngineShutdown>,
    /// Whether nobody asked for `up` in this engine's life: what it finds was interrupted.
    interrupted: bool,
    notes: Notes,
    strain: RouterStrain,
    watches: Monitoring,
    /// Verdicts of alarms and guards that are being written.
    judging: usize,
    /// `None` while it is being read.
    meter: Option<UsageMeter>,
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
    origin: EngineOrigin,
    listeners: NamedSockets,
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
    engine_log::begin();
    let ended = runtime.block_on(run(state, program, origin, listeners));
    engine_log::end();
    // A removal that goes on is taken up by the next engine.
    runtime.shutdown_background();
    ended
}

/// The manifest that was asked for last.
fn last_definition(ledger: &Ledger) -> Result<Option<EnvironmentDefinition>, EngineError> {
    let text = ledger.fact(DEFINITION);
    text.map(|text| serde_json::from_str(text).map_err(EngineError::Definition))
        .transpose()
}

/// The ledger of a state directory, and where its thread reports.
fn ledger(state: &StateDir) -> Result<(Ledger, InputReceiver<JournalReport>), EngineError> {
    let replayed = ReplayedJournal::of(Journal::open(&state.database())?)?;
    // One order at a time, one report.
    let (reports, report) = queue(1);
    let what = "cannot start the journal's thread";
    let ledger = Ledger::open(replayed, reports);
    let ledger = ledger.map_err(|source| EngineError::System { what, source })?;
    Ok((ledger, report))
}

async fn run(
    state: &StateDir,
    program: PathBuf,
    origin: EngineOrigin,
    listeners: NamedSockets,
) -> Result<(), EngineError> {
    let state = &engine_lifetime::enter(state)?;
    let _lock = journal::lock_when_free(state).await?;
    let sentinel = engine_lifetime::report(state, program.clone())?;
    let (ledger, mut report) = ledger(state)?;
    let (definition, seq) = (last_definition(&ledger)?, ledger.seq());
    let (inputs, mut input) = queue(QUEUE);
    let (facts, mut fact) = queue(QUEUE);
    let (calls, mut call) = queue(QUEUE);
    let routers = Routers::adopt(program.clone(), state.clone(), facts, listeners).await;
    let mut engine = Engine::new(state, program, ledger, definition, inputs, routers)?;
    engine.succeed(origin, &mut report).await?;
    let (mut api, ending) = serve(state, ApiState { calls, seq })?;
    let mut terminate = terminations()?;
    let periods = [monitoring::LOOK, metrics::METER, liveness::PERIOD];
    let [mut looks, mut readings, mut beats] = periods.map(every);
    loop {
        engine.turn(&sentinel);
        if engine.finished() || engine.state.is_gone() {
            break;
        }
        engine.lag.idle(Instant::now());
        let due = Instant::now() + engine.timer();
        tokio::select! {
            written = report.recv() => {
                // A thread that is gone writes nothing more; the next engine has another.
                let Some(arrived) = written else { break };
                engine.lag.handling(arrived.at);
                engine.reported(arrived.input);
            }
            Some(arrived) = input.recv(), if engine.ledger.has_room() => {
                engine.lag.handling(arrived.at);
                engine.handle(arrived.input);
            }
            Some(arrived) = fact.recv(), if engine.ledger.has_room() => {
                engine.lag.handling(arrived.at);
                let (number, fact) = arrived.input;
                engine.learn(number, fact);
            }
            Some(arrived) = call.recv() => {
                engine.lag.handling(arrived.at);
                engine.answer(arrived.input);
            }
            () = tokio::time::sleep_until(due.into()) => engine.due(due, Engine::tick),
            at = next_look(&mut looks, engine.watching()) => engine.due(at, Engine::evaluate_alarms),
            at = readings.tick() => engine.due(at.into_std(), Engine::read_meters),
            // So that the loop goes round, and reports it.
            at = beats.tick() => engine.due(at.into_std(), Engine::mend),
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
    if state.is_gone() {
        engine_lifetime::end_lost(state, sentinel).await;
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

async fn last_answers(ending: oneshot::Sender<()>, api: ApiTask) {
    let _ = ending.send(());
    if !api.is_finished() {
        // Whoever does not read its answer by then is not waited for.
        let _ = tokio::time::timeout(LAST_ANSWERS, api).await;
    }
}

/// Serves the API; what ends it, once its last answers are given.
fn serve(state: &StateDir, calls: ApiState) -> Result<(ApiTask, oneshot::Sender<()>), EngineError> {
    let what = "cannot open the API socket";
    let listener = server::bind(&state.api_socket());
    let listener = listener.map_err(|source| EngineError::System { what, source })?;
    let audit = Arc::new(AuditLog::of(state));
    let (ending, ended) = oneshot::channel();
    let api = tokio::spawn(server::serve(listener, calls, audit, ended));
    Ok((api, ending))
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
        definition: Option<EnvironmentDefinition>,
        inputs: InputSender<EngineInput>,
        routers: Routers,
    ) -> Result<Self, EngineError> {
        let now = ledger.clock().now();
        let supervisor = Supervisor::new(state.clone(), vec![program.into(), "shim".into()]);
        let (app, env) =
            definition
                .as_ref()
                .map_or_else(Default::default, |found: &EnvironmentDefinition| {
                    (found.manifest.app.clone(), found.manifest.env.clone())
                });
        let secrets = Arc::new(Mutex::new(Secrets::open(state)?));
        let surroundings = TaskEnvironment::of(state, supervisor, (app, env), secrets);
        Ok(Self {
            state: state.clone(),
            notifications: Notifications::with(surroundings.secrets.clone()),
            ledger,
            surroundings,
            cookie_key: cookie_key::open(&state.cookie_key())?,
            routers,
            shared_listeners: 0,
            running: BTreeMap::new(),
            last_checks: BTreeMap::new(),
            tasks_found: false,
            starting: BTreeMap::new(),
            checks: BTreeMap::new(),
            claimed: definition
                .as_ref()
                .map(|found| owner::of_manifest(&found.manifest)),
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
            strain: RouterStrain::default(),
            watches: Monitoring::new(now),
            judging: 0,
            meter: Some(UsageMeter::default()),
            counted: Completeness::default(),
        })
    }

    /// This moment on the timeline.
    fn now(&self) -> Timestamp {
        self.ledger.clock().now()
    }

    /// Does what was due at an instant.
    fn due(&mut self, at: Instant, what: fn(&mut Self)) {
        self.lag.handling(at);
        what(self);
    }

    fn tick(&mut self) {
        if self.ledger.behind() {
            self.advance();
        } else {
            self.happened(Event::TimePassed);
        }
    }

    fn timer(&self) -> Duration {
        if self.ledger.is_writing() {
            // The report wakes the loop.
            return IDLE;
        }
        if self.ledger.behind() {
            return CATCH_UP;
        }
        let deadline = machine::next_deadline(self.ledger.state());
        deadline.map_or(IDLE, |deadline| deadline.since(self.now()))
    }

    fn act_all(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.execute(action);
        }
    }

    /// Asks people what waits for them, and publishes the routing table when something changed that
    /// it shows.
    fn flush(&mut self) {
        self.ask_for_approval();
        if std::mem::take(&mut self.publish) && !self.is_leaving() {
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
