//! Guards of a release: an alarm judged on the new revision alone, in the present step alone.
//!
//! Invariant: periods are counted from the beginning of the step, so a step that is bad from its
//! first request on is noticed after exactly the M periods that the alarm asks for, and nothing
//! of an earlier step is held against a later one, whenever its samples arrive: [`StepAnalysis::time_of`]
//! says which side of the beginning they are on, and the windows are cut there ([`StepAnalysis::cuts`]).
//! A guard is quiet only after all N periods.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alarm::{
    AlarmDefinition, AlarmState, DataSufficiency, DatapointSource, MetricAlarm, evaluate,
    history_until,
};
use crate::ids::{ReleaseId, RevisionNumber};
use crate::machine::strategy::compare_split;
use crate::machine::{GuardVerdict, SplitCheck};
use crate::metrics::{Dimensions, MetricsStore, RetentionLimits, Window, WindowBoundary, names};
use crate::model::Alarm;
use crate::time::Timestamp;

/// After the end of a period its samples need this long to arrive: the router tells once a second.
pub const SETTLE: Duration = Duration::from_millis(1_250);
/// The split is measured from so long after the beginning of a step on: by then most of the
/// requests have ended that the weights of the step before led.
const IN_FLIGHT: Duration = Duration::from_secs(1);

/// The guards and measurements of one step of one release.
#[derive(Debug)]
pub struct StepAnalysis {
    pub release: ReleaseId,
    /// Number of the step; 0 while a rolling release replaces tasks.
    pub step: u32,
    service: String,
    revision: RevisionNumber,
    /// When the step began.
    began: Timestamp,
    /// From when on samples are known.
    since: Timestamp,
    guards: BTreeMap<String, GuardAlarm>,
    followed: Vec<String>,
}

#[derive(Debug)]
struct GuardAlarm {
    alarm: MetricAlarm,
    of: Dimensions,
}

/// A guard's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardResult {
    /// Name of the alarm.
    pub guard: String,
    pub verdict: GuardVerdict,
    /// The alarm's words.
    pub reason: String,
}

impl StepAnalysis {
    /// Watches a step that began at `began`; samples are known from `known` on. Alarms of alarms
    /// have no samples of their own: they are quiet here, and fire with the service's own alarm.
    #[must_use]
    pub fn new(
        (release, step): (ReleaseId, u32),
        (service, revision): (&str, RevisionNumber),
        (began, known): (Timestamp, Timestamp),
        guards: &BTreeMap<String, Alarm>,
    ) -> Self {
        let mut followed = Vec::new();
        let mut judged = BTreeMap::new();
        for (name, alarm) in guards {
            match AlarmDefinition::from_manifest(alarm) {
                Ok(AlarmDefinition::Metric(alarm)) => {
                    judged.insert(name.clone(), guard(*alarm, service, revision));
                }
                Ok(AlarmDefinition::Composite(_)) | Err(_) => followed.push(name.clone()),
            }
        }
        Self {
            release,
            step,
            service: service.to_owned(),
            revision,
            began,
            since: began.max(known),
            guards: judged,
            followed,
        }
    }

    /// From when on it watches.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// When requests of its service count that were answered from `began` on, under a routing
    /// table in force since `table`: those under a table of before the step are the step before's.
    #[must_use]
    pub fn time_of(&self, began: Timestamp, table: Timestamp) -> Timestamp {
        if began >= self.began && table < self.began {
            return Timestamp(self.began.0.saturating_sub(1));
        }
        began
    }

    /// Where windows must end for what it asks.
    #[must_use]
    pub fn cuts(&self) -> Vec<WindowBoundary> {
        let at = |service: &String, since, every| WindowBoundary {
            service: service.clone(),
            since,
            every,
        };
        let mut cuts = vec![at(&self.service, self.since.after(IN_FLIGHT), None)];
        for guard in self.guards.values() {
            let service = guard.of.service.as_ref().unwrap_or(&self.service);
            cuts.push(at(service, self.since, Some(guard.alarm.period)));
        }
        cuts.dedup();
        cuts
    }

