//! Why an alarm is in its state, for people. Times are UTC and the start of a period.
//!
//! Invariant: a value is never printed so short that it seems to be on the other side of the
//! threshold. At most [`MOST_SHOWN`] data points are listed.

use super::datapoints_to_alarm::{DatapointVerdict, Judgement};
use super::definition::{DatapointSource, MetricAlarm, threshold};
use super::status::{AlarmState, DataPoint};
use crate::duration;
use crate::model::{Comparison, TreatMissingData};
use crate::time::Timestamp;

const MOST_SHOWN: usize = 10;

/// Why the state of an evaluation is what it is.
pub(super) fn reason(
    alarm: &MetricAlarm,
    judgement: &Judgement,
    points: &[DataPoint],
    thin: u32,
    before: AlarmState,
) -> String {
    let mut text = facts(alarm, judgement, points);
    let needed = alarm.datapoints;
    match judgement.verdict {
        DatapointVerdict::Is(AlarmState::Ok) if judgement.breaching > 0 => {
            text += &format!("; {needed} make an alarm");
        }
        DatapointVerdict::Is(AlarmState::Alarm)
            if judgement.filled > 0 && judgement.breaching < needed =>
        {
            if alarm.missing == TreatMissingData::Missing {
                text += "; all that came is breaching, and the oldest of it is old enough";
            }
        }
        DatapointVerdict::Is(_) => {}
        DatapointVerdict::Kept => text += &format!("; the state stays {before}"),
    }
    if judgement.filled > 0 {
        text += &missing(alarm, judgement.filled);
    }
    if thin > 0 {
        let least = alarm.minimum_samples;
        let count = counted(thin, "datapoint");
        text += &format!("; {count} with fewer than {least} samples not judged");
    }
    text
}

/// The state is kept because a percentile has too few samples.
pub(super) fn low(alarm: &MetricAlarm, before: AlarmState, samples: u64) -> String {
    let needed = match &alarm.watch {
        DatapointSource::Metric { statistic, .. } => statistic.samples_needed().unwrap_or_default(),
        DatapointSource::Expression { .. } => 0,
    };
    let samples = counted(u32::try_from(samples).unwrap_or(u32::MAX), "sample");
    format!("a datapoint has {samples}, its percentile needs {needed}; the state stays {before}")
}

fn facts(alarm: &MetricAlarm, judgement: &Judgement, points: &[DataPoint]) -> String {
    if points.is_empty() {
        let periods = counted(alarm.range() as u32, "period");
        let period = duration::format(alarm.period);
        return format!("no datapoints in the last {periods} of {period}");
    }
    let shown: Vec<String> = points
        .iter()
        .take(MOST_SHOWN)
        .map(|point| {
            format!(
                "{} at {}",
                number(alarm, point.value),
                time(alarm, point.at)
            )
        })
        .collect();
    let more = if points.len() > MOST_SHOWN {
        ", …"
    } else {
        ""
    };
    let shown = shown.join(", ");
    let (breaching, all) = (judgement.breaching, points.len() as u32);
    let points = counted(all, "datapoint");
    let last = if all == 1 {
        format!("last datapoint [{shown}]")
    } else {
        format!("last {points} [{shown}{more}]")
    };
    let was = if breaching == 1 { "was" } else { "were" };
    let subject = match (breaching, all) {
        (1, 1) => format!("the {last}"),
        (0, 1) => return format!("the {last} was not {}", comparison(alarm)),
        (0, _) => format!("none of the {last}"),
        _ => format!("{breaching} of the {last}"),
    };
    format!("{subject} {was} {}", comparison(alarm))
}

fn comparison(alarm: &MetricAlarm) -> String {
    let words = match alarm.breach {
        Comparison::Below(_) => "less than",
        Comparison::AtMost(_) => "less than or equal to",
        Comparison::Above(_) => "greater than",
        Comparison::AtLeast(_) => "greater than or equal to",
    };
    format!("{words} the threshold {}", threshold(alarm.breach))
}

fn missing(alarm: &MetricAlarm, filled: u32) -> String {
    let count = counted(filled, "datapoint");
    let was = if filled == 1 { "was" } else { "were" };
    match alarm.missing {
        TreatMissingData::Missing | TreatMissingData::Ignore => format!("; {count} {was} missing"),
        TreatMissingData::Breaching => format!("; {count} {was} missing and treated as breaching"),
        TreatMissingData::NotBreaching => {
            format!("; {count} {was} missing and treated as not breaching")
        }
    }
}

fn counted(count: u32, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// At most three decimals, unless they make it look like the threshold.
fn number(alarm: &MetricAlarm, value: f64) -> String {
    let short = format!("{value:.3}");
    let short = short.trim_end_matches('0').trim_end_matches('.').to_owned();
    let looks_equal = short.parse() == Ok(threshold(alarm.breach));
    let exact = value == threshold(alarm.breach);
    let vanished = short.parse() == Ok(0.0) && value != 0.0;
    if (looks_equal && !exact) || vanished {
        return value.to_string();
    }
    short
}

fn time(alarm: &MetricAlarm, at: Timestamp) -> String {
    let second = at.0 / 1000;
    let (hour, minute) = (second / 3600 % 24, second / 60 % 60);
    if alarm.period.as_secs() < 60 {
        return format!("{hour:02}:{minute:02}:{:02}", second % 60);
    }
    format!("{hour:02}:{minute:02}")
}
