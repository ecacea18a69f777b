//! `neargate releases`: the history of releases, and the story of one.

use std::process::ExitCode;

use neargate_core::duration;
use neargate_core::ids::ReleaseId;
use neargate_core::machine::ReleaseKind;
use neargate_core::release_report::ReleaseRecord;
use neargate_core::status_words::OutcomeName;
use neargate_core::time::Timestamp;
use neargate_near::api::wire::Problem;
use neargate_near::clock::now;

use crate::arguments::GlobalFlags;
use crate::failure::Failure;
use crate::table::Column::{Left, Right};
use crate::table::{self, Column};
use crate::{environment, output};

/// Lists the releases of one service or of all, or shows the timeline of one.
pub(crate) async fn run(flags: &GlobalFlags, what: &[String]) -> Result<ExitCode, Failure> {
    let (service, id) = match what {
        [] => (None, None),
        [show] if show == "show" => {
            return Err(Failure::Usage(
                "name the release: neargate releases show ID".to_owned(),
            ));
        }
        [service] => (Some(service.as_str()), None),
        [show, id] if show == "show" => (None, Some(number(id)?)),
        _ => return Err(Failure::Usage("write SERVICE, or show ID".to_owned())),
    };
    if let Some(hint) = service.and_then(number_alone) {
        return Err(hint);
    }
    let mut releases = environment::open(flags)?.releases(service).await?;
    releases.sort_by_key(|release| (release.started_at, release.id));
    let Some(id) = id else {
        list(flags, &releases);
        return Ok(ExitCode::SUCCESS);
    };
    let Some(found) = releases.iter().find(|release| release.id == id) else {
        return Err(Failure::Usage(format!(
            "there is no release {id}; the last 50 of each service are kept: neargate releases"
        )));
    };
    show_one(flags, found);
    Ok(ExitCode::SUCCESS)
}

fn number(text: &str) -> Result<ReleaseId, Failure> {
    text.trim_start_matches('#').parse().map_err(|_| {
        Failure::Usage(format!(
            "`{text}` is not a release's number: neargate releases"
        ))
    })
}

/// A number is no service's name: a release is meant.
fn number_alone(service: &str) -> Option<Failure> {
    let id = number(service).ok()?;
    let problem = Problem::usage(format!("there is no service `{service}`"));
    let help = format!("a release is shown by: neargate releases show {id}");
    Some(Failure::Engine(problem.with_help(help)))
}

const COLUMNS: [Column; 7] = [
    Right(4),
    Left(12),
    Right(3),
    Left(6),
    Left(10),
    Left(12),
    Right(8),
];

fn list(flags: &GlobalFlags, releases: &[ReleaseRecord]) {
    if flags.json {
        output::json(&releases);
        return;
    }
    let row = |release: &ReleaseRecord| {
        let (ago, reason) = (ago(release.started_at), first_line(&release.reason));
        vec![
            release.id.to_string(),
            release.service.clone(),
            release.from.to_string(),
            format!("-> {}", release.to),
            way(release).to_owned(),
            output::state(release.outcome.as_str()),
            took(release),
            format!("{ago}{reason}"),
        ]
    };
    table::print(&COLUMNS, releases.iter().map(row));
    if releases.is_empty() {
        output::note("there is no release yet");
    }
}

fn first_line(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    format!(": {line}")
}

fn way(release: &ReleaseRecord) -> &str {
    match release.kind {
        ReleaseKind::Deploy => release.strategy.as_str(),
        ReleaseKind::Rollback => "rollback",
    }
}

fn took(release: &ReleaseRecord) -> String {
    release.ended_at.map_or_else(String::new, |end| {
        duration::rounded(end.since(release.started_at))
    })
}

fn ago(at: Timestamp) -> String {
    format!("{} ago", duration::rounded(now().since(at)))
}

fn show_one(flags: &GlobalFlags, release: &ReleaseRecord) {
    if flags.json {
        output::json(release);
        return;
    }
    output::line(&format!(
        "release {} of {}: revision {} to {} ({}), {}",
        release.id,
        release.service,
        release.from,
        release.to,
        way(release),
        output::state(release.outcome.as_str())
    ));
    let by = if release.user.is_empty() {
        "somebody"
    } else {
        &release.user
    };
    let git = release.git.as_ref().map(|git| format!(", git {git}"));
    let sets: String = release
        .overrides
        .iter()
        .map(|set| format!(", --set {set}"))
        .collect();
    output::line(&format!(
        "by {by}{}{sets}, {}",
        git.unwrap_or_default(),
        ago(release.started_at)
    ));
    output::line("");
    for moment in &release.story {
        let seconds = moment.at.since(release.started_at).as_secs_f64();
        output::line(&format!("{seconds:>9.1} s  {}", moment.text));
    }
    if release.outcome == OutcomeName::InProgress {
        output::line(&format!("            {}", release.reason));
    }
    if !release.evidence.is_empty() {
        output::line("\nevidence:");
        release
            .evidence
            .iter()
            .for_each(|line| output::line(&format!("  | {line}")));
    }
}
