//! What each function does.
//!
//! Invariant: total for the arguments that parsing lets through; a slot without what it needs
//! has no point.

use super::expression::ExpressionNode;
use super::expression_value::{DataPoints, ExpressionInputs, ExpressionValue};
use super::function::{Function, Word};
use crate::time::{civil, weekday};

/// Result of a call; `values` are those of the arguments.
pub(super) fn call(
    function: Function,
    arguments: &[ExpressionNode],
    values: &[ExpressionValue],
    inputs: &ExpressionInputs,
) -> ExpressionValue {
    let argument = |i: usize| {
        let value = values.get(i).cloned();
        value.unwrap_or(ExpressionValue::Scalar(None))
    };
    match function {
        Function::Abs => argument(0).each(f64::abs),
        Function::Ceil => argument(0).each(f64::ceil),
        Function::Floor => argument(0).each(f64::floor),
        Function::Log => argument(0).each(f64::ln),
        Function::Log10 => argument(0).each(f64::log10),
        Function::Avg
        | Function::Sum
        | Function::Min
        | Function::Max
        | Function::Stddev
        | Function::DatapointCount => aggregate(function, argument(0), inputs.length),
        Function::Diff | Function::DiffTime | Function::Rate => {
            argument(0).each_series(|points| steps(function, &points, inputs))
        }
        Function::RunningSum => argument(0).each_series(running_sum),
        Function::Period => ExpressionValue::Scalar(Some(inputs.period.as_secs_f64())),
        Function::Fill => fill(argument(0), arguments.get(1), &argument(1)),
        Function::If => choose(&argument(0), &argument(1), &argument(2), inputs.length),
        Function::Metrics => ExpressionValue::Array(metrics(arguments.first(), inputs)),
        Function::MetricCount => ExpressionValue::Scalar(Some(argument(0).all().len() as f64)),
        Function::TimeSeries => ExpressionValue::Series(vec![argument(0).number(); inputs.length]),
        Function::First => one(argument(0).all().into_iter().next(), inputs),
        Function::Last => one(argument(0).all().into_iter().next_back(), inputs),
        Function::Sort => ExpressionValue::Array(sort(argument(0).all(), arguments)),
        Function::Slice => ExpressionValue::Array(slice(argument(0).all(), arguments)),
        Function::RemoveEmpty => match argument(0) {
            ExpressionValue::Array(mut all) => {
                all.retain(|points| points.iter().any(Option::is_some));
                ExpressionValue::Array(all)
            }
            other => other,
        },
        Function::Minute
        | Function::Hour
        | Function::Day
        | Function::Date
        | Function::Month
        | Function::Year
        | Function::Epoch => ExpressionValue::Series(
            (0..inputs.length)
                .map(|slot| Some(clock(function, inputs.second(slot)) as f64))
                .collect(),
        ),
    }
}

fn one(points: Option<DataPoints>, inputs: &ExpressionInputs) -> ExpressionValue {
    ExpressionValue::Series(points.unwrap_or_else(|| vec![None; inputs.length]))
}

/// A number stays, a series becomes a number, several series become one, slot by slot.
fn aggregate(function: Function, value: ExpressionValue, length: usize) -> ExpressionValue {
    match value {
        ExpressionValue::Scalar(number) => {
            ExpressionValue::Scalar(summary(function, number.as_slice()))
        }
        ExpressionValue::Series(points) => {
            ExpressionValue::Scalar(summary(function, &present(&points)))
        }
        ExpressionValue::Array(all) => {
            let slot = |i: usize| {
                all.iter()
                    .filter_map(|points| points[i])
                    .collect::<Vec<_>>()
            };
            ExpressionValue::Series((0..length).map(|i| summary(function, &slot(i))).collect())
        }
    }
}

fn present(points: &DataPoints) -> Vec<f64> {
    points.iter().copied().flatten().collect()
}

fn summary(function: Function, values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let count = values.len() as f64;
    let sum: f64 = values.iter().sum();
    let result = match function {
        Function::Sum => sum,
        Function::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
        Function::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Function::DatapointCount => count,
        Function::Stddev => {
            let average = sum / count;
            let squares: f64 = values.iter().map(|v| (v - average) * (v - average)).sum();
            (squares / count).sqrt()
        }
        _ => sum / count,
    };
    result.is_finite().then_some(result)
}

/// From each point to the one before it.
fn steps(function: Function, points: &DataPoints, inputs: &ExpressionInputs) -> DataPoints {
    let mut before: Option<(usize, f64)> = None;
    let step = |(slot, point): (usize, &Option<f64>)| {
        let value = (*point)?;
        let (earlier, old) = before.replace((slot, value))?;
        let seconds = (inputs.second(slot) - inputs.second(earlier)) as f64;
        let result = match function {
            Function::Diff => value - old,
            Function::DiffTime => seconds,
            _ => (value - old) / seconds,
        };
        result.is_finite().then_some(result)
    };
    points.iter().enumerate().map(step).collect()
}

fn running_sum(points: DataPoints) -> DataPoints {
    let mut sum = 0.0;
    let add = |point: Option<f64>| {
        sum += point?;
        Some(sum).filter(|sum: &f64| sum.is_finite())
    };
    points.into_iter().map(add).collect()
}

