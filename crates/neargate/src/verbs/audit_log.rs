//! `neargate trail`: who asked for what, and what was answered. It needs no engine.

use std::collections::BTreeSet;
use std::process::ExitCode;

use neargate_near::audit_log::{AuditRecord, AuditResult, read};

use crate::arguments::{GlobalFlags, TrailArguments};
use crate::failure::{self, Failure};
use crate::moment::{self, rfc3339};
use crate::table::Column::Left;
use crate::table::{self, Column};
use crate::{output, project};

/// Prints the newest lines of the audit log, oldest first.
pub(crate) fn run(flags: &GlobalFlags, options: &TrailArguments) -> Result<ExitCode, Failure> {
    let state = project::own_state(flags)?;
    let since = moment::ago(options.since.as_deref())?;
    let mut records =
        read(&state).map_err(|error| Failure::of("cannot read the audit log", &error))?;
    if let Some(subject) = &options.subject {
        require_known(flags, subject, &records)?;
    }
    records.retain(|record| {
        let subject = options.subject.as_ref();
        subject.is_none_or(|subject| *subject == record.subject)
            && since.is_none_or(|since| record.at >= since)
    });
    let surplus = records.len().saturating_sub(options.limit.get());
    let newest = &records[surplus..];
    if flags.json {
        output::json(&newest);
        return Ok(ExitCode::SUCCESS);
    }
    table::print(&COLUMNS, newest.iter().map(cells));
    if newest.is_empty() {
        output::note("the audit log is empty");
    }
    Ok(ExitCode::SUCCESS)
}

/// A name that neither the log nor the manifest has. Exit 2.
fn require_known(flags: &GlobalFlags, name: &str, records: &[AuditRecord]) -> Result<(), Failure> {
    let mut known: BTreeSet<String> = records
        .iter()
        .map(|record| record.subject.clone())
        .collect();
    known.remove("");
    if let Ok((_, loaded)) = project::load(flags) {
        let manifest = loaded.manifest;
        known.extend(manifest.services.into_keys());
        known.extend(manifest.secrets.into_keys());
        known.extend(
            manifest
                .databases
                .keys()
                .map(|name| format!("database.{name}")),
        );
        known.extend(manifest.caches.keys().map(|name| format!("cache.{name}")));
    }
    match known.contains(name) {
        true => Ok(()),
        false => Err(failure::unknown(
            "service, secret or data service",
            name,
            known,
        )),
    }
}

const COLUMNS: [Column; 4] = [Left(24), Left(10), Left(12), Left(12)];

fn cells(record: &AuditRecord) -> Vec<String> {
    let mut text = String::new();
    let mut say = |part: String| {
        if !part.is_empty() {
            text.push_str(if text.is_empty() { " " } else { "  " });
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
    if record.outcome == AuditResult::Refused {
        say(format!("refused: {}", record.reason));
    }
    vec![
        rfc3339(record.at),
        record.who.to_string(),
        record.what.to_string(),
        record.subject.clone(),
        text,
    ]
}
