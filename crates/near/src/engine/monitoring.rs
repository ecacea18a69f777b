//! Watches: the alarms of the app, and the guards of releases in progress.
//!
//! Samples come from the router (seconds that are over) and from what tasks use (`figures`). What
//! the routers have not told yet is not judged yet.
//! Verdicts go to the machine as events when they differ from what it knows, so a new engine
//! begins by saying that it knows nothing yet.

use std::time::Duration;

use neargate_core::alarm::{AlarmState, AlarmStatus, Transition};
use neargate_core::guard::SETTLE;
use neargate_core::ids::{RevisionNumber, TaskId};
use neargate_core::metrics::{Sample, names};
use neargate_core::monitoring;
use neargate_core::notify::Notification;
use neargate_core::routing::control::SecondCount;

use super::follow_up::FollowUp;
use super::ledger::Proposal;
use super::notes::NoteCause;
use super::{Engine, log};
use crate::api::wire::AlarmRecord;
use crate::journal::JournalError;

/// Where the alarms' states are in the journal's meta table.
const STANDINGS: &str = "alarms";
/// How often there is a look while something is watched.
pub(super) const LOOK: Duration = Duration::from_millis(250);

impl Engine {
    /// Alarms that breach now, with their words.
    pub(super) fn firing(&self) -> Vec<(String, String)> {
        self.watches.alarms().firing()
    }

    /// The alarms of the app, for `neargate alarms`.
    pub(super) fn alarms(&self) -> Vec<AlarmRecord> {
        let standings = self.watches.alarms().standings();
        let clock = self.ledger.clock();
        let record = |(name, standing): (&String, &AlarmStatus)| AlarmRecord {
            name: name.clone(),
            standing: standing.clone().timed(|at| clock.wall_time(at)),
        };
        standings.iter().map(record).collect()
    }

    /// Takes the alarms of the manifest; called when it changed and at the start.
    pub(super) fn watch_alarms(&mut self) {
        let Some(definition) = &self.definition else {
            return;
        };
        let text = self.ledger.fact(STANDINGS);
        let standings = text
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let now = self.ledger.clock().now();
        self.watches
            .watch(&definition.manifest.alarms, standings, now);
    }

    /// Whether time alone may change a verdict.
    pub(super) fn watching(&self) -> bool {
        self.watches.active(self.ledger.state())
    }

    /// Takes a router's counts of a stretch of time, milliseconds of its clock.
    pub(super) fn counted(
        &mut self,
        router: u64,
        (from, through): (u64, u64),
        seconds: &[SecondCount],
    ) {
        let clock = self.ledger.clock();
        self.watches.known_from(clock.at(from));
        self.watches.follow(self.ledger.state());
        for second in seconds {
            let (began, table) = (clock.at(second.began()), clock.at(second.in_force));
            for count in &second.requests {
                self.watches.take_counts(count, began, table);
            }
        }
        self.counted.complete_through(router, clock.at(through));
    }

    /// A task ended that nobody had told to.
    pub(super) fn restarted(&mut self, service: &str, revision: RevisionNumber, task: &TaskId) {
        let sample = Sample::of_task(names::RESTARTS, (service, revision), task, 1.0);
        let now = self.now();
        self.watches.record(&sample, now);
    }

    /// Judges what is watched.
    pub(super) fn evaluate_alarms(&mut self) {
        // What was judged and is not written yet would be judged again.
        if !self.watching() || self.judging > 0 {
            return;
        }
        self.watches.follow(self.ledger.state());
        let Some(now) = self.counted.judged_at(self.ledger.clock().now(), SETTLE) else {
            return;
        };
        let changes: Vec<(String, Transition)> =
            self.watches.evaluate_alarms(now).into_iter().collect();
        if !changes.is_empty() {
            self.write_standings(changes);
        }
        for event in self.watches.judge(self.ledger.state(), now) {
            self.judging += 1;
            self.happened_then(event, FollowUp::Judged);
        }
    }

    /// Proposes the alarms' states as they will be.
    fn write_standings(&mut self, changes: Vec<(String, Transition)>) {
        let mut standings = self.watches.alarms().standings().clone();
        for (name, transition) in &changes {
            if let Some(standing) = standings.get_mut(name) {
                standing.enter(transition.clone());
            }
        }
        let text = serde_json::to_string(&standings).unwrap_or_default();
        self.judging += 1;
        self.propose(Proposal {
            events: Vec::new(),
            facts: vec![(STANDINGS.to_owned(), text)],
            lasting: false,
            sequel: FollowUp::AlarmsChanged(changes),
        });
    }

    /// The states are written: alarms enter them; or they are not, and are evaluated again.
    pub(super) fn alarms_changed(
        &mut self,
        changes: Vec<(String, Transition)>,
        error: Option<&JournalError>,
    ) {
        self.judging -= 1;
        self.note_journal(NoteCause::AlarmsUnwritable, error);
        if error.is_some() {
            return;
        }
        for (name, transition) in changes {
            self.alarm_changed(&name, transition);
        }
    }

    fn alarm_changed(&mut self, name: &str, transition: Transition) {
        log(&format!(
            "alarm {name}: {} to {}: {}",
            transition.from, transition.to, transition.reason
        ));
        self.alarm_news(name, &transition);
        let fired = transition.to == AlarmState::Alarm;
        let reason = transition.reason.clone();
        self.watches.enter(name, transition);
        if fired {
            for event in monitoring::alarm_fired(self.ledger.state(), name, &reason) {
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
        if let Some(mut news) = news {
            news.at = self.ledger.clock().wall_time(news.at);
            self.notify(&news);
        }
    }
}
