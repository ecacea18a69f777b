//! The last log lines of a task, read off the loop, with what happened to the task.
//!
//! Invariant: what happened to tasks reaches the loop in the order in which it happened, whether
//! lines had to be read for it or not.

use neargate_core::machine::{Exit, Health};
use tokio::sync::mpsc;

use super::ids::service_of;
use super::{Input, LAST_LINES, QUEUE};
use crate::arrivals::Sender;
use crate::logs;
use crate::paths::StateDir;

/// What happened to a task.
#[derive(Debug)]
pub(super) enum Incident {
    /// Its process ended.
    Exited(String, Exit),
    /// Its health changed, with ALB's reason.
    HealthChanged(String, Health, String),
}

/// Starts the reader. Incidents go in, [`Input::Exited`] and [`Input::HealthChanged`] come out.
pub(super) fn reader(state: StateDir, inputs: Sender<Input>) -> mpsc::Sender<Incident> {
    let (incidents, mut queue) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        while let Some(incident) = queue.recv().await {
            let lines = match &incident {
                Incident::Exited(task, _) | Incident::HealthChanged(task, Health::Unhealthy, _) => {
                    last_lines(&state, service_of(task), task).await
                }
                Incident::HealthChanged(..) => Vec::new(),
            };
            if inputs.send(input(incident, lines)).await.is_err() {
                return;
            }
        }
    });
    incidents
}

/// An incident with its evidence, as the loop takes it.
pub(super) fn input(incident: Incident, last_lines: Vec<String>) -> Input {
    match incident {
        Incident::Exited(task, exit) => Input::Exited {
            task,
            exit,
            last_lines,
        },
        Incident::HealthChanged(task, health, reason) => Input::HealthChanged {
            task,
            health,
            reason,
            last_lines,
        },
    }
}

/// The last lines of a task's or a job's log, oldest first.
pub(super) async fn last_lines(state: &StateDir, service: &str, id: &str) -> Vec<String> {
    let (state, service, id) = (state.clone(), service.to_owned(), id.to_owned());
    let read = move || logs::last_lines(&state, &service, &id, LAST_LINES);
    // A reader that panicked has no lines; the incident counts all the same.
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}
