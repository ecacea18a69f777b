//! Metric math: CloudWatch's vectors, functions, and where expressions are wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use neargate_core::metrics::math::{
    DataPoints, Expression, ExpressionInputs, ExpressionValue, Function,
};
use neargate_core::time::Timestamp;
use proptest::prelude::*;

fn points(text: &str) -> DataPoints {
    text.split(' ').map(|word| word.parse().ok()).collect()
}

/// Evaluates over metrics m1, m2, m3 of one-minute periods that begin at 2026-11-21 23:58 UTC.
fn run(expression: &str, metrics: &[&str]) -> ExpressionValue {
    let series: BTreeMap<String, DataPoints> = metrics
        .iter()
        .enumerate()
        .map(|(i, text)| (format!("m{}", i + 1), points(text)))
        .collect();
    let inputs = ExpressionInputs {
        start: Timestamp(1_795_305_480_000),
        period: Duration::from_secs(60),
        length: metrics.first().map_or(3, |text| text.split(' ').count()),
        series,
    };
    let parsed: Expression = expression
        .parse()
        .unwrap_or_else(|e| panic!("{expression}: {e}"));
    parsed.evaluate(&inputs)
}

fn text(value: &ExpressionValue) -> String {
    let number = |point: &Option<f64>| point.map_or("-".to_owned(), |value| value.to_string());
    let series = |points: &DataPoints| points.iter().map(number).collect::<Vec<_>>().join(" ");
    match value {
        ExpressionValue::Scalar(value) => number(value),
        ExpressionValue::Series(points) => series(points),
        ExpressionValue::Array(all) => all.iter().map(series).collect::<Vec<_>>().join(" | "),
    }
}

#[test]
fn comparisons_and_if_give_what_the_reference_gives() {
    // CloudWatch reference, metric math vectors.
    let (condition, a, b) = ("1 1 0 0 -", "30 - 0 0 30", "0 0 20 - 20");
    for (metrics, expression, result) in [
        (["30 20 0 0", "20 - 20 -", "-"], "m1 < m2", "0 0 1 0"),
        (["30 20 0 0", "20 - 20 -", "-"], "m1 >= 30", "1 0 0 0"),
        (
            ["30 20 0 0", "20 - 20 -", "-"],
            "m1 > 15 AND m2 > 15",
            "1 0 0 0",
        ),
        ([condition, a, b], "IF(m1,m2,m3)", "30 0 20 - -"),
        ([condition, a, b], "IF(m1,5,m3)", "5 5 20 - -"),
        ([condition, a, b], "IF(m1,m2,5)", "30 0 5 5 -"),
        ([condition, a, b], "IF(m1,m2)", "30 0 - - -"),
    ] {
        assert_eq!(text(&run(expression, &metrics)), result, "{expression}");
    }
}

#[test]
fn missing_counts_as_zero_and_division_by_zero_gives_no_point() {
    for (m1, m2, expression, result) in [
        ("5 1 - -", "10 0 10 -", "100 * m1 / FILL(m2, 0)", "50 - 0 -"),
        ("5 1 2 -", "10 - 0 -", "100 * m1 / m2", "50 - - -"),
        (
            "5 1 -",
            "60 10 60",
            "IF(m2 > 50, 100 * m1 / m2, 0)",
            "8.333333333333334 0 0",
        ),
        ("5 1 - -", "1 - 1 -", "m1 + m2", "6 1 1 -"),
        ("5 1 - -", "1 - 1 -", "m1 - m2", "4 1 -1 -"),
        ("2 3 -", "-", "-m1 ^ 2", "-4 -9 -"),
        ("2 3 -", "-", "2 ^ m1 ^ 2", "16 512 -"),
        ("0 3 -", "-", "(m1 OR 0) && 7", "0 1 -"),
        ("1 2 -", "-", "m1 == 1 || m1 != 1", "1 1 -"),
    ] {
        assert_eq!(text(&run(expression, &[m1, m2])), result, "{expression}");
    }
}

#[test]
fn functions_do_what_the_reference_says() {
    let m = ["1 - 4 -3.5", "10 20 - -", "- - - -"];
    for (expression, result) in [
        ("ABS(m1)", "1 - 4 3.5"),
        ("CEIL(m1)", "1 - 4 -3"),
        ("FLOOR(m1)", "1 - 4 -4"),
        ("LOG10(m2)", "1 1.3010299956639813 - -"),
        ("LOG(m1)", "0 - 1.3862943611198906 -"),
        ("AVG(m2)", "15"),
        ("SUM(m2)", "30"),
        ("MIN(m1)", "-3.5"),
        ("MAX(m1)", "4"),
        ("STDDEV(m2)", "5"),
        ("AVG(m3)", "-"),
        ("DATAPOINT_COUNT(m1)", "3"),
        ("SUM(METRICS())", "11 20 4 -3.5"),
        ("AVG(METRICS(\"m\"))", "5.5 20 4 -3.5"),
        ("DATAPOINT_COUNT(METRICS())", "2 1 1 1"),
        ("METRIC_COUNT(METRICS())", "3"),
        ("METRIC_COUNT(REMOVE_EMPTY(METRICS()))", "2"),
        ("METRICS(\"2\") * 2", "20 40 - -"),
        ("DIFF(m1)", "- - 3 -7.5"),
        ("DIFF_TIME(m1)", "- - 120 60"),
        ("RATE(m1)", "- - 0.025 -0.125"),
        ("PERIOD(m1)", "60"),
        ("RUNNING_SUM(m1)", "1 - 5 1.5"),
        ("FILL(m1, 0)", "1 0 4 -3.5"),
        ("FILL(m1, m2)", "1 20 4 -3.5"),
        ("FILL(m2, REPEAT)", "10 20 20 20"),
        ("FILL(m1, LINEAR)", "1 2.5 4 -3.5"),
        ("FILL(m2, LINEAR)", "10 20 - -"),
        ("TIME_SERIES(3)", "3 3 3 3"),
        ("FIRST(METRICS())", "1 - 4 -3.5"),
        ("LAST(METRICS())", "- - - -"),
        (
            "SORT(METRICS(), MAX, DESC)",
            "10 20 - - | 1 - 4 -3.5 | - - - -",
        ),
        ("SORT(METRICS(), AVG, ASC, 1)", "1 - 4 -3.5"),
        ("SLICE(METRICS(), 1, 2)", "10 20 - -"),
        ("SLICE(METRICS(), 1)", "10 20 - - | - - - -"),
        ("MINUTE(m3)", "58 59 0 1"),
        ("HOUR(m3)", "23 23 0 0"),
        ("DAY(m3)", "6 6 7 7"),
        ("DATE(m3)", "21 21 22 22"),
        ("MONTH(m3)", "11 11 11 11"),
        ("YEAR(m3)", "2026 2026 2026 2026"),
        ("EPOCH(m3) - 1795305480", "0 60 120 180"),
    ] {
        assert_eq!(text(&run(expression, &m)), result, "{expression}");
    }
}

