//! Verbs that show what is on AWS, in near's words and shapes.

use std::process::ExitCode;

use neargate_core::duration;
use neargate_core::release_report::ReleaseRecord;
use neargate_core::time::Timestamp;
use neargate_far::driver::aws::LogEvent;
use neargate_far::driver::environment::{Driver, PACE, now};
use neargate_far::driver::error::DriverError;
use neargate_far::driver::figures::LONGEST;
use neargate_far::driver::preflight::FindingState;
use neargate_near::api::wire::AlarmRecord;
use neargate_near::logs::{LogLine, OutputStream};

use super::account;
use crate::arguments::{GlobalFlags, Logs, MetricsArguments, Verb};
use crate::failure::Failure;
use crate::output;
use crate::verbs::{alarms, logs, metrics, releases, status};

type ShowResult = Result<Result<ExitCode, Failure>, DriverError>;

const DONE: Result<ExitCode, Failure> = Ok(ExitCode::SUCCESS);

/// Runs a verb that only shows something.
pub(super) async fn run(driver: &Driver, flags: &GlobalFlags, verb: &Verb) -> ShowResult {
    match verb {
        Verb::Status { watch } => show_status(driver, flags, *watch).await,
        Verb::Releases { what } => show_releases(driver, flags, what).await,
        Verb::Alarms => show_alarms(driver, flags).await,
        Verb::Metrics(options) => show_metrics(driver, flags, options).await,
        Verb::Logs(options) => show_logs(driver, flags, options).await,
        Verb::Verify => verify(driver, flags).await,
        Verb::Drift { service } => drift(driver, flags, service.as_deref()).await,
        _ => Err(DriverError::Usage("this verb has no far side".to_owned())),
    }
}

async fn show_status(driver: &Driver, flags: &GlobalFlags, watch: bool) -> ShowResult {
    loop {
        let found = driver.status().await?;
        status::show(flags, watch, &found);
        if !watch {
            return Ok(DONE);
        }
        tokio::select! {
            () = tokio::time::sleep(PACE) => {}
            _ = tokio::signal::ctrl_c() => return Ok(DONE),
        }
    }
}

async fn show_releases(driver: &Driver, flags: &GlobalFlags, what: &[String]) -> ShowResult {
    let names: Vec<String> = match what {
        [service] => vec![service.clone()],
        _ => driver.released_names(),
    };
    let mut all = Vec::new();
    for name in &names {
        all.extend(driver.releases(name).await?);
    }
    all.sort_by_key(|release: &ReleaseRecord| release.started_at);
    Ok(releases::show(flags, what, &all))
}

async fn show_alarms(driver: &Driver, flags: &GlobalFlags) -> ShowResult {
    let mut records = Vec::new();
    for (name, standing) in driver.alarms().await? {
        match standing {
            Some(standing) => records.push(AlarmRecord { name, standing }),
            None => output::note(&format!("CloudWatch has no alarm of `{name}`")),
        }
    }
    alarms::show(flags, &records);
    Ok(DONE)
}

async fn show_metrics(
    driver: &Driver,
    flags: &GlobalFlags,
    options: &MetricsArguments,
) -> ShowResult {
    let stretch = match metrics::stretch(options, LONGEST) {
        Ok(stretch) => stretch,
        Err(failure) => return Ok(Err(failure)),
    };
    let table = driver.figures(options.service.as_deref(), stretch).await?;
    metrics::show(flags, &table);
    Ok(DONE)
}

async fn show_logs(driver: &Driver, flags: &GlobalFlags, options: &Logs) -> ShowResult {
    let ago = |text: &Option<String>| match text.as_deref().map(duration::parse).transpose() {
        Ok(duration) => Ok(duration.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))),
        Err(error) => Err(DriverError::Usage(error.to_string())),
    };
    let back = |ago: u64| Timestamp(now().0.saturating_sub(ago));
    let until = ago(&options.until)?.map(back);
    let mut from = ago(&options.since)?.map_or(Timestamp(0), back);
    let names = match options.services.as_slice() {
        [] => driver.service_names(),
        named => named.to_vec(),
    };
    let mut told = std::collections::BTreeSet::new();
    let mut first = true;
    let mut printer = logs::LinePrinter::new(flags.json);
    loop {
        let mut lines = Vec::new();
        for name in &names {
            lines.extend(driver.logs(name, from).await?);
        }
        lines.retain(|line| wanted(line, options, until) && !told.contains(&line.id));
        lines.sort_by_key(|line| line.at);
        if let (true, Some(tail)) = (first, options.tail) {
            lines.drain(..lines.len().saturating_sub(tail));
        }
        first = false;
        for line in lines {
            from = from.max(line.at);
            told.insert(line.id.clone());
            printer.print(&near_line(line));
        }
        printer.flush();
        if !options.follow {
            return Ok(DONE);
        }
        tokio::time::sleep(PACE).await;
    }
}

fn wanted(line: &LogEvent, options: &Logs, until: Option<Timestamp>) -> bool {
    let task = line.stream.rsplit('/').next().unwrap_or_default();
    until.is_none_or(|until| line.at <= until)
        && options.task.as_deref().is_none_or(|wanted| wanted == task)
        && options
            .grep
            .as_deref()
            .is_none_or(|text| line.text.contains(text))
}

/// CloudWatch tells neither the stream nor the revision of a line.
fn near_line(line: LogEvent) -> LogLine {
    let task = line
        .stream
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    LogLine {
        at: line.at,
        stream: OutputStream::Out,
        revision: 0,
        task,
        continues: false,
        bytes: line.text.into_bytes(),
    }
}

async fn verify(driver: &Driver, flags: &GlobalFlags) -> ShowResult {
    let mut findings = driver.verify().await?;
    findings.extend(account::findings(driver));
    if flags.json {
        output::json(&findings);
    } else {
        for it in &findings {
            let word = match it.is {
                FindingState::Ok => "ok",
                FindingState::Missing => "missing",
                FindingState::Unknown => "unknown",
            };
            let (word, service) = (output::state(word), &it.service);
            output::line(&format!(
                "{word:<8} {service:<12} {:<24} {}",
                it.what, it.words
            ));
        }
    }
    let missing = findings
        .iter()
        .filter(|it| it.is == FindingState::Missing)
        .count();
    Ok(match missing {
        0 => DONE,
        some => Err(Failure::Environment(format!(
            "{some} of {} are missing",
            findings.len()
        ))),
    })
}

async fn drift(driver: &Driver, flags: &GlobalFlags, service: Option<&str>) -> ShowResult {
    let names = match service {
        Some(name) => vec![name.to_owned()],
        None => driver.released_names(),
    };
    let mut found = std::collections::BTreeMap::new();
    for name in names {
        let lines = driver.drift(&name).await?;
        if !flags.json {
            lines
                .iter()
                .for_each(|line| output::line(&output::about(&name, line)));
        }
        found.insert(name, lines);
    }
    if flags.json {
        output::json(&found);
    }
    let count: usize = found.values().map(Vec::len).sum();
    Ok(match count {
        0 => DONE,
        1 => Err(Failure::Failed(
            "1 difference from what was released".to_owned(),
        )),
        some => Err(Failure::Failed(format!(
            "{some} differences from what was released"
        ))),
    })
}
