//! Alarms of alarms.
//!
//! Invariant: ALARM when the rule holds, OK when it does not; INSUFFICIENT_DATA only before the
//! first evaluation. Evaluated when a child changes.

use std::collections::BTreeMap;

use super::rule::AlarmRule;
use super::status::{AlarmState, Transition};
use crate::time::Timestamp;

/// An alarm of alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompositeAlarm {
    pub name: String,
    /// When it fires.
    pub rule: AlarmRule,
}

impl CompositeAlarm {
    /// The change of state at `now`, if there is one. `states`: of the other alarms, by name; one
    /// that is not there is in no state.
    #[must_use]
    pub fn evaluate(
        &self,
        states: &BTreeMap<String, AlarmState>,
        before: AlarmState,
        now: Timestamp,
    ) -> Option<Transition> {
        let holds = self.rule.holds(states);
        let to = if holds {
            AlarmState::Alarm
        } else {
            AlarmState::Ok
        };
        Transition::between(before, to, now, || self.reason(states, holds))
    }

    fn reason(&self, states: &BTreeMap<String, AlarmState>, holds: bool) -> String {
        let state = |name: &str| match states.get(name) {
            Some(state) => format!("{name} is {state}"),
            None => format!("{name} is not there"),
        };
        let children: Vec<String> = self.rule.children().into_iter().map(state).collect();
        let verdict = if holds { "holds" } else { "does not hold" };
        let why = if children.is_empty() {
            String::new()
        } else {
            format!(": {}", children.join(", "))
        };
        format!("the rule `{}` {verdict}{why}", self.rule)
    }
}
