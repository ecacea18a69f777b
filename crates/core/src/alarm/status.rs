//! The state of one alarm, as the journal keeps it.
//!
//! Invariant: changes only through a [`Transition`], which is written down first; entering the
//! same transitions in the same order gives the same standing. The history has at most
//! [`MOST_TRANSITIONS`], the oldest dropped.

use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Transitions that an alarm remembers.
pub const MOST_TRANSITIONS: usize = 50;

/// CloudWatch's three states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// Within the threshold.
    Ok,
    /// Outside the threshold.
    Alarm,
    /// New, or not enough data to judge.
    #[default]
    InsufficientData,
}

impl fmt::Display for AlarmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        })
    }
}

/// One data point that was judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DataPoint {
    /// Start of its period.
    pub at: Timestamp,
    pub value: f64,
    /// Samples that it was made of.
    pub samples: u64,
}

/// A change of state, with what caused it. Its actions run once it is persisted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// When it was noticed.
    pub at: Timestamp,
    /// The state before.
    pub from: AlarmState,
    /// The state now.
    pub to: AlarmState,
    /// Why, in words.
    pub reason: String,
    /// The data points that were judged, newest first; none for composites and forced states.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datapoints: Vec<DataPoint>,
}

/// Where one alarm stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlarmStatus {
    pub state: AlarmState,
    /// When it entered this state.
    pub since: Timestamp,
    /// Why, in words.
    pub reason: String,
    /// Transitions, oldest first.
    pub history: VecDeque<Transition>,
}

impl AlarmStatus {
    /// Of an alarm that was just created: not enough data.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            state: AlarmState::InsufficientData,
            since: now,
            reason: "it was not evaluated yet".to_owned(),
            history: VecDeque::new(),
        }
    }

    /// The same with other times, for people.
    #[must_use]
    pub fn timed(mut self, time: impl Fn(Timestamp) -> Timestamp) -> Self {
        self.since = time(self.since);
        for transition in &mut self.history {
            transition.at = time(transition.at);
            for point in &mut transition.datapoints {
                point.at = time(point.at);
            }
        }
        self
    }

    /// Takes in a transition that was persisted.
    pub fn enter(&mut self, transition: Transition) {
        self.state = transition.to;
        self.since = transition.at;
        self.reason.clone_from(&transition.reason);
        self.history.push_back(transition);
        while self.history.len() > MOST_TRANSITIONS {
            self.history.pop_front();
        }
    }

    /// A state that somebody asked for (SetAlarmState); `None` when it is the state already. The
    /// next evaluation of a metric alarm brings it back to the truth.
    #[must_use]
    pub fn forced(&self, to: AlarmState, reason: &str, now: Timestamp) -> Option<Transition> {
        Transition::between(self.state, to, now, || {
            format!("it was set by hand: {reason}")
        })
    }
}

impl Transition {
    /// A transition when the states differ.
    pub(super) fn between(
        from: AlarmState,
        to: AlarmState,
        at: Timestamp,
        reason: impl FnOnce() -> String,
    ) -> Option<Self> {
        (from != to).then(|| Self {
            at,
            from,
            to,
            reason: reason(),
            datapoints: Vec::new(),
        })
    }
}
