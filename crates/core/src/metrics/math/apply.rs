//! What each function does.
//!
//! Invariant: total for the arguments that parsing lets through; a slot without what it needs
//! has no point.

use super::calendar::{date, weekday};
use super::evaluate::{Inputs, Points, Value, evaluate};
use super::expression::Node;
use super::function::{Function, Word};

pub(super) fn call(function: Function, arguments: &[Node], inputs: &Inputs) -> Value {
    let argument = |i: usize| {
        let node = arguments.get(i);
        node.map_or(Value::Scalar(None), |node| evaluate(node, inputs))
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
        Function::Period => Value::Scalar(Some(inputs.period.as_secs_f64())),
        Function::Fill => fill(argument(0), arguments.get(1), &argument(1)),
        Function::If => choose(&argument(0), &argument(1), &argument(2), inputs.length),
        Function::Metrics => Value::Array(metrics(arguments.first(), inputs)),
        Function::MetricCount => Value::Scalar(Some(argument(0).all().len() as f64)),
        Function::TimeSeries => Value::Series(vec![argument(0).number(); inputs.length]),
        Function::First => one(argument(0).all().into_iter().next(), inputs),
        Function::Last => one(argument(0).all().into_iter().next_back(), inputs),
        Function::Sort => Value::Array(sort(argument(0).all(), arguments)),
        Function::Slice => Value::Array(slice(argument(0).all(), arguments)),
        Function::RemoveEmpty => match argument(0) {
            Value::Array(mut all) => {
                all.retain(|points| points.iter().any(Option::is_some));
                Value::Array(all)
            }
            other => other,
        },
        Function::Minute
        | Function::Hour
        | Function::Day
        | Function::Date
        | Function::Month
        | Function::Year
        | Function::Epoch => Value::Series(
            (0..inputs.length)
                .map(|slot| Some(clock(function, inputs.second(slot)) as f64))
                .collect(),
        ),
    }
}

fn one(points: Option<Points>, inputs: &Inputs) -> Value {
    Value::Series(points.unwrap_or_else(|| vec![None; inputs.length]))
}

/// A number stays, a series becomes a number, several series become one, slot by slot.
fn aggregate(function: Function, value: Value, length: usize) -> Value {
    match value {
        Value::Scalar(number) => Value::Scalar(summary(function, number.as_slice())),
        Value::Series(points) => Value::Scalar(summary(function, &present(&points))),
        Value::Array(all) => {
            let slot = |i: usize| {
                all.iter()
                    .filter_map(|points| points[i])
                    .collect::<Vec<_>>()
            };
            Value::Series((0..length).map(|i| summary(function, &slot(i))).collect())
        }
    }
}

fn present(points: &Points) -> Vec<f64> {
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
fn steps(function: Function, points: &Points, inputs: &Inputs) -> Points {
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

fn running_sum(points: Points) -> Points {
    let mut sum = 0.0;
    let add = |point: Option<f64>| {
        sum += point?;
        Some(sum).filter(|sum: &f64| sum.is_finite())
    };
    points.into_iter().map(add).collect()
}

fn fill(value: Value, how: Option<&Node>, with: &Value) -> Value {
    value.each_series(|points| match (how, with) {
        (Some(Node::Word(Word::Repeat)), _) => repeat(points),
        (Some(Node::Word(Word::Linear)), _) => linear(&points),
        (_, Value::Series(other)) => {
            let pairs = points.into_iter().zip(other);
            pairs.map(|(point, other)| point.or(*other)).collect()
        }
        (_, with) => {
            let with = with.number();
            points.into_iter().map(|point| point.or(with)).collect()
        }
    })
}

fn repeat(points: Points) -> Points {
    let mut last = None;
    let keep = |point: Option<f64>| {
        last = point.or(last);
        last
    };
    points.into_iter().map(keep).collect()
}

fn linear(points: &Points) -> Points {
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
fn choose(condition: &Value, then: &Value, otherwise: &Value, length: usize) -> Value {
    let slot = |value: &Value, i: usize| match value {
        Value::Scalar(number) => *number,
        Value::Series(points) => points[i],
        Value::Array(_) => None,
    };
    let pick = |truth: f64, i: usize| {
        if truth == 0.0 {
            return slot(otherwise, i);
        }
        Some(slot(then, i).unwrap_or(0.0))
    };
    let series = [condition, then, otherwise]
        .iter()
        .any(|value| matches!(value, Value::Series(_)));
    if !series {
        return Value::Scalar(condition.number().and_then(|truth| pick(truth, 0)));
    }
    let point = |i: usize| slot(condition, i).and_then(|truth| pick(truth, i));
    Value::Series((0..length).map(point).collect())
}

fn metrics(search: Option<&Node>, inputs: &Inputs) -> Vec<Points> {
    let part = match search {
        Some(Node::Text(text)) => text.as_str(),
        _ => "",
    };
    let found = inputs.series.keys().filter(|id| id.contains(part));
    found.map(|id| inputs.points(id)).collect()
}

fn whole(node: Option<&Node>) -> Option<usize> {
    match node {
        Some(Node::Number(number)) => Some(*number as usize),
        _ => None,
    }
}

fn slice(all: Vec<Points>, arguments: &[Node]) -> Vec<Points> {
    let from = whole(arguments.get(1)).unwrap_or_default();
    let to = whole(arguments.get(2)).unwrap_or(usize::MAX);
    let kept = all.into_iter().enumerate();
    kept.filter(|(i, _)| (from..to).contains(i))
        .map(|(_, points)| points)
        .collect()
}

/// Series without points come last, whatever the order.
fn sort(all: Vec<Points>, arguments: &[Node]) -> Vec<Points> {
    let by = match arguments.get(1) {
        Some(Node::Word(Word::Sum)) => Function::Sum,
        Some(Node::Word(Word::Min)) => Function::Min,
        Some(Node::Word(Word::Max)) => Function::Max,
        _ => Function::Avg,
    };
    let down = arguments.get(2) == Some(&Node::Word(Word::Descending));
    let key = |points: &Points| summary(by, &present(points));
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
    let (year, month, day) = date(days);
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
