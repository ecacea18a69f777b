//! Watches: the alarms of the app, and the guards of releases in progress.
//!
//! Samples come from the router (once a second) and from the tasks' use of their reservation.
//! Verdicts go to the machine as events when they differ from what it knows, so a new engine
//! begins by saying that it knows nothing yet.

use std::collections::BTreeMap;
use std::time::Duration;

use neargate_core::alarm::{AlarmState, Standing, Transition};
use neargate_core::guard::StepWatch;
use neargate_core::machine::{Event, Release, ServiceState, Stage, Verdict};
use neargate_core::manifest::model::Size;
use neargate_core::metrics::{Dimensions, Sample, Window, names, samples};
use neargate_core::notify::Notification;
use neargate_core::routing::control::RequestCount;
use neargate_core::time::Timestamp;

use super::alarms::{AlarmRecord, Alarms};
use super::meter::Meter;
use super::{Engine, log};
use crate::clock::now;

/// Where the alarms' states are in the journal's meta table.
const STANDINGS: &str = "alarms";
/// How often there is a look while something is watched.
pub(super) const LOOK: Duration = Duration::from_millis(250);
/// Between two readings of what tasks use.
const METER: Duration = Duration::from_millis(1000);

/// What is watched, and what was measured of it.
pub(super) struct Watches {
    alarms: Alarms,
    steps: BTreeMap<String, StepWatch>,
    meter: Meter,
    metered_at: Timestamp,
    since: Timestamp,
}

impl Watches {
    /// Nothing is watched yet.
    pub(super) fn new() -> Self {
        Self {
            alarms: Alarms::new(&BTreeMap::new(), BTreeMap::new(), now()),
            steps: BTreeMap::new(),
            meter: Meter::default(),
            metered_at: now(),
            since: now(),
        }
    }

    fn take(&mut self, sample: &Sample, at: Timestamp) {
        if sample.metric != names::KEPT {
            self.alarms.take(sample, at);
        }
        for step in self.steps.values_mut() {
            step.take(sample, at);
        }
    }
}

impl Engine {
    /// Alarms that breach now, with their words.
    pub(super) fn firing(&self) -> Vec<(String, String)> {
        self.watches.alarms.firing()
    }

    /// The alarms of the app, for `neargate alarms`.
    pub(super) fn alarms(&self) -> Vec<AlarmRecord> {
        let standings = self.watches.alarms.standings();
        let record = |(name, standing): (&String, &Standing)| AlarmRecord {
            name: name.clone(),
            standing: standing.clone(),
        };
        standings.iter().map(record).collect()
    }

    /// Takes the alarms of the manifest; called when it changed and at the start.
    pub(super) fn watch_alarms(&mut self) {
        let Some(definition) = &self.definition else {
            return;
        };
        let text = self.ledger.get_meta(STANDINGS).ok().flatten();
        let standings = text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        self.watches.alarms = Alarms::new(&definition.manifest.alarms, standings, now());
    }

    /// Whether time alone may change a verdict.
    pub(super) fn watching(&self) -> bool {
        let mut services = self.ledger.state().services.values();
        !self.watches.alarms.is_empty() || services.any(|service| watched(service).is_some())
    }

    /// What the router counted in the last second.
    pub(super) fn counted(&mut self, requests: &[RequestCount]) {
        if !self.watching() {
            return;
        }
        self.follow_releases();
        let at = now();
        for sample in requests.iter().flat_map(samples) {
            self.watches.take(&sample, at);
        }
    }

    /// A task ended that nobody had told to.
    pub(super) fn restarted(&mut self, service: &str, revision: u32, task: &str) {
        let sample = of_task(names::RESTARTS, service, revision, task, 1.0);
        self.watches.take(&sample, now());
    }

    /// Judges what is watched.
    pub(super) fn look(&mut self) {
        if !self.watching() {
            return;
        }
        self.follow_releases();
        self.read_meters();
        for (name, transition) in self.watches.alarms.evaluate(now()) {
            self.alarm_changed(&name, transition);
        }
        self.judge_steps();
    }

    fn alarm_changed(&mut self, name: &str, transition: Transition) {
        let mut standings = self.watches.alarms.standings().clone();
        if let Some(standing) = standings.get_mut(name) {
            standing.enter(transition.clone());
        }
        let text = serde_json::to_string(&standings).unwrap_or_default();
        if let Err(error) = self.ledger.put_meta(STANDINGS, &text) {
            // It is evaluated again; the state is as it was.
            self.note_trouble(&error);
            return;
        }
        log(&format!(
            "alarm {name}: {} to {}: {}",
            transition.from, transition.to, transition.reason
        ));
        self.alarm_news(name, &transition);
        let fired = transition.to == AlarmState::Alarm;
        let reason = format!("the service's own alarm: {}", transition.reason);
        self.watches.alarms.enter(name, transition);
        if fired {
            self.guard_fired(name, &reason);
        }
    }

