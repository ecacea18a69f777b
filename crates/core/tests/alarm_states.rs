//! Definitions from the manifest, evaluation over metrics, states, and composites.

use std::collections::BTreeMap;
use std::time::Duration;

use neargate_core::alarm::{
    AlarmDefinition, AlarmRule, AlarmState, AlarmStatus, CompositeError, DataSufficiency,
    DefinitionError, MOST_TRANSITIONS, MetricAlarm, evaluate, history, order,
};
use neargate_core::ids::RevisionNumber;
use neargate_core::metrics::{Dimensions, MetricsStore, RetentionLimits};
use neargate_core::model::{Alarm, Comparison, TreatMissingData};
use neargate_core::time::Timestamp;
use proptest::prelude::*;

fn manifest(name: &str) -> Alarm {
    Alarm {
        name: name.into(),
        metric: None,
        expression: None,
        rule: None,
        service: Some("api".into()),
        statistic: None,
        breach: Some(Comparison::Below(99.5)),
        period: Duration::from_secs(60),
        datapoints: (2, 2),
        missing: TreatMissingData::NotBreaching,
        minimum_samples: 0,
    }
}

fn success_rate() -> Alarm {
    Alarm {
        metric: Some("success_rate".into()),
        ..manifest("success-rate")
    }
}

fn metric(alarm: &Alarm) -> MetricAlarm {
    match AlarmDefinition::from_manifest(alarm).expect("a definition") {
        AlarmDefinition::Metric(alarm) => *alarm,
        AlarmDefinition::Composite(_) => panic!("{} is a composite", alarm.name),
    }
}

fn composite(name: &str, rule: &str) -> AlarmDefinition {
    AlarmDefinition::from_manifest(&Alarm {
        rule: Some(rule.into()),
        breach: None,
        ..manifest(name)
    })
    .expect("a definition")
}

fn at(second: u64) -> Timestamp {
    Timestamp(second * 1000)
}

