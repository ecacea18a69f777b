//! What `neargate metrics` shows: figures of services and of their revisions over the last while.
//!
//! Invariant: a figure that is not known is absent, never 0; [`Kept`] is bounded in series and
//! windows, and keeps a sample by service and revision only. Refuses stretches of time longer
//! than [`LONGEST`]: they are cut to it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::traffic::Sample;
use super::{Dimensions, Limits, Metrics, Statistic, Window, names};
use crate::time::Timestamp;

/// The longest stretch that near keeps.
pub const LONGEST: Duration = Duration::from_hours(3);
/// Up to here it is kept in tens of seconds, beyond in minutes.
const FINE: Duration = Duration::from_mins(15);
/// Series: six of each revision that had something to tell in the last three hours.
const LIMITS: Limits = Limits {
    series: 4096,
    windows: [0, 91, 181],
};

/// Figures of all services.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// How long a stretch they cover, seconds.
    pub seconds: u64,
    /// Its end.
    pub until: Timestamp,
    /// Services by name: first the whole service, then its parts.
    pub rows: Vec<Figures>,
}

/// Figures of a service, or of a part of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The service.
    pub service: String,
    /// Only this revision.
    pub revision: Option<u32>,
    /// Far: only this target group.
    pub target_group: Option<String>,
    /// Tasks that run now.
    pub tasks: Option<u32>,
    /// Requests.
    pub requests: Option<f64>,
    /// Requests a second.
    pub rate: Option<f64>,
    /// Requests that were answered with 5xx.
    pub errors: Option<f64>,
    /// Percent of the requests that were not.
    pub success_rate: Option<f64>,
    /// Milliseconds that half of the requests took at most; near up to an eighth too high, by the
    /// router's buckets.
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

impl Figures {
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

/// Samples of the last three hours, for people.
#[derive(Debug)]
pub struct Kept {
    metrics: Metrics,
    since: Timestamp,
}

/// Running tasks by service and revision.
pub type Running = BTreeMap<(String, u32), u32>;

impl Kept {
    /// Nothing was seen before this moment.
    #[must_use]
    pub fn new(since: Timestamp) -> Self {
        Self {
            metrics: Metrics::new(LIMITS),
            since,
        }
    }

    /// Takes in samples of what ended at `at`. Requests that no rule led to a service are no
    /// service's, and are in no figure.
    pub fn take(&mut self, sample: &Sample, at: Timestamp) {
        if sample.from.service.as_ref().is_none_or(String::is_empty) {
            return;
        }
        let from = Dimensions {
            service: sample.from.service.clone(),
            revision: sample.from.revision,
            ..Dimensions::default()
        };
        // The second that ends here began before.
        let at = Timestamp(at.0.saturating_sub(1));
        self.metrics.merge(sample.metric, &from, at, &sample.window);
    }

    /// Forgets revisions that had nothing to tell for [`LONGEST`].
    pub fn forget(&mut self, now: Timestamp) {
        let longest = LONGEST.as_millis() as u64;
        self.metrics
            .forget_silent(Timestamp(now.0.saturating_sub(longest)));
    }

    /// The figures of the last while of the services that run or told something in it.
    #[must_use]
    pub fn table(&self, asked: Duration, running: &Running, now: Timestamp) -> Table {
        let (step, count) = steps(asked);
        // Whole steps, so that each is counted once: the stretch is up to a step longer.
        let length = step.as_millis() as u64;
        let end = Timestamp((now.0 / length + 1) * length);
        let begin = Timestamp(end.0.saturating_sub(length * count as u64));
        let seconds = now.since(begin.max(self.since)).as_secs().max(1);
        let look = Look {
            kept: self,
            step,
            count,
            seconds,
            end,
        };
        let mut parts: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for (service, revision) in running.keys() {
            parts.entry(service.clone()).or_default().push(*revision);
        }
        for from in self.metrics.dimensions() {
            if let Some(service) = from.service {
                parts.entry(service).or_default().extend(from.revision);
            }
        }
        let mut rows = Vec::new();
        for (service, mut revisions) in parts {
            revisions.sort_unstable();
            revisions.dedup();
            rows.extend(look.rows(&service, &revisions, running));
        }
        Table {
            seconds,
            until: now,
            rows,
        }
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

/// One look at what is kept.
struct Look<'a> {
    kept: &'a Kept,
    step: Duration,
    count: usize,
    seconds: u64,
    end: Timestamp,
}

impl Look<'_> {
    /// The whole service, and its revisions that run or told something.
    fn rows(&self, service: &str, revisions: &[u32], running: &Running) -> Vec<Figures> {
        let tasks = |revision: u32| running.get(&(service.to_owned(), revision)).copied();
        let all: u32 = revisions.iter().filter_map(|it| tasks(*it)).sum();
        let whole = self.figures(&Dimensions::service(service), all);
        let parts = revisions.iter().filter_map(|revision| {
            let of = Dimensions::revision(service, *revision);
            let figures = self.figures(&of, tasks(*revision).unwrap_or(0));
            figures.tells().then_some(figures)
        });
        let mut rows: Vec<Figures> = parts.collect();
        if !rows.is_empty() || whole.tells() {
            rows.insert(0, whole);
        }
        rows
    }