    /// Limits that keep enough samples for its guards.
    #[must_use]
    pub fn limits(&self, limits: RetentionLimits) -> RetentionLimits {
        let guards = self.guards.values();
        guards.fold(limits, |limits, guard| guard.alarm.limits(limits))
    }

    /// Verdicts of all guards now.
    #[must_use]
    pub fn judge(&self, metrics: &MetricsStore, now: Timestamp) -> Vec<GuardResult> {
        let judged = |(name, guard): (&String, &GuardAlarm)| {
            let (verdict, reason) = guard.judge(metrics, self.since, now);
            GuardResult {
                guard: name.clone(),
                verdict,
                reason,
            }
        };
        let followed = |name: &String| GuardResult {
            guard: name.clone(),
            verdict: GuardVerdict::Quiet,
            reason: "it follows the service's own alarm".to_owned(),
        };
        let own = self.guards.iter().map(judged);
        own.chain(self.followed.iter().map(followed)).collect()
    }

    /// The measured split against the weight that was asked for: what it is, the share of the
    /// new revision in tenths of a percent, the requests measured. A request that a cookie kept
    /// with its revision shows nothing of the weights: the split is that of the others.
    #[must_use]
    pub fn split(&self, metrics: &MetricsStore, weight: u32) -> (SplitCheck, u32, u64) {
        let from = self.since.after(IN_FLIGHT);
        let weighted = |of: &Dimensions| {
            let count = |metric| metrics.since(metric, of, from).count();
            count(names::REQUESTS).saturating_sub(count(names::KEPT))
        };
        let all = weighted(&Dimensions::service(&self.service));
        let new = weighted(&Dimensions::revision(&self.service, self.revision));
        let share = (new * 1000).checked_div(all).unwrap_or(0);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        (compare_split(weight, new, all), share, all)
    }
}

fn guard(alarm: MetricAlarm, service: &str, revision: RevisionNumber) -> GuardAlarm {
    let of = match &alarm.service {
        Some(other) if other != service => Dimensions::service(other),
        _ => Dimensions::revision(service, revision),
    };
    GuardAlarm { alarm, of }
}

impl GuardAlarm {
    fn judge(
        &self,
        metrics: &MetricsStore,
        since: Timestamp,
        now: Timestamp,
    ) -> (GuardVerdict, String) {
        let alarm = &self.alarm;
        let period = alarm.period.as_millis() as u64;
        let passed = now.since(since).saturating_sub(SETTLE).as_millis() as u64;
        let periods = passed / period.max(1);
        if periods == 0 {
            return (
                GuardVerdict::Pending,
                "its first period is not over".to_owned(),
            );
        }
        let end = Timestamp(since.0 + periods * period);
        let slots = history_until(alarm, metrics, &self.of, end);
        let own = slots
            .len()
            .saturating_sub(usize::try_from(periods).unwrap_or(usize::MAX));
        let found = evaluate(alarm, &slots[own..], AlarmState::InsufficientData, now);
        let verdict = if found.state == AlarmState::Alarm {
            GuardVerdict::Fired
        } else if periods < u64::from(alarm.periods) {
            GuardVerdict::Pending
        } else if found.traffic == DataSufficiency::TooLittle && !self.counted_enough(metrics, end)
        {
            GuardVerdict::TooLittle
        } else {
            GuardVerdict::Quiet
        };
        (verdict, found.reason)
    }

    /// A metric that counts what went wrong has no samples when nothing does: then the requests
    /// tell whether there was enough to judge.
    fn counted_enough(&self, metrics: &MetricsStore, end: Timestamp) -> bool {
        let alarm = &self.alarm;
        let counts = matches!(
            &alarm.watch,
            DatapointSource::Metric { metric, .. } if [names::ERRORS, names::RESTARTS].contains(&metric.as_str())
        );
        let periods = alarm.periods as usize;
        let windows = metrics.windows(names::REQUESTS, &self.of, alarm.period, end, periods);
        let requests: u64 = windows.iter().map(Window::count).sum();
        counts && requests >= alarm.minimum_samples.max(1)
    }
}
