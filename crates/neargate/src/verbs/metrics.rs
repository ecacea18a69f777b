//! `neargate metrics`: requests, errors, latency and use of the last while.
//!
//! Invariant: what is not known is `-`, in JSON null.

use std::process::ExitCode;
use std::time::Duration;

use neargate_core::duration;
use neargate_core::metrics::report::{MetricsReport, ServiceMetrics};

use crate::arguments::{GlobalFlags, MetricsArguments};
use crate::failure::Failure;
use crate::{environment, output};

/// Shows the metrics of the period that is asked for.
pub(crate) async fn run(
    flags: &GlobalFlags,
    options: &MetricsArguments,
) -> Result<ExitCode, Failure> {
    let environment = environment::open(flags)?;
    let period = period(options, environment.metrics_retention())?;
    let metrics = environment
        .metrics(options.service.as_deref(), period)
        .await?;
    show(flags, &metrics);
    Ok(ExitCode::SUCCESS)
}

/// The period that is asked for: at least a second, not beyond what is kept.
fn period(options: &MetricsArguments, longest: Duration) -> Result<Duration, Failure> {
    let asked =
        duration::parse(&options.since).map_err(|error| Failure::Usage(error.to_string()))?;
    if asked < Duration::from_secs(1) || asked > longest {
        return Err(Failure::Usage(format!(
            "--since is 1s to {}",
            duration::rounded(longest)
        )));
    }
    Ok(asked)
}

fn show(flags: &GlobalFlags, table: &MetricsReport) {
    if flags.json {
        output::json(table);
        return;
    }
    if table.rows.is_empty() {
        output::note("nothing runs, and nothing was counted");
        return;
    }
    output::line(&format!(
        "{:<22} {:>5} {:>8} {:>7} {:>8} {:>8} {:>8} {:>8} {:>6} {:>6}",
        "service", "tasks", "req/s", "errors", "success", "p50", "p95", "p99", "cpu", "memory"
    ));
    for row in &table.rows {
        output::line(&line(row));
    }
    let seconds = Duration::from_secs(table.seconds);
    output::note(&format!("of the last {}", duration::rounded(seconds)));
}

fn line(row: &ServiceMetrics) -> String {
    let name = match (row.revision, &row.target_group) {
        (Some(revision), _) => format!("  revision {revision}"),
        (None, Some(group)) => format!("  {group}"),
        (None, None) => row.service.clone(),
    };
    let unit = |value: Option<f64>, places: usize, unit: &str| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.places$}{unit}"))
    };
    let tasks = row.tasks.map_or("-".to_owned(), |count| count.to_string());
    format!(
        "{name:<22} {tasks:>5} {:>8} {:>7} {:>8} {:>8} {:>8} {:>8} {:>6} {:>6}",
        unit(row.rate, 1, ""),
        unit(row.errors, 0, ""),
        unit(row.success_rate, 2, "%"),
        unit(row.p50, 0, "ms"),
        unit(row.p95, 0, "ms"),
        unit(row.p99, 0, "ms"),
        unit(row.cpu, 0, "%"),
        unit(row.memory, 0, "%"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_dash() {
        let silent = ServiceMetrics {
            service: "worker".to_owned(),
            tasks: Some(2),
            memory: Some(31.4),
            ..ServiceMetrics::default()
        };
        let words: Vec<String> = line(&silent)
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        assert_eq!(
            words,
            ["worker", "2", "-", "-", "-", "-", "-", "-", "-", "31%"]
        );
    }
}
