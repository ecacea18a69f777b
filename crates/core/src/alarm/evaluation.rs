//! One evaluation of a metric alarm.
//!
//! Invariant: pure; the same history, state and time give the same evaluation, and there is a
//! transition only when the state changes.

use super::datapoints_to_alarm::{DatapointVerdict, Judgement, RangeSlot, judge};
use super::definition::{DatapointSource, LowSamples, MetricAlarm, breaches};
use super::display;
use super::history::HistorySlot;
use super::status::{AlarmState, DataPoint, Transition};
use crate::time::Timestamp;

/// Result of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The state that follows.
    pub state: AlarmState,
    /// Why, in words a person reads at night.
    pub reason: String,
    /// The change of state, if there is one: persist it, enter it, run its actions.
    pub transition: Option<Transition>,
    /// Data points that were judged, newest first; at most N.
    pub datapoints: Vec<DataPoint>,
    /// How many of them breach.
    pub breaching: u32,
    /// Points that were missing and taken from the treatment of missing data.
    pub filled: u32,
    /// Data points of the range that had too few samples to be judged.
    pub thin: u32,
    /// Whether there was enough to judge at all.
    pub traffic: DataSufficiency,
}

/// Whether an alarm had enough data points to judge by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataSufficiency {
    /// At least M data points were judged, and none of them was a percentile of too few samples.
    Enough,
    /// The alarm could not have fired by data alone.
    TooLittle,
}

impl Evaluation {
    /// Why, in words.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Evaluates a metric alarm whose state is `before` over its [`history`](super::history()).
/// A history that is longer than the evaluation range is read from its end; a shorter one is
/// missing at its beginning.
#[must_use]
pub fn evaluate(
    alarm: &MetricAlarm,
    history: &[HistorySlot],
    before: AlarmState,
    now: Timestamp,
) -> Evaluation {
    let recent = &history[history.len().saturating_sub(alarm.range())..];
    let mut range = vec![RangeSlot::Missing; alarm.range() - recent.len()];
    let padding = range.len();
    range.extend(recent.iter().map(|slot| seen(alarm, slot)));
    let thin = recent.iter().filter(|slot| too_thin(alarm, slot)).count() as u32;
    let judgement = judge(&range, alarm.datapoints, alarm.periods, alarm.missing);
    let slots: Vec<&HistorySlot> = judgement
        .judged
        .iter()
        .map(|i| &recent[i - padding])
        .collect();
    let low = low_sample(alarm, &slots);
    let state = match judgement.verdict {
        DatapointVerdict::Is(state) if low.is_none() => state,
        DatapointVerdict::Is(_) | DatapointVerdict::Kept => before,
    };
    let datapoints: Vec<DataPoint> = slots.iter().rev().filter_map(|slot| point(slot)).collect();
    let reason = match low {
        Some(samples) => display::low(alarm, before, samples),
        None => display::reason(alarm, &judgement, &datapoints, thin, before),
    };
    let transition = Transition::between(before, state, now, || reason.clone());
    Evaluation {
        state,
        reason,
        transition: transition.map(|transition| Transition {
            datapoints: datapoints.clone(),
            ..transition
        }),
        breaching: judgement.breaching,
        filled: judgement.filled,
        thin,
        traffic: traffic(alarm, &judgement, low),
        datapoints,
    }
}

fn traffic(alarm: &MetricAlarm, judgement: &Judgement, low: Option<u64>) -> DataSufficiency {
    if judgement.judged.len() < alarm.datapoints as usize || low.is_some() {
        return DataSufficiency::TooLittle;
    }
    DataSufficiency::Enough
}

fn seen(alarm: &MetricAlarm, slot: &HistorySlot) -> RangeSlot {
    match slot.value {
        Some(_) if too_thin(alarm, slot) => RangeSlot::Missing,
        Some(value) if breaches(alarm.breach, value) => RangeSlot::Breaching,
        Some(_) => RangeSlot::Good,
        None => RangeSlot::Missing,
    }
}

fn too_thin(alarm: &MetricAlarm, slot: &HistorySlot) -> bool {
    slot.value.is_some() && slot.samples < alarm.minimum_samples
}

/// The fewest samples of a judged percentile, when they are too few and such are ignored.
fn low_sample(alarm: &MetricAlarm, judged: &[&HistorySlot]) -> Option<u64> {
    let DatapointSource::Metric { statistic, .. } = &alarm.watch else {
        return None;
    };
    if alarm.low_samples == LowSamples::Evaluate {
        return None;
    }
    let needed = statistic.samples_needed()?;
    let counts = judged.iter().map(|slot| slot.samples);
    counts.min().filter(|samples| *samples < needed)
}

fn point(slot: &HistorySlot) -> Option<DataPoint> {
    Some(DataPoint {
        at: slot.at,
        value: slot.value?,
        samples: slot.samples,
    })
}
