//! The manifest's metrics in CloudWatch's names.
//!
//! Source: CloudWatch metrics for Application Load Balancers, Amazon ECS CloudWatch metrics. A
//! service has two target groups, and requests may go to either: what is counted is summed over
//! both, and of what is measured the worse one counts.

use std::collections::BTreeMap;

use neargate_core::metrics::{math, names};
use neargate_core::model::Alarm;

use super::super::Stack;
use super::unsupported::AlarmUnsupported;
use super::{AlarmSource, Dimension, Metric, TargetGroupColour};

const BALANCER: &str = "AWS/ApplicationELB";
const REQUESTS: &str = "RequestCount";
const ERRORS: &str = "HTTPCode_Target_5XX_Count";
/// Seconds; the manifest's is milliseconds.
const LATENCY: &str = "TargetResponseTime";
/// Most metrics in one alarm (PutMetricAlarm, `MetricsStore`).
const MOST: usize = 10;

/// An alarm on one metric.
pub(super) fn metric(
    alarm: &Alarm,
    name: &str,
    stack: &Stack,
) -> Result<AlarmSource, AlarmUnsupported> {
    if let names::CPU | names::MEMORY = name {
        return Ok(AlarmSource::Metric(reserved(alarm, name)?));
    }
    let mut metrics = BTreeMap::new();
    let mut text = term(alarm, name, stack, &mut metrics)?;
    if alarm.minimum_samples > 0 {
        let requests = term(alarm, names::REQUESTS, stack, &mut metrics)?;
        // Division by zero gives no data point, which is what too few samples are.
        text = format!("({text}) / ({requests} >= {})", alarm.minimum_samples);
    }
    Ok(AlarmSource::Expression(text, metrics))
}

/// An alarm on metric math: the names of metrics in it become what they are made of.
pub(super) fn expression(
    alarm: &Alarm,
    text: &str,
    stack: &Stack,
) -> Result<AlarmSource, AlarmUnsupported> {
    let mut metrics = BTreeMap::new();
    let mut out = String::new();
    let mut done = 0;
    for place in math::id_places(text)? {
        let term = term(alarm, &text[place.clone()], stack, &mut metrics)?;
        out.push_str(&format!("{}({term})", &text[done..place.start]));
        done = place.end;
    }
    out.push_str(&text[done..]);
    if metrics.len() > MOST {
        return Err(AlarmUnsupported::TooManyMetrics {
            most: MOST,
            needed: metrics.len(),
        });
    }
    Ok(AlarmSource::Expression(out.trim_end().to_owned(), metrics))
}

/// A metric's term, as metric math over `metrics`.
fn term(
    alarm: &Alarm,
    name: &str,
    stack: &Stack,
    metrics: &mut BTreeMap<String, Metric>,
) -> Result<String, AlarmUnsupported> {
    if let names::CPU | names::MEMORY = name {
        metrics.insert(name.to_owned(), reserved(alarm, name)?);
        return Ok(name.to_owned());
    }
    let groups = groups(alarm, stack)?;
    let mut each = |id: &str, metric: &str, statistic: &str| -> Vec<String> {
        let add = |(colour, dimensions): &(&str, BTreeMap<String, Dimension>)| {
            let id = format!("{id}{colour}");
            let of = of(metric, statistic, dimensions.clone());
            metrics.insert(id.clone(), of);
            format!("FILL({id}, 0)")
        };
        groups.iter().map(add).collect()
    };
    let statistic = alarm.statistic.as_deref().map_or("Average", cloudwatch);
    Ok(match name {
        names::REQUESTS => sum(&each("requests", REQUESTS, "Sum")),
        names::ERRORS => sum(&each("errors", ERRORS, "Sum")),
        names::SUCCESS_RATE => {
            let errors = each("errors", ERRORS, "Sum").join(" + ");
            let requests = each("requests", REQUESTS, "Sum").join(" + ");
            format!("100 * (1 - ({errors}) / ({requests}))")
        }
        names::LATENCY => format!(
            "1000 * MAX([{}])",
            each("latency", LATENCY, statistic).join(", ")
        ),
        other => return Err(AlarmUnsupported::Metric(other.to_owned())),
    })
}

/// One operand, whatever stands beside it.
fn sum(terms: &[String]) -> String {
    match terms {
        [only] => only.clone(),
        several => format!("({})", several.join(" + ")),
    }
}

/// Ending of the ids of a target group's metrics, and its dimensions.
type GroupDimensions = (&'static str, BTreeMap<String, Dimension>);

/// The target groups that an alarm looks at, with what their ids end in; the whole balancer when
/// it names no service.
fn groups(alarm: &Alarm, stack: &Stack) -> Result<Vec<GroupDimensions>, AlarmUnsupported> {
    let balancer = ("LoadBalancer".to_owned(), Dimension::Balancer);
    let Some(name) = &alarm.service else {
        return match stack.front.balancer {
            Some(_) => Ok(vec![("", BTreeMap::from([balancer]))]),
            None => Err(AlarmUnsupported::NoBalancer),
        };
    };
    let routed = stack
        .services
        .iter()
        .find(|s| s.name == *name && !s.routes.is_empty());
    if routed.is_none() {
        return Err(AlarmUnsupported::NotRouted(name.clone()));
    }
    let of = |colour: TargetGroupColour| {
        let group = (
            "TargetGroup".to_owned(),
            Dimension::Group(name.clone(), colour),
        );
        let end = match colour {
            TargetGroupColour::Blue => "_blue",
            TargetGroupColour::Green => "_green",
        };
        (end, BTreeMap::from([balancer.clone(), group]))
    };
    Ok(TargetGroupColour::ALL.map(of).to_vec())
}

fn reserved(alarm: &Alarm, name: &str) -> Result<Metric, AlarmUnsupported> {
    let Some(service) = &alarm.service else {
        return Err(AlarmUnsupported::NoService(name.to_owned()));
    };
    let statistic = alarm.statistic.as_deref().map_or("Average", cloudwatch);
    Ok(usage(service, name, statistic))
}

/// Percent of the reservation that a service's tasks use.
pub(super) fn usage(service: &str, name: &str, statistic: &str) -> Metric {
    let metric = match name {
        names::MEMORY => "MemoryUtilization",
        _ => "CPUUtilization",
    };
    Metric {
        namespace: "AWS/ECS".to_owned(),
        name: metric.to_owned(),
        statistic: statistic.to_owned(),
        dimensions: BTreeMap::from([
            ("ClusterName".to_owned(), Dimension::Named(String::new())),
            (
                "ServiceName".to_owned(),
                Dimension::Named(service.to_owned()),
            ),
        ]),
    }
}

/// A metric of the load balancer.
pub(super) fn of(name: &str, statistic: &str, dimensions: BTreeMap<String, Dimension>) -> Metric {
    Metric {
        namespace: BALANCER.to_owned(),
        name: name.to_owned(),
        statistic: statistic.to_owned(),
        dimensions,
    }
}

/// A statistic as CloudWatch writes it; percentiles are the same.
fn cloudwatch(statistic: &str) -> &str {
    match statistic {
        "average" => "Average",
        "sum" => "Sum",
        "minimum" => "Minimum",
        "maximum" => "Maximum",
        "sample-count" => "SampleCount",
        "iqm" => "IQM",
        other => other,
    }
}
