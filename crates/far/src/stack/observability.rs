//! Alarms, objectives and the dashboard: the manifest's, and in production the usual ones.
//!
//! Invariant: an alarm of the manifest keeps its name; a usual one gives way to it. What
//! CloudWatch does not have is left out and said.

mod default_alarms;
mod metric;
mod unsupported;

use std::collections::BTreeMap;

use neargate_core::alarm::{AlarmRule, AlarmState, RuleError};
use neargate_core::model::{self, Comparison, EnvironmentGrade, Manifest, TreatMissingData};
use serde::{Deserialize, Serialize};

use self::unsupported::AlarmUnsupported;
use super::Stack;

/// An alarm of CloudWatch, metric or composite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CloudWatchAlarm {
    /// Its name; the environment's prefix goes before it.
    pub name: String,
    /// Text for the person who gets the alarm.
    pub description: String,
    /// Source of the data points.
    pub watch: AlarmSource,
    /// Comparison and threshold; `None` for a rule.
    pub breach: Option<Comparison>,
    /// Seconds of one data point.
    pub period: u64,
    /// M of N breaching data points.
    pub datapoints: (u32, u32),
    /// Meaning of a missing data point.
    pub missing: TreatMissingData,
    /// Whether people get mail. A guard of a release only rolls it back.
    pub notify: bool,
}

/// Where an alarm's data points come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmSource {
    /// A metric, without metric math.
    Metric(Metric),
    /// Metric math over metrics by id.
    Expression(String, BTreeMap<String, Metric>),
    /// Other alarms; names in it have the prefix already.
    Rule(String),
}

/// A CloudWatch metric and what is taken of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// Such as `AWS/ECS`.
    pub namespace: String,
    /// Such as `CPUUtilization`.
    pub name: String,
    /// Such as `Average` or `p95`.
    pub statistic: String,
    /// Values by the name of the dimension.
    pub dimensions: BTreeMap<String, Dimension>,
}

/// The value of a metric's dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dimension {
    /// This text, with the environment's prefix and `-` before it; empty: the prefix alone.
    Named(String),
    /// The load balancer.
    Balancer,
    /// One of the two target groups of a service.
    Group(String, TargetGroupColour),
    /// The HTTP API.
    Gateway,
    /// The primary node of a cache.
    Node(String),
}

/// One of a service's two target groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetGroupColour {
    /// In use after the first apply.
    Blue,
    Green,
}

impl TargetGroupColour {
    pub const ALL: [Self; 2] = [Self::Blue, Self::Green];

    /// As Terraform's modules call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }
}

/// An objective over 30 days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SloAlarms {
    pub name: String,
    pub service: String,
    /// Percent of good requests.
    pub objective: f64,
    /// A request is good when it was answered within this; `None`: when it has not failed.
    pub latency_ms: Option<u64>,
}

/// A row of the dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DashboardRow {
    pub title: String,
    /// Metrics of its graphs; all with one statistic.
    pub metrics: Vec<Metric>,
}

/// Days that CloudWatch's burn-rate alarms are made for.
const WINDOW_DAYS: u64 = 30;

/// Fills in what watches a stack.
pub(super) fn watch(manifest: &Manifest, stack: &mut Stack) {
    let guards: Vec<&String> = manifest
        .services
        .values()
        .flat_map(|service| &service.release.guard)
        .collect();
    let mut alarms: Vec<CloudWatchAlarm> = Vec::new();
    for alarm in manifest.alarms.values() {
        match of(alarm, stack, !guards.contains(&&alarm.name)) {
            Ok(made) => alarms.push(made),
            Err(why) => stack.left_out.push(format!("alarm.{}: {why}", alarm.name)),
        }
    }
    drop_orphans(manifest, &mut alarms, &mut stack.left_out);
    if stack.grade == EnvironmentGrade::Production {
        for alarm in default_alarms::alarms(stack) {
            if !manifest.alarms.contains_key(&alarm.name) {
                alarms.push(alarm);
            }
        }
        stack.dashboard = default_alarms::rows(stack);
    }
    alarms.sort_by(|a, b| a.name.cmp(&b.name));
    let made: Vec<String> = alarms.iter().map(|alarm| alarm.name.clone()).collect();
    for service in &mut stack.services {
        service.release.guards.retain(|guard| made.contains(guard));
    }
    stack.alarms = alarms;
    objectives(manifest, stack);
}

