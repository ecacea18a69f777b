//! Says what a stop waits for, while the answer to `down` is waited for.

use std::time::Duration;

use neargate_core::machine;
use neargate_core::status::{Status, TaskStatus};
use neargate_core::status_words::{DataStateName, TaskStateName};
use neargate_core::time::Timestamp;
use neargate_near::clock::now;

use crate::client::EngineClient;
use crate::failure::Failure;
use crate::progress::ProgressScreen;
use crate::waiting;

/// Nobody is told about a stop that takes no longer.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Tasks that are named; of the others their number.
const MOST_NAMED: usize = 5;

/// Text about the data that a stop leaves: the same in help and messages.
const DATA_STAYS: &str = "PostgreSQL's data stays";
const CACHE_EMPTY: &str = "the cache starts empty at the next `up`";

/// Data services that a stop leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RemainingData {
    databases: bool,
    caches: bool,
}

impl RemainingData {
    /// By what runs.
    pub(crate) fn of(status: &Status) -> Self {
        Self {
            databases: !status.databases.is_empty(),
            caches: !status.caches.is_empty(),
        }
    }

    /// The text `said`, and the data that is left; no word of services that there are not.
    pub(crate) fn after(self, said: &str) -> String {
        let parts = [
            self.databases.then_some(DATA_STAYS),
            self.caches.then_some(CACHE_EMPTY),
        ];
        let left: Vec<&str> = parts.into_iter().flatten().collect();
        match left.is_empty() {
            true => said.to_owned(),
            false => format!("{said}; {}", left.join(", ")),
        }
    }
}

/// The answer; until it comes, what is waited for is said.
pub(crate) async fn with_progress<T>(
    client: &EngineClient,
    screen: &mut ProgressScreen,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let show = |screen: &mut ProgressScreen, status: &Status| screen.waits(&words(status, now()));
    waiting::for_answer(client, screen, AT_ONCE, show, answer).await
}

/// Waits of a stop: tasks, each with its deadline; then the router; then the data services.
fn words(status: &Status, now: Timestamp) -> String {
    let tasks = status.services.iter().flat_map(|service| &service.tasks);
    let mut waits: Vec<String> = tasks.map(|task| task_words(task, now)).collect();
    if waits.len() > MOST_NAMED {
        let others = waits.len() - MOST_NAMED;
        waits.truncate(MOST_NAMED);
        waits.push(format!("{others} more tasks"));
    }
    if waits.is_empty() && status.router.is_some() {
        waits.push("the router to finish its requests".to_owned());
    } else if waits.is_empty() {
        let named = [("database", &status.databases), ("cache", &status.caches)];
        let running = named.into_iter().flat_map(|(kind, data)| {
            let runs = data.iter().filter(|one| {
                !matches!(one.state, DataStateName::Stopped | DataStateName::External)
            });
            runs.map(move |one| format!("{kind} {} to stop", one.name))
        });
        waits.extend(running);
    }
    if waits.is_empty() {
        waits.push("the engine to end".to_owned());
    }
    format!("stopping: waits for {}", waits.join(", "))
}

fn task_words(task: &TaskStatus, now: Timestamp) -> String {
    let drains = task.state == TaskStateName::Deactivating;
    match task.leaves_by {
        // Without a process there is nothing to kill.
        Some(_) if task.pid.is_none() => format!("{} to end its start", task.id),
        Some(by) => machine::leaving(&task.id, drains, by, now),
        None => task.id.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(tasks: &[(&str, Option<u64>)], router: bool) -> Status {
        let tasks: Vec<serde_json::Value> = tasks
            .iter()
            .enumerate()
            .map(|(number, (state, by))| {
                let pid = (*state != "pending").then_some(7);
                let state = state.replace("pending", "stopping");
                serde_json::json!({"id": format!("api-r1-{number}"), "pid": pid, "port": null,
                    "revision": 1, "state": state, "health": "healthy", "started_at": null,
                    "leaves_by": by})
            })
            .collect();
        let process = serde_json::json!({"pid": 1, "started_at": 0});
        serde_json::from_value(serde_json::json!({
            "app": "a", "env": "local", "endpoint": "", "caches": [], "engine": process,
            "router": router.then_some(process), "notes": [],
            "databases": [{"name": "main", "engine": "postgres 15", "state": "available",
                "url_redacted": ""}],
            "services": [{"name": "api", "desired": 1, "running": 1, "healthy": 1, "revision": 1,
                "stable_revision": 1, "release": null, "tasks": tasks}],
        }))
        .expect("a status")
    }

    #[test]
    fn a_stop_says_which_tasks_it_waits_for_and_how_long_then_the_router_then_the_data_services() {
        let many = [("stopping", Some(4_500)); 7];
        for (tasks, router, expected) in [
            (
                vec![("stopping", Some(1_000))],
                true,
                "api-r1-0 to end (it is killed)",
            ),
            (
                vec![("stopping", Some(29_001)), ("deactivating", Some(4_000))],
                true,
                "api-r1-0 to stop (killed in 29s), api-r1-1 to end its requests (at most 3s more)",
            ),
            (
                many.to_vec(),
                true,
                "api-r1-4 to stop (killed in 4s), 2 more tasks",
            ),
            (
                vec![("pending", Some(1_000))],
                true,
                "api-r1-0 to end its start",
            ),
            (vec![], true, "the router to finish its requests"),
            (vec![], false, "database main to stop"),
        ] {
            let words = words(&status(&tasks, router), Timestamp(1_000));
            assert!(words.starts_with("stopping: waits for "), "{words}");
            assert!(words.ends_with(expected), "{words}");
        }
    }

    #[test]
    fn help_says_what_a_stop_leaves_as_the_messages_do() {
        use clap::CommandFactory;
        let all = crate::arguments::Arguments::command();
        let down = all.find_subcommand("down").expect("the verb");
        let about = down.get_about().expect("its words").to_string();
        let words = |databases, caches| RemainingData { databases, caches }.after("all stopped");
        let all = words(true, true);
        let said = all.strip_prefix("all stopped; ").expect("the words");
        assert!(about.contains(said), "{about}");
        assert_eq!(words(false, false), "all stopped");
        assert_eq!(words(true, false), "all stopped; PostgreSQL's data stays");
    }
}
