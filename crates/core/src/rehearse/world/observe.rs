//! What is looked at four times a second: users, meters, guards, alarms, people.

use std::time::Duration;

use super::super::fault::Fault;
use super::super::timing::TimingModel;
use super::super::traffic::TaskBehaviour;
use super::{LOOK, RehearsalWorld, ScheduledEvent};
use crate::alarm::AlarmState;
use crate::guard::StepAnalysis;
use crate::ids::{RevisionNumber, TaskId};
use crate::machine::{self, Event, GuardVerdict, ProcessExit, ReleaseControl, approval_wanted};
use crate::metrics::{Sample, names};
use crate::routing::traffic::samples;
use crate::time::Timestamp;

/// A good task's share of its memory and CPU, percent.
const MEMORY: f64 = 5.0;
const CPU: f64 = 20.0;

impl RehearsalWorld {
    pub(super) fn evaluate(&mut self) {
        self.strike_database();
        self.watches.follow(&self.state);
        let step = self.service().and_then(|service| {
            let release = service.release.as_ref()?;
            Some((release.id, release.step))
        });
        if step != self.flowing.1 {
            self.count();
        }
        self.flow();
        self.flowing = (self.now, step);
        if self.now.since(self.told_at) >= Duration::from_secs(1) {
            self.told_at = self.now;
            self.count();
            self.read_meters();
        }
        self.look_at_alarms();
        self.hear_guards();
        self.approve();
    }

    pub(super) fn record(&mut self, sample: &Sample) {
        self.watches.record(sample, self.now);
    }

    /// Counts the requests up to the last look: they were answered before it, and in its step.
    fn count(&mut self) {
        let before = Timestamp(self.flowing.0.0.saturating_sub(1));
        for sample in self.traffic.drain_counts().iter().flat_map(samples) {
            self.watches.record(&sample, before);
        }
    }

    /// The database goes when the new version gets its first requests.
    fn strike_database(&mut self) {
        let bad = self.bad;
        let takes_traffic = self.service().is_some_and(|service| {
            let healthy = |task: &machine::Task| task.revision == bad && task.healthy();
            let shares = service.shares();
            shares.is_none_or(|shares| shares[1].1 > 0) && service.tasks.values().any(healthy)
        });
        let strikes = matches!(self.fault, Fault::DatabaseDown(_));
        if strikes && self.database_down.is_none() && bad != RevisionNumber::NONE && takes_traffic {
            self.database_down = Some(self.now);
        }
    }

    fn flow(&mut self) {
        let Some(service) = self.state.services.get(&self.name) else {
            return;
        };
        if self.bad != RevisionNumber::NONE
            && self.fault == Fault::NoTraffic
            && service.release.is_some()
        {
            return;
        }
        let without_database = match (self.fault, self.database_down) {
            (Fault::DatabaseDown(time), Some(since)) => self.now.since(since) < time,
            _ => false,
        };
        let conduct = |task: &TaskId| {
            let process = self.processes.get(task);
            let bad = process.is_some_and(|process| process.revision == self.bad);
            match self.fault {
                _ if process.is_none_or(|process| process.gone) => TaskBehaviour::Gone,
                Fault::ErrorRate(percent) if bad => TaskBehaviour::Failing(percent),
                Fault::Latency(by) if bad => TaskBehaviour::Slow(by),
                _ if without_database => TaskBehaviour::Failing(100.0),
                _ => TaskBehaviour::Good,
            }
        };
        self.traffic.flow(LOOK, service, conduct);
    }

