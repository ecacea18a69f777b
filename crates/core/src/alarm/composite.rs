//! Alarms of alarms.
//!
//! Invariant: ALARM when the rule holds, OK when it does not; INSUFFICIENT_DATA only before the
//! first evaluation. Evaluated when a child changes. Refuses circles and children that are not
//! there.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::AlarmDefinition;
use super::rule::AlarmRule;
use super::status::{AlarmState, Transition};
use crate::time::Timestamp;

/// An alarm of alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompositeAlarm {
    /// Its name.
    pub name: String,
    /// When it fires.
    pub rule: AlarmRule,
}

/// Why alarms cannot be put in order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompositeError {
    /// A circle, from an alarm back to itself.
    #[error("alarms depend on themselves: {}", .0.join(" → "))]
    Circle(Vec<String>),
    /// A child that is not defined.
    #[error("alarm `{alarm}` names `{child}`, which is not defined")]
    Unknown {
        /// The composite.
        alarm: String,
        /// What it names.
        child: String,
    },
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

/// Names of all alarms such that every child comes before the composites that name it: in this
/// order, one pass evaluates everything.
///
/// # Errors
/// [`CompositeError`] when there is a circle or an unknown child.
pub fn order(alarms: &[AlarmDefinition]) -> Result<Vec<&str>, CompositeError> {
    let mut waiting: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for alarm in alarms {
        let children = match alarm {
            AlarmDefinition::Metric(_) => BTreeSet::new(),
            AlarmDefinition::Composite(composite) => composite.rule.children(),
        };
        waiting.insert(alarm.name(), children);
    }
    for (alarm, children) in &waiting {
        if let Some(child) = children.iter().find(|child| !waiting.contains_key(*child)) {
            return Err(CompositeError::Unknown {
                alarm: (*alarm).to_owned(),
                child: (*child).to_owned(),
            });
        }
    }
    let mut done = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready: Vec<&str> = waiting
            .iter()
            .filter(|(_, children)| children.iter().all(|child| !waiting.contains_key(child)))
            .map(|(name, _)| *name)
            .collect();
        if ready.is_empty() {
            return Err(CompositeError::Circle(circle(&waiting)));
        }
        waiting.retain(|name, _| !ready.contains(name));
        done.extend(ready);
    }
    Ok(done)
}

/// Every alarm that is left waits for another one that is left: walking leads into a circle.
fn circle(waiting: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let mut way: Vec<&str> = Vec::new();
    let mut next = waiting.keys().next().copied();
    while let Some(name) = next {
        if let Some(begin) = way.iter().position(|seen| *seen == name) {
            way.drain(..begin);
            way.push(name);
            break;
        }
        way.push(name);
        let mut children = waiting.get(name).into_iter().flatten();
        next = children.find(|child| waiting.contains_key(*child)).copied();
    }
    way.into_iter().map(str::to_owned).collect()
}
