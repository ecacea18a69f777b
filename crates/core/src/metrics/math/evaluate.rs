//! An expression over series that share one grid of periods.
//!
//! Invariant: total; every series of the result has as many slots as the inputs; a number that
//! is not finite is no point. A metric that is not among the inputs has no points.

use std::collections::BTreeMap;
use std::time::Duration;

use super::apply::call;
use super::expression::{Expression, ExpressionNode, Operator};
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

/// What an expression gives.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpressionValue {
    /// One number; `None` when there was nothing to make it of.
    Scalar(Option<f64>),
    /// One time series.
    Series(DataPoints),
    /// Several.
    Array(Vec<DataPoints>),
}

impl Expression {
    /// Evaluates over the inputs.
    #[must_use]
    pub fn evaluate(&self, inputs: &ExpressionInputs) -> ExpressionValue {
        evaluate(&self.root, inputs)
    }
}

pub(super) fn evaluate(node: &ExpressionNode, inputs: &ExpressionInputs) -> ExpressionValue {
    match node {
        ExpressionNode::Number(number) => ExpressionValue::Scalar(Some(*number)),
        ExpressionNode::Id(id) => ExpressionValue::Series(inputs.points(id)),
        ExpressionNode::Text(_) | ExpressionNode::Word(_) => ExpressionValue::Scalar(None),
        ExpressionNode::Minus(inner) => evaluate(inner, inputs).each(|value| -value),
        ExpressionNode::Binary(operator, left, right) => {
            binary(*operator, evaluate(left, inputs), evaluate(right, inputs))
        }
        ExpressionNode::Call(function, arguments) => call(*function, arguments, inputs),
    }
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

fn binary(operator: Operator, left: ExpressionValue, right: ExpressionValue) -> ExpressionValue {
    match (left, right) {
        (ExpressionValue::Scalar(a), ExpressionValue::Scalar(b)) => {
            ExpressionValue::Scalar(both(operator, a, b))
        }
        (ExpressionValue::Scalar(a), ExpressionValue::Series(b)) => {
            ExpressionValue::Series(b.into_iter().map(|b| both(operator, a, Some(b?))).collect())
        }
        (ExpressionValue::Series(a), ExpressionValue::Scalar(b)) => {
            ExpressionValue::Series(a.into_iter().map(|a| both(operator, Some(a?), b)).collect())
        }
        (ExpressionValue::Series(a), ExpressionValue::Series(b)) => ExpressionValue::Series(
            a.into_iter()
                .zip(b)
                .map(|(a, b)| either(operator, a, b))
                .collect(),
        ),
        (ExpressionValue::Array(all), other) => ExpressionValue::Array(
            all.into_iter()
                .flat_map(|one| binary(operator, ExpressionValue::Series(one), other.clone()).all())
                .collect(),
        ),
        (other, ExpressionValue::Array(all)) => ExpressionValue::Array(
            all.into_iter()
                .flat_map(|one| binary(operator, other.clone(), ExpressionValue::Series(one)).all())
                .collect(),
        ),
    }
}

/// Two points: a side that is missing counts as 0, unless both are.
fn either(operator: Operator, a: Option<f64>, b: Option<f64>) -> Option<f64> {
    if a.is_none() && b.is_none() {
        return None;
    }
    both(operator, Some(a.unwrap_or(0.0)), Some(b.unwrap_or(0.0)))
}

fn both(operator: Operator, a: Option<f64>, b: Option<f64>) -> Option<f64> {
    let (a, b) = (a?, b?);
    let truth = |holds: bool| Some(f64::from(u8::from(holds)));
    let number = match operator {
        Operator::Or => return truth(a != 0.0 || b != 0.0),
        Operator::And => return truth(a != 0.0 && b != 0.0),
        Operator::Equal => return truth(a == b),
        Operator::NotEqual => return truth(a != b),
        Operator::AtMost => return truth(a <= b),
        Operator::AtLeast => return truth(a >= b),
        Operator::Less => return truth(a < b),
        Operator::Greater => return truth(a > b),
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::Power => a.powf(b),
    };
    number.is_finite().then_some(number)
}