    fn read_meters(&mut self) {
        let (mut killed, mut measured) = (Vec::new(), Vec::new());
        for (task, process) in &self.processes {
            let (Some(ran_at), false) = (process.ran_at, process.gone) else {
                continue;
            };
            let size = self
                .state
                .services
                .get(&self.name)
                .and_then(|service| service.definition(process.revision))
                .map_or(512, |found| found.service.size.memory);
            let leaked = match self.fault {
                Fault::Leak(rate) if process.revision == self.bad => {
                    rate as f64 * self.now.since(ran_at).as_secs_f64()
                }
                _ => 0.0,
            };
            let limit = f64::from(size) * 1_048_576.0;
            let memory = MEMORY + leaked / limit * 100.0;
            if memory >= 100.0 {
                killed.push(task.clone());
            }
            let of = (self.name.as_str(), process.revision);
            for (metric, value) in [(names::MEMORY, memory.min(100.0)), (names::CPU, CPU)] {
                let sample = Sample::of_task(metric, of, task, value);
                measured.push(sample);
            }
        }
        for sample in measured {
            self.record(&sample);
        }
        for task in killed {
            self.ends(task, ProcessExit::Signal(9));
        }
    }

    fn look_at_alarms(&mut self) {
        for (name, transition) in self.watches.evaluate_alarms(self.now) {
            let (to, reason) = (transition.to, transition.reason.clone());
            self.watches.enter(&name, transition);
            if to == AlarmState::Alarm {
                self.alarms.push((self.now, name.clone(), reason.clone()));
                self.later(self.timing.verdict, ScheduledEvent::Alarm(name, reason));
            }
        }
    }

    /// The guards' verdicts go to the machine. ECS does not wait for them: only one that fires
    /// counts, a while later, and the weights are taken to be kept.
    fn hear_guards(&mut self) {
        if self.on == TimingModel::Near {
            for event in self.watches.judge(&self.state, self.now) {
                self.happen(&event);
            }
            return;
        }
        self.watch_group();
        let fired: Vec<(String, String)> = match &self.group {
            Some(group) => group
                .judge(self.watches.metrics(), self.now)
                .into_iter()
                .filter(|judged| judged.verdict == GuardVerdict::Fired)
                .map(|judged| (judged.guard, judged.reason))
                .collect(),
            None => Vec::new(),
        };
        for (guard, reason) in fired {
            if self.heard.insert(guard.clone()) {
                self.later(self.timing.verdict, ScheduledEvent::Alarm(guard, reason));
            }
        }
        for event in self.unheard() {
            self.happen(&event);
        }
    }

    /// CloudWatch knows no steps: the new version's target group is watched from its first
    /// requests on.
    fn watch_group(&mut self) {
        let Some(service) = self.state.services.get(&self.name) else {
            return;
        };
        let shown = |release: &&machine::Release| release.step > 0 && release.to == self.bad;
        let (Some(release), None) = (service.release.as_ref().filter(shown), &self.group) else {
            return;
        };
        let guards = service.definition(release.to).map(|found| &found.guards);
        let of = (self.name.as_str(), release.to);
        let guards = guards.cloned().unwrap_or_default();
        let group = StepAnalysis::new((release.id, 0), of, (self.now, self.now), &guards);
        self.watches.also_cut(group.cuts());
        self.group = Some(group);
    }

    /// Guards of the present step that the machine would wait for, as quiet.
    fn unheard(&self) -> Vec<Event> {
        let release = self.service().and_then(|service| {
            let release = service.release.as_ref()?;
            Some((release, service.definition(release.to)?))
        });
        let Some((release, definition)) = release else {
            return Vec::new();
        };
        let guards = definition.guards.keys();
        guards
            .filter(|guard| release.step > 0 && !release.guards.contains_key(*guard))
            .map(|guard| Event::GuardJudged {
                release: release.id,
                step: release.step,
                guard: guard.clone(),
                verdict: GuardVerdict::Quiet,
                reason: "ECS does not wait for it".to_owned(),
            })
            .collect()
    }

    /// People approve at once.
    fn approve(&mut self) {
        if self.service().and_then(approval_wanted).is_some() {
            let service = self.name.clone();
            let by = "the rehearsal".to_owned();
            let steer = ReleaseControl::Promote;
            self.happen(&Event::ReleaseSteered { service, steer, by });
        }
    }
}
