//! The data points of an alarm, from the metrics.
//!
//! Invariant: as many slots as the alarm's evaluation range, oldest first, the last one ending at
//! the newest period that is complete.

use std::collections::BTreeMap;

use super::definition::{DatapointSource, MetricAlarm};
use crate::metrics::math::{ExpressionInputs, ExpressionValue};
use crate::metrics::{Dimensions, MetricsStore, Statistic, Window, names};
use crate::time::Timestamp;

/// One period of an alarm, with its data point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistorySlot {
    /// Start of the period.
    pub at: Timestamp,
    /// The data point; `None`: missing.
    pub value: Option<f64>,
    /// Samples that it was made of (of an expression: the most that one of its metrics has).
    pub samples: u64,
}

/// The evaluation range of an alarm at `now`. `of` says whose samples count, for example those of
/// one revision; [`Dimensions::service`] of the alarm's own service is the usual choice.
#[must_use]
pub fn history(
    alarm: &MetricAlarm,
    metrics: &MetricsStore,
    of: &Dimensions,
    now: Timestamp,
) -> Vec<HistorySlot> {
    history_until(alarm, metrics, of, alarm.window_end(now))
}

/// The evaluation range of an alarm whose last period ends at `end`, which must be a multiple of
/// the resolution that its period is kept in.
#[must_use]
pub fn history_until(
    alarm: &MetricAlarm,
    metrics: &MetricsStore,
    of: &Dimensions,
    end: Timestamp,
) -> Vec<HistorySlot> {
    let count = alarm.range();
    let windows = |metric: &str| metrics.windows(metric, of, alarm.period, end, count);
    let (values, samples) = match &alarm.watch {
        DatapointSource::Metric { metric, statistic } => {
            let windows = windows(metric);
            let counts = windows.iter().map(Window::count).collect();
            (taken(&windows, *statistic), counts)
        }
        DatapointSource::Expression {
            expression,
            statistic,
        } => {
            let mut ids = expression.ids();
            if expression.asks_for_all() {
                let all = metrics.names(of).into_iter();
                ids.extend(all.filter(|name| *name != names::KEPT));
            }
            let mut counts = vec![0; count];
            let mut series = BTreeMap::new();
            for id in ids {
                let windows = windows(id);
                for (most, window) in counts.iter_mut().zip(&windows) {
                    *most = window.count().max(*most);
                }
                let statistic = statistic.unwrap_or_else(|| names::natural(id));
                series.insert(id.to_owned(), taken(&windows, statistic));
            }
            let inputs = ExpressionInputs {
                start: start(alarm, end, count),
                period: alarm.period,
                length: count,
                series,
            };
            (points(expression.evaluate(&inputs), count), counts)
        }
    };
    let slots = values.into_iter().zip(samples).enumerate();
    slots
        .map(|(i, (value, samples))| HistorySlot {
            at: start(alarm, end, count - i),
            value,
            samples,
        })
        .collect()
}

/// Start of the period that is so many periods before the end.
fn start(alarm: &MetricAlarm, end: Timestamp, periods: usize) -> Timestamp {
    let period = alarm.period.as_millis() as u64;
    Timestamp(end.0.saturating_sub(period.saturating_mul(periods as u64)))
}

fn taken(windows: &[Window], statistic: Statistic) -> Vec<Option<f64>> {
    windows.iter().map(|window| statistic.of(window)).collect()
}

fn points(value: ExpressionValue, count: usize) -> Vec<Option<f64>> {
    match value {
        ExpressionValue::Series(points) => points,
        // A definition holds an expression that gives one series.
        ExpressionValue::Scalar(_) | ExpressionValue::Array(_) => vec![None; count],
    }
}
