//! Guards of a release: an alarm judged on the new revision alone, in the present step alone.
//!
//! Invariant: periods are counted from the beginning of the step, so a step that is bad from its
//! first request on is noticed after exactly the M periods that the alarm asks for, and nothing
//! of an earlier step is held against a later one. A guard is quiet only after all N periods.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alarm::{AlarmState, Definition, MetricAlarm, Traffic, Watch, evaluate, history_until};
use crate::machine::strategy::compare_split;
use crate::machine::{Split, Verdict};
use crate::manifest::model::Alarm;
use crate::metrics::{Dimensions, Limits, Metrics, Sample, Window, names, resolution};
use crate::time::Timestamp;

/// After the end of a period its samples need this long to arrive: the router tells once a second.
pub const SETTLE: Duration = Duration::from_millis(1_250);

/// What is watched in one step of one release.
#[derive(Debug)]
pub struct StepWatch {
    /// Release id.
    pub release: u64,
    /// Number of the step; 0 while a rolling release replaces tasks.
    pub step: u32,
    service: String,
    revision: u32,
    since: Timestamp,
    guards: BTreeMap<String, Guard>,
    followed: Vec<String>,
    new: u64,
    all: u64,
}

#[derive(Debug)]
struct Guard {
    alarm: MetricAlarm,
    of: Dimensions,
    /// Taken from every time, so that the step begins at a multiple of the resolution.
    shift: u64,
    metrics: Metrics,
}

/// A guard's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Name of the alarm.
    pub guard: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The alarm's words.
    pub reason: String,
}

impl StepWatch {
    /// Watches a step from a moment on. Alarms of alarms have no samples of their own: they are
    /// quiet here, and fire with the service's own alarm.
    #[must_use]
    pub fn new(
        (release, step): (u64, u32),
        (service, revision): (&str, u32),
        since: Timestamp,
        guards: &BTreeMap<String, Alarm>,
    ) -> Self {
        let mut followed = Vec::new();
        let mut judged = BTreeMap::new();
        for (name, alarm) in guards {
            match Definition::from_manifest(alarm) {
                Ok(Definition::Metric(alarm)) => {
                    judged.insert(name.clone(), guard(*alarm, service, revision, since));
                }
                Ok(Definition::Composite(_)) | Err(_) => followed.push(name.clone()),
            }
        }
        Self {
            release,
            step,
            service: service.to_owned(),
            revision,
            since,
            guards: judged,
            followed,
            new: 0,
            all: 0,
        }
    }

    /// Takes in samples of the second that ends at `at`.
    pub fn take(&mut self, sample: &Sample, at: Timestamp) {
        if at <= self.since {
            return;
        }
        self.take_split(sample, at);
        if sample.metric == names::KEPT {
            return;
        }
        for guard in self.guards.values_mut() {
            let at = Timestamp(at.0.saturating_sub(guard.shift + 1));
            guard
                .metrics
                .merge(sample.metric, &sample.from, at, &sample.window);
        }
    }

    /// A request that a cookie kept with its revision shows nothing of the weights: the split is
    /// that of the others.
    fn take_split(&mut self, sample: &Sample, at: Timestamp) {
        let settled = at > self.since.after(SETTLE);
        let own = sample.from.service.as_deref() == Some(self.service.as_str());
        if !settled || !own {
            return;
        }
        let requests = sample.window.count();
        let add = match sample.metric {
            names::REQUESTS => u64::saturating_add,
            names::KEPT => u64::saturating_sub,
            _ => return,
        };
        self.all = add(self.all, requests);
        if sample.from.revision == Some(self.revision) {
            self.new = add(self.new, requests);
        }
    }

    /// What every guard says now.
    #[must_use]
    pub fn judge(&self, now: Timestamp) -> Vec<Judged> {
        let judged = |(name, guard): (&String, &Guard)| {
            let (verdict, reason) = guard.judge(self.since, now);
            Judged {
                guard: name.clone(),
                verdict,
                reason,
            }
        };
        let followed = |name: &String| Judged {
            guard: name.clone(),
            verdict: Verdict::Quiet,
            reason: "it follows the service's own alarm".to_owned(),
        };
        let own = self.guards.iter().map(judged);
        own.chain(self.followed.iter().map(followed)).collect()
    }

    /// The measured split against the weight that was asked for: what it is, the share of the
    /// new revision in tenths of a percent, the requests measured.
    #[must_use]
    pub fn split(&self, weight: u32) -> (Split, u32, u64) {
        let share = (self.new * 1000).checked_div(self.all).unwrap_or(0);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        (compare_split(weight, self.new, self.all), share, self.all)
    }
}

fn guard(alarm: MetricAlarm, service: &str, revision: u32, since: Timestamp) -> Guard {
    let of = match &alarm.service {
        Some(other) if other != service => Dimensions::service(other),
        _ => Dimensions::revision(service, revision),
    };
    let resolution = resolution(alarm.period).as_millis() as u64;
    Guard {
        of,
        shift: since.0 % resolution.max(1),
        metrics: Metrics::new(alarm.limits(Limits::default())),
        alarm,
    }
}

impl Guard {
    fn judge(&self, since: Timestamp, now: Timestamp) -> (Verdict, String) {
        let alarm = &self.alarm;
        let period = alarm.period.as_millis() as u64;
        let passed = now.since(since).saturating_sub(SETTLE).as_millis() as u64;
        let periods = passed / period.max(1);
        if periods == 0 {
            return (Verdict::Pending, "its first period is not over".to_owned());
        }
        let end = Timestamp((since.0 + periods * period).saturating_sub(self.shift));
        let slots = history_until(alarm, &self.metrics, &self.of, end);
        let own = slots
            .len()
            .saturating_sub(usize::try_from(periods).unwrap_or(usize::MAX));
        let found = evaluate(alarm, &slots[own..], AlarmState::InsufficientData, now);
        let verdict = if found.state == AlarmState::Alarm {
            Verdict::Fired
        } else if periods < u64::from(alarm.periods) {
            Verdict::Pending
        } else if found.traffic == Traffic::TooLittle && !self.counted_enough(end) {
            Verdict::TooLittle
        } else {
            Verdict::Quiet
        };
        (verdict, found.reason)
    }

    /// A metric that counts what went wrong has no samples when nothing does: then the requests
    /// tell whether there was enough to judge.
    fn counted_enough(&self, end: Timestamp) -> bool {
        let alarm = &self.alarm;
        let counts = matches!(
            &alarm.watch,
            Watch::Metric { metric, .. } if [names::ERRORS, names::RESTARTS].contains(&metric.as_str())
        );
        let periods = alarm.periods as usize;
        let windows = self
            .metrics
            .windows(names::REQUESTS, &self.of, alarm.period, end, periods);
        let requests: u64 = windows.iter().map(Window::count).sum();
        counts && requests >= alarm.minimum_samples.max(1)
    }
}
