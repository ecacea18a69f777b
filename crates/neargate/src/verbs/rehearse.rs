//! `neargate rehearse`: a release with a fault, in simulated time.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use neargate_core::duration;
use neargate_core::manifest;
use neargate_core::model::{DeploymentTarget, Manifest, Workload};
use neargate_core::rehearse::{
    FaultAdvice, Rehearsal, RehearsalOutcome, RehearsalSettings, RehearseError, RequestTally,
    TimingModel, advise, rehearse,
};

use crate::arguments::{GlobalFlags, RehearsalTarget, RehearseArguments};
use crate::failure::{self, Failure};
use crate::table::Column::{Left, Right};
use crate::table::{self, Column};
use crate::{output, project};

/// Rehearses one fault or all; 1 when the manifest would not catch one.
pub(crate) fn run(flags: &GlobalFlags, asked: &RehearseArguments) -> Result<ExitCode, Failure> {
    let source = project::source(&project::find(flags)?)?;
    let load = |more: &[String]| {
        let settings: Vec<String> = flags.overrides.iter().chain(more).cloned().collect();
        manifest::load(&source, flags.env(), &settings)
    };
    let manifest = load(&[])
        .map_err(|diagnostics| Failure::Manifest(Box::new(diagnostics)))?
        .manifest;
    let question = RehearsalSettings {
        service: subject(&manifest, asked.service.as_deref())?,
        fault: asked.fault,
        on: place(asked.on, &manifest),
        rate: asked.traffic,
        seed: asked.seed,
    };
    if asked.all {
        let table = advise(&manifest, &question, |more| {
            load(more).ok().map(|loaded| loaded.manifest)
        });
        return show_table(flags, &question, &table.map_err(|error| usage(&error))?);
    }
    let found = rehearse(&manifest, &question).map_err(|error| usage(&error))?;
    if flags.json {
        output::json(&found);
    } else {
        show(&question, &found);
    }
    Ok(exit(found.caught))
}

fn usage(error: &RehearseError) -> Failure {
    Failure::Usage(error.to_string())
}

fn exit(caught: bool) -> ExitCode {
    ExitCode::from(u8::from(!caught))
}

/// The service that is meant: the only one that has tasks, when none is named.
fn subject(manifest: &Manifest, named: Option<&str>) -> Result<String, Failure> {
    if let Some(name) = named {
        if !manifest.services.contains_key(name) {
            return Err(failure::unknown("service", name, manifest.services.keys()));
        }
        return Ok(name.to_owned());
    }
    let mut with_tasks = manifest
        .services
        .values()
        .filter(|service| !matches!(service.runs, Workload::Static(_)));
    match (with_tasks.next(), with_tasks.next()) {
        (Some(only), None) => Ok(only.name.clone()),
        _ => Err(Failure::Usage("say which service to rehearse".to_owned())),
    }
}

fn show(question: &RehearsalSettings, found: &Rehearsal) {
    output::line(&format!(
        "A release of {} that {}, {}, at {} requests/s (seed {})\n",
        found.service,
        question.fault.describe(),
        found.on.name(),
        found.rate,
        found.seed
    ));
    for told in &found.timeline {
        output::line(&format!("{:>10}  {}", seconds(told.at), told.text));
    }
    output::line("");
    let noticed = match (&found.noticed_by, found.noticed_at) {
        (Some(by), Some(at)) => {
            let since = found.met_at.filter(|met| *met <= at);
            let after = since.map_or(String::new(), |met| {
                format!(", {} after the first request met it", seconds(at - met))
            });
            format!("by {by} at {}{after}", seconds(at))
        }
        _ => "by nobody".to_owned(),
    };
    for (title, text) in [
        (
            "outcome",
            format!("{}: {}", ending(found.ending), found.reason),
        ),
        ("noticed", noticed),
        ("requests", requests(found)),
        ("in the end", in_the_end(found)),
    ] {
        output::line(&format!("{title:>10}  {text}"));
    }
    for fired in &found.alarms {
        let at = seconds(fired.at);
        output::line(&format!(
            "     alarm  {} at {at}: {}",
            fired.alarm, fired.reason
        ));
    }
    for assumed in &found.assumptions {
        output::note(&format!("assumed: {assumed}"));
    }
    if !found.caught {
        output::error(
            "this manifest does not catch it",
            Some("see what would: neargate rehearse --all"),
        );
    }
}

