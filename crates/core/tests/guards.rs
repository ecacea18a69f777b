//! Guards: judged on the new revision's own samples, from the beginning of each step.

use std::collections::BTreeMap;
use std::time::Duration;

use neargate_core::guard::{SETTLE, StepAnalysis};
use neargate_core::ids::{ReleaseId, RevisionNumber};
use neargate_core::machine::{GuardVerdict, SplitCheck};
use neargate_core::metrics::{MetricsStore, RetentionLimits, Window};
use neargate_core::model::Alarm;
use neargate_core::routing::control::RequestCount;
use neargate_core::routing::traffic::samples;
use neargate_core::time::Timestamp;

/// Not a multiple of anything.
const SINCE: Timestamp = Timestamp(1_700_000_012_345);

fn alarm(fields: &serde_json::Value) -> Alarm {
    let mut alarm = serde_json::json!({
        "name": "guard", "metric": "success_rate", "expression": null, "rule": null,
        "service": "api", "statistic": null, "breach": {"below": 99.5}, "period": "10s",
        "datapoints": [2, 2], "missing": "missing", "minimum_samples": 0
    });
    for (key, value) in fields.as_object().expect("fields") {
        alarm[key] = value.clone();
    }
    serde_json::from_value(alarm).expect("an alarm")
}

fn count(revision: u32, good: u64, bad: u64) -> RequestCount {
    RequestCount {
        service: "api".into(),
        revision: RevisionNumber(revision),
        task: format!("api-r{revision}-1"),
        target_status: BTreeMap::from([(200, good), (500, bad)]),
        router_status: BTreeMap::new(),
        latency: Window::of(20.0, good + bad),
        kept: 0,
    }
}

struct Step {
    watch: StepAnalysis,
    metrics: MetricsStore,
    now: Timestamp,
}

impl Step {
    fn new(alarm: Alarm) -> Self {
        let guards = BTreeMap::from([("guard".to_owned(), alarm)]);
        let watch = StepAnalysis::new(
            (ReleaseId(7), 1),
            ("api", RevisionNumber(2)),
            (SINCE, SINCE),
            &guards,
        );
        let mut metrics = MetricsStore::default();
        metrics.keep(watch.limits(RetentionLimits::default()), watch.cuts());
        Self {
            watch,
            metrics,
            now: SINCE,
        }
    }

    /// Seconds in which each of these counts comes once a second.
    fn pass(&mut self, seconds: u64, counts: &[RequestCount]) {
        for _ in 0..seconds {
            for sample in counts.iter().flat_map(samples) {
                let (of, window) = (&sample.from, &sample.window);
                self.metrics.merge(sample.metric, of, self.now, window);
            }
            self.now = self.now.after(Duration::from_secs(1));
        }
    }

    fn verdict_after(&self, settle: Duration) -> (GuardVerdict, String) {
        let judged = self.watch.judge(&self.metrics, self.now.after(settle));
        (judged[0].verdict, judged[0].reason.clone())
    }

    fn split(&self, weight: u32) -> (SplitCheck, u32, u64) {
        self.watch.split(&self.metrics, weight)
    }
}

#[test]
fn a_bad_revision_is_noticed_when_its_second_period_ends() {
    let mut step = Step::new(alarm(&serde_json::json!({})));
    let traffic = [count(1, 900, 0), count(2, 95, 5)];
    step.pass(10, &traffic);
    assert_eq!(step.verdict_after(SETTLE).0, GuardVerdict::Pending);
    step.pass(10, &traffic);
    assert_eq!(
        step.verdict_after(Duration::ZERO).0,
        GuardVerdict::Pending,
        "not settled"
    );
    let (verdict, reason) = step.verdict_after(SETTLE);
    assert_eq!(verdict, GuardVerdict::Fired);
    assert!(
        reason.contains("95 at") && reason.contains("less than the threshold 99.5"),
        "{reason}"
    );
}

#[test]
fn the_stable_revisions_errors_are_not_held_against_the_new_one() {
    let mut step = Step::new(alarm(&serde_json::json!({})));
    step.pass(20, &[count(1, 0, 900), count(2, 100, 0)]);
    assert_eq!(step.verdict_after(SETTLE).0, GuardVerdict::Quiet);
}

