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
mod data_processes;
mod environment;
mod error;
mod figures;
mod hooks;
mod ids;
mod interruptions;
mod judge;
mod ledger;
mod listeners;
mod meter;
mod notifications;
mod observed;
mod obstacles;
mod port_holder;
mod provide;
mod releases;
mod router_process;
mod routers;
mod routes;
mod tasks;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use neargate_core::machine::{self, Action, Event, Exit, Health, Obstacle};
use neargate_core::metrics::figures::Kept;
use neargate_core::routing::sticky::CookieKey;
use neargate_core::routing::table::TargetHealth;
use neargate_core::time::Timestamp;
use neargate_core::watches::Watches;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use crate::api::server::{self, Calls, Reply};
use crate::api::wire::{Accepted, Definition};
use crate::atomic;
use crate::audit::AuditLog;
use crate::clock::now;
use crate::journal::{self, Journal, JournalError};
use crate::logs;
use crate::paths::StateDir;
use crate::ports::Ports;
use crate::supervisor::{Running, Supervisor};
pub use error::EngineError;
use ids::service_of;
use ledger::Ledger;
use meter::Meter;
use notifications::Notifications;
use obstacles::StartFailure;
use router_process::RouterFact;
use routers::{Learned, Routers};
use tasks::Surroundings;

/// How often events that could not be written are tried again.
const CATCH_UP: Duration = Duration::from_millis(500);
/// Inputs that may wait for the loop.
const QUEUE: usize = 1024;
/// Log lines that go with a failed task.
const LAST_LINES: usize = 20;
/// The manifest that was asked for last, in the journal's meta table.
const DEFINITION: &str = "definition";

/// An input of the loop, besides calls and routers.
enum Input {
    /// A start succeeded or failed.
    Started(String, Result<Running, StartFailure>),
    /// A task's process ended.
    Exited(String, Exit),
    /// What kept tasks from starting is gone.
    ObstacleRemoved(Obstacle),
    /// A job's process ended, or did not start.
    HookEnded {
        release: u64,
        run: u32,
        id: String,
        exit: Exit,
    },
}

/// The engine.
struct Engine {
    state: StateDir,
    ledger: Ledger,
    surroundings: Arc<Surroundings>,
    routers: Routers,
    cookie_key: CookieKey,
    /// What is observed of tasks that run.
    running: BTreeMap<String, Running>,
    /// Ports that were given out to tasks that are starting.
    starting: BTreeMap<String, u16>,
    /// HTTP checks that are asking, by the job's id.
    checks: BTreeMap<String, AbortHandle>,
    ports: Ports,
    definition: Option<Definition>,
    inputs: mpsc::Sender<Input>,
    started_at: Timestamp,
    router_since: (u32, Timestamp),
    publish: bool,
    replacing: Vec<Reply<Accepted>>,
    leaving: Option<Vec<Reply<Accepted>>>,
    /// Whether nobody asked for `up` in this engine's life: what it finds was interrupted.
    interrupted: bool,
    /// Why listeners and data services could not be provided; that is tried again.
    unprovided: Option<String>,
    notes: BTreeSet<String>,
    watches: Watches,
    meter: Meter,
    kept: Kept,
    notifications: Notifications,
}

/// Runs the engine of a state directory until it is told to go. `program` is this binary: it
/// runs routers and shims.
///
/// # Errors
/// [`EngineError`], before anything was started.
pub fn main(state: &StateDir, program: PathBuf) -> Result<(), EngineError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| EngineError::System {
            what: "cannot start the runtime",
            source,
        })?;
    runtime.block_on(run(state, program))
}