#[test]
fn a_wrong_expression_says_where_and_what_is_expected() {
    for (expression, message) in [
        (
            "",
            "column 1: a metric, a number or a function is expected before the end",
        ),
        (
            "m1 +",
            "column 5: a metric, a number or a function is expected before the end",
        ),
        (
            "m1 m2",
            "column 4: an operator or the end is expected, not `m2`",
        ),
        (
            "(m1",
            "column 4: `)` or an operator is expected before the end",
        ),
        (
            "m1 % 2",
            "column 4: a metric, a number, a function or an operator is expected, not `%`",
        ),
        (
            "FILL(m1)",
            "column 8: a number, a time series, REPEAT or LINEAR is expected, not `)`",
        ),
        (
            "FILL(m1, ASC)",
            "column 10: a number, a time series, REPEAT or LINEAR is expected, not `ASC`",
        ),
        (
            "SUMM(m1)",
            "column 1: the name of a function is expected, not `SUMM`",
        ),
        (
            "SEARCH(\"a\")",
            "column 1: the name of a function is expected, not `SEARCH`",
        ),
        (
            "PERIOD(m1 + 1)",
            "column 8: the name of a metric is expected, not `m1`",
        ),
        ("ABS(m1, 2)", "column 9: `)` is expected, not `2`"),
        ("ABS(m1,)", "column 8: an argument is expected, not `)`"),
        (
            "METRICS() + METRICS()",
            "column 13: a number or one time series is expected, not `METRICS`",
        ),
        (
            "1 + REPEAT",
            "column 5: a number or time series is expected, not `REPEAT`",
        ),
        (
            "METRICS(\"a)",
            "column 12: a closing `\"` is expected before the end",
        ),
        (
            "Requests",
            "column 1: a metric (small letters) or a function with parentheses is expected, not `Requests`",
        ),
    ] {
        let error = expression.parse::<Expression>().expect_err(expression);
        assert_eq!(error.to_string(), message, "{expression}");
    }
    let deep = "(".repeat(100) + "m1" + &")".repeat(100);
    assert!(deep.parse::<Expression>().is_err());
    assert!(("1+".repeat(1100) + "1").parse::<Expression>().is_err());
}

/// Expressions as text, mostly right.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-c]",
        "[0-9]{1,3}",
        Just("METRICS()".to_owned()),
        Just("REPEAT".to_owned()),
        Just("1.5e3".to_owned()),
        Just("METRICS(\"m\")".to_owned()),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let operator = proptest::sample::select(vec![
            "+", "-", "*", "/", "^", "<", ">=", "==", "!=", " AND ", "||", " - -",
        ]);
        let function = proptest::sample::select(Function::ALL);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, o, b)| format!("{a}{o}{b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.clone().prop_map(|a| format!("-{a}")),
            (function, proptest::collection::vec(inner, 0..4)).prop_map(|(f, arguments)| format!(
                "{}({})",
                f.name(),
                arguments.join(",")
            )),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused_at_a_column_within_it(text in "\\PC{0,80}") {
        if let Err(error) = text.parse::<Expression>() {
            prop_assert!(error.column <= text.len());
        }
    }

    #[test]
    fn the_text_of_an_expression_parses_to_the_same_expression(text in expression()) {
        if let Ok(parsed) = text.parse::<Expression>() {
            let shown = parsed.to_string();
            let again: Expression = shown.parse().map_err(|e| {
                TestCaseError::fail(format!("{text} as {shown}: {e}"))
            })?;
            prop_assert_eq!(again, parsed, "{} as {}", text, shown);
        }
    }

    #[test]
    fn what_parses_can_be_evaluated(
        text in expression(),
        a in proptest::collection::vec(proptest::option::of(-1e6f64..1e6), 4),
        b in proptest::collection::vec(proptest::option::of(-2f64..2.0), 4),
    ) {
        if let Ok(parsed) = text.parse::<Expression>() {
            let inputs = ExpressionInputs {
                start: Timestamp(0),
                period: Duration::from_secs(60),
                length: 4,
                series: BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]),
            };
            let all = match parsed.evaluate(&inputs) {
                ExpressionValue::Scalar(number) => vec![vec![number; 4]],
                ExpressionValue::Series(points) => vec![points],
                ExpressionValue::Array(all) => all,
            };
            for points in all {
                prop_assert_eq!(points.len(), 4);
                prop_assert!(points.iter().flatten().all(|value| value.is_finite()));
            }
        }
    }
}
