//! What `neargate metrics` shows: figures of services and of their revisions over the last while.
//!
//! Invariant: a figure that is not known is absent, never 0. Refuses stretches of time longer than
//! [`LONGEST`]: they are cut to it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Dimensions, MOST_SERIES, MetricsStore, RetentionLimits, Statistic, Window, names};
use crate::ids::RevisionNumber;
use crate::time::Timestamp;

/// The longest stretch that near keeps.
pub const LONGEST: Duration = Duration::from_hours(3);
/// Up to here it is kept in tens of seconds, beyond in minutes.
const FINE: Duration = Duration::from_mins(15);
/// Memory that the figures need; guards and alarms may need more.
pub(crate) const LIMITS: RetentionLimits = RetentionLimits {
    series: MOST_SERIES,
    windows: [300, 180, 181],
};

/// Figures of all services.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsReport {
    /// How long a stretch they cover, seconds.
    pub seconds: u64,
    /// End of the stretch.
    pub until: Timestamp,
    /// Services by name: first the whole service, then its parts.
    pub rows: Vec<ServiceMetrics>,
}

/// Figures of a service, or of a part of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceMetrics {
    pub service: String,
    /// Only this revision.
    pub revision: Option<RevisionNumber>,
    /// Far: only this target group.
    pub target_group: Option<String>,
    /// Tasks that run now.
    pub tasks: Option<u32>,
    /// Requests in the stretch; `None`: nothing counted them.
    pub requests: Option<f64>,
    /// Requests a second.
    pub rate: Option<f64>,
    /// Requests that were answered with 5xx.
    pub errors: Option<f64>,
    /// Percent of the requests that were not.
    pub success_rate: Option<f64>,
    /// Milliseconds that half of the requests took at most; near up to 0.4 % off, by the buckets of
    /// the histogram.
    pub p50: Option<f64>,
    /// The same of 95 %.
    pub p95: Option<f64>,
    /// The same of 99 %.
    pub p99: Option<f64>,
    /// Percent of the reservation that a task used, on average.
    pub cpu: Option<f64>,
    /// The same of memory.
    pub memory: Option<f64>,
}

impl ServiceMetrics {
    /// Rate and success rate from requests and errors over so many seconds.
    #[must_use]
    pub fn with_shares(mut self, seconds: u64) -> Self {
        let requests = self.requests;
        self.rate = requests
            .filter(|_| seconds > 0)
            .map(|it| it / seconds as f64);
        self.success_rate = requests
            .filter(|requests| *requests > 0.0)
            .map(|requests| 100.0 * (1.0 - self.errors.unwrap_or(0.0) / requests));
        self
    }
}

/// Running tasks by service and revision.
pub type RunningTasks = BTreeMap<(String, RevisionNumber), u32>;

/// The figures of the last while of the services that run or told something in it; nothing was
/// measured before `since`. Requests that no rule led to a service are no service's, and are in no
/// figure.
#[must_use]
pub fn table(
    metrics: &MetricsStore,
    (since, now): (Timestamp, Timestamp),
    asked: Duration,
    running: &RunningTasks,
) -> MetricsReport {
    let (step, count) = steps(asked);
    // Whole steps, so that each is counted once: the stretch is up to a step longer.
    let length = step.as_millis() as u64;
    let end = Timestamp((now.0 / length + 1) * length);
    let begin = Timestamp(end.0.saturating_sub(length * count as u64));
    let seconds = now.since(begin.max(since)).as_secs().max(1);
    let look = ReportWindow {
        metrics,
        step,
        count,
        seconds,
        end,
    };
    let mut parts: BTreeMap<String, Vec<RevisionNumber>> = BTreeMap::new();
    for (service, revision) in running.keys() {
        parts.entry(service.clone()).or_default().push(*revision);
    }
    for from in metrics.dimensions() {
        if let Some(service) = from.service.filter(|service| !service.is_empty()) {
            parts.entry(service).or_default().extend(from.revision);
        }
    }
    let mut rows = Vec::new();
    for (service, mut revisions) in parts {
        revisions.sort_unstable();
        revisions.dedup();
        rows.extend(look.rows(&service, &revisions, running));
    }
    MetricsReport {
        seconds,
        until: now,
        rows,
    }
}

/// In which steps a stretch is read, and how many of them; the last one goes on.
fn steps(asked: Duration) -> (Duration, usize) {
    let asked = asked.min(LONGEST);
    let step = if asked <= FINE { 10 } else { 60 };
    let count = asked.as_secs().div_ceil(step).max(1) + 1;
    (
        Duration::from_secs(step),
        usize::try_from(count).unwrap_or(1),
    )
}

/// One look at what was measured.
struct ReportWindow<'a> {
    metrics: &'a MetricsStore,
    step: Duration,
    count: usize,
    seconds: u64,
    end: Timestamp,
}