    fn figures(&self, of: &Dimensions, tasks: u32) -> Figures {
        let latency = self.window(names::LATENCY, of);
        let percentile = |p: f64| Statistic::Percentile(p).of(&latency);
        let average = |metric: &str| Statistic::Average.of(&self.window(metric, of));
        Figures {
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
            ..Figures::default()
        }
        .with_shares(self.seconds)
    }

    fn window(&self, metric: &str, of: &Dimensions) -> Window {
        let metrics = &self.kept.metrics;
        let mut all = Window::default();
        for window in metrics.windows(metric, of, self.step, self.end, self.count) {
            all.merge(&window);
        }
        all
    }
}

impl Figures {
    fn tells(&self) -> bool {
        let tasks = self.tasks.unwrap_or(0) > 0;
        tasks || self.requests.unwrap_or(0.0) > 0.0 || self.memory.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::samples;
    use crate::routing::control::RequestCount;

    const START: u64 = 1_700_000_000_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(START + seconds * 1000)
    }

    fn count(revision: u32, good: u64, bad: u64, micros: u64) -> RequestCount {
        RequestCount {
            service: "api".into(),
            revision,
            task: format!("api-r{revision}-1"),
            target_status: BTreeMap::from([(200, good), (500, bad)]),
            router_status: BTreeMap::new(),
            latency: vec![(micros, good + bad)],
            kept: 0,
        }
    }

    fn kept(rows: &[(u64, RequestCount)]) -> Kept {
        let mut kept = Kept::new(at(0));
        for (second, count) in rows {
            for sample in samples(count) {
                kept.take(&sample, at(*second));
            }
        }
        kept
    }

    #[test]
    fn a_service_is_the_sum_of_its_revisions_and_each_has_its_own_latency() {
        let mut kept = kept(&[(10, count(1, 90, 0, 5_000)), (11, count(2, 8, 2, 80_000))]);
        let cpu = Sample::of_task(names::CPU, ("api", 1), "api-r1-1", 40.0);
        kept.take(&cpu, at(11));
        let running = Running::from([(("api".to_owned(), 1), 3), (("api".to_owned(), 2), 1)]);
        let table = kept.table(Duration::from_mins(1), &running, at(20));
        assert_eq!(table.seconds, 20, "nothing was seen before");
        let of = |revision| table.rows.iter().find(|it| it.revision == revision);
        let (whole, first) = (of(None).expect("all"), of(Some(1)).expect("1"));
        assert_eq!((whole.tasks, whole.requests), (Some(4), Some(100.0)));
        assert_eq!((whole.rate, whole.errors), (Some(5.0), Some(2.0)));
        assert_eq!(whole.success_rate, Some(98.0));
        assert_eq!((first.errors, first.success_rate), (Some(0.0), Some(100.0)));
        assert_eq!((first.cpu, of(Some(2)).expect("2").cpu), (Some(40.0), None));
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
        let mut kept = kept(&[(10, count(1, 10, 0, 1_000)), (700, count(2, 20, 0, 1_000))]);
        let mut lost = count(0, 5, 0, 1_000);
        lost.service.clear();
        for sample in samples(&lost) {
            kept.take(&sample, at(700));
        }
        let asked = [(25, 20.0), (700, 20.0), (720, 30.0), (7_200, 30.0)];
        for (seconds, requests) in asked {
            let table = kept.table(Duration::from_secs(seconds), &Running::new(), at(720));
            assert_eq!(table.rows[0].requests, Some(requests), "{seconds}");
        }
        let silent = kept.table(Duration::from_secs(30), &Running::new(), at(900));
        assert_eq!(silent.rows, []);
        let running = Running::from([(("api".to_owned(), 2), 1)]);
        let idle = kept.table(Duration::from_secs(30), &running, at(900));
        assert_eq!(idle.rows.len(), 2);
        let row = &idle.rows[0];
        assert_eq!((row.requests, row.rate), (Some(0.0), Some(0.0)));
        assert_eq!((row.success_rate, row.p50, row.cpu), (None, None, None));
        kept.forget(at(20_000));
        assert!(kept.metrics.is_empty());
    }
}
