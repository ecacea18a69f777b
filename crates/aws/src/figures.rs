//! The figures of `neargate metrics` on AWS: which of CloudWatch's metrics they are made of.
//!
//! Pure. Requests, errors and latency are the load balancer's, per target group; CPU and memory are
//! ECS's, per service. Invariant: what CloudWatch has no data point of is absent; of a target
//! group with requests and no point of errors, there were none. The percentiles of a service are
//! the greater ones of its groups, as its alarms take them.

use std::collections::BTreeMap;
use std::time::Duration;

use neargate_core::metrics::report::ServiceMetrics;
use neargate_core::time::Timestamp;

use super::terraform_outputs::{ServiceFacts, TerraformOutputs};

/// The longest stretch: one data point is not made of more (CloudWatch API reference, MetricStat).
pub const LONGEST: Duration = Duration::from_hours(24);
const MINUTE: u64 = 60;

/// One number that CloudWatch is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricQuery {
    /// Names its answer.
    pub id: String,
    /// CloudWatch's namespace, such as `AWS/ECS`.
    pub namespace: &'static str,
    /// CloudWatch's metric, such as `CPUUtilization`.
    pub metric: &'static str,
    /// CloudWatch's statistic, such as `Average`.
    pub statistic: &'static str,
    /// Names and values.
    pub dimensions: Vec<(&'static str, String)>,
}

/// Data points by the query's id.
pub type MetricAnswers = BTreeMap<String, Vec<f64>>;

/// Metrics of a target group: what an id begins with, the name, the statistic (ELB user guide,
/// CloudWatch metrics).
const OF_GROUPS: [(&str, &str, &str); 5] = [
    ("requests", "RequestCount", "Sum"),
    ("errors", "HTTPCode_Target_5XX_Count", "Sum"),
    ("p50", "TargetResponseTime", "p50"),
    ("p95", "TargetResponseTime", "p95"),
    ("p99", "TargetResponseTime", "p99"),
];
/// Metrics of an ECS service: percent of the reservation (ECS developer guide).
const OF_TASKS: [(&str, &str); 2] = [("cpu", "CPUUtilization"), ("memory", "MemoryUtilization")];

/// A stretch of whole minutes that ends with the one that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsPeriod {
    /// Seconds since 1970.
    pub from: u64,
    /// Seconds since 1970.
    pub to: u64,
    /// Seconds of it that are over.
    pub seconds: u64,
}

impl MetricsPeriod {
    /// At least as long as asked.
    #[must_use]
    pub fn of(asked: Duration, now: Timestamp) -> Self {
        let now = now.0 / 1000;
        let to = (now / MINUTE + 1) * MINUTE;
        let length = asked.min(LONGEST).as_secs().div_ceil(MINUTE).max(1) * MINUTE;
        let from = to.saturating_sub(length);
        Self {
            from,
            to,
            seconds: (now - from.min(now)).max(1),
        }
    }

    /// One data point is all of it.
    #[must_use]
    pub fn period(self) -> u64 {
        self.to - self.from
    }
}

/// The queries of a service's figures.
#[must_use]
pub fn queries(facts: &TerraformOutputs, service: &ServiceFacts) -> Vec<MetricQuery> {
    let of_tasks = OF_TASKS.iter().map(|(id, metric)| MetricQuery {
        id: (*id).to_owned(),
        namespace: "AWS/ECS",
        metric,
        statistic: "Average",
        dimensions: vec![
            ("ClusterName", facts.cluster.clone()),
            ("ServiceName", service.name.clone()),
        ],
    });
    let mut all: Vec<MetricQuery> = of_tasks.collect();
    let Some(balancer) = service.rules.values().find_map(|rule| balancer(rule)) else {
        return all;
    };
    for (colour, group) in &service.target_groups {
        let Some((_, group)) = group.arn.rsplit_once(':') else {
            continue;
        };
        all.extend(OF_GROUPS.iter().map(|(id, metric, statistic)| MetricQuery {
            id: format!("{id}_{colour}"),
            namespace: "AWS/ApplicationELB",
            metric,
            statistic,
            dimensions: vec![
                ("LoadBalancer", balancer.clone()),
                ("TargetGroup", group.to_owned()),
            ],
        }));
    }
    all
}