impl ReportWindow<'_> {
    /// The whole service, and its revisions that run or told something.
    fn rows(
        &self,
        service: &str,
        revisions: &[RevisionNumber],
        running: &RunningTasks,
    ) -> Vec<ServiceMetrics> {
        let tasks =
            |revision: RevisionNumber| running.get(&(service.to_owned(), revision)).copied();
        let all: u32 = revisions.iter().filter_map(|it| tasks(*it)).sum();
        let whole = self.figures(&Dimensions::service(service), all);
        let parts = revisions.iter().filter_map(|revision| {
            let of = Dimensions::revision(service, *revision);
            let figures = self.figures(&of, tasks(*revision).unwrap_or(0));
            figures.tells().then_some(figures)
        });
        let mut rows: Vec<ServiceMetrics> = parts.collect();
        if !rows.is_empty() || whole.tells() {
            rows.insert(0, whole);
        }
        rows
    }

    fn figures(&self, of: &Dimensions, tasks: u32) -> ServiceMetrics {
        let latency = self.window(names::LATENCY, of);
        let percentile = |p: f64| Statistic::Percentile(p).of(&latency);
        let average = |metric: &str| Statistic::Average.of(&self.window(metric, of));
        ServiceMetrics {
            service: of.service.clone().unwrap_or_default(),
            revision: of.revision,
            tasks: Some(tasks),
            requests: Some(self.window(names::REQUESTS, of).sum()),
            errors: Some(self.window(names::ERRORS, of).sum()),
            p50: percentile(50.0),
            p95: percentile(95.0),
            p99: percentile(99.0),
            cpu: average(names::CPU),
            memory: average(names::MEMORY),
            ..ServiceMetrics::default()
        }
        .with_shares(self.seconds)
    }

    fn window(&self, metric: &str, of: &Dimensions) -> Window {
        let mut all = Window::default();
        let metrics = self.metrics;
        for window in metrics.windows(metric, of, self.step, self.end, self.count) {
            all.merge(&window);
        }
        all
    }
}

impl ServiceMetrics {
    fn tells(&self) -> bool {
        let tasks = self.tasks.unwrap_or(0) > 0;
        tasks || self.requests.unwrap_or(0.0) > 0.0 || self.memory.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Sample;
    use crate::routing::control::RequestCount;
    use crate::routing::traffic::samples;

    const START: u64 = 1_700_000_000_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(START + seconds * 1000)
    }

    fn count(revision: u32, good: u64, bad: u64, micros: u64) -> RequestCount {
        RequestCount {
            service: "api".into(),
            revision: RevisionNumber(revision),
            task: format!("api-r{revision}-1"),
            target_status: BTreeMap::from([(200, good), (500, bad)]),
            router_status: BTreeMap::new(),
            latency: Window::of(micros as f64 / 1000.0, good + bad),
            kept: 0,
        }
    }

    fn running(revision: u32, tasks: u32) -> ((String, RevisionNumber), u32) {
        (("api".to_owned(), RevisionNumber(revision)), tasks)
    }

    fn take(metrics: &mut MetricsStore, second: u64, samples: &[Sample]) {
        for it in samples {
            metrics.merge(it.metric, &it.from, at(second), &it.window);
        }
    }

    fn measured(rows: &[(u64, RequestCount)]) -> MetricsStore {
        let mut metrics = MetricsStore::new(LIMITS);
        for (second, count) in rows {
            take(&mut metrics, *second, &samples(count));
        }
        metrics
    }

    fn shown(
        metrics: &MetricsStore,
        seconds: u64,
        running: &RunningTasks,
        now: u64,
    ) -> MetricsReport {
        table(
            metrics,
            (at(0), at(now)),
            Duration::from_secs(seconds),
            running,
        )
    }

    #[test]
    fn a_service_is_the_sum_of_its_revisions_and_each_has_its_own_latency() {
        let mut metrics = measured(&[(10, count(1, 90, 0, 5_000)), (11, count(2, 8, 2, 80_000))]);
        let cpu = Sample::of_task(
            names::CPU,
            ("api", RevisionNumber(1)),
            &"api-r1-1".into(),
            40.0,
        );
        take(&mut metrics, 11, &[cpu]);
        let running = RunningTasks::from([running(1, 3), running(2, 1)]);
        let table = shown(&metrics, 60, &running, 20);
        assert_eq!(table.seconds, 20, "nothing was seen before");
        let of = |revision| table.rows.iter().find(|it| it.revision == revision);
        let (whole, first) = (
            of(None).expect("all"),
            of(Some(RevisionNumber(1))).expect("1"),
        );
        assert_eq!((whole.tasks, whole.requests), (Some(4), Some(100.0)));
        assert_eq!((whole.rate, whole.errors), (Some(5.0), Some(2.0)));
        assert_eq!(whole.success_rate, Some(98.0));
        assert_eq!((first.errors, first.success_rate), (Some(0.0), Some(100.0)));
        assert_eq!(
            (first.cpu, of(Some(RevisionNumber(2))).expect("2").cpu),
            (Some(40.0), None)
        );
        let near = |found: Option<f64>, wanted: f64| {
            let found = found.expect("a latency");
            assert!(
                (found / wanted - 1.0).abs() < 0.02,
                "{found} is not {wanted}"
            );
        };
        near(first.p99, 5.0);
        near(whole.p50, 5.0);
        near(whole.p95, 80.0);
    }

    #[test]
    fn what_is_older_than_asked_is_not_shown_and_silence_has_no_rates() {
        let mut metrics = measured(&[(10, count(1, 10, 0, 1_000)), (700, count(2, 20, 0, 1_000))]);
        let mut lost = count(0, 5, 0, 1_000);
        lost.service.clear();
        take(&mut metrics, 700, &samples(&lost));
        let asked = [(25, 20.0), (700, 20.0), (720, 30.0), (7_200, 30.0)];
        for (seconds, requests) in asked {
            let table = shown(&metrics, seconds, &RunningTasks::new(), 720);
            assert_eq!(table.rows[0].requests, Some(requests), "{seconds}");
        }
        let silent = shown(&metrics, 30, &RunningTasks::new(), 900);
        assert_eq!(silent.rows, []);
        let running = RunningTasks::from([running(2, 1)]);
        let idle = shown(&metrics, 30, &running, 900);
        assert_eq!(idle.rows.len(), 2);
        let row = &idle.rows[0];
        assert_eq!((row.requests, row.rate), (Some(0.0), Some(0.0)));
        assert_eq!((row.success_rate, row.p50, row.cpu), (None, None, None));
    }
}
