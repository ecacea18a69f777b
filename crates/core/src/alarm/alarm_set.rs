//! The alarms of the manifest, evaluated as time passes.
//!
//! Invariant: a change of state is written down before anything follows from it. Metrics are in
//! memory: after an engine's death an alarm keeps its state until there is data to judge.

use std::collections::BTreeMap;

use super::{
    AlarmDefinition, AlarmState, AlarmStatus, MetricAlarm, Transition, evaluate, history, order,
};
use crate::metrics::{Dimensions, MetricsStore, RetentionLimits};
use crate::model::Alarm;
use crate::time::Timestamp;

/// All alarms and their states.
#[derive(Debug)]
pub struct Alarms {
    definitions: Vec<AlarmDefinition>,
    standings: BTreeMap<String, AlarmStatus>,
    due: BTreeMap<String, Timestamp>,
    since: Timestamp,
}

impl Alarms {
    /// The alarms of a manifest; what stands already goes on standing.
    #[must_use]
    pub fn new(
        alarms: &BTreeMap<String, Alarm>,
        mut standings: BTreeMap<String, AlarmStatus>,
        now: Timestamp,
    ) -> Self {
        let mut definitions: Vec<AlarmDefinition> = alarms
            .values()
            .filter_map(|alarm| AlarmDefinition::from_manifest(alarm).ok())
            .collect();
        // Children first. The manifest's check refuses circles and unknown children.
        let sorted: Vec<String> = order(&definitions)
            .map(|names| names.into_iter().map(str::to_owned).collect())
            .unwrap_or_default();
        let place = |found: &AlarmDefinition| sorted.iter().position(|name| name == found.name());
        definitions.sort_by_key(place);
        standings.retain(|name, _| alarms.contains_key(name));
        for definition in &definitions {
            standings
                .entry(definition.name().to_owned())
                .or_insert_with(|| AlarmStatus::new(now));
        }
        Self {
            definitions,
            standings,
            due: BTreeMap::new(),
            since: now,
        }
    }

    /// Whether there is anything to evaluate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty()
    }

    /// Where the alarms stand.
    #[must_use]
    pub fn standings(&self) -> &BTreeMap<String, AlarmStatus> {
        &self.standings
    }

    /// Alarms that are in ALARM, with their words.
    #[must_use]
    pub fn firing(&self) -> Vec<(String, String)> {
        let firing = self
            .standings
            .iter()
            .filter(|(_, s)| s.state == AlarmState::Alarm);
        firing
            .map(|(name, s)| (name.clone(), s.reason.clone()))
            .collect()
    }

    /// Limits that keep enough samples for all of them.
    #[must_use]
    pub fn limits(&self, limits: RetentionLimits) -> RetentionLimits {
        let definitions = self.definitions.iter();
        definitions.fold(limits, |limits, definition| match definition {
            AlarmDefinition::Metric(alarm) => alarm.limits(limits),
            AlarmDefinition::Composite(_) => limits,
        })
    }

    /// Evaluates what is due. The transitions are to be written down, then entered.
    pub fn evaluate(
        &mut self,
        metrics: &MetricsStore,
        now: Timestamp,
    ) -> Vec<(String, Transition)> {
        let mut states: BTreeMap<String, AlarmState> = self
            .standings
            .iter()
            .map(|(name, standing)| (name.clone(), standing.state))
            .collect();
        let mut found = Vec::new();
        for definition in &self.definitions {
            let name = definition.name();
            let before = states.get(name).copied().unwrap_or_default();
            let transition = match definition {
                AlarmDefinition::Metric(alarm) => {
                    if self.due.get(name).is_some_and(|due| *due > now) {
                        continue;
                    }
                    self.due.insert(name.to_owned(), alarm.next_evaluation(now));
                    self.judge(alarm, metrics, before, now)
                }
                AlarmDefinition::Composite(composite) => composite.evaluate(&states, before, now),
            };
            if let Some(transition) = transition {
                states.insert(name.to_owned(), transition.to);
                found.push((name.to_owned(), transition));
            }
        }
        found
    }

    fn judge(
        &self,
        alarm: &MetricAlarm,
        metrics: &MetricsStore,
        before: AlarmState,
        now: Timestamp,
    ) -> Option<Transition> {
        // Before this engine has seen a whole evaluation range, silence is not a fact.
        let range = alarm
            .period
            .saturating_mul(u32::try_from(alarm.range()).unwrap_or(u32::MAX));
        let of = match &alarm.service {
            Some(service) => Dimensions::service(service),
            None => Dimensions::default(),
        };
        let slots = history(alarm, metrics, &of, now);
        let silent = slots.iter().all(|slot| slot.value.is_none());
        if silent && now.since(self.since) < range {
            return None;
        }
        evaluate(alarm, &slots, before, now).transition
    }

    /// Enters a transition that was written down.
    pub fn enter(&mut self, name: &str, transition: Transition) {
        if let Some(standing) = self.standings.get_mut(name) {
            standing.enter(transition);
        }
    }
}
