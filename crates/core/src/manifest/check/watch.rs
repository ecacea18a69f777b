//! Alarms: what they watch, how often, and whether composite ones run in circles.

use std::collections::{BTreeMap, BTreeSet};

use super::{CheckContext, references};
use crate::alarm::AlarmRule;
use crate::metrics::names::WATCHED;
use crate::model::Alarm;

pub(super) fn check(case: &mut CheckContext<'_>) {
    let manifest = case.manifest;
    let mut children: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, alarm) in &manifest.alarms {
        kind(case, alarm);
        metric(case, alarm);
        window(case, alarm);
        expression(case, alarm);
        let Some(text) = &alarm.rule else {
            continue;
        };
        match text.parse::<AlarmRule>() {
            Ok(rule) => {
                let names: Vec<String> = rule.children().into_iter().map(str::to_owned).collect();
                for child in &names {
                    references::require_known(case, &["alarm", name, "rule"], "alarm", child);
                }
                children.insert(name, names);
            }
            Err(why) => {
                let message = format!("the rule of `alarm.{name}` is wrong: {why}");
                let help = "write for example ALARM(a) AND NOT ALARM(b)";
                case.error("wrong-form", &["alarm", name, "rule"], message, help);
            }
        }
    }
    for name in children.keys() {
        // Every circle is told once, at its first name.
        if let Some(circle) = circle(name, &children)
            && circle.iter().all(|other| other.as_str() >= *name)
        {
            let message = format!("`alarm.{name}` depends on itself: {}", circle.join(" → "));
            case.error(
                "cycle",
                &["alarm", name, "rule"],
                message,
                "remove one of these alarms from a rule",
            );
        }
    }
}

fn kind(case: &mut CheckContext<'_>, alarm: &Alarm) {
    let name = alarm.name.as_str();
    let has = |key: &str| case.has(&["alarm", name, key]);
    let kinds: Vec<&str> = ["metric", "expression", "rule"]
        .into_iter()
        .filter(|k| has(k))
        .collect();
    let limits: Vec<&str> = ["below", "at-most", "above", "at-least"]
        .into_iter()
        .filter(|k| has(k))
        .collect();
    let composite = kinds == ["rule"];
    match kinds[..] {
        [] => {
            let message = format!("`alarm.{name}` watches nothing");
            case.error(
                "missing-key",
                &["alarm", name],
                message,
                "add `metric`, `expression` or `rule`",
            );
        }
        [_] => {}
        [_, second, ..] => {
            let message = format!("`alarm.{name}` has {}", kinds.join(" and "));
            case.error(
                "contradiction",
                &["alarm", name, second],
                message,
                "keep one of them",
            );
        }
    }
    match limits[..] {
        [] if !composite && !kinds.is_empty() => {
            let message = format!("`alarm.{name}` has no threshold");
            let help = "add one of `below`, `at-most`, `above`, `at-least`";
            case.error("missing-key", &["alarm", name], message, help);
        }
        [first, ..] if composite => {
            let message = "an alarm with a rule has no threshold".to_owned();
            case.error(
                "contradiction",
                &["alarm", name, first],
                message,
                "remove it",
            );
        }
        [_, second, ..] => {
            let message = format!("`alarm.{name}` has {}", limits.join(" and "));
            case.error(
                "contradiction",
                &["alarm", name, second],
                message,
                "keep one threshold",
            );
        }
        _ => {}
    }
}

/// A metric that nothing counts never breaches: the name is probably written wrong.
fn metric(case: &mut CheckContext<'_>, alarm: &Alarm) {
    let Some(metric) = &alarm.metric else {
        return;
    };
    if !WATCHED.contains(&metric.as_str()) {
        let message = format!("nothing counts a metric `{metric}`");
        let help = crate::names::meant(metric, &WATCHED);
        let path = ["alarm", alarm.name.as_str(), "metric"];
        case.error("unknown-metric", &path, message, help);
    }
}

fn window(case: &mut CheckContext<'_>, alarm: &Alarm) {
    let name = alarm.name.as_str();
    let (period, count) = (
        alarm.period.as_millis() / 1000,
        u128::from(alarm.datapoints.1),
    );
    let exact = alarm.period.as_millis().is_multiple_of(1000);
    if !case.sound(&["alarm", name, "period"]) || !case.sound(&["alarm", name, "datapoints"]) {
        return;
    }
    let (path, help) = (
        ["alarm", name, "period"],
        "write 10s, 20s, 30s, or whole minutes",
    );
    let message = format!(
        "CloudWatch has no period of {}",
        crate::duration::format(alarm.period)
    );
    if exact && [1, 5].contains(&period) {
        case.far_refuses(&path, message, help);
    } else if !exact || !([10, 20, 30].contains(&period) || period.is_multiple_of(60)) {
        case.error("out-of-range", &path, message, help);
    }
    let most = if period < 3600 { 86_400 } else { 604_800 };
    if period * count > most {
        let days = most / 86_400;
        let message = format!(
            "{count} data points of {} are more than {days}d",
            crate::duration::format(alarm.period)
        );
        let help = format!(
            "write at most {} data points, or another period",
            most / period.max(1)
        );
        case.error(
            "out-of-range",
            &["alarm", name, "datapoints"],
            message,
            help,
        );
    }
}

/// Metric math is parsed here, so that a wrong expression is told before anything runs.
fn expression(case: &mut CheckContext<'_>, alarm: &Alarm) {
    use crate::alarm::{AlarmDefinition, DefinitionError};
    let path = ["alarm", alarm.name.as_str(), "expression"];
    let help = "write metric math, for example 100 * errors / requests";
    match AlarmDefinition::from_manifest(alarm) {
        Err(DefinitionError::Expression(_, why)) => {
            let message = format!("the expression of `alarm.{}` is wrong: {why}", alarm.name);
            case.error("wrong-form", &path, message, help);
        }
        Err(why @ (DefinitionError::NotASeries(..) | DefinitionError::TooManyMetrics(_))) => {
            case.error("wrong-form", &path, why.to_string(), help);
        }
        Ok(_) | Err(_) => {}
    }
}

/// The way from an alarm back to itself.
fn circle(start: &str, children: &BTreeMap<&str, Vec<String>>) -> Option<Vec<String>> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut ways: Vec<Vec<&str>> = vec![vec![start]];
    while let Some(way) = ways.pop() {
        let last = way.last()?;
        for child in children.get(last).into_iter().flatten() {
            let mut longer = way.clone();
            longer.push(child);
            if child == start {
                return Some(longer.into_iter().map(str::to_owned).collect());
            }
            if seen.insert(child) {
                ways.push(longer);
            }
        }
    }
    None
}