async fn run(state: &StateDir, program: PathBuf) -> Result<(), EngineError> {
    for directory in [
        state.path(),
        state.run(),
        state.tasks(),
        state.logs(),
        state.artifacts(),
        state.data(),
    ] {
        atomic::private_directory(&directory).map_err(EngineError::State)?;
    }
    let system = |what| move |source| EngineError::System { what, source };
    let state = &state
        .opened()
        .map_err(system("cannot open the state directory"))?;
    let _lock = journal::lock_when_free(state).await?;
    let ledger = Ledger::replay(Journal::open(&state.database())?)?;
    let definition = match ledger.get_meta(DEFINITION)? {
        Some(text) => Some(serde_json::from_str(&text).map_err(EngineError::Definition)?),
        None => None,
    };
    let (inputs, mut input) = mpsc::channel(QUEUE);
    let (facts, mut fact) = mpsc::channel(QUEUE);
    let (calls, mut call) = mpsc::channel(QUEUE);
    let seq = ledger.seq();
    let mut engine = Engine::new(state, program, ledger, definition, inputs, facts).await?;
    engine.watch_alarms();
    engine.resume().await?;
    let listener =
        server::bind(&state.api_socket()).map_err(system("cannot open the API socket"))?;
    let audit = Arc::new(AuditLog::of(state));
    let mut api = tokio::spawn(server::serve(listener, Calls { calls, seq }, audit));
    let mut terminate =
        signal(SignalKind::terminate()).map_err(system("cannot listen for signals"))?;
    let mut looks = tokio::time::interval(judge::LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut readings = tokio::time::interval(figures::METER);
    readings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        engine.flush().await;
        if engine.finished() {
            break;
        }
        let timer = engine.timer();
        tokio::select! {
            Some(input) = input.recv() => engine.take(input),
            Some((number, fact)) = fact.recv() => engine.learn(number, fact).await,
            Some(call) = call.recv() => engine.answer(call).await,
            () = tokio::time::sleep(timer) => engine.tick(),
            _ = looks.tick(), if engine.watching() => engine.look(),
            _ = readings.tick() => {
                engine.read_meters();
                engine.look_at_obstacles().await;
            }
            // Everything goes on without an engine; the next one adopts it.
            _ = terminate.recv() => break,
            _ = &mut api => break,
        }
    }
    let _ = std::fs::remove_file(state.api_socket());
    engine.end().await;
    Ok(())
}