fn requests(found: &Rehearsal) -> String {
    let (new, stable) = (found.new, found.stable);
    let all = new.requests + stable.requests;
    let mut text = format!("{all}, {} to the new version", new.requests);
    for (tally, whose) in [(new, "of the new version"), (stable, "of the stable one")] {
        let RequestTally { failed, slowed, .. } = tally;
        if failed > 0 {
            let _ = write!(text, "; {failed} failed {whose} ({})", share(failed, all));
        }
        if slowed > 0 {
            let _ = write!(text, "; {slowed} slowed {whose} ({})", share(slowed, all));
        }
    }
    if new.failed + new.slowed + stable.failed + stable.slowed == 0 {
        text.push_str("; none met the fault");
    }
    text
}

fn share(part: u64, all: u64) -> String {
    format!("{:.2} %", part as f64 / all.max(1) as f64 * 100.0)
}

fn in_the_end(found: &Rehearsal) -> String {
    let serves = if found.new_serves { "new" } else { "stable" };
    let (healthy, desired) = found.healthy;
    let mut text = format!("the {serves} version serves, {healthy} of {desired} tasks healthy");
    if found.met_per_minute_after > 0 {
        let minute = found.met_per_minute_after;
        let _ = write!(text, "; {minute} requests a minute go on meeting the fault");
    }
    text
}

fn ending(ending: RehearsalOutcome) -> String {
    output::state(ending.name())
}

fn seconds(millis: u64) -> String {
    if millis < 60_000 {
        format!("{:.1} s", millis as f64 / 1000.0)
    } else {
        duration::format(Duration::from_secs(millis / 1000))
    }
}

fn show_table(
    flags: &GlobalFlags,
    question: &RehearsalSettings,
    advices: &[FaultAdvice],
) -> Result<ExitCode, Failure> {
    let missed = advices
        .iter()
        .any(|row| row.not_here.is_none() && !row.rehearsal.caught);
    if flags.json {
        output::json(&advices);
        return Ok(exit(!missed));
    }
    output::line(&format!(
        "Releases of {} with a fault, {}, at {} requests/s\n",
        question.service,
        question.on.name(),
        question.rate
    ));
    let title = [
        "fault",
        "outcome",
        "noticed by",
        "after",
        "  requests met it",
    ];
    let title = title.map(str::to_owned).to_vec();
    table::print(
        &COLUMNS,
        std::iter::once(title).chain(advices.iter().map(cells)),
    );
    for row in advices
        .iter()
        .filter(|row| row.not_here.is_none() && !row.rehearsal.caught)
    {
        advice(row);
    }
    Ok(exit(!missed))
}

const COLUMNS: [Column; 5] = [Left(20), Left(12), Left(28), Right(9), Left(23)];

fn cells(row: &FaultAdvice) -> Vec<String> {
    let found = &row.rehearsal;
    if let Some(reason) = &row.not_here {
        return vec![found.fault.to_string(), "-".to_owned(), reason.clone()];
    }
    let by = found.noticed_by.as_ref().map(ToString::to_string);
    let after = found.noticed_at.map(|at| {
        let met = found.met_at.filter(|met| *met <= at).unwrap_or(0);
        seconds(at - met)
    });
    let mut met = (found.new.failed.max(found.new.slowed) + found.stable.failed).to_string();
    if found.met_per_minute_after > 0 {
        let _ = write!(met, " + {} a minute", found.met_per_minute_after);
    }
    let mark = if found.caught { "" } else { "<- not caught" };
    vec![
        found.fault.to_string(),
        found.ending.name().to_owned(),
        by.unwrap_or_else(|| "-".to_owned()),
        after.unwrap_or_else(|| "-".to_owned()),
        format!("  {met}"),
        mark.to_owned(),
    ]
}

fn advice(row: &FaultAdvice) {
    let found = &row.rehearsal;
    output::line("");
    output::line(&format!(
        "{}: a version that {} is not caught ({}).",
        found.fault, row.words, found.reason
    ));
    let Some(change) = &row.change else {
        output::line("  No single change that this command knows would catch it.");
        return;
    };
    let then = &change.then;
    let by = then.noticed_by.as_ref().map(ToString::to_string);
    output::line(&format!(
        "  With this it would be {}, noticed by {}:",
        then.ending.name(),
        by.unwrap_or_else(|| "nobody".to_owned())
    ));
    for setting in &change.settings {
        let (path, value) = setting.split_once('=').unwrap_or((setting, ""));
        output::line(&format!("    {path} = {value}"));
    }
}

/// As asked; otherwise where the environment runs.
fn place(asked: Option<RehearsalTarget>, manifest: &Manifest) -> TimingModel {
    match (asked, &manifest.target) {
        (Some(RehearsalTarget::Near), _) | (None, DeploymentTarget::Near) => TimingModel::Near,
        (Some(RehearsalTarget::Ecs), _) | (None, DeploymentTarget::Aws { .. }) => TimingModel::Ecs,
    }
}