/// `app/notes/50dc6c495c0c9188` of a listener rule's ARN.
fn balancer(rule: &str) -> Option<String> {
    let (_, path) = rule.split_once(":listener-rule/")?;
    let parts: Vec<&str> = path.split('/').collect();
    Some(parts.get(..3)?.join("/"))
}

/// The rows of a service: all of it, then its target groups that had requests.
#[must_use]
pub fn rows(
    name: &str,
    service: &ServiceFacts,
    tasks: u32,
    answers: &MetricAnswers,
    seconds: u64,
) -> Vec<ServiceMetrics> {
    let groups = service.target_groups.keys();
    let parts = groups.filter_map(|colour| part(name, colour, answers, seconds));
    let parts: Vec<ServiceMetrics> = parts.collect();
    let sum =
        |of: fn(&ServiceMetrics) -> Option<f64>| parts.iter().filter_map(of).reduce(|a, b| a + b);
    let greatest =
        |of: fn(&ServiceMetrics) -> Option<f64>| parts.iter().filter_map(of).reduce(f64::max);
    let average = |id: &str| greatest_of(answers.get(id)?);
    let whole = ServiceMetrics {
        service: name.to_owned(),
        tasks: Some(tasks),
        requests: sum(|it| it.requests),
        errors: sum(|it| it.errors),
        p50: greatest(|it| it.p50),
        p95: greatest(|it| it.p95),
        p99: greatest(|it| it.p99),
        cpu: average("cpu"),
        memory: average("memory"),
        ..ServiceMetrics::default()
    };
    let mut rows = vec![whole.with_shares(seconds)];
    rows.extend(parts);
    rows
}

fn part(name: &str, colour: &str, answers: &MetricAnswers, seconds: u64) -> Option<ServiceMetrics> {
    let points = |id: &str| answers.get(&format!("{id}_{colour}"));
    let requests = points("requests").filter(|it| !it.is_empty())?;
    let errors = points("errors").map_or(0.0, |it| it.iter().sum());
    let millis = |id: &str| Some(greatest_of(points(id)?)? * 1000.0);
    let figures = ServiceMetrics {
        service: name.to_owned(),
        target_group: Some(colour.to_owned()),
        requests: Some(requests.iter().sum()),
        errors: Some(errors),
        p50: millis("p50"),
        p95: millis("p95"),
        p99: millis("p99"),
        ..ServiceMetrics::default()
    };
    Some(figures.with_shares(seconds))
}

/// One point is expected. Where CloudWatch cuts a stretch in two, the worse one is told.
fn greatest_of(points: &[f64]) -> Option<f64> {
    points.iter().copied().reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_of_whole_minutes_and_at_least_as_long_as_asked() {
        let rows = [
            (1, 125_000, (120, 180, 5)),
            (60, 125_000, (120, 180, 5)),
            (61, 125_000, (60, 180, 65)),
            (900, 1_800_000, (960, 1_860, 840)),
            (1_000_000, 864_000_000, (777_660, 864_060, 86_340)),
        ];
        for (asked, now, (from, to, seconds)) in rows {
            let stretch = MetricsPeriod::of(Duration::from_secs(asked), Timestamp(now));
            assert_eq!(stretch, MetricsPeriod { from, to, seconds }, "{asked}");
            assert_eq!(stretch.period() % 60, 0);
        }
    }

    #[test]
    fn the_balancer_is_in_the_arn_of_its_rules() {
        let rule =
            "arn:aws:elasticloadbalancing:eu-central-1:1:listener-rule/app/notes/50d/f2f/967";
        assert_eq!(balancer(rule).as_deref(), Some("app/notes/50d"));
        assert_eq!(
            balancer("arn:aws:elasticloadbalancing:x:1:listener-rule/app"),
            None
        );
    }
}
