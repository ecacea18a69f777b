//! `neargate metrics`: requests, errors, latency and use of the last while.
//!
//! Invariant: what is not known is `-`, in JSON null.

use std::process::ExitCode;
use std::time::Duration;

use neargate_core::duration;
use neargate_core::metrics::report::{MetricsReport, ServiceMetrics};

use crate::arguments::{GlobalFlags, MetricsArguments};
use crate::failure::Failure;
use crate::table::Column::{Left, Right};
use crate::table::{self, Column};
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

const COLUMNS: [Column; 10] = [
    Left(22),
    Right(5),
    Right(8),
    Right(7),
    Right(8),
    Right(8),
    Right(8),
    Right(8),
    Right(6),
    Right(6),
];

fn show(flags: &GlobalFlags, report: &MetricsReport) {
    if flags.json {
        output::json(report);
        return;
    }
    if report.rows.is_empty() {
        output::note("nothing runs, and nothing was counted");
        return;
    }
    let title = [
        "service", "tasks", "req/s", "errors", "success", "p50", "p95", "p99", "cpu", "memory",
    ];
    let title = title.map(str::to_owned).to_vec();
    let rows = report.rows.iter().map(cells);
    table::print(&COLUMNS, std::iter::once(title).chain(rows));
    let seconds = Duration::from_secs(report.seconds);
    output::note(&format!("of the last {}", duration::rounded(seconds)));
}

fn cells(row: &ServiceMetrics) -> Vec<String> {
    let name = match (row.revision, &row.target_group) {
        (Some(revision), _) => format!("  revision {revision}"),
        (None, Some(group)) => format!("  {group}"),
        (None, None) => row.service.clone(),
    };
    let unit = |value: Option<f64>, places: usize, unit: &str| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.places$}{unit}"))
    };
    let tasks = row.tasks.map_or("-".to_owned(), |count| count.to_string());
    vec![
        name,
        tasks,
        unit(row.rate, 1, ""),
        unit(row.errors, 0, ""),
        unit(row.success_rate, 2, "%"),
        unit(row.p50, 0, "ms"),
        unit(row.p95, 0, "ms"),
        unit(row.p99, 0, "ms"),
        unit(row.cpu, 0, "%"),
        unit(row.memory, 0, "%"),
    ]
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
        assert_eq!(
            cells(&silent),
            ["worker", "2", "-", "-", "-", "-", "-", "-", "-", "31%"]
        );
    }
}