fn fill(
    value: ExpressionValue,
    how: Option<&ExpressionNode>,
    with: &ExpressionValue,
) -> ExpressionValue {
    value.each_series(|points| match (how, with) {
        (Some(ExpressionNode::Word(Word::Repeat)), _) => repeat(points),
        (Some(ExpressionNode::Word(Word::Linear)), _) => linear(&points),
        (_, ExpressionValue::Series(other)) => {
            let pairs = points.into_iter().zip(other);
            pairs.map(|(point, other)| point.or(*other)).collect()
        }
        (_, with) => {
            let with = with.number();
            points.into_iter().map(|point| point.or(with)).collect()
        }
    })
}

fn repeat(points: DataPoints) -> DataPoints {
    let mut last = None;
    let keep = |point: Option<f64>| {
        last = point.or(last);
        last
    };
    points.into_iter().map(keep).collect()
}

fn linear(points: &DataPoints) -> DataPoints {
    let mut filled = points.clone();
    let mut before: Option<(usize, f64)> = None;
    for (slot, point) in points.iter().enumerate() {
        let Some(value) = *point else { continue };
        if let Some((from, old)) = before.replace((slot, value)) {
            let step = (value - old) / (slot - from) as f64;
            for (i, hole) in filled[from + 1..slot].iter_mut().enumerate() {
                *hole = Some(old + step * (i + 1) as f64);
            }
        }
    }
    filled
}

/// `IF`: a condition without a point gives none; a missing point of the first branch is 0, of the
/// second none (CloudWatch reference, vectors of `IF`).
fn choose(
    condition: &ExpressionValue,
    then: &ExpressionValue,
    otherwise: &ExpressionValue,
    length: usize,
) -> ExpressionValue {
    let slot = |value: &ExpressionValue, i: usize| match value {
        ExpressionValue::Scalar(number) => *number,
        ExpressionValue::Series(points) => points[i],
        ExpressionValue::Array(_) => None,
    };
    let pick = |truth: f64, i: usize| {
        if truth == 0.0 {
            return slot(otherwise, i);
        }
        Some(slot(then, i).unwrap_or(0.0))
    };
    let series = [condition, then, otherwise]
        .iter()
        .any(|value| matches!(value, ExpressionValue::Series(_)));
    if !series {
        return ExpressionValue::Scalar(condition.number().and_then(|truth| pick(truth, 0)));
    }
    let point = |i: usize| slot(condition, i).and_then(|truth| pick(truth, i));
    ExpressionValue::Series((0..length).map(point).collect())
}

fn metrics(search: Option<&ExpressionNode>, inputs: &ExpressionInputs) -> Vec<DataPoints> {
    let part = match search {
        Some(ExpressionNode::Text(text)) => text.as_str(),
        _ => "",
    };
    let found = inputs.series.keys().filter(|id| id.contains(part));
    found.map(|id| inputs.points(id)).collect()
}

fn whole(node: Option<&ExpressionNode>) -> Option<usize> {
    match node {
        Some(ExpressionNode::Number(number)) => Some(*number as usize),
        _ => None,
    }
}

fn slice(all: Vec<DataPoints>, arguments: &[ExpressionNode]) -> Vec<DataPoints> {
    let from = whole(arguments.get(1)).unwrap_or_default();
    let to = whole(arguments.get(2)).unwrap_or(usize::MAX);
    let kept = all.into_iter().enumerate();
    kept.filter(|(i, _)| (from..to).contains(i))
        .map(|(_, points)| points)
        .collect()
}

/// Series without points come last, whatever the order.
fn sort(all: Vec<DataPoints>, arguments: &[ExpressionNode]) -> Vec<DataPoints> {
    let by = match arguments.get(1) {
        Some(ExpressionNode::Word(Word::Sum)) => Function::Sum,
        Some(ExpressionNode::Word(Word::Min)) => Function::Min,
        Some(ExpressionNode::Word(Word::Max)) => Function::Max,
        _ => Function::Avg,
    };
    let down = arguments.get(2) == Some(&ExpressionNode::Word(Word::Descending));
    let key = |points: &DataPoints| summary(by, &present(points));
    let mut keyed: Vec<_> = all
        .into_iter()
        .map(|points| (key(&points), points))
        .collect();
    keyed.sort_by(|(a, _), (b, _)| match (a, b) {
        (Some(a), Some(b)) if down => b.total_cmp(a),
        (Some(a), Some(b)) => a.total_cmp(b),
        _ => b.is_some().cmp(&a.is_some()),
    });
    keyed.truncate(whole(arguments.get(3)).unwrap_or(usize::MAX));
    keyed.into_iter().map(|(_, points)| points).collect()
}

fn clock(function: Function, second: u64) -> u64 {
    let days = second / 86_400;
    let (year, month, day) = civil(days);
    match function {
        Function::Minute => second / 60 % 60,
        Function::Hour => second / 3600 % 24,
        Function::Day => weekday(days),
        Function::Date => day,
        Function::Month => month,
        Function::Year => year,
        _ => second,
    }
}
