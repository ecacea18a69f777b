//! Logs near: files of the state directory, which are read with and without an engine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use neargate_near::logs::reader::written;
use neargate_near::logs::{LogFilter, LogLine, LogReader};
use neargate_near::paths::StateDir;
use neargate_near::supervisor::Supervisor;

use crate::arguments::{GlobalFlags, LogsArguments};
use crate::environment::LogSource;
use crate::failure::{self, Failure};
use crate::{moment, output, project};

/// How often files are looked at again.
const EVERY: Duration = Duration::from_millis(200);

/// Logs by name, each with its tasks.
type LogsByName = BTreeMap<String, BTreeSet<String>>;

/// The lines of the state directory's logs.
struct LogFiles(LogReader);

/// Opens the logs that the options ask for.
pub(super) fn open(
    flags: &GlobalFlags,
    options: &LogsArguments,
) -> Result<Box<dyn LogSource>, Failure> {
    let state = project::own_state(flags)?;
    project::require_readable(&state)?;
    if !state.path().exists() {
        return Err(Failure::Environment(format!(
            "there is no state directory {}: nothing ran yet",
            state.path().display()
        )));
    }
    let written = written(&state).map_err(|error| unreadable(&error))?;
    let filter = filter(flags, &state, options, &written)?;
    let reader = LogReader::open(&state, filter, options.tail);
    Ok(Box::new(LogFiles(
        reader.map_err(|error| unreadable(&error))?,
    )))
}

#[async_trait(?Send)]
impl LogSource for LogFiles {
    async fn next_line(&mut self) -> Result<Option<LogLine>, Failure> {
        let line = self.0.next_line().map_err(|error| unreadable(&error))?;
        if line.is_none() {
            for task in self.0.take_lost() {
                output::note(&format!(
                    "lines of {task} are missing here: its log was rotated away before they were read"
                ));
            }
        }
        Ok(line)
    }

    async fn wait_for_more(&mut self) -> Result<(), Failure> {
        tokio::time::sleep(EVERY).await;
        self.0.refresh().map_err(|error| unreadable(&error))
    }
}

fn unreadable(error: &dyn std::error::Error) -> Failure {
    Failure::of("cannot read the logs", error)
}

fn filter(
    flags: &GlobalFlags,
    state: &StateDir,
    options: &LogsArguments,
    written: &LogsByName,
) -> Result<LogFilter, Failure> {
    let services = names(flags, &options.services, written)?;
    let of_services = written
        .iter()
        .filter(|(name, _)| services.is_empty() || services.contains(name));
    let tasks: BTreeSet<&String> = of_services.flat_map(|(_, tasks)| tasks).collect();
    if let Some(task) = &options.task
        && !tasks.contains(task)
    {
        return Err(failure::unknown("task with a log", task, tasks));
    }
    let supervisor = Supervisor::new(state.clone(), Vec::new());
    let runs = |task: &String| options.previous && supervisor.running(task).is_some();
    Ok(LogFilter {
        services,
        task: options.task.clone(),
        except: tasks
            .into_iter()
            .filter(|task| runs(task))
            .cloned()
            .collect(),
        since: moment::ago(options.since.as_deref())?,
        until: moment::ago(options.until.as_deref())?,
        grep: options.grep.clone(),
    })
}

/// The names of logs that were asked for; `database.main` is `database-main`.
fn names(
    flags: &GlobalFlags,
    asked: &[String],
    written: &LogsByName,
) -> Result<Vec<String>, Failure> {
    let mut known: BTreeSet<String> = written.keys().cloned().collect();
    if let Ok((_, loaded)) = project::load(flags) {
        let manifest = loaded.manifest;
        known.extend(manifest.services.into_keys());
        known.extend(
            manifest
                .databases
                .keys()
                .map(|name| format!("database-{name}")),
        );
        known.extend(manifest.caches.keys().map(|name| format!("cache-{name}")));
    }
    let mut names = Vec::new();
    for name in asked {
        let plain = name
            .replacen("database.", "database-", 1)
            .replacen("cache.", "cache-", 1);
        let found = [name, &plain]
            .into_iter()
            .find(|name| known.contains(*name));
        let found = found.ok_or_else(|| failure::unknown("service", name, &known))?;
        if !written.contains_key(found) {
            output::note(&format!("no task of `{found}` has run here yet"));
        }
        names.push(found.clone());
    }
    Ok(names)
}