/// Takes out rules that name an alarm that is not there, until none is left.
fn drop_orphans(
    manifest: &Manifest,
    alarms: &mut Vec<CloudWatchAlarm>,
    left_out: &mut Vec<String>,
) {
    let named = |alarm: &CloudWatchAlarm| -> Vec<String> {
        let text = manifest.alarms[&alarm.name].rule.as_deref();
        let rule = text.and_then(|text| text.parse::<AlarmRule>().ok());
        let children = rule.iter().flat_map(AlarmRule::children);
        children.map(str::to_owned).collect()
    };
    loop {
        let there: Vec<String> = alarms.iter().map(|alarm| alarm.name.clone()).collect();
        let orphan = alarms.iter().enumerate().find_map(|(at, alarm)| {
            let lost = named(alarm)
                .into_iter()
                .find(|child| !there.contains(child));
            lost.map(|child| (at, child))
        });
        let Some((at, child)) = orphan else { return };
        let gone = alarms.remove(at);
        left_out.push(format!("alarm.{}: alarm.{child} is left out", gone.name));
    }
}

fn of(
    alarm: &model::Alarm,
    stack: &Stack,
    notify: bool,
) -> Result<CloudWatchAlarm, AlarmUnsupported> {
    let watch = match (&alarm.rule, &alarm.expression, &alarm.metric) {
        (Some(rule), _, _) => AlarmSource::Rule(prefixed(rule, &stack.prefix())?),
        (_, Some(expression), _) => metric::expression(alarm, expression, stack)?,
        (_, _, Some(name)) => metric::metric(alarm, name, stack)?,
        _ => return Err(AlarmUnsupported::WatchesNothing),
    };
    let whole = alarm.service.as_ref();
    Ok(CloudWatchAlarm {
        name: alarm.name.clone(),
        description: match (whole, &alarm.metric) {
            (Some(service), Some(metric)) => format!("{metric} of {service}"),
            (None, Some(metric)) => metric.clone(),
            _ => "As the manifest says".to_owned(),
        },
        watch,
        breach: alarm.breach,
        period: alarm.period.as_secs(),
        datapoints: alarm.datapoints,
        missing: alarm.missing,
        notify,
    })
}

/// A rule with the names that CloudWatch knows.
fn prefixed(text: &str, prefix: &str) -> Result<String, RuleError> {
    let rule: AlarmRule = text.parse()?;
    Ok(written(&rule, prefix))
}

fn written(rule: &AlarmRule, prefix: &str) -> String {
    match rule {
        AlarmRule::Always(true) => "TRUE".to_owned(),
        AlarmRule::Always(false) => "FALSE".to_owned(),
        AlarmRule::Is(state, name) => {
            let state = match state {
                AlarmState::Ok => "OK",
                AlarmState::Alarm => "ALARM",
                AlarmState::InsufficientData => "INSUFFICIENT_DATA",
            };
            format!("{state}(\"{prefix}-{name}\")")
        }
        AlarmRule::Not(inner) => format!("NOT ({})", written(inner, prefix)),
        AlarmRule::And(a, b) => format!("({}) AND ({})", written(a, prefix), written(b, prefix)),
        AlarmRule::Or(a, b) => format!("({}) OR ({})", written(a, prefix), written(b, prefix)),
    }
}

fn objectives(manifest: &Manifest, stack: &mut Stack) {
    for slo in manifest.slos.values() {
        let routed = stack
            .services
            .iter()
            .any(|service| service.name == slo.service && !service.routes.is_empty());
        let days = slo.window.as_secs() / 86_400;
        let why = if !routed {
            "its service takes no requests from the load balancer"
        } else {
            if days != WINDOW_DAYS {
                let said = format!(
                    "slo.{}: its alarms are made for 30 days, not {days}",
                    slo.name
                );
                stack.left_out.push(said);
            }
            stack.slos.push(SloAlarms {
                name: slo.name.clone(),
                service: slo.service.clone(),
                objective: slo.objective,
                latency_ms: slo.latency_ms,
            });
            continue;
        };
        stack.left_out.push(format!("slo.{}: {why}", slo.name));
    }
}
