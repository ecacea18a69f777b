//! `neargate releases`: the history of releases, and the story of one.

use std::process::ExitCode;

use neargate_core::duration;
use neargate_core::ids::ReleaseId;
use neargate_core::machine::ReleaseKind;
use neargate_core::release_report::ReleaseRecord;
use neargate_core::status_words::OutcomeName;
use neargate_core::time::Timestamp;
use neargate_near::api::wire::Problem;

use crate::arguments::GlobalFlags;
use crate::client::EngineClient;
use crate::failure::Failure;
use crate::{output, project};

/// Lists the releases of one service or of all, or tells the story of one.
pub(crate) async fn run(flags: &GlobalFlags, what: &[String]) -> Result<ExitCode, Failure> {
    let client = EngineClient::connect(&project::state(flags)?).await?;
    if let [service] = what {
        if let Some(hint) = number_alone(service) {
            return Err(hint);
        }
        client.known_service(service).await?;
    }
    let found = match what {
        [service] => of(&client, service).await?,
        _ => all(&client).await?,
    };
    show(flags, what, &found)
}

/// A number is no service's name: a release is meant.
fn number_alone(what: &str) -> Option<Failure> {
    let id: ReleaseId = what.trim_start_matches('#').parse().ok()?;
    let problem = Problem::usage(format!("there is no service `{what}`"));
    let help = format!("a release is shown by: neargate releases show {id}");
    Some(Failure::Engine(problem.with_help(help)))
}

/// Lists releases, or tells the story of one of them.
pub(crate) fn show(
    flags: &GlobalFlags,
    what: &[String],
    all: &[ReleaseRecord],
) -> Result<ExitCode, Failure> {
    match what {
        [show, id] if show == "show" => {
            let id = id
                .trim_start_matches('#')
                .parse::<ReleaseId>()
                .map_err(|_| {
                    Failure::Usage(format!(
                        "`{id}` is not a release's number: neargate releases"
                    ))
                })?;
            let Some(found) = all.iter().find(|release| release.id == id) else {
                return Err(Failure::Usage(format!(
                    "there is no release {id}; the last 50 of each service are kept: neargate releases"
                )));
            };
            show_one(flags, found);
        }
        [] | [_] => list(flags, all),
        _ => return Err(Failure::Usage("write SERVICE, or show ID".to_owned())),
    }
    Ok(ExitCode::SUCCESS)
}

async fn of(client: &EngineClient, service: &str) -> Result<Vec<ReleaseRecord>, Failure> {
    client
        .get(&format!("/v1/services/{service}/releases"))
        .await
}

async fn all(client: &EngineClient) -> Result<Vec<ReleaseRecord>, Failure> {
    let mut all = Vec::new();
    for service in client.status().await?.services {
        all.extend(of(client, &service.name).await?);
    }
    all.sort_by_key(|release| release.id);
    Ok(all)
}

fn list(flags: &GlobalFlags, releases: &[ReleaseRecord]) {
    if flags.json {
        output::json(&releases);
        return;
    }
    for release in releases {
        output::line(&format!(
            "{:>4} {:<12} {:>3} -> {:<3} {:<10} {:<12} {:>8} {}{}",
            release.id,
            release.service,
            release.from,
            release.to,
            way(release),
            output::state(release.outcome.as_str()),
            took(release),
            ago(release.started_at),
            first_line(&release.reason)
        ));
    }
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

fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
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