#[test]
fn a_definition_that_cannot_be_evaluated_is_refused() {
    use DefinitionError as E;
    let good = success_rate();
    let expression = |text: &str| Alarm {
        expression: Some(text.into()),
        ..manifest("a")
    };
    let name = || "success-rate".to_owned();
    let period = |seconds| Alarm {
        period: Duration::from_secs(seconds),
        ..good.clone()
    };
    let points = |m, n| Alarm {
        datapoints: (m, n),
        ..good.clone()
    };
    for (alarm, error) in [
        (manifest("a"), E::Watch("a".into())),
        (
            Alarm {
                breach: None,
                ..good.clone()
            },
            E::Threshold(name()),
        ),
        (period(15), E::Period(name())),
        (period(0), E::Period(name())),
        (points(0, 1), E::Datapoints(name())),
        (points(3, 2), E::Datapoints(name())),
        (points(1, 1441), E::TooLong(name())),
    ] {
        assert_eq!(AlarmDefinition::from_manifest(&alarm), Err(error));
    }
    for (alarm, words) in [
        (expression("100 * AVG(errors)"), "gives a number"),
        (expression("METRICS()"), "gives several time series"),
        (expression("errors +"), "wrong expression"),
        (expression("a+b+c+d+e+f+g+h+i+j+k"), "more than 10 metrics"),
        (
            Alarm {
                statistic: Some("median".into()),
                ..good
            },
            "wrong statistic",
        ),
        (
            Alarm {
                rule: Some("ALARM(".into()),
                ..manifest("a")
            },
            "wrong rule",
        ),
    ] {
        let error = AlarmDefinition::from_manifest(&alarm)
            .expect_err(words)
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_next_evaluation_is_once_the_next_period_has_settled() {
    for (period, now, next, end) in [
        (60, 0, 1_500, 0),
        (60, 1_499, 1_500, 0),
        (60, 1_500, 61_500, 0),
        (300, 61_500, 121_500, 60_000),
        (10, 61_499, 61_500, 50_000),
        (30, 61_500, 71_500, 60_000),
        (1, 61_500, 62_500, 60_000),
        (5, 61_499, 61_500, 59_000),
    ] {
        let alarm = metric(&Alarm {
            period: Duration::from_secs(period),
            ..success_rate()
        });
        let now = Timestamp(now);
        assert_eq!(
            alarm.next_evaluation(now),
            Timestamp(next),
            "{period}s at {now:?}"
        );
        assert_eq!(
            alarm.window_end(now),
            Timestamp(end),
            "{period}s at {now:?}"
        );
        assert_eq!(alarm.near_only(), period < 10);
    }
}

/// 20 requests a second for so long, of which every n-th of revision 2 fails from a second on.
fn traffic(seconds: u64, bad_from: u64, every: u64) -> MetricsStore {
    let mut metrics = MetricsStore::new(metric(&success_rate()).limits(RetentionLimits::default()));
    for second in 0..seconds {
        for (revision, share) in [(1, 18), (2, 2)] {
            let of = Dimensions::revision("api", RevisionNumber(revision));
            let bad = revision == 2 && second >= bad_from && second % every == 0;
            let failed = u64::from(bad);
            metrics.record("success_rate", &of, at(second), 100.0, share - failed);
            metrics.record("success_rate", &of, at(second), 0.0, failed);
            metrics.record("requests", &of, at(second), 1.0, share);
            metrics.record("errors", &of, at(second), 1.0, failed);
        }
    }
    metrics
}

#[test]
fn a_bad_revision_is_seen_in_its_own_metrics_and_the_alarm_says_which_points() {
    let alarm = metric(&success_rate());
    let metrics = traffic(240, 120, 10);
    let revision = Dimensions::revision("api", RevisionNumber(2));
    let mut standing = AlarmStatus::new(at(0));
    let mut now = at(100);
    while now < at(250) {
        let slots = history(&alarm, &metrics, &revision, now);
        assert_eq!(slots.len(), alarm.range());
        let evaluation = evaluate(&alarm, &slots, standing.state, now);
        if let Some(transition) = evaluation.transition {
            standing.enter(transition);
        }
        now = alarm.next_evaluation(now);
    }
    let states: Vec<_> = standing.history.iter().map(|t| (t.at, t.to)).collect();
    let ok = (at(100), AlarmState::Ok);
    assert_eq!(states, [ok, (Timestamp(241_500), AlarmState::Alarm)]);
    assert_eq!(
        standing.reason,
        "2 of the last 2 datapoints [95 at 00:03, 95 at 00:02] were less than the threshold 99.5"
    );
    let noticed = standing.since.since(at(120));
    assert!(noticed <= alarm.notices_within(), "{noticed:?}");
    let text = serde_json::to_string(&standing).expect("JSON");
    assert_eq!(
        serde_json::from_str::<AlarmStatus>(&text).expect("back"),
        standing
    );
}

#[test]
fn an_expression_watches_the_metrics_it_names() {
    for (expression, value) in [
        ("100 * errors / requests", Some(5.0)),
        ("IF(requests > 500, 100 * errors / requests)", None),
        ("SUM(METRICS(\"e\"))", Some(120.0 + 6.0 + 95.0)),
    ] {
        let alarm = metric(&Alarm {
            expression: Some(expression.into()),
            breach: Some(Comparison::Above(1.0)),
            ..manifest("errors")
        });
        let metrics = traffic(240, 120, 10);
        let of = Dimensions::revision("api", RevisionNumber(2));
        let slots = history(&alarm, &metrics, &of, at(250));
        let last = slots.last().expect("a slot");
        assert_eq!(
            (last.value, last.at, last.samples),
            (value, at(180), 120),
            "{expression}"
        );
    }
}

#[test]
fn without_traffic_the_third_outcome_is_too_little() {
    let alarm = metric(&success_rate());
    let slots = history(
        &alarm,
        &MetricsStore::default(),
        &Dimensions::service("api"),
        at(250),
    );
    let evaluation = evaluate(&alarm, &slots, AlarmState::InsufficientData, at(250));
    assert_eq!(
        (evaluation.state, evaluation.traffic),
        (AlarmState::Ok, DataSufficiency::TooLittle)
    );
}

#[test]
fn a_forced_state_is_a_transition_only_when_it_differs_and_history_is_bounded() {
    let mut standing = AlarmStatus::new(at(0));
    assert_eq!(
        standing.forced(AlarmState::InsufficientData, "drill", at(1)),
        None
    );
    for i in 0..200 {
        let to = if i % 2 == 0 {
            AlarmState::Alarm
        } else {
            AlarmState::Ok
        };
        let transition = standing.forced(to, "drill", at(i)).expect("a change");
        standing.enter(transition);
    }
    assert_eq!(
        (standing.state, standing.history.len()),
        (AlarmState::Ok, MOST_TRANSITIONS)
    );
    assert_eq!(standing.reason, "it was set by hand: drill");
}

#[test]
fn composites_hold_when_their_rule_does() {
    use AlarmState::{Alarm, InsufficientData, Ok};
    let names = ["a", "b", "net", "deploying"];
    for (rule, states, holds) in [
        (
            "ALARM(a) AND NOT ALARM(deploying)",
            [Alarm, Ok, Ok, Ok],
            true,
        ),
        (
            "ALARM(a) AND NOT ALARM(deploying)",
            [Alarm, Ok, Ok, Alarm],
            false,
        ),
        (
            "(ALARM(a) OR ALARM(\"b\")) AND OK(net)",
            [Ok, Alarm, Ok, Ok],
            true,
        ),
        (
            "(ALARM(a) OR ALARM(b)) AND OK(net)",
            [Ok, Alarm, InsufficientData, Ok],
            false,
        ),
        (
            "ALARM(a) OR ALARM(b) AND OK(net)",
            [Alarm, Ok, Alarm, Ok],
            true,
        ),
        ("NOT ALARM(a) AND FALSE OR TRUE", [Alarm, Ok, Ok, Ok], true),
        (
            "NOT NOT INSUFFICIENT_DATA(net)",
            [Ok, Ok, InsufficientData, Ok],
            true,
        ),
        (
            "OK(gone) OR ALARM(gone) OR INSUFFICIENT_DATA(gone)",
            [Ok; 4],
            false,
        ),
    ] {
        let states: BTreeMap<_, _> = names.map(str::to_owned).into_iter().zip(states).collect();
        let AlarmDefinition::Composite(alarm) = composite("all", rule) else {
            panic!("{rule} is a composite");
        };
        let transition = alarm
            .evaluate(&states, InsufficientData, at(1))
            .expect("a change");
        let to = if holds { Alarm } else { Ok };
        assert_eq!(transition.to, to, "{rule}");
        assert_eq!(alarm.evaluate(&states, to, at(2)), None, "{rule}");
        assert!(
            transition.reason.starts_with("the rule `"),
            "{}",
            transition.reason
        );
    }
}

#[test]
fn children_come_first_and_circles_are_refused() {
    let leaf = || AlarmDefinition::from_manifest(&success_rate()).expect("a definition");
    let all = [
        composite("a", "ALARM(b) OR ALARM(success-rate)"),
        composite("b", "NOT OK(success-rate)"),
        leaf(),
    ];
    assert_eq!(order(&all), Ok(vec!["success-rate", "b", "a"]));
    let circle = [
        composite("x", "ALARM(a)"),
        composite("a", "ALARM(b)"),
        composite("b", "OK(a)"),
    ];
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        order(&circle),
        Err(CompositeError::Circle(names(&["a", "b", "a"])))
    );
    let own = [composite("a", "ALARM(a)")];
    assert_eq!(order(&own), Err(CompositeError::Circle(names(&["a", "a"]))));
    let unknown = CompositeError::Unknown {
        alarm: "a".into(),
        child: "gone".into(),
    };
    assert_eq!(order(&[composite("a", "ALARM(gone)")]), Err(unknown));
}

#[test]
fn a_wrong_rule_says_where_and_what_is_expected() {
    for (rule, message) in [
        (
            "ALARM(a) ALARM(b)",
            "column 10: AND, OR or the end is expected, not `ALARM`",
        ),
        ("ALARM(a", "column 8: `)` is expected before the end"),
        (
            "ALARM()",
            "column 7: the name of an alarm is expected, not `)`",
        ),
        (
            "ALARM(\"a",
            "column 7: the name of an alarm is expected, not `\"a`",
        ),
        (
            "ALARM(a) AND",
            "column 13: ALARM(…), OK(…), INSUFFICIENT_DATA(…), TRUE, FALSE, NOT or `(` is expected before the end",
        ),
    ] {
        let error = rule.parse::<AlarmRule>().expect_err(rule);
        assert_eq!(error.to_string(), message, "{rule}");
    }
    for wrong in [
        "NOT ".repeat(100) + "TRUE",
        "TRUE OR ".repeat(300) + "TRUE",
        "é".repeat(6000),
    ] {
        assert!(wrong.parse::<AlarmRule>().is_err());
    }
}

proptest! {
    #[test]
    fn any_text_is_a_rule_or_refused_at_a_column_within_it(text in "\\PC{0,60}") {
        if let Err(error) = text.parse::<AlarmRule>() {
            prop_assert!(error.column <= text.len());
        }
    }

    #[test]
    fn the_text_of_a_rule_parses_to_the_same_rule(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "ALARM(a)", "OK(\"b c\")", "TRUE", "INSUFFICIENT_DATA(ü)", "NOT TRUE", "(FALSE OR OK(a))",
            "NOT (TRUE AND ALARM(a))",
        ]), 1..8),
        operators in proptest::collection::vec(proptest::sample::select(vec![" AND ", " OR "]), 8),
    ) {
        let mut text = String::new();
        for (word, operator) in words.iter().zip(&operators) {
            text += &format!("{word}{operator}");
        }
        text += "TRUE";
        let rule: AlarmRule = text.parse().map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
        prop_assert_eq!(rule.to_string().parse::<AlarmRule>(), Ok(rule));
    }

    #[test]
    fn evaluation_does_not_depend_on_the_order_of_samples(
        samples in proptest::collection::vec((0u64..240, 0u32..800), 1..200),
    ) {
        let alarm = metric(&success_rate());
        let run = |samples: &mut dyn Iterator<Item = &(u64, u32)>| {
            let mut metrics = MetricsStore::new(RetentionLimits::default());
            let of = Dimensions::service("api");
            for (second, value) in samples {
                metrics.record("success_rate", &of, at(*second), f64::from(*value) / 8.0, 1);
            }
            let slots = history(&alarm, &metrics, &of, at(250));
            evaluate(&alarm, &slots, AlarmState::Ok, at(250))
        };
        prop_assert_eq!(run(&mut samples.iter()), run(&mut samples.iter().rev()));
    }
}
