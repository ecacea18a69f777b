//! What an alarm watches and when it breaches.
//!
//! Invariant: an [`AlarmDefinition`] is one that can be evaluated. Refuses periods other than 1 s, 5 s
//! (near only), 10 s, 20 s, 30 s and whole minutes; M of N other than 1 ≤ M ≤ N; more than a day
//! of data points (a week for periods of an hour and more); and expressions that are not one
//! time series or need more than [`MOST_METRICS`] metrics.

use std::time::Duration;

use super::composite::CompositeAlarm;
use super::rule::{AlarmRule, RuleError};
use crate::metrics::math::{Expression, ExpressionKind, MathError};
use crate::metrics::{RetentionLimits, Statistic, StatisticError, names};
use crate::model::{Alarm, Comparison, TreatMissingData};
use crate::time::Timestamp;

/// Most metrics in one expression.
pub const MOST_METRICS: usize = 10;
/// How long after the end of a period its samples are taken to be complete.
pub const SETTLE: Duration = Duration::from_millis(1500);

/// An alarm as it is evaluated, checked against CloudWatch's limits.
#[derive(Debug, Clone, PartialEq)]
pub enum AlarmDefinition {
    /// Watches a metric or an expression.
    Metric(Box<MetricAlarm>),
    /// Watches other alarms.
    Composite(CompositeAlarm),
}

/// An alarm on a metric or an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricAlarm {
    pub name: String,
    /// Whose metric; `None`: of all services.
    pub service: Option<String>,
    /// Source of the data points.
    pub watch: DatapointSource,
    /// Comparison and threshold; the data point is the left operand.
    pub breach: Comparison,
    /// Length of one data point.
    pub period: Duration,
    /// M: breaching data points that make an alarm.
    pub datapoints: u32,
    /// N: most recent data points that are looked at.
    pub periods: u32,
    /// Meaning of a missing data point.
    pub missing: TreatMissingData,
    /// Meaning of a percentile of few samples.
    pub low_samples: LowSamples,
    /// A data point of fewer samples is missing (0: none is).
    pub minimum_samples: u64,
}

/// Where data points come from.
#[derive(Debug, Clone, PartialEq)]
pub enum DatapointSource {
    /// A statistic of a metric.
    Metric {
        /// The metric's name.
        metric: String,
        statistic: Statistic,
    },
    /// Metric math; ids are names of metrics.
    Expression {
        /// The expression, one time series.
        expression: Expression,
        /// The statistic of every metric in it; `None`: each its own natural one.
        statistic: Option<Statistic>,
    },
}

/// CloudWatch's setting `EvaluateLowSampleCountPercentile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LowSamples {
    /// A percentile of few samples is judged like any other.
    #[default]
    Evaluate,
    /// The state is kept while a data point that would be judged has too few samples.
    Ignore,
}

/// Why an alarm cannot be evaluated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DefinitionError {
    /// Not exactly one of metric, expression and rule.
    #[error("alarm `{0}` needs one of metric, expression or rule")]
    Watch(String),
    /// No threshold, or one that is no number.
    #[error("alarm `{0}` has no threshold")]
    Threshold(String),
    /// A period that CloudWatch and near do not have.
    #[error("alarm `{0}` needs a period of 1s, 5s, 10s, 20s, 30s or whole minutes")]
    Period(String),
    /// M of N.
    #[error("alarm `{0}` needs data points `M/N` with 1 ≤ M ≤ N")]
    Datapoints(String),
    /// More than a day or a week.
    #[error("alarm `{0}` looks at more than a day (a week for periods of an hour or more)")]
    TooLong(String),
    /// The statistic cannot be parsed.
    #[error("alarm `{0}` has a wrong statistic")]
    Statistic(String, #[source] StatisticError),
    /// The metric math cannot be parsed.
    #[error("alarm `{0}` has a wrong expression")]
    Expression(String, #[source] MathError),
    /// A number or several series.
    #[error("the expression of alarm `{0}` gives {1}, not one time series")]
    NotASeries(String, ExpressionKind),
    /// Too many metrics.
    #[error("the expression of alarm `{0}` has more than 10 metrics")]
    TooManyMetrics(String),
    /// The rule of a composite alarm cannot be parsed.
    #[error("alarm `{0}` has a wrong rule")]
    Rule(String, #[source] RuleError),
}

impl AlarmDefinition {
    /// The definition that a manifest gives.
    ///
    /// # Errors
    /// [`DefinitionError`] when it cannot be evaluated.
    pub fn from_manifest(alarm: &Alarm) -> Result<Self, DefinitionError> {
        let name = || alarm.name.clone();
        let watch = match (&alarm.metric, &alarm.expression, &alarm.rule) {
            (Some(metric), None, None) => DatapointSource::Metric {
                metric: metric.clone(),
                statistic: statistic(alarm)?.unwrap_or_else(|| names::natural(metric)),
            },
            (None, Some(expression), None) => DatapointSource::Expression {
                expression: watched(alarm, expression)?,
                statistic: statistic(alarm)?,
            },
            (None, None, Some(rule)) => {
                let rule: AlarmRule = rule.parse().map_err(|e| DefinitionError::Rule(name(), e))?;
                return Ok(Self::Composite(CompositeAlarm { name: name(), rule }));
            }
            _ => return Err(DefinitionError::Watch(name())),
        };
        let (datapoints, periods) = alarm.datapoints;
        let metric = MetricAlarm {
            name: name(),
            service: alarm.service.clone(),
            watch,
            breach: alarm
                .breach
                .ok_or_else(|| DefinitionError::Threshold(name()))?,
            period: alarm.period,
            datapoints,
            periods,
            missing: alarm.missing,
            low_samples: LowSamples::default(),
            minimum_samples: u64::from(alarm.minimum_samples),
        };
        metric.check()?;
        Ok(Self::Metric(Box::new(metric)))
    }

    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Metric(alarm) => &alarm.name,
            Self::Composite(alarm) => &alarm.name,
        }
    }
}

