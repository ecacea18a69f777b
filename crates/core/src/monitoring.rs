//! Everything that is watched: the alarms of an app, and the guards of its releases in progress.
//!
//! Invariant: a verdict becomes an event only when it differs from what the machine knows, so
//! whoever begins to watch anew says nothing until there is something to say. There is one watch
//! for each step in progress, and none for any other. What was measured is in one store, which
//! alarms, guards and figures ask.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alarm::{AlarmStatus, Alarms, Transition};
use crate::guard::StepAnalysis;
use crate::ids::ServiceName;
use crate::machine::{EnvironmentState, Event, GuardVerdict, Release, ReleaseStage, ServiceState};
use crate::metrics::report::LIMITS as FIGURES;
use crate::metrics::{MetricsStore, Sample, WindowBoundary};
use crate::model::Alarm;
use crate::routing::control::RequestCount;
use crate::routing::traffic::samples;
use crate::time::Timestamp;

/// Series without a sample for so long are forgotten.
const SILENT: Duration = Duration::from_hours(4);

/// Alarms and guards, and the one store of what was measured.
#[derive(Debug)]
pub struct Monitoring {
    metrics: MetricsStore,
    alarms: Alarms,
    steps: BTreeMap<ServiceName, StepAnalysis>,
    others: Vec<WindowBoundary>,
    since: Timestamp,
}

impl Monitoring {
    /// Watches from a moment on: nothing is known of what came before.
    #[must_use]
    pub fn new(since: Timestamp) -> Self {
        Self {
            metrics: MetricsStore::new(FIGURES),
            alarms: Alarms::new(&BTreeMap::new(), BTreeMap::new(), since),
            steps: BTreeMap::new(),
            others: Vec::new(),
            since,
        }
    }

    /// Takes the alarms of a manifest; what stands already goes on standing.
    pub fn watch(
        &mut self,
        alarms: &BTreeMap<String, Alarm>,
        standings: BTreeMap<String, AlarmStatus>,
        now: Timestamp,
    ) {
        self.alarms = Alarms::new(alarms, standings, now);
        self.keep();
    }

    /// Samples are known from so early on.
    pub fn known_from(&mut self, since: Timestamp) {
        self.since = self.since.min(since);
    }

    /// From when on samples are known.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Cuts windows where somebody else wants to ask.
    pub fn also_cut(&mut self, cuts: Vec<WindowBoundary>) {
        self.others = cuts;
        self.keep();
    }

    fn keep(&mut self) {
        let limits = self.steps.values();
        let limits = limits.fold(self.alarms.limits(FIGURES), |limits, step| {
            step.limits(limits)
        });
        let cuts = self.steps.values().flat_map(StepAnalysis::cuts);
        let cuts = cuts.chain(self.others.iter().cloned()).collect();
        self.metrics.keep(limits, cuts);
    }

    /// Everything that was measured.
    #[must_use]
    pub fn metrics(&self) -> &MetricsStore {
        &self.metrics
    }

    #[must_use]
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// Evaluates the alarms that are due. The transitions are to be written down, then entered.
    pub fn evaluate_alarms(&mut self, now: Timestamp) -> Vec<(String, Transition)> {
        self.alarms.evaluate(&self.metrics, now)
    }

    /// Enters a transition that was written down.
    pub fn enter(&mut self, alarm: &str, transition: Transition) {
        self.alarms.enter(alarm, transition);
    }

    /// Whether time alone may change a verdict.
    #[must_use]
    pub fn active(&self, state: &EnvironmentState) -> bool {
        let mut services = state.services.values();
        !self.alarms.is_empty() || services.any(|service| watched(service).is_some())
    }

    /// Takes in samples of the second of `at`.
    pub fn record(&mut self, sample: &Sample, at: Timestamp) {
        self.metrics
            .merge(sample.metric, &sample.from, at, &sample.window);
    }

    /// Takes in what was answered in a second from `began` on, under a routing table in force since
    /// `table`. The steps in progress must be known: [`Self::follow`].
    pub fn take_counts(&mut self, count: &RequestCount, began: Timestamp, table: Timestamp) {
        let step = self.steps.get(count.service.as_str());
        let at = step.map_or(began, |step| step.time_of(began, table));
        for sample in samples(count) {
            self.record(&sample, at);
        }
    }

    /// Forgets series that had nothing to tell for hours.
    pub fn forget(&mut self, now: Timestamp) {
        let silent = now.0.saturating_sub(SILENT.as_millis() as u64);
        self.metrics.forget_silent(Timestamp(silent));
    }

    /// Begins to watch the steps that are in progress, and forgets all others.
    pub fn follow(&mut self, state: &EnvironmentState) {
        let before = self.steps.len();
        let known = self.since;
        self.steps.retain(|service, watch| {
            let release = state.services.get(service).and_then(watched);
            release.is_some_and(|release| {
                let since = began(release).max(known);
                let same = (release.id, release.step) == (watch.release, watch.step);
                same && since == watch.since()
            })
        });
        let mut changed = self.steps.len() != before;
        for (name, service) in &state.services {
            let Some(release) = watched(service) else {
                continue;
            };
            if self.steps.contains_key(name) {
                continue;
            }
            let guards = service.definition(release.to).map(|found| &found.guards);
            let watch = StepAnalysis::new(
                (release.id, release.step),
                (name, release.to),
                (began(release), self.since),
                guards.unwrap_or(&BTreeMap::new()),
            );
            self.steps.insert(name.clone(), watch);
            changed = true;
        }
        if changed {
            self.keep();
        }
    }

    /// Verdicts of the guards and of the split now, where the machine does not know them.
    #[must_use]
    pub fn judge(&self, state: &EnvironmentState, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        for (name, watch) in &self.steps {
            let Some(service) = state.services.get(name) else {
                continue;
            };
            let Some(release) = &service.release else {
                continue;
            };
            for judged in watch.judge(&self.metrics, now) {
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
            let (split, share, requests) = watch.split(&self.metrics, release.weight);
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

/// Events for releases in progress when an alarm of the service itself fires.
#[must_use]
pub fn alarm_fired(state: &EnvironmentState, alarm: &str, reason: &str) -> Vec<Event> {
    let releases = state
        .services
        .values()
        .filter_map(|service| service.release.as_ref());
    releases
        .map(|release| Event::GuardJudged {
            release: release.id,
            step: release.step,
            guard: alarm.to_owned(),
            verdict: GuardVerdict::Fired,
            reason: format!("the service's own alarm: {reason}"),
        })
        .collect()
}

/// When the step in progress began.
fn began(release: &Release) -> Timestamp {
    release.step_since.unwrap_or(release.started_at)
}

/// The release of a service whose new revision takes traffic now.
fn watched(service: &ServiceState) -> Option<&Release> {
    let release = service.release.as_ref()?;
    let takes_traffic = match release.stage {
        ReleaseStage::Shifting | ReleaseStage::Baking => true,
        ReleaseStage::ScaleUp | ReleaseStage::CleaningUp => {
            !service.shifts(release) || release.step > 0
        }
        ReleaseStage::Pending
        | ReleaseStage::BeforeHooks
        | ReleaseStage::TestTraffic
        | ReleaseStage::RollingBack => false,
    };
    Some(release).filter(|_| takes_traffic)
}
