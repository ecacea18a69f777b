//! The last log lines of a task, read off the loop, with what happened to the task.
//!
//! Invariant: what happened to tasks reaches the loop in the order in which it happened, whether
//! lines had to be read for it or not.

use neargate_core::health_reason::{HealthReason, WrongPort};
use neargate_core::ids::{ServiceName, TaskId};
use neargate_core::machine::{ProcessExit, TaskHealth};
use tokio::sync::mpsc;

use super::last_check::LastCheck;
use super::{EngineInput, LAST_LINES, QUEUE};
use crate::input_channel::InputSender;
use crate::logs;
use crate::paths::StateDir;
use crate::port_holder;
use crate::supervisor::Supervisor;

/// Something that happened to a task.
#[derive(Debug)]
pub(super) struct Incident {
    pub task: TaskId,
    /// Its service, under which its log is.
    pub service: ServiceName,
    pub kind: IncidentKind,
}

/// Kinds of things that happen to a task.
#[derive(Debug)]
pub(super) enum IncidentKind {
    /// Its process ended.
    Exited(ProcessExit),
    /// Its health changed, and why.
    HealthChanged(TaskHealth, HealthReason),
    /// A check found something, and health is as it was.
    Checked(LastCheck),
}

/// Starts the reader. Incidents go in, [`EngineInput::Exited`] and [`EngineInput::HealthChanged`] come out.
pub(super) fn reader(state: StateDir, inputs: InputSender<EngineInput>) -> mpsc::Sender<Incident> {
    let (incidents, mut queue) = mpsc::channel::<Incident>(QUEUE);
    tokio::spawn(async move {
        while let Some(mut incident) = queue.recv().await {
            let task = &incident.task;
            match &mut incident.kind {
                IncidentKind::HealthChanged(TaskHealth::Unhealthy, reason) => {
                    reason.wrong_port = listened_elsewhere(&state, task).await;
                }
                IncidentKind::Checked(check) => {
                    check.reason.wrong_port = listened_elsewhere(&state, task).await;
                }
                IncidentKind::Exited(_) | IncidentKind::HealthChanged(..) => {}
            }
            let lines = match &incident.kind {
                IncidentKind::Exited(_) | IncidentKind::HealthChanged(TaskHealth::Unhealthy, _) => {
                    last_lines(&state, &incident.service, task.as_str()).await
                }
                IncidentKind::HealthChanged(..) | IncidentKind::Checked(_) => Vec::new(),
            };
            if inputs.send(input(incident, lines)).await.is_err() {
                return;
            }
        }
    });
    incidents
}

/// The ports at which a task listens when its own is not one of them: its program does not
/// read PORT.
async fn listened_elsewhere(state: &StateDir, task: &TaskId) -> Option<WrongPort> {
    let (state, task) = (state.clone(), task.clone());
    let found = move || {
        let running = Supervisor::new(state, Vec::new()).running(task.as_str())?;
        let port = running.port?;
        let ports = port_holder::listened_below(running.shim.pid);
        let elsewhere = !ports.is_empty() && !ports.contains(&port);
        elsewhere.then(|| WrongPort {
            listens: ports.into_iter().collect(),
            port,
        })
    };
    tokio::task::spawn_blocking(found).await.ok().flatten()
}

/// An incident with its evidence, as the loop takes it.
pub(super) fn input(incident: Incident, last_lines: Vec<String>) -> EngineInput {
    let Incident { task, kind, .. } = incident;
    match kind {
        IncidentKind::Exited(exit) => EngineInput::Exited {
            task,
            exit,
            last_lines,
        },
        IncidentKind::HealthChanged(health, reason) => EngineInput::HealthChanged {
            task,
            health,
            reason,
            last_lines,
        },
        IncidentKind::Checked(check) => EngineInput::Checked { task, check },
    }
}

/// The last lines of a task's or a job's log, oldest first.
pub(super) async fn last_lines(state: &StateDir, service: &str, id: &str) -> Vec<String> {
    let (state, service, id) = (state.clone(), service.to_owned(), id.to_owned());
    let read = move || logs::last_lines(&state, &service, &id, LAST_LINES);
    // A reader that panicked has no lines; the incident counts all the same.
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}
