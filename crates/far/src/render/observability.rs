//! The call of the module of alarms, objectives and the dashboard.

use neargate_core::model::{Comparison, TreatMissingData};

use super::hcl::{Block, HclValue, is, table, text};
use super::{call, output};
use crate::stack::{
    AlarmSource, CloudWatchAlarm, DashboardRow, Dimension, Metric, SloAlarms, Stack,
};

pub(super) fn observability(stack: &Stack) -> Block {
    let is_rule = |alarm: &&CloudWatchAlarm| matches!(alarm.watch, AlarmSource::Rule(_));
    let alarms = stack.alarms.iter().filter(|alarm| !is_rule(alarm));
    let composites: Vec<_> = stack.alarms.iter().filter(is_rule).map(composite).collect();
    let slos: Vec<_> = stack.slos.iter().map(slo).collect();
    let rows: Vec<HclValue> = stack.dashboard.iter().map(row).collect();
    call("observability", "observability")
        .with("name", is("local.name"))
        .with("emails", is("var.emails"))
        .with("alarms", table(alarms.map(alarm)))
        .with_some(
            "composites",
            (!composites.is_empty()).then(|| table(composites)),
        )
        .with_some("slos", (!slos.is_empty()).then(|| table(slos)))
        .with_some(
            "dashboard",
            (!rows.is_empty()).then_some(HclValue::List(rows)),
        )
        .with("budget", is("var.budget"))
        .with("trail", is("var.trail_days"))
        .with("keep_trail_on_destroy", is("var.protect"))
        .with("kms_key_arn", is("module.secrets.kms_key_arn"))
        .with("tags", is("local.tags"))
}

fn alarm(alarm: &CloudWatchAlarm) -> (String, HclValue) {
    let mut all = vec![("description", text(&alarm.description))];
    match &alarm.watch {
        AlarmSource::Metric(metric) => all.extend([
            ("namespace", text(&metric.namespace)),
            ("metric", text(&metric.name)),
            ("dimensions", dimensions(metric)),
            ("statistic", text(&metric.statistic)),
        ]),
        AlarmSource::Expression(expression, metrics) => {
            let each = |(id, metric): (&String, &Metric)| {
                let parts = [
                    ("namespace", text(&metric.namespace)),
                    ("metric", text(&metric.name)),
                    ("dimensions", dimensions(metric)),
                    ("statistic", text(&metric.statistic)),
                ];
                (id.clone(), table(parts))
            };
            all.push(("expression", text(expression)));
            all.push(("metrics", table(metrics.iter().map(each))));
        }
        AlarmSource::Rule(_) => {}
    }
    all.extend(alarm.breach.map(|breach| match breach {
        Comparison::Below(line) => ("below", is(line.to_string())),
        Comparison::AtMost(line) => ("at_most", is(line.to_string())),
        Comparison::Above(line) => ("above", is(line.to_string())),
        Comparison::AtLeast(line) => ("at_least", is(line.to_string())),
    }));
    let missing = match alarm.missing {
        TreatMissingData::Missing => "missing",
        TreatMissingData::Ignore => "ignore",
        TreatMissingData::Breaching => "breaching",
        TreatMissingData::NotBreaching => "notBreaching",
    };
    let (points, of) = alarm.datapoints;
    all.extend([
        ("period", is(alarm.period.to_string())),
        ("points", is(points.to_string())),
        ("of", is(of.to_string())),
        ("missing", text(missing)),
        ("notify", is(alarm.notify.to_string())),
    ]);
    (alarm.name.clone(), table(all))
}

fn composite(alarm: &CloudWatchAlarm) -> (String, HclValue) {
    let expression = match &alarm.watch {
        AlarmSource::Rule(rule) => rule.clone(),
        AlarmSource::Metric(_) | AlarmSource::Expression(..) => String::new(),
    };
    let all = [
        ("expression", text(expression)),
        ("description", text(&alarm.description)),
        ("notify", is(alarm.notify.to_string())),
    ];
    (alarm.name.clone(), table(all))
}

fn slo(slo: &SloAlarms) -> (String, HclValue) {
    let group = |colour: &str| {
        let path = format!("target_groups[\"{colour}\"].arn_suffix");
        output("service", &slo.service, &path)
    };
    // Milliseconds as seconds: three digits say them exactly.
    let latency = slo
        .latency_ms
        .map(|ms| is(format!("{}.{:03}", ms / 1000, ms % 1000)));
    let mut all = vec![("objective", is(slo.objective.to_string()))];
    all.extend(latency.map(|seconds| ("latency_seconds", seconds)));
    all.push(("balancer", is("module.balancer.arn_suffix")));
    let groups = HclValue::List(vec![group("blue"), group("green")]);
    all.push(("target_groups", groups));
    (slo.name.clone(), table(all))
}

fn row(row: &DashboardRow) -> HclValue {
    let metric = |metric: &Metric| {
        let name = [text(&metric.namespace), text(&metric.name)];
        let pairs = metric.dimensions.iter();
        let pairs = pairs.flat_map(|(key, value)| [text(key), dimension(value)]);
        HclValue::List(name.into_iter().chain(pairs).collect())
    };
    let statistic = row
        .metrics
        .first()
        .map_or("Average", |metric| &metric.statistic);
    table([
        ("title", text(&row.title)),
        ("statistic", text(statistic)),
        (
            "metrics",
            HclValue::List(row.metrics.iter().map(metric).collect()),
        ),
    ])
}

fn dimensions(metric: &Metric) -> HclValue {
    let pairs = metric.dimensions.iter();
    table(pairs.map(|(key, value)| (key.clone(), dimension(value))))
}

fn dimension(dimension: &Dimension) -> HclValue {
    match dimension {
        Dimension::Named(part) if part.is_empty() => is("local.name"),
        Dimension::Named(part) => is(format!("\"${{local.name}}-{part}\"")),
        Dimension::Balancer => is("module.balancer.arn_suffix"),
        Dimension::Gateway => is("module.gateway.api_id"),
        Dimension::Node(cache) => output("cache", cache, "node_ids[0]"),
        Dimension::Group(service, colour) => {
            let path = format!("target_groups[\"{}\"].arn_suffix", colour.name());
            output("service", service, &path)
        }
    }
}
