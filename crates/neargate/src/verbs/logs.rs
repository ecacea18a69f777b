//! `neargate logs`: what tasks wrote. It needs no engine.
//!
//! In a pipe and in a file the bytes are those that the task wrote; on a terminal what could steer
//! it is shown as text, but for colours.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, IsTerminal, Stdout, Write};
use std::process::ExitCode;
use std::time::Duration;

use neargate_core::duration;
use neargate_core::time::Timestamp;
use neargate_near::clock::now;
use neargate_near::logs::reader::written;
use neargate_near::logs::{LogFilter, LogLine, LogReader};
use neargate_near::paths::StateDir;
use neargate_near::supervisor::Supervisor;

use crate::arguments::{GlobalFlags, Logs};
use crate::failure::{self, Failure};
use crate::{output, project};

const EVERY: Duration = Duration::from_millis(200);

/// Logs by name, each with its tasks.
type LogsByName = BTreeMap<String, BTreeSet<String>>;

/// Prints the lines that are wanted.
pub(crate) fn run(flags: &GlobalFlags, options: &Logs) -> Result<ExitCode, Failure> {
    let state = project::state(flags)?;
    project::require_readable(&state)?;
    if !state.path().exists() {
        return Err(Failure::Environment(format!(
            "there is no state directory {}: nothing ran yet",
            state.path().display()
        )));
    }
    let failed = |error| Failure::of("cannot read the logs", &error);
    let written = written(&state).map_err(failed)?;
    let filter = filter(flags, &state, options, &written)?;
    let mut reader = LogReader::open(&state, filter, options.tail).map_err(failed)?;
    let mut printer = LinePrinter::new(flags.json);
    loop {
        while let Some(line) = reader.next_line().map_err(failed)? {
            printer.print(&line);
        }
        printer.flush();
        for task in reader.take_lost() {
            output::note(&format!(
                "lines of {task} are missing here: its log was rotated away before they were read"
            ));
        }
        if !options.follow {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(EVERY);
        reader.refresh().map_err(failed)?;
    }
}

fn filter(
    flags: &GlobalFlags,
    state: &StateDir,
    options: &Logs,
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
        since: ago(options.since.as_deref())?,
        until: ago(options.until.as_deref())?,
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

/// Prints lines: as they are, or as a terminal may have them.
pub(crate) struct LinePrinter {
    out: BufWriter<Stdout>,
    json: bool,
    terminal: bool,
}

impl LinePrinter {
    /// A printer on standard output.
    pub(crate) fn new(json: bool) -> Self {
        let out = std::io::stdout();
        let terminal = out.is_terminal();
        Self {
            out: BufWriter::with_capacity(64 * 1024, out),
            json,
            terminal,
        }
    }

    /// Prints a line; a closed pipe ends the command quietly.
    pub(crate) fn print(&mut self, line: &LogLine) {
        let written = match (self.json, self.terminal) {
            (true, false) => writeln!(self.out, "{}", line.json()),
            (true, true) => writeln!(self.out, "{}", output::harmless_json(&line.json())),
            (false, false) => write!(self.out, "{} {} ", clock(line.at), line.task)
                .and_then(|()| self.out.write_all(&line.bytes))
                .and_then(|()| self.out.write_all(b"\n")),
            (false, true) => {
                let text = output::harmless_line(&line.text());
                writeln!(self.out, "{} {} {text}", clock(line.at), line.task)
            }
        };
        written.unwrap_or_else(|error| output::closed(&error));
    }

    /// Hands on what is buffered.
    pub(crate) fn flush(&mut self) {
        self.out
            .flush()
            .unwrap_or_else(|error| output::closed(&error));
    }
}

/// The moment that is this long ago.
pub(super) fn ago(text: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let duration = duration::parse(text).map_err(|error| Failure::Usage(error.to_string()))?;
    let back = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Ok(Some(Timestamp(now().0.saturating_sub(back))))
}

/// UTC with milliseconds, `2026-11-21T07:28:09.120Z`.
pub(super) fn clock(at: Timestamp) -> String {
    let (days, rest) = (at.0 / 86_400_000, at.0 % 86_400_000);
    let (year, month, day) = date(days);
    let (seconds, ms) = (rest / 1000, rest % 1000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Days since 1970-01-01 as a civil date (proleptic Gregorian; eras of 400 years from March).
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        for (at, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_246_089_120, "2026-11-21T07:28:09.120Z"),
        ] {
            assert_eq!(clock(Timestamp(at)), text);
        }
    }
}
