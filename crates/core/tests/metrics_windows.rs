//! Histograms, windows, statistics, and the bounded store.

use std::time::Duration;

use neargate_core::ids::RevisionNumber;
use neargate_core::metrics::{
    Dimensions, Histogram, MOST_BUCKETS, MetricsStore, RetentionLimits, Statistic, StatusClass,
    Window,
};
use neargate_core::time::Timestamp;
use proptest::prelude::*;

fn window(values: &[f64]) -> Window {
    let mut window = Window::default();
    for value in values {
        window.record(*value, 1);
    }
    window
}

fn of(statistic: &str, window: &Window) -> Option<f64> {
    let parsed: Statistic = statistic.parse().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(parsed.to_string().parse(), Ok(parsed), "{statistic}");
    parsed.of(window)
}

#[test]
fn statistics_are_those_of_the_reference() {
    // CloudWatch reference, statistics definitions; 1 to 100, each once.
    let values: Vec<f64> = (1..=100).map(f64::from).collect();
    let window = window(&values);
    for (statistic, expected) in [
        ("SampleCount", 100.0),
        ("sum", 5050.0),
        ("Average", 50.5),
        ("minimum", 1.0),
        ("Maximum", 100.0),
        ("p0", 1.0),
        ("p50", 50.0),
        ("p99", 99.0),
        ("p99.9", 100.0),
        ("p100", 100.0),
        ("tm90", 45.5),
        ("TM(:90%)", 45.5),
        ("TM(10%:90%)", 50.5),
        ("iqm", 50.5),
        ("tc90", 90.0),
        ("ts90", 4095.0),
        ("TC(10:20)", 10.0),
        ("TM(10:20)", 15.5),
        ("PR(:30)", 30.0),
        ("PR(90:)", 10.0),
        ("wm98", 50.47),
        ("WM(2%:98%)", 50.5),
    ] {
        let found = of(statistic, &window).expect(statistic);
        let error = (found - expected).abs() / expected;
        assert!(error <= 0.01, "{statistic}: {found}, not {expected}");
    }
}

#[test]
fn a_wrong_statistic_is_refused() {
    for text in [
        "",
        "median",
        "p",
        "p101",
        "p-1",
        "TM90",
        "tm(1:2)",
        "TM(90%:10%)",
        "TM(:)",
        "TM(10%:20)",
        "PR(10%:)",
        "TM(a:b)",
        "pinf",
        "PR(:inf)",
    ] {
        assert!(text.parse::<Statistic>().is_err(), "{text}");
    }
}

#[test]
fn percentiles_are_unavailable_without_the_values() {
    // CloudWatch reference: negative values, and statistic sets whose values differ.
    let equal = Window::from_statistics(4, 20.0, 5.0, 5.0).expect("a set");
    assert_eq!(of("p90", &equal), Some(5.0));
    let differ = Window::from_statistics(4, 22.0, 5.0, 7.0).expect("a set");
    assert_eq!(
        (of("p90", &differ), of("average", &differ)),
        (None, Some(5.5))
    );
    let mut mixed = window(&[1.0, 2.0, -3.0, 4.0]);
    assert_eq!(
        (of("p90", &mixed), of("minimum", &mixed)),
        (None, Some(-3.0))
    );
    mixed.merge(&equal);
    assert_eq!((of("tm90", &mixed), of("sum", &mixed)), (None, Some(24.0)));
    assert_eq!(of("p90", &Window::default()), None);
    assert_eq!(Window::from_statistics(0, 0.0, 0.0, 0.0), None);
    assert!(!Window::default().record(f64::NAN, 1));
}

#[test]
fn a_success_rate_is_the_average_of_hundreds_and_zeros() {
    let mut window = Window::of(100.0, 1962);
    window.record(0.0, 38);
    assert_eq!((of("average", &window), window.count()), (Some(98.1), 2000));
}

fn at(second: u64) -> Timestamp {
    Timestamp(second * 1000)
}

fn sums(metrics: &MetricsStore, of: &Dimensions, period: u64, end: u64, count: usize) -> Vec<f64> {
    let period = Duration::from_secs(period);
    let windows = metrics.windows("requests", of, period, at(end), count);
    windows.iter().map(Window::sum).collect()
}

