//! In which order alarms are evaluated: children before the composites that name them.
//!
//! Refuses circles and children that are not there.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::AlarmDefinition;

/// Why alarms cannot be put in order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompositeError {
    /// A circle, from an alarm back to itself.
    #[error("alarms depend on themselves: {}", .0.join(" → "))]
    Circle(Vec<String>),
    /// A child that is not defined.
    #[error("alarm `{alarm}` names `{child}`, which is not defined")]
    Unknown {
        /// Name of the composite alarm.
        alarm: String,
        /// Name of the missing child.
        child: String,
    },
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
