//! Watches: the alarms of the app, and the guards of releases in progress.
//!
//! Samples come from the router (once a second) and from the tasks' use of their reservation.
//! Verdicts go to the machine as events when they differ from what it knows, so a new engine
//! begins by saying that it knows nothing yet.

use std::time::Duration;

use neargate_core::alarm::{AlarmState, Standing, Transition};
use neargate_core::manifest::model::Size;
use neargate_core::metrics::{Sample, names, samples};
use neargate_core::notify::Notification;
use neargate_core::routing::control::RequestCount;
use neargate_core::time::Timestamp;
use neargate_core::watches;

use super::meter::Meter;
use super::{Engine, log};
use crate::api::wire::AlarmRecord;
use crate::clock::now;

/// Where the alarms' states are in the journal's meta table.
const STANDINGS: &str = "alarms";
/// How often there is a look while something is watched.
pub(super) const LOOK: Duration = Duration::from_millis(250);
/// Between two readings of what tasks use.
const METER: Duration = Duration::from_millis(1000);

/// What tasks use of their reservation, read in turn.
pub(super) struct Meters {
    meter: Meter,
    read_at: Timestamp,
}

impl Meters {
    /// Nothing was read yet.
    pub(super) fn new() -> Self {
        Self {
            meter: Meter::default(),
            read_at: now(),
        }
    }
}

impl Engine {
    /// Alarms that breach now, with their words.
    pub(super) fn firing(&self) -> Vec<(String, String)> {
        self.watches.alarms().firing()
    }

    /// The alarms of the app, for `neargate alarms`.
    pub(super) fn alarms(&self) -> Vec<AlarmRecord> {
        let standings = self.watches.alarms().standings();
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
        self.watches
            .watch(&definition.manifest.alarms, standings, now());
    }

    /// Whether time alone may change a verdict.
    pub(super) fn watching(&self) -> bool {
        self.watches.active(self.ledger.state())
    }

    /// What the router counted in the last second.
    pub(super) fn counted(&mut self, requests: &[RequestCount]) {
        if !self.watching() {
            return;
        }
        self.watches.follow(self.ledger.state());
        let at = now();
        for sample in requests.iter().flat_map(samples) {
            self.watches.take(&sample, at);
        }
    }

    /// A task ended that nobody had told to.
    pub(super) fn restarted(&mut self, service: &str, revision: u32, task: &str) {
        let sample = Sample::of_task(names::RESTARTS, (service, revision), task, 1.0);
        self.watches.take(&sample, now());
    }

    /// Judges what is watched.
    pub(super) fn look(&mut self) {
        if !self.watching() {
            return;
        }
        self.watches.follow(self.ledger.state());
        self.read_meters();
        for (name, transition) in self.watches.alarms_mut().evaluate(now()) {
            self.alarm_changed(&name, transition);
        }
        for event in self.watches.judge(self.ledger.state(), now()) {
            self.happened(event);
        }
    }

    fn alarm_changed(&mut self, name: &str, transition: Transition) {
        let mut standings = self.watches.alarms().standings().clone();
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
        let reason = transition.reason.clone();
        self.watches.alarms_mut().enter(name, transition);
        if fired {
            for event in watches::alarm_fired(self.ledger.state(), name, &reason) {
                self.happened(event);
            }
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

    fn read_meters(&mut self) {
        let at = now();
        if at.since(self.meters.read_at) < METER {
            return;
        }
        self.meters.read_at = at;
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
        self.meters.meter.keep(|task| running.contains_key(task));
    }

    fn read_meter(
        &mut self,
        service: &str,
        revision: u32,
        running: &crate::supervisor::Running,
        size: Size,
        at: Timestamp,
    ) {
        let of = (service, revision);
        let used = self.meters.meter.read(running, size, at);
        let memory = Sample::of_task(names::MEMORY, of, &running.id, used.memory);
        self.watches.take(&memory, at);
        if let Some(cpu) = used.cpu {
            let cpu = Sample::of_task(names::CPU, of, &running.id, cpu);
            self.watches.take(&cpu, at);
        }
    }
}
