//! M of N with missing data.
//!
//! Invariant: gives what CloudWatch's tables give. The documented rules leave open what a few
//! breaching points and no good one mean; "premature alarm" decides: ALARM once the oldest
//! breaching point is at least M periods old and nothing in the range is good.

use super::status::AlarmState;
use crate::model::TreatMissingData;

/// One slot of the evaluation range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RangeSlot {
    Missing,
    Good,
    Breaching,
}

/// Verdict of the points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatapointVerdict {
    Is(AlarmState),
    /// The state stays what it is.
    Kept,
}

/// A verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) verdict: DatapointVerdict,
    /// Slots that were judged, oldest first.
    pub(super) judged: Vec<usize>,
    /// How many of them breach.
    pub(super) breaching: u32,
    /// Points that were taken from the treatment of missing data.
    pub(super) filled: u32,
}

/// `range`: oldest first. `m` of `n`.
pub(super) fn judge(range: &[RangeSlot], m: u32, n: u32, missing: TreatMissingData) -> Judgement {
    let real = range
        .iter()
        .enumerate()
        .filter(|(_, seen)| **seen != RangeSlot::Missing);
    let mut judged: Vec<usize> = real.map(|(slot, _)| slot).collect();
    let wanted = n as usize;
    judged.drain(..judged.len().saturating_sub(wanted));
    let breaching = judged
        .iter()
        .filter(|slot| range[**slot] == RangeSlot::Breaching)
        .count() as u32;
    let filled = n.saturating_sub(judged.len() as u32);
    let verdict = verdict(range, &judged, (breaching, filled), m, missing);
    Judgement {
        verdict,
        judged,
        breaching,
        filled,
    }
}

fn verdict(
    range: &[RangeSlot],
    judged: &[usize],
    (breaching, filled): (u32, u32),
    m: u32,
    missing: TreatMissingData,
) -> DatapointVerdict {
    let alarm_if = |alarm: bool| {
        DatapointVerdict::Is(if alarm {
            AlarmState::Alarm
        } else {
            AlarmState::Ok
        })
    };
    if filled == 0 {
        return alarm_if(breaching >= m);
    }
    match missing {
        TreatMissingData::Breaching => return alarm_if(breaching + filled >= m),
        TreatMissingData::NotBreaching => return alarm_if(breaching >= m),
        TreatMissingData::Missing | TreatMissingData::Ignore => {}
    }
    let unknown = match missing {
        TreatMissingData::Ignore => DatapointVerdict::Kept,
        _ => DatapointVerdict::Is(AlarmState::InsufficientData),
    };
    let Some(oldest) = judged.first() else {
        return unknown;
    };
    if breaching >= m {
        return alarm_if(true);
    }
    if (breaching as usize) < judged.len() {
        return alarm_if(false);
    }
    let age = range.len() - oldest;
    if missing == TreatMissingData::Missing && age >= m as usize {
        return alarm_if(true);
    }
    unknown
}
