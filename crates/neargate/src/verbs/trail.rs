//! `neargate trail`: who asked for what, and what was answered. It needs no engine.

use std::process::ExitCode;

use neargate_near::audit::{Answered, Record, read};

use super::logs::{ago, clock};
use crate::arguments::{Flags, Trail};
use crate::failure::Failure;
use crate::{output, project};

/// Prints the newest lines of the audit log, oldest first.
pub fn run(flags: &Flags, options: &Trail) -> Result<ExitCode, Failure> {
    let state = project::state(flags)?;
    let since = ago(options.since.as_deref())?;
    let mut records =
        read(&state).map_err(|error| Failure::of("cannot read the audit log", &error))?;
    records.retain(|record| {
        let subject = options.subject.as_ref();
        subject.is_none_or(|subject| *subject == record.subject)
            && since.is_none_or(|since| record.at >= since)
    });
    let surplus = records.len().saturating_sub(options.limit);
    let newest = &records[surplus..];
    if flags.json {
        output::json(&newest);
        return Ok(ExitCode::SUCCESS);
    }
    for record in newest {
        output::line(&line(record));
    }
    if newest.is_empty() {
        output::note("nobody has asked for anything yet");
    }
    Ok(ExitCode::SUCCESS)
}

fn line(record: &Record) -> String {
    let mut text = format!(
        "{} {:<10} {:<12} {:<12}",
        clock(record.at),
        record.who.to_string(),
        record.what,
        record.subject
    );
    let mut say = |part: String| {
        if !part.is_empty() {
            text.push_str("  ");
            text.push_str(&part);
        }
    };
    say(record.detail.clone());
    for began in &record.releases {
        let (release, service) = (began.release, &began.service);
        say(format!(
            "release {release}: {service} to revision {}",
            began.revision
        ));
    }
    say(record
        .git
        .as_ref()
        .map_or_else(String::new, |git| format!("git {git}")));
    if record.outcome == Answered::Refused {
        say(format!("refused: {}", record.reason));
    }
    text.trim_end().to_owned()
}
