//! An error belongs to the step under whose routing table it was answered, however late the engine
//! hears of it.

use std::collections::BTreeMap;
use std::time::Duration;

use neargate_core::guard::StepAnalysis;
use neargate_core::ids::{ReleaseId, RevisionNumber};
use neargate_core::metrics::{Dimensions, MetricsStore, RetentionLimits, names};
use neargate_core::model::Alarm;
use neargate_core::routing::control::{RequestCount, SecondCount};
use neargate_core::routing::traffic::samples;
use neargate_core::time::Timestamp;
use proptest::prelude::*;

/// An event of the engine, at a millisecond.
enum Happens {
    StepBegins(u32),
    Told(SecondCount),
}

fn guards(period: u64) -> BTreeMap<String, Alarm> {
    let alarm: Alarm = serde_json::from_value(serde_json::json!({
        "name": "errors", "metric": "errors", "expression": null, "rule": null,
        "service": "api", "statistic": null, "breach": {"above": 0.0},
        "period": format!("{period}s"), "datapoints": [1, 1], "missing": "not-breaching",
        "minimum_samples": 0
    }))
    .expect("an alarm");
    BTreeMap::from([("errors".to_owned(), alarm)])
}

fn watch(step: u32, began: u64, period: u64) -> StepAnalysis {
    let began = (Timestamp(began), Timestamp(0));
    StepAnalysis::new(
        (ReleaseId(1), step),
        ("api", RevisionNumber(2)),
        began,
        &guards(period),
    )
}

/// The router's buckets of these errors, when `tables` came into force at these times.
fn buckets(errors: &[u64], tables: &[u64]) -> Vec<SecondCount> {
    let mut found: BTreeMap<(u64, usize), SecondCount> = BTreeMap::new();
    for at in errors {
        let table = tables.partition_point(|in_force| in_force <= at) - 1;
        let second = at / 1000;
        let bucket = found.entry((second, table)).or_insert_with(|| SecondCount {
            second,
            version: table as u64,
            in_force: tables[table],
            requests: vec![RequestCount {
                service: "api".into(),
                revision: RevisionNumber(2),
                task: "api-r2-1".into(),
                ..RequestCount::default()
            }],
        });
        let status = bucket.requests[0].target_status.entry(500).or_default();
        *status += 1;
    }
    found.into_values().collect()
}

proptest! {
    #[test]
    fn an_error_is_held_against_the_step_that_was_on_and_no_other(
        steps in proptest::collection::vec((1_000..20_000u64, 0..1_500u64), 1..6),
        places in proptest::collection::vec(0.0..1.0f64, 1..60),
        delays in proptest::collection::vec(0..60_000u64, 60),
        period in prop_oneof![Just(1u64), Just(5), Just(10), Just(60)],
    ) {
        // Steps begin, and their tables are in force a while later.
        let (mut begins, mut tables, mut at) = (vec![0], vec![0], 100_000);
        for (length, late) in &steps {
            begins.push(at);
            tables.push(at + late.min(&(length - 1)));
            at += length;
        }
        let (end, last) = (at, *begins.last().expect("a step"));
        let errors: Vec<u64> = places
            .iter()
            .map(|place| 100_000 + (place * (end - 100_000) as f64) as u64)
            .collect();
        let mut happens: Vec<(u64, Happens)> = (0u32..)
            .zip(&begins)
            .map(|(step, at)| (*at, Happens::StepBegins(step)))
            .collect();
        for (bucket, delay) in buckets(&errors, &tables).into_iter().zip(&delays) {
            let told = (bucket.second + 1) * 1000 + delay;
            happens.push((told, Happens::Told(bucket)));
        }
        happens.sort_by_key(|(at, _)| *at);
        let (mut metrics, mut present) = (MetricsStore::default(), watch(0, 0, period));
        for (at, what) in happens {
            match what {
                Happens::StepBegins(step) => {
                    present = watch(step, at, period);
                    metrics.keep(present.limits(RetentionLimits::default()), present.cuts());
                }
                Happens::Told(bucket) => {
                    let began = Timestamp(bucket.began());
                    let at = present.time_of(began, Timestamp(bucket.in_force));
                    for sample in bucket.requests.iter().flat_map(samples) {
                        metrics.merge(sample.metric, &sample.from, at, &sample.window);
                    }
                }
            }
        }
        let own = *tables.last().expect("a table");
        let wanted = errors.iter().filter(|at| **at >= own).count() as u64;
        let of = Dimensions::revision("api", RevisionNumber(2));
        let periods = (end - last) / (period * 1000) + 1;
        let until = Timestamp(last + periods * period * 1000);
        let windows = metrics.windows(
            names::ERRORS,
            &of,
            Duration::from_secs(period),
            until,
            usize::try_from(periods).expect("few"),
        );
        let found: u64 = windows.iter().map(|window| window.count()).sum();
        prop_assert_eq!(found, wanted);
    }
}