fn statistic(alarm: &Alarm) -> Result<Option<Statistic>, DefinitionError> {
    let parse = |text: &String| text.parse();
    let parsed = alarm.statistic.as_ref().map(parse).transpose();
    parsed.map_err(|e| DefinitionError::Statistic(alarm.name.clone(), e))
}

fn watched(alarm: &Alarm, text: &str) -> Result<Expression, DefinitionError> {
    let name = || alarm.name.clone();
    let parsed: Result<Expression, _> = text.parse();
    let expression = parsed.map_err(|e| DefinitionError::Expression(name(), e))?;
    if expression.kind() != ExpressionKind::Series {
        return Err(DefinitionError::NotASeries(name(), expression.kind()));
    }
    if expression.ids().len() > MOST_METRICS {
        return Err(DefinitionError::TooManyMetrics(name()));
    }
    Ok(expression)
}

impl MetricAlarm {
    fn check(&self) -> Result<(), DefinitionError> {
        let name = || self.name.clone();
        let seconds = self.period.as_secs();
        let known = [1, 5, 10, 20, 30].contains(&seconds) || seconds.is_multiple_of(60);
        if !known || seconds == 0 || self.period.subsec_nanos() != 0 {
            return Err(DefinitionError::Period(name()));
        }
        if self.datapoints == 0 || self.datapoints > self.periods {
            return Err(DefinitionError::Datapoints(name()));
        }
        let most = if seconds < 3600 { 86_400 } else { 604_800 };
        if seconds.saturating_mul(u64::from(self.periods)) > most {
            return Err(DefinitionError::TooLong(name()));
        }
        if !threshold(self.breach).is_finite() {
            return Err(DefinitionError::Threshold(name()));
        }
        Ok(())
    }

    /// Periods that are fetched: more than N, so that late points can still be used.
    #[must_use]
    pub fn range(&self) -> usize {
        self.periods as usize + (self.periods as usize / 3).max(2)
    }

    /// Whether CloudWatch would not take its period.
    #[must_use]
    pub fn near_only(&self) -> bool {
        self.period < Duration::from_secs(10)
    }

    /// Gap between two evaluations: a minute; 10 s for high resolution; a second near only.
    #[must_use]
    pub fn cadence(&self) -> Duration {
        Duration::from_secs(match self.period.as_secs() {
            ..10 => 1,
            10..60 => 10,
            _ => 60,
        })
    }

    /// End of the newest data point that is complete at `now`.
    #[must_use]
    pub fn window_end(&self, now: Timestamp) -> Timestamp {
        let step = self.cadence().as_millis() as u64;
        Timestamp(now.0.saturating_sub(SETTLE.as_millis() as u64) / step * step)
    }

    /// When there is something new to evaluate, after `now`.
    #[must_use]
    pub fn next_evaluation(&self, now: Timestamp) -> Timestamp {
        if now.0 < SETTLE.as_millis() as u64 {
            return Timestamp(0).after(SETTLE);
        }
        self.window_end(now).after(self.cadence()).after(SETTLE)
    }

    /// The longest it takes to notice, when every sample breaches from one moment on.
    #[must_use]
    pub fn notices_within(&self) -> Duration {
        self.period * self.datapoints + self.cadence() + SETTLE
    }

    /// Limits that keep enough samples for this alarm.
    #[must_use]
    pub fn limits(&self, limits: RetentionLimits) -> RetentionLimits {
        limits.covering(self.period, self.range() as u64)
    }
}

/// The threshold of a comparison.
pub(super) fn threshold(breach: Comparison) -> f64 {
    match breach {
        Comparison::Below(t)
        | Comparison::AtMost(t)
        | Comparison::Above(t)
        | Comparison::AtLeast(t) => t,
    }
}

/// Whether a value breaches.
pub(super) fn breaches(breach: Comparison, value: f64) -> bool {
    match breach {
        Comparison::Below(threshold) => value < threshold,
        Comparison::AtMost(threshold) => value <= threshold,
        Comparison::Above(threshold) => value > threshold,
        Comparison::AtLeast(threshold) => value >= threshold,
    }
}