#[test]
fn seconds_roll_up_into_periods_of_the_wanted_dimensions() {
    let mut metrics = MetricsStore::new(RetentionLimits::default());
    for second in 0..240 {
        for (revision, task, class) in [
            (1, "a", StatusClass::Success),
            (1, "b", StatusClass::Success),
            (2, "c", StatusClass::ServerError),
        ] {
            let dimensions = Dimensions {
                target: Some(task.into()),
                class: Some(class),
                ..Dimensions::revision("api", RevisionNumber(revision))
            };
            assert!(metrics.record("requests", &dimensions, at(second), 1.0, 2));
        }
        let other = Dimensions::service("web");
        metrics.record("requests", &other, at(second), 1.0, 5);
    }
    let api = Dimensions::service("api");
    let second = Dimensions::revision("api", RevisionNumber(2));
    let failed = Dimensions {
        class: Some(StatusClass::ServerError),
        ..Dimensions::default()
    };
    for (of, period, end, count, expected) in [
        (&api, 60, 240, 2, vec![360.0, 360.0]),
        (&second, 60, 240, 1, vec![120.0]),
        (&failed, 60, 240, 1, vec![120.0]),
        (&Dimensions::default(), 120, 240, 2, vec![1320.0, 1320.0]),
        (&second, 10, 200, 3, vec![20.0; 3]),
        (&second, 20, 230, 2, vec![40.0; 2]),
        (&second, 5, 203, 2, vec![10.0; 2]),
        (&second, 1, 241, 2, vec![2.0, 0.0]),
        (&second, 60, 60, 3, vec![0.0, 0.0, 120.0]),
    ] {
        assert_eq!(
            sums(&metrics, of, period, end, count),
            expected,
            "{period}s to {end}"
        );
    }
    assert_eq!(metrics.names(&api), ["requests"]);
    assert_eq!(
        (
            metrics.len(),
            metrics.names(&Dimensions::service("db")).len()
        ),
        (4, 0)
    );
    metrics.forget_silent(at(240));
    assert!(metrics.is_empty());
}

#[test]
fn series_and_windows_are_bounded_and_the_oldest_goes_first() {
    let limits = RetentionLimits {
        series: 2,
        windows: [5, 2, 1],
    };
    let mut metrics = MetricsStore::new(limits);
    for (second, name) in [(100, "a"), (101, "b"), (102, "a"), (103, "c")] {
        metrics.record("requests", &Dimensions::service(name), at(second), 1.0, 1);
    }
    assert_eq!(metrics.len(), 2);
    assert_eq!(
        sums(&metrics, &Dimensions::service("b"), 1, 104, 4),
        [0.0; 4]
    );
    let a = Dimensions::service("a");
    for second in 110..120 {
        metrics.record("requests", &a, at(second), 1.0, 1);
    }
    // Too old for the seconds, which are full; a sample of a second that is kept counts.
    metrics.record("requests", &a, at(105), 1.0, 1);
    metrics.record("requests", &a, at(116), 1.0, 1);
    let expected = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 1.0, 1.0, 1.0];
    assert_eq!(sums(&metrics, &a, 1, 120, 10), expected);
    let limits = limits.covering(Duration::from_secs(300), 5);
    assert_eq!(limits.windows, [5, 2, 31]);
}

fn exact() -> impl Strategy<Value = Vec<f64>> {
    // Multiples of 1/8, whose sums are exact in any order.
    proptest::collection::vec((0u32..80_000_000).prop_map(|n| f64::from(n) / 8.0), 1..80)
}

proptest! {
    #[test]
    fn percentiles_of_a_histogram_are_within_one_percent(
        mut values in proptest::collection::vec(1e-6f64..1e12, 1..200),
        percent in 0.0f64..100.0,
    ) {
        let window = window(&values);
        values.sort_by(f64::total_cmp);
        let rank = (percent * values.len() as f64 / 100.0).ceil().max(1.0) as usize;
        let exact = values[rank.min(values.len()) - 1];
        let found = Statistic::Percentile(percent).of(&window).expect("a value");
        prop_assert!((found - exact).abs() <= exact * 0.01, "{} for {}", found, exact);
    }

    #[test]
    fn merging_histograms_is_the_union_of_their_values(a in exact(), b in exact()) {
        let histogram = |values: &[f64]| {
            let mut histogram = Histogram::default();
            for value in values {
                histogram.record(*value, 1);
            }
            histogram
        };
        let (mut ab, mut ba) = (histogram(&a), histogram(&b));
        ab.merge(&histogram(&b));
        ba.merge(&histogram(&a));
        let union = histogram(&[a, b].concat());
        prop_assert_eq!(&ab, &union);
        prop_assert_eq!(&ba, &union);
        prop_assert!(union.len() <= MOST_BUCKETS);
    }

    #[test]
    fn merging_windows_is_recording_all_samples_in_any_order(a in exact(), b in exact()) {
        let mut merged = window(&a);
        merged.merge(&window(&b));
        let mut all = [a, b].concat();
        prop_assert_eq!(&merged, &window(&all));
        all.reverse();
        prop_assert_eq!(&merged, &window(&all));
    }

    #[test]
    fn any_finite_value_falls_into_a_bucket(value in proptest::num::f64::ANY) {
        let mut histogram = Histogram::default();
        let taken = histogram.record(value, 1);
        prop_assert_eq!(taken, value.is_finite() && value >= 0.0);
        prop_assert_eq!(histogram.count(), u64::from(taken));
    }

    #[test]
    fn any_text_is_a_statistic_or_refused(text in "[a-zA-Z%:().0-9]{0,12}") {
        if let Ok(statistic) = text.parse::<Statistic>() {
            prop_assert_eq!(statistic.to_string().parse(), Ok(statistic));
        }
    }
}
