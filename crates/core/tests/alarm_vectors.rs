//! CloudWatch's tables of missing data, as tables.
//!
//! Source: CloudWatch reference, "Configuring how alarms treat missing data" (documented rows),
//! archived revisions of the same page (archived rows), and rows that follow from the documented
//! rules (derived rows). `0` not breaching, `X` breaching, `-` missing; newest on the right.

use std::time::Duration;

use neargate_core::alarm::{
    AlarmDefinition, AlarmState, DataSufficiency, DatapointSource, Evaluation, HistorySlot,
    LowSamples, MetricAlarm, evaluate,
};
use neargate_core::metrics::Statistic;
use neargate_core::model::{Alarm, Comparison, TreatMissingData};
use neargate_core::time::Timestamp;

const MINUTE: u64 = 60_000;
/// 10:00 UTC on some day.
const TEN: u64 = 20_000 * 86_400_000 + 36_000_000;

fn alarm(n: u32, m: u32, missing: TreatMissingData) -> MetricAlarm {
    let alarm = Alarm {
        name: "high".into(),
        metric: Some("load".into()),
        expression: None,
        rule: None,
        service: Some("api".into()),
        statistic: None,
        breach: Some(Comparison::Above(3.0)),
        period: Duration::from_secs(60),
        datapoints: (m, n),
        missing,
        minimum_samples: 0,
    };
    match AlarmDefinition::from_manifest(&alarm).expect("a definition") {
        AlarmDefinition::Metric(alarm) => *alarm,
        AlarmDefinition::Composite(_) => unreachable!("it watches a metric"),
    }
}

fn slots(points: &str) -> Vec<HistorySlot> {
    let slot = |(i, c): (usize, &str)| HistorySlot {
        at: Timestamp(TEN + i as u64 * MINUTE),
        value: match c {
            "X" => Some(4.0),
            "0" => Some(1.0),
            _ => None,
        },
        samples: u64::from(c != "-"),
    };
    points.split(' ').enumerate().map(slot).collect()
}

fn run(alarm: &MetricAlarm, points: &str, before: AlarmState) -> Evaluation {
    let slots = slots(points);
    let now = Timestamp(TEN + slots.len() as u64 * MINUTE + 1500);
    evaluate(alarm, &slots, before, now)
}

