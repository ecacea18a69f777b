//! `neargate logs`: what tasks wrote. It needs no engine.

use std::process::ExitCode;
use std::time::Duration;

use neargate_core::duration;
use neargate_core::time::Timestamp;
use neargate_near::clock::now;
use neargate_near::logs::{Filter, Line, Position, read};
use neargate_near::supervisor::Supervisor;

use crate::arguments::{Flags, Logs};
use crate::failure::Failure;
use crate::{output, project};

const EVERY: Duration = Duration::from_millis(200);

/// Prints the lines that are wanted.
pub fn run(flags: &Flags, options: &Logs) -> Result<ExitCode, Failure> {
    let state = project::state(flags)?;
    if !state.path().exists() {
        return Err(Failure::Environment(format!(
            "there is no state directory {}: nothing ran yet",
            state.path().display()
        )));
    }
    let supervisor = Supervisor::new(state.clone(), Vec::new());
    let filter = Filter {
        services: options.services.clone(),
        task: options.task.clone(),
        since: ago(options.since.as_deref())?,
        until: ago(options.until.as_deref())?,
        grep: options.grep.clone(),
    };
    let mut position = Position::default();
    let mut first = true;
    loop {
        let mut lines = read(&state, &filter, &mut position)
            .map_err(|error| Failure::of("cannot read the logs", &error))?;
        if options.previous {
            lines.retain(|line| supervisor.running(&line.task).is_none());
        }
        if let (true, Some(tail)) = (first, options.tail) {
            lines.drain(..lines.len().saturating_sub(tail));
        }
        first = false;
        for line in &lines {
            print(line, flags.json);
        }
        if !options.follow {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(EVERY);
    }
}

/// The moment that is this long ago.
pub(super) fn ago(text: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let duration = duration::parse(text).map_err(|error| Failure::Usage(error.to_string()))?;
    let back = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Ok(Some(Timestamp(now().0.saturating_sub(back))))
}

/// Prints a line.
pub fn print(line: &Line, json: bool) {
    if json {
        output::json(line);
    } else {
        output::line(&format!("{} {} {}", clock(line.at), line.task, line.text()));
    }
}

/// `2026-11-21T07:28:09.120Z`
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