    /// Tells webhooks of an alarm that changed.
    fn alarm_news(&mut self, name: &str, transition: &Transition) {
        let alarms = self.definition.as_ref().map(|found| &found.manifest.alarms);
        let service = alarms.and_then(|alarms| alarms.get(name)?.service.clone());
        let news = self.origin().and_then(|origin| {
            Notification::of_alarm(&origin, service.as_deref(), name, transition)
        });
        if let Some(news) = news {
            self.notify(&news);
        }
    }

    /// An alarm of a service that guards a release in progress.
    fn guard_fired(&mut self, name: &str, reason: &str) {
        let services = self.ledger.state().services.values();
        let releases: Vec<(u64, u32)> = services
            .filter_map(|service| service.release.as_ref())
            .map(|release| (release.id, release.step))
            .collect();
        for (release, step) in releases {
            self.happened(Event::GuardJudged {
                release,
                step,
                guard: name.to_owned(),
                verdict: Verdict::Fired,
                reason: reason.to_owned(),
            });
        }
    }

    /// A watch for each step that is in progress, and for no other.
    fn follow_releases(&mut self) {
        let state = self.ledger.state();
        self.watches.steps.retain(|service, watch| {
            let release = state.services.get(service).and_then(watched);
            release.is_some_and(|release| (release.id, release.step) == (watch.release, watch.step))
        });
        for (name, service) in &state.services {
            let Some(release) = watched(service) else {
                continue;
            };
            if self.watches.steps.contains_key(name) {
                continue;
            }
            let guards = service.definition(release.to).map(|found| &found.guards);
            // What came before this engine was not seen by it.
            let since = release
                .step_since
                .unwrap_or(release.started_at)
                .max(self.watches.since);
            let watch = StepWatch::new(
                (release.id, release.step),
                (name, release.to),
                since,
                guards.unwrap_or(&BTreeMap::new()),
            );
            self.watches.steps.insert(name.clone(), watch);
        }
    }

    fn judge_steps(&mut self) {
        let mut events = Vec::new();
        for (name, watch) in &self.watches.steps {
            let Some(service) = self.ledger.state().services.get(name) else {
                continue;
            };
            let Some(release) = &service.release else {
                continue;
            };
            for judged in watch.judge(now()) {
                let known = release
                    .guards
                    .get(&judged.guard)
                    .copied()
                    .unwrap_or_default();
                if known != judged.verdict {
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
        for event in events {
            self.happened(event);
        }
    }

    fn read_meters(&mut self) {
        let at = now();
        if at.since(self.watches.metered_at) < METER {
            return;
        }
        self.watches.metered_at = at;
        let mut read = Vec::new();
        for service in self.ledger.state().services.values() {
            for task in service.tasks.values().filter(|task| task.active()) {
                let size = service
                    .definition(task.revision)
                    .map(|found| found.service.size);
                if let (Some(running), Some(size)) = (self.running.get(&task.id), size) {
                    read.push((service.name.clone(), task.revision, running.clone(), size));
                }
            }
        }
        for (service, revision, running, size) in read {
            self.read_meter(&service, revision, &running, size, at);
        }
        let running = &self.running;
        self.watches.meter.keep(|task| running.contains_key(task));
    }

    fn read_meter(
        &mut self,
        service: &str,
        revision: u32,
        running: &crate::supervisor::Running,
        size: Size,
        at: Timestamp,
    ) {
        let used = self.watches.meter.read(running, size, at);
        let memory = of_task(names::MEMORY, service, revision, &running.id, used.memory);
        self.watches.take(&memory, at);
        if let Some(cpu) = used.cpu {
            let cpu = of_task(names::CPU, service, revision, &running.id, cpu);
            self.watches.take(&cpu, at);
        }
    }
}

fn of_task(metric: &'static str, service: &str, revision: u32, task: &str, value: f64) -> Sample {
    let from = Dimensions {
        target: Some(task.to_owned()),
        ..Dimensions::revision(service, revision)
    };
    Sample {
        metric,
        from,
        window: Window::of(value, 1),
    }
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
