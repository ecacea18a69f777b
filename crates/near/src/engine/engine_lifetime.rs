//! The engine beside its watchdog: a successor goes on with what its predecessor was doing, and
//! an engine whose state directory is gone ends all that belongs to it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use neargate_core::machine::{EnvironmentPhase, Event, Obstacle, TaskLifecycle};

use super::journal_writer::JournalReport;
use super::notes::NoteCause;
use super::prerequisites::provide_off_loop;
use super::{Engine, EngineError, EngineInput, log};
use crate::api::wire::Problem;
use crate::input_channel::InputReceiver;
use crate::own_processes;
use crate::paths::StateDir;
use crate::supervisor;
use crate::watchdog::sentinel::Sentinel;

/// Starter of the engine: a person's command or the watchdog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineOrigin {
    /// A person: it waits for what it is asked.
    Person,
    /// The watchdog, after another engine has ended.
    Watchdog,
}

impl Engine {
    /// First step of every turn of the loop.
    pub(super) fn turn(&mut self, sentinel: &Sentinel) {
        sentinel.turn();
        self.flush();
        self.share_listeners(sentinel);
    }

    /// Gives the watchdog copies of the listening sockets, when they have changed.
    fn share_listeners(&mut self, sentinel: &Sentinel) {
        let listeners = self.routers.listeners();
        if self.shared_listeners == listeners.version() {
            return;
        }
        self.shared_listeners = listeners.version();
        match listeners.copies() {
            Ok(copies) => sentinel.hold(copies),
            // The router has them, and so has this process.
            Err(error) => log(&format!("the watchdog gets no listening sockets: {error}")),
        }
    }

    /// A task that leaves and is stopped (SIGSTOP) would answer nothing of what it has.
    pub(super) fn wake_leaving(&self) {
        let services = self.ledger.state().services.values();
        for (id, task) in services.flat_map(|service| &service.tasks) {
            if matches!(task.lifecycle, TaskLifecycle::Deactivating { .. })
                && let Some(running) = self.running.get(id)
            {
                supervisor::wake(running.task);
            }
        }
    }

    /// Goes on where the engine before this one was.
    pub(super) async fn succeed(
        &mut self,
        origin: EngineOrigin,
        reports: &mut InputReceiver<JournalReport>,
    ) -> Result<(), EngineError> {
        for router in self.routers.numbers() {
            self.counted.joined(router);
        }
        self.watch_alarms();
        self.resume(reports).await?;
        self.go_on_down(origin);
        Ok(())
    }

    /// An engine that died in the middle of `down` must not leave a successor that idles.
    fn go_on_down(&mut self, origin: EngineOrigin) {
        let was_up = self.definition.is_some();
        if origin == EngineOrigin::Watchdog
            && was_up
            && self.ledger.state().phase == EnvironmentPhase::Down
        {
            log("the previous engine was stopping the app; this one continues");
            self.go_on_leaving();
        }
    }
}

/// Makes the state directory ready, holds it open, and stands in it.
///
/// # Errors
/// It cannot be used.
pub(super) fn enter(state: &StateDir) -> Result<StateDir, EngineError> {
    state.make().map_err(EngineError::State)?;
    let what = "cannot open the state directory";
    let state = state
        .opened()
        .map_err(|source| EngineError::System { what, source })?;
    // It is found by where it stands.
    let _ = std::env::set_current_dir(state.path());
    Ok(state)
}

/// Begins to report to the watchdog.
///
/// # Errors
/// No thread can be started.
pub(super) fn report(state: &StateDir, program: PathBuf) -> Result<Sentinel, EngineError> {
    let what = "cannot start the thread that reports to the watchdog";
    Sentinel::begin(state, program).map_err(|source| EngineError::System { what, source })
}

/// Between two attempts to provide what an app that is up lacks.
const MEND: Duration = Duration::from_secs(1);

impl Engine {
    /// An app that is up and has no router, because its port was taken for a moment or no
    /// router came up, or whose data services could not be started, gets them as soon as it can.
    pub(super) fn mend(&mut self) {
        self.look_at_load();
        self.ledger.note_clock();
        self.advance();
        self.look_at_obstacles();
        let lacking = self.routers.is_gone() || self.notes.has(&NoteCause::NotProvided);
        let up = self.leaving.is_none() && self.ledger.state().phase == EnvironmentPhase::Up;
        let Some(definition) = self.definition.clone() else {
            return;
        };
        let busy = self.preparing > 0 || self.mended.elapsed() < MEND;
        if !lacking || !up || busy || self.state.is_gone() {
            return;
        }
        self.mended = Instant::now();
        match self.open_listeners(&definition.manifest) {
            Ok(_) => {
                if self.notes.clear(&NoteCause::NoRouter) {
                    let port = definition.manifest.edge.port;
                    let obstacle = Obstacle::PortTaken(port);
                    self.happened(Event::ObstacleRemoved { obstacle });
                }
                self.publish = true;
            }
            Err(unserved) => {
                let inputs = self.inputs.clone();
                tokio::task::spawn_blocking(move || {
                    let _ = inputs.send_blocking(EngineInput::Unserved(unserved.problem()));
                });
            }
        }
        if self.notes.has(&NoteCause::NotProvided) {
            self.preparing += 1;
            let (surroundings, inputs) = (self.surroundings.clone(), self.inputs.clone());
            tokio::spawn(async move {
                let provided = provide_off_loop(surroundings, definition).await;
                let _ = inputs.send(EngineInput::ProvidedAgain(provided)).await;
            });
        }
    }

    /// Data services and secrets of an app that is up are there, or are not.
    pub(super) fn provided_again(&mut self, provided: Result<(), Problem>) {
        self.preparing -= 1;
        match provided {
            Ok(()) => {
                self.notes.clear(&NoteCause::NotProvided);
            }
            Err(problem) => self.lacks(NoteCause::NotProvided, &problem),
        }
    }

    /// No router could be started, when last tried.
    pub(super) fn unserved(&mut self, problem: &Problem) {
        if self.routers.is_gone() {
            self.lacks(NoteCause::NoRouter, problem);
        }
    }

    fn lacks(&mut self, cause: NoteCause, problem: &Problem) {
        let note = format!("{}: {}", cause.describe(), problem.error);
        if self.notes.set(cause, std::slice::from_ref(&note)) {
            log(&note);
        }
    }
}

/// Ends everything that belongs to a state directory that is gone: nothing of it could be found
/// again, and nothing that it writes is kept.
pub(super) async fn end_lost(state: &StateDir, sentinel: &Sentinel) {
    log("the state directory is gone: the engine ends all its processes");
    sentinel.leave();
    let path = state.path();
    let ending = move || own_processes::end_all(&path, own_processes::GRACE);
    // A panic in it would be told by the hook.
    let _ = tokio::task::spawn_blocking(ending).await;
}