impl Engine {
    async fn new(
        state: &StateDir,
        program: PathBuf,
        ledger: Ledger,
        definition: Option<Definition>,
        inputs: mpsc::Sender<Input>,
        facts: mpsc::Sender<(u64, RouterFact)>,
    ) -> Result<Self, EngineError> {
        let supervisor =
            Supervisor::new(state.clone(), vec![program.clone().into(), "shim".into()]);
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
            routers: Routers::adopt(program, state.clone(), facts).await,
            running: BTreeMap::new(),
            starting: BTreeMap::new(),
            checks: BTreeMap::new(),
            ports: Ports::of(state),
            definition,
            inputs,
            started_at: now(),
            router_since: (0, now()),
            publish: false,
            replacing: Vec::new(),
            leaving: None,
            interrupted: true,
            unprovided: None,
            notes: BTreeSet::new(),
            watches: Watches::new(now()),
            meter: Meter::default(),
            kept: Kept::new(now()),
        })
    }

    /// An event of the world: decided now, or kept until it can be written.
    fn happened(&mut self, event: Event) {
        let (actions, error) = self.ledger.happened(event);
        if let Some(error) = error {
            self.note_trouble(&error);
        }
        self.act_all(actions);
    }

    fn note_trouble(&mut self, error: &JournalError) {
        let text = format!(
            "decisions wait because the journal cannot be written: {}",
            tasks::chain(error)
        );
        if self.notes.insert(text.clone()) {
            log(&text);
        }
    }

    fn tick(&mut self) {
        if self.ledger.behind() {
            let (actions, error) = self.ledger.catch_up();
            match error {
                Some(error) => self.note_trouble(&error),
                None => self
                    .notes
                    .retain(|note| !note.starts_with("decisions wait")),
            }
            self.act_all(actions);
        } else {
            self.happened(Event::TimePassed);
        }
        if let Err(error) = self.ledger.compact() {
            self.note_trouble(&error);
        }
    }

    fn timer(&self) -> Duration {
        if self.ledger.behind() {
            return CATCH_UP;
        }
        let deadline = machine::next_deadline(self.ledger.state());
        deadline.map_or(Duration::from_secs(3600), |deadline| deadline.since(now()))
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Started(id, Ok(running)) => {
                self.starting.remove(&id);
                if !self.knows(&id) {
                    self.surroundings.supervisor.kill(&id);
                    return;
                }
                for note in &running.notes {
                    self.notes.insert(note.clone());
                }
                self.running.insert(id.clone(), running);
                self.watch(id.clone());
                self.happened(Event::TaskStarted { task: id });
            }
            Input::Started(id, Err(failure)) => {
                self.starting.remove(&id);
                self.surroundings.supervisor.forget(&id);
                self.happened(Event::TaskStartFailed {
                    task: id,
                    reason: failure.reason,
                    obstacle: failure.obstacle,
                });
            }
            Input::ObstacleRemoved(obstacle) => self.happened(Event::ObstacleRemoved { obstacle }),
            Input::Exited(id, exit) => self.exited(&id, exit),
            Input::HookEnded {
                release,
                run,
                id,
                exit,
            } => self.hook_ended(release, run, &id, exit),
        }
    }

    /// Tells the loop when a task's process ends.
    fn watch(&self, id: String) {
        let (inputs, supervisor) = (self.inputs.clone(), self.surroundings.supervisor.clone());
        tokio::spawn(async move {
            let exit = supervisor.exited(&id).await;
            let _ = inputs.send(Input::Exited(id, exit)).await;
        });
    }

    fn exited(&mut self, id: &str, exit: Exit) {
        self.running.remove(id);
        if let Some(revision) = self
            .task(id)
            .filter(|task| task.active())
            .map(|t| t.revision)
        {
            self.restarted(service_of(id), revision, id);
        }
        let last_lines = logs::last_lines(&self.state, service_of(id), id, LAST_LINES);
        self.happened(Event::TaskExited {
            task: id.to_owned(),
            exit,
            last_lines,
        });
        self.surroundings.supervisor.forget(id);
        let alive = self.task_ids();
        let _ = logs::prune(&self.state, service_of(id), &alive);
    }

    async fn learn(&mut self, number: u64, fact: RouterFact) {
        for learned in self.routers.learn(number, fact).await {
            match learned {
                Learned::Health {
                    task,
                    health,
                    reason,
                } => self.health_changed(task, health, reason),
                Learned::Drained { task } => self.happened(Event::TaskDrained { task }),
                Learned::Replaced => {
                    for reply in self.replacing.drain(..) {
                        let _ = reply.send(Ok(Accepted::default()));
                    }
                }
                Learned::Counted(requests) => self.counted(&requests),
            }
        }
    }

    fn health_changed(&mut self, task: String, health: TargetHealth, reason: String) {
        let health = match health {
            TargetHealth::Initial => return,
            TargetHealth::Healthy => Health::Healthy,
            TargetHealth::Unhealthy => Health::Unhealthy,
        };
        let last_lines = match health {
            Health::Unhealthy => {
                logs::last_lines(&self.state, service_of(&task), &task, LAST_LINES)
            }
            Health::Healthy | Health::Unknown => Vec::new(),
        };
        self.happened(Event::TaskHealthChanged {
            task,
            health,
            reason,
            last_lines,
        });
    }

    fn act_all(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.act(action);
        }
    }

    /// Tells what was decided, and publishes the routing table when something changed that it shows.
    async fn flush(&mut self) {
        self.tell();
        if std::mem::take(&mut self.publish) && self.leaving.is_none() {
            let table = self.table();
            self.routers.publish(table);
        }
        self.go_down().await;
    }

    /// Whether `down` is done.
    fn finished(&self) -> bool {
        self.leaving.is_some()
            && self
                .ledger
                .state()
                .services
                .values()
                .all(|s| s.tasks.is_empty())
            && self.routers.gone()
    }

    /// After `down`: when no task is left, the router goes.
    async fn go_down(&mut self) {
        if self.leaving.is_none()
            || self
                .ledger
                .state()
                .services
                .values()
                .any(|s| !s.tasks.is_empty())
        {
            return;
        }
        if self.routers.pid().is_some() {
            self.routers.close(Duration::from_secs(1));
        }
    }

    async fn end(mut self) {
        if let Some(replies) = self.leaving.take() {
            self.surroundings.data.stop_all().await;
            if let Err(error) = self.ledger.close() {
                log(&format!(
                    "the journal was not closed cleanly: {}",
                    tasks::chain(&error)
                ));
            }
            for reply in replies {
                let _ = reply.send(Ok(Accepted::default()));
            }
            // The answer leaves before the process does.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The engine's own log is its standard error.
pub(crate) fn log(text: &str) {
    let line = format!(
        "{{\"t\":{},\"m\":{}}}\n",
        now().0,
        serde_json::Value::from(text)
    );
    // A full disk takes no line; the engine goes on without it (`eprintln!` would panic).
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// A reply that was never sent must not look like an answer.
fn reply<T>(to: oneshot::Sender<T>, value: T) {
    let _ = to.send(value);
}