#[test]
fn a_guard_is_quiet_only_after_all_its_periods_and_fires_early_when_m_of_n_breach() {
    let mut step = Step::new(alarm(&serde_json::json!({"datapoints": [2, 3]})));
    step.pass(20, &[count(2, 100, 0)]);
    assert_eq!(step.verdict_after(SETTLE).0, GuardVerdict::Pending);
    step.pass(10, &[count(2, 100, 0)]);
    assert_eq!(step.verdict_after(SETTLE).0, GuardVerdict::Quiet);
    let mut step = Step::new(alarm(&serde_json::json!({"datapoints": [2, 3]})));
    step.pass(20, &[count(2, 95, 5)]);
    assert_eq!(step.verdict_after(SETTLE).0, GuardVerdict::Fired);
}

#[test]
fn too_few_requests_are_a_third_outcome_whatever_missing_data_means() {
    for missing in ["missing", "ignore", "not-breaching"] {
        let fields = serde_json::json!({"missing": missing, "minimum_samples": 100});
        let mut step = Step::new(alarm(&fields));
        step.pass(20, &[count(1, 900, 0), count(2, 5, 0)]);
        let (verdict, reason) = step.verdict_after(SETTLE);
        assert_eq!(verdict, GuardVerdict::TooLittle, "{missing}: {reason}");
    }
}

#[test]
fn latency_guards_see_the_new_revisions_percentile() {
    let fields = serde_json::json!({
        "metric": "latency", "statistic": "p95", "breach": {"above": 500.0}
    });
    let mut latency = Window::of(20.0, 80);
    latency.record(2_000.0, 20);
    let slow = RequestCount {
        latency,
        ..count(2, 100, 0)
    };
    let mut step = Step::new(alarm(&fields));
    step.pass(20, &[count(1, 900, 0), slow]);
    assert_eq!(step.verdict_after(SETTLE).0, GuardVerdict::Fired);
}

#[test]
fn a_count_of_errors_is_quiet_when_there_are_requests_and_no_errors() {
    let fields = serde_json::json!({
        "metric": "errors", "breach": {"above": 3.0}, "missing": "not-breaching"
    });
    let mut step = Step::new(alarm(&fields));
    step.pass(20, &[count(2, 100, 0)]);
    assert_eq!(step.verdict_after(SETTLE).0, GuardVerdict::Quiet);
    let mut step = Step::new(alarm(&fields));
    step.pass(20, &[count(1, 100, 0)]);
    assert_eq!(
        step.verdict_after(SETTLE).0,
        GuardVerdict::TooLittle,
        "nobody asked revision 2"
    );
    let mut step = Step::new(alarm(&fields));
    step.pass(20, &[count(2, 100, 2)]);
    assert_eq!(
        step.verdict_after(SETTLE).0,
        GuardVerdict::Fired,
        "20 errors in 10 s"
    );
}

#[test]
fn no_data_is_what_the_manifest_says_it_is() {
    for (missing, expected) in [
        ("breaching", GuardVerdict::Fired),
        ("not-breaching", GuardVerdict::TooLittle),
        ("missing", GuardVerdict::TooLittle),
        ("ignore", GuardVerdict::TooLittle),
    ] {
        let mut step = Step::new(alarm(&serde_json::json!({"missing": missing})));
        step.pass(20, &[count(1, 900, 0)]);
        assert_eq!(step.verdict_after(SETTLE).0, expected, "{missing}");
    }
}

#[test]
fn the_split_is_measured_from_when_the_step_has_settled() {
    let mut step = Step::new(alarm(&serde_json::json!({})));
    // The requests of the second in which the weights changed do not count.
    step.pass(1, &[count(1, 1000, 0)]);
    assert_eq!(step.split(100), (SplitCheck::Unmeasured, 0, 0));
    step.pass(5, &[count(1, 90, 0), count(2, 10, 0)]);
    assert_eq!(step.split(100), (SplitCheck::Verified, 100, 500));
    assert_eq!(step.split(500).0, SplitCheck::Off);
}

#[test]
fn the_split_is_that_of_requests_which_no_cookie_kept() {
    let mut step = Step::new(alarm(&serde_json::json!({})));
    let mut traffic = [count(1, 1_090, 0), count(2, 15, 0)];
    traffic[0].kept = 1_000;
    traffic[1].kept = 5;
    step.pass(10, &traffic);
    // The first second has not settled.
    assert_eq!(step.split(100), (SplitCheck::Verified, 100, 900));
    assert_eq!(step.split(500).0, SplitCheck::Off);
    // Only old sessions: nothing to tell, and nothing that holds the step.
    let mut step = Step::new(alarm(&serde_json::json!({})));
    let mut traffic = [count(1, 1_000, 0)];
    traffic[0].kept = 1_000;
    step.pass(10, &traffic);
    assert_eq!(step.split(100), (SplitCheck::Unmeasured, 0, 0));
}
