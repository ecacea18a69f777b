//! What expressions are evaluated over, and what they give.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Timestamp;

/// One value per period, oldest first; `None`: no point.
pub type DataPoints = Vec<Option<f64>>;

/// The series that an expression is evaluated over.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExpressionInputs {
    /// Start of the first period.
    pub start: Timestamp,
    /// Length of a period.
    pub period: Duration,
    /// Number of periods.
    pub length: usize,
    /// By name; each has `length` slots (a shorter one is read as missing at its end).
    pub series: BTreeMap<String, DataPoints>,
}

/// Value of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpressionValue {
    /// One number; `None` when there was nothing to make it of.
    Scalar(Option<f64>),
    /// One time series.
    Series(DataPoints),
    /// Several time series.
    Array(Vec<DataPoints>),
}

impl ExpressionInputs {
    pub(super) fn points(&self, id: &str) -> DataPoints {
        let mut points = self.series.get(id).cloned().unwrap_or_default();
        points.resize(self.length, None);
        points
    }

    /// Start of a period, in seconds.
    pub(super) fn second(&self, slot: usize) -> u64 {
        let passed = self.period.as_secs().saturating_mul(slot as u64);
        (self.start.0 / 1000).saturating_add(passed)
    }
}

impl ExpressionValue {
    /// Every number through a function; what is not finite is dropped.
    pub(super) fn each(self, change: impl Fn(f64) -> f64 + Copy) -> Self {
        self.map(
            move |number| number.map(change).filter(|value| value.is_finite()),
            move |points| {
                let changed = points.into_iter().map(|point| point.map(change));
                changed
                    .map(|point| point.filter(|v| v.is_finite()))
                    .collect()
            },
        )
    }

    fn map(
        self,
        number: impl Fn(Option<f64>) -> Option<f64>,
        series: impl Fn(DataPoints) -> DataPoints,
    ) -> Self {
        match self {
            Self::Scalar(value) => Self::Scalar(number(value)),
            Self::Series(points) => Self::Series(series(points)),
            Self::Array(all) => Self::Array(all.into_iter().map(series).collect()),
        }
    }

    /// Every series through a function; numbers stay.
    pub(super) fn each_series(self, change: impl Fn(DataPoints) -> DataPoints) -> Self {
        self.map(|number| number, change)
    }

    /// The number, or nothing.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Scalar(number) => *number,
            Self::Series(_) | Self::Array(_) => None,
        }
    }

    /// All series in it.
    pub(super) fn all(self) -> Vec<DataPoints> {
        match self {
            Self::Scalar(_) => Vec::new(),
            Self::Series(points) => vec![points],
            Self::Array(all) => all,
        }
    }
}
