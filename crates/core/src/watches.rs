//! Everything that is watched: the alarms of an app, and the guards of its releases in progress.
//!
//! Invariant: a verdict becomes an event only when it differs from what the machine knows, so
//! whoever begins to watch anew says nothing until there is something to say. There is one watch
//! for each step in progress, and none for any other.

use std::collections::BTreeMap;

use crate::alarm::{Alarms, Standing};
use crate::guard::StepWatch;
use crate::machine::{Event, Release, ServiceState, Stage, State, Verdict};
use crate::manifest::model::Alarm;
use crate::metrics::{Sample, names};
use crate::time::Timestamp;

/// Alarms and guards, and what was measured for them.
#[derive(Debug)]
pub struct Watches {
    alarms: Alarms,
    steps: BTreeMap<String, StepWatch>,
    since: Timestamp,
}

impl Watches {
    /// Watches from a moment on: nothing is known of what came before.
    #[must_use]
    pub fn new(since: Timestamp) -> Self {
        Self {
            alarms: Alarms::new(&BTreeMap::new(), BTreeMap::new(), since),
            steps: BTreeMap::new(),
            since,
        }
    }

    /// Takes the alarms of a manifest; what stands already goes on standing.
    pub fn watch(
        &mut self,
        alarms: &BTreeMap<String, Alarm>,
        standings: BTreeMap<String, Standing>,
        now: Timestamp,
    ) {
        self.alarms = Alarms::new(alarms, standings, now);
    }

    /// The alarms.
    #[must_use]
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// The alarms, to evaluate them.
    pub fn alarms_mut(&mut self) -> &mut Alarms {
        &mut self.alarms
    }

    /// Whether time alone may change a verdict.
    #[must_use]
    pub fn active(&self, state: &State) -> bool {
        let mut services = state.services.values();
        !self.alarms.is_empty() || services.any(|service| watched(service).is_some())
    }

    /// Takes in samples of what ended at `at`.
    pub fn take(&mut self, sample: &Sample, at: Timestamp) {
        if sample.metric != names::KEPT {
            self.alarms.take(sample, at);
        }
        for step in self.steps.values_mut() {
            step.take(sample, at);
        }
    }

    /// Begins to watch the steps that are in progress, and forgets all others.
    pub fn follow(&mut self, state: &State) {
        self.steps.retain(|service, watch| {
            let release = state.services.get(service).and_then(watched);
            release.is_some_and(|release| (release.id, release.step) == (watch.release, watch.step))
        });
        for (name, service) in &state.services {
            let Some(release) = watched(service) else {
                continue;
            };
            if self.steps.contains_key(name) {
                continue;
            }
            let guards = service.definition(release.to).map(|found| &found.guards);
            let since = release.step_since.unwrap_or(release.started_at);
            let watch = StepWatch::new(
                (release.id, release.step),
                (name, release.to),
                since.max(self.since),
                guards.unwrap_or(&BTreeMap::new()),
            );
            self.steps.insert(name.clone(), watch);
        }
    }

    /// What the guards and the split say now, where the machine does not know it.
    #[must_use]
    pub fn judge(&self, state: &State, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        for (name, watch) in &self.steps {
            let Some(service) = state.services.get(name) else {
                continue;
            };
            let Some(release) = &service.release else {
                continue;
            };
            for judged in watch.judge(now) {
                let known = release.guards.get(&judged.guard).copied();
                if known.unwrap_or_default() != judged.verdict {
                    events.push(Event::GuardJudged {
                        release: release.id,
                        step: release.step,
                        guard: judged.guard,
                        verdict: judged.verdict,
                        reason: judged.reason,
                    });
                }
            }
            let (split, share, requests) = watch.split(release.weight);
            if release.step > 0 && service.shifts(release) && split != release.split {
                events.push(Event::SplitMeasured {
                    release: release.id,
                    step: release.step,
                    split,
                    share,
                    requests,
                });
            }
        }
        events
    }
}

/// What follows for releases in progress when an alarm of the service itself fires.
#[must_use]
pub fn alarm_fired(state: &State, alarm: &str, reason: &str) -> Vec<Event> {
    let releases = state
        .services
        .values()
        .filter_map(|service| service.release.as_ref());
    releases
        .map(|release| Event::GuardJudged {
            release: release.id,
            step: release.step,
            guard: alarm.to_owned(),
            verdict: Verdict::Fired,
            reason: format!("the service's own alarm: {reason}"),
        })
        .collect()
}

/// The release of a service whose new revision takes traffic now.
fn watched(service: &ServiceState) -> Option<&Release> {
    let release = service.release.as_ref()?;
    let takes_traffic = match release.stage {
        Stage::Shifting | Stage::Baking => true,
        Stage::ScaleUp | Stage::CleaningUp => !service.shifts(release) || release.step > 0,
        Stage::Pending | Stage::BeforeHooks | Stage::TestTraffic | Stage::RollingBack => false,
    };
    Some(release).filter(|_| takes_traffic)
}