/// n, m, range, points, filled (when the source says), missing, ignore, breaching, not breaching.
type Row<'a> = (u32, u32, usize, &'a str, Option<u32>, [&'a str; 4]);

fn check(rows: &[Row<'_>]) {
    let treatments = [
        TreatMissingData::Missing,
        TreatMissingData::Ignore,
        TreatMissingData::Breaching,
        TreatMissingData::NotBreaching,
    ];
    let states = [
        AlarmState::Ok,
        AlarmState::Alarm,
        AlarmState::InsufficientData,
    ];
    for (n, m, range, points, filled, expected) in rows {
        for (treatment, expected) in treatments.into_iter().zip(expected) {
            let alarm = alarm(*n, *m, treatment);
            assert_eq!(alarm.range(), *range, "{n}");
            for before in states {
                let evaluation = run(&alarm, points, before);
                let wanted = match *expected {
                    "PREV" => before.to_string(),
                    state => state.to_owned(),
                };
                let what = format!("{m} of {n} over {points} as {treatment:?} from {before}");
                assert_eq!(evaluation.state.to_string(), wanted, "{what}");
                let changed = evaluation.transition.map(|t| (t.from, t.to));
                let change = (before != evaluation.state).then_some((before, evaluation.state));
                assert_eq!(changed, change, "{what}");
                if let Some(filled) = filled {
                    assert_eq!(evaluation.filled, *filled, "{what}");
                }
            }
        }
    }
}

const ID: &str = "INSUFFICIENT_DATA";

#[test]
fn missing_data_is_treated_as_the_documented_tables_say() {
    // CloudWatch reference, missing data, documented rows.
    check(&[
        (3, 3, 5, "0 - X - X", Some(0), ["OK", "OK", "OK", "OK"]),
        (3, 3, 5, "0 - - - -", Some(2), ["OK", "OK", "OK", "OK"]),
        (3, 3, 5, "- - - - -", Some(3), [ID, "PREV", "ALARM", "OK"]),
        (3, 3, 5, "0 X X - X", Some(0), ["ALARM"; 4]),
        (
            3,
            3,
            5,
            "- - X - -",
            Some(2),
            ["ALARM", "PREV", "ALARM", "OK"],
        ),
        (3, 2, 5, "0 - X - X", Some(0), ["ALARM"; 4]),
        (3, 2, 5, "0 0 X 0 X", Some(0), ["ALARM"; 4]),
        (3, 2, 5, "0 - X - -", Some(1), ["OK", "OK", "ALARM", "OK"]),
        (3, 2, 5, "- - - - 0", Some(2), ["OK", "OK", "ALARM", "OK"]),
        (
            3,
            2,
            5,
            "- - - X -",
            Some(2),
            ["ALARM", "PREV", "ALARM", "OK"],
        ),
    ]);
}

#[test]
fn a_young_breaching_point_is_not_an_alarm_yet_in_the_archived_tables() {
    // CloudWatch reference, archived revisions.
    check(&[
        (3, 3, 5, "- - - - X", Some(2), [ID, "PREV", "ALARM", "OK"]),
        (
            3,
            3,
            5,
            "X - - - -",
            Some(2),
            ["ALARM", "PREV", "ALARM", "OK"],
        ),
        (3, 2, 5, "- - - - X", Some(2), [ID, "PREV", "ALARM", "OK"]),
    ]);
}

#[test]
fn rows_derived_from_the_rules_hold() {
    // CloudWatch reference, derived rows.
    check(&[
        (1, 1, 3, "X - -", None, ["ALARM"; 4]),
        (1, 1, 3, "0 - -", None, ["OK"; 4]),
        (1, 1, 3, "- - -", None, [ID, "PREV", "ALARM", "OK"]),
        (3, 3, 5, "- - - X -", None, [ID, "PREV", "ALARM", "OK"]),
        (3, 3, 5, "- X - X -", None, ["ALARM", "PREV", "ALARM", "OK"]),
        (3, 3, 5, "- - 0 - X", None, ["OK"; 4]),
        (3, 2, 5, "- - - X X", None, ["ALARM"; 4]),
        (3, 2, 5, "- - 0 - -", None, ["OK", "OK", "ALARM", "OK"]),
        (3, 1, 5, "- - - - X", None, ["ALARM"; 4]),
        (3, 3, 5, "X X X X 0", None, ["OK"; 4]),
        (3, 2, 5, "X X X 0 -", None, ["ALARM"; 4]),
    ]);
}

#[test]
fn an_alarm_fires_only_once_the_oldest_breaching_point_is_old_enough() {
    // CloudWatch reference, premature-alarm rule.
    let alarm = alarm(3, 3, TreatMissingData::Missing);
    for (points, state) in [
        ("- - - - X", AlarmState::InsufficientData),
        ("- - - X -", AlarmState::InsufficientData),
        ("- - X - -", AlarmState::Alarm),
        ("- X - - -", AlarmState::Alarm),
        ("- X - 0 -", AlarmState::Ok),
    ] {
        let evaluation = run(&alarm, points, AlarmState::InsufficientData);
        assert_eq!(evaluation.state, state, "{points}");
    }
}

#[test]
fn three_breaching_periods_in_a_row_fire_and_one_does_not() {
    // CloudWatch reference, worked timeline: threshold 3, 3 of 3, periods 1 to 9.
    let alarm = alarm(3, 3, TreatMissingData::Missing);
    let points = "0 0 X X X 0 0 0 X";
    let mut state = AlarmState::InsufficientData;
    let mut states = Vec::new();
    for end in 3..=9 {
        let seen: Vec<&str> = points.split(' ').take(end).collect();
        state = run(&alarm, &seen.join(" "), state).state;
        states.push(state);
    }
    use AlarmState::{Alarm, Ok};
    assert_eq!(states, [Ok, Ok, Alarm, Ok, Ok, Ok, Ok]);
}

#[test]
fn percentiles_need_the_documented_number_of_samples() {
    // CloudWatch reference, low-sample percentile rule: 10/(1-p), and 10/p below the median.
    for (percent, needed) in [
        (99.0, Some(1000)),
        (99.9, Some(10_000)),
        (95.0, Some(200)),
        (90.0, Some(100)),
        (75.0, Some(40)),
        (50.0, Some(20)),
        (10.0, Some(100)),
        (1.0, Some(1000)),
        (100.0, None),
    ] {
        assert_eq!(
            Statistic::Percentile(percent).samples_needed(),
            needed,
            "{percent}"
        );
    }
    assert_eq!(Statistic::Average.samples_needed(), None);
}

#[test]
fn a_percentile_of_few_samples_keeps_the_state_when_ignored() {
    use AlarmState::{Alarm, Ok};
    for (statistic, low, samples, state) in [
        (99.0, LowSamples::Evaluate, 999, Alarm),
        (99.0, LowSamples::Ignore, 999, Ok),
        (99.0, LowSamples::Ignore, 1000, Alarm),
        (25.0, LowSamples::Ignore, 39, Ok),
        (25.0, LowSamples::Ignore, 40, Alarm),
    ] {
        let mut alarm = alarm(1, 1, TreatMissingData::Missing);
        alarm.low_samples = low;
        alarm.watch = DatapointSource::Metric {
            metric: "latency".into(),
            statistic: Statistic::Percentile(statistic),
        };
        let mut slots = slots("- - X");
        slots[2].samples = samples;
        let evaluation = evaluate(&alarm, &slots, Ok, Timestamp(TEN));
        assert_eq!(
            evaluation.state, state,
            "p{statistic} of {samples}, {low:?}"
        );
        assert_eq!(
            evaluation.traffic == DataSufficiency::TooLittle,
            state == Ok
        );
    }
}

#[test]
fn a_datapoint_of_too_few_samples_is_missing_and_counted() {
    let mut alarm = alarm(2, 2, TreatMissingData::NotBreaching);
    alarm.minimum_samples = 50;
    let mut slots = slots("- - X X");
    for (samples, state, traffic, thin) in [
        (49, AlarmState::Ok, DataSufficiency::TooLittle, 2),
        (50, AlarmState::Alarm, DataSufficiency::Enough, 0),
    ] {
        slots[2].samples = samples;
        slots[3].samples = samples;
        let evaluation = evaluate(&alarm, &slots, AlarmState::Ok, Timestamp(TEN));
        let found = (evaluation.state, evaluation.traffic, evaluation.thin);
        assert_eq!(found, (state, traffic, thin), "{samples}");
    }
}

#[test]
fn reasons_are_words_a_tired_engineer_understands() {
    use AlarmState::{Alarm, InsufficientData, Ok};
    for (n, m, treatment, points, before, reason) in [
        (
            2,
            2,
            TreatMissingData::Missing,
            "0 0 X X",
            Ok,
            "2 of the last 2 datapoints [4 at 10:03, 4 at 10:02] were greater than the threshold 3",
        ),
        (
            3,
            2,
            TreatMissingData::Missing,
            "0 0 0 X 0",
            Alarm,
            "1 of the last 3 datapoints [1 at 10:04, 4 at 10:03, 1 at 10:02] was greater than the \
             threshold 3; 2 make an alarm",
        ),
        (
            1,
            1,
            TreatMissingData::Missing,
            "0 - -",
            Alarm,
            "the last datapoint [1 at 10:00] was not greater than the threshold 3",
        ),
        (
            3,
            3,
            TreatMissingData::Missing,
            "- - - - -",
            Ok,
            "no datapoints in the last 5 periods of 1m; 3 datapoints were missing",
        ),
        (
            1,
            1,
            TreatMissingData::Breaching,
            "- - -",
            Ok,
            "no datapoints in the last 3 periods of 1m; 1 datapoint was missing and treated as \
             breaching",
        ),
        (
            3,
            3,
            TreatMissingData::Ignore,
            "- - X - -",
            InsufficientData,
            "the last datapoint [4 at 10:02] was greater than the threshold 3; the state stays \
             INSUFFICIENT_DATA; 2 datapoints were missing",
        ),
    ] {
        let evaluation = run(&alarm(n, m, treatment), points, before);
        assert_eq!(evaluation.reason(), reason);
    }
}

#[test]
fn a_value_near_the_threshold_is_not_rounded_onto_it() {
    let mut alarm = alarm(1, 1, TreatMissingData::Missing);
    alarm.breach = Comparison::Below(99.5);
    let mut slots = slots("- - X");
    slots[2].value = Some(99.4999);
    let evaluation = evaluate(&alarm, &slots, AlarmState::Ok, Timestamp(TEN));
    let reason = "the last datapoint [99.4999 at 10:02] was less than the threshold 99.5";
    assert_eq!(evaluation.reason(), reason);
}
