//! Logs, Container Insights, alarms, objectives, the dashboard, the trail.

use neargate_core::model::ContainerInsights;

use super::super::bill::{BillBuilder, BillSection};
use super::super::prices::{
    ALARM, ALARM_QUICK, ALARM_RULE, ALARMS_FREE, DASHBOARD, DASHBOARDS_FREE, LOGS_FREE_GB, LOGS_GB,
    LOGS_KEPT_GB, METRIC, METRIC_ENHANCED, METRICS_FREE, S3_GB,
};
use super::super::usage::Usage;
use super::{brief, number};
use crate::stack::{AlarmSource, CloudWatchAlarm, Stack};

/// Days of a month.
const MONTH: f64 = 30.0;
/// Share of a GB of logs that it takes when it is kept: CloudWatch keeps it compressed, about a
/// seventh (AWS's pricing page of CloudWatch, examples).
const COMPRESSED: f64 = 0.15;
/// GB a month of one performance event a minute of 1 KB, which Container Insights log for the
/// cluster and each service and twice for each task.
const EVENT_GB: f64 = 0.0432;
/// Standard metrics of a cluster, a service and a task definition (CloudWatch user guide, Amazon
/// ECS Container Insights metrics: each metric once for each of its dimensions).
const OF_CLUSTER: f64 = 13.0;
const OF_SERVICE: f64 = 15.0;
const OF_FAMILY: f64 = 10.0;
/// Further metrics of a task and its container with enhanced observability, about.
const OF_TASK: f64 = 20.0;
/// Alarms of one objective: four over two metrics of each of two target groups, two composites
/// (`terraform/modules/observability/slo.tf`).
const SLO_METRICS: f64 = 16.0;
const SLO_RULES: f64 = 2.0;
/// GB of CloudTrail's record in a month of an account with little work.
const TRAIL_GB: f64 = 0.1;

pub(super) fn watching(stack: &Stack, usage: &Usage, bill: &mut BillBuilder) {
    let tasks: f64 = stack
        .services
        .iter()
        .map(|s| {
            let said = usage.tasks.get(&s.name).copied();
            said.unwrap_or(f64::from(s.scale.min))
        })
        .sum();
    let events = insights(stack, tasks, usage, bill);
    logs(stack, usage.logs_gb + events, usage, bill);
    alarms(stack, usage, bill);
    dashboard(stack, usage, bill);
    let kept = f64::from(stack.trail_days) / MONTH * TRAIL_GB;
    let words = format!("{} GB kept; the first trail is free", brief(kept));
    let at = (BillSection::Watching, "aws.trail", "record");
    bill.used(at, words, kept * S3_GB);
}

/// Metrics of Container Insights; gives the GB of logs that they bring.
fn insights(stack: &Stack, tasks: f64, usage: &Usage, bill: &mut BillBuilder) -> f64 {
    let services = number(stack.services.len());
    let standard = OF_CLUSTER + services * (OF_SERVICE + OF_FAMILY);
    let (metrics, each) = match stack.cluster.insights {
        ContainerInsights::Disabled => return 0.0,
        ContainerInsights::Enabled => (usage.beyond(standard, METRICS_FREE), METRIC),
        ContainerInsights::Enhanced => (standard + tasks * OF_TASK, METRIC_ENHANCED),
    };
    let words = format!("{} metrics billed", brief(metrics));
    let at = (BillSection::Watching, "aws.insights", "Container Insights");
    bill.add_fixed(at, words, metrics * each);
    (1.0 + services + 2.0 * tasks) * EVENT_GB
}

fn logs(stack: &Stack, gb: f64, usage: &Usage, bill: &mut BillBuilder) {
    let days = stack.log_days;
    let paid = usage.beyond(gb, LOGS_FREE_GB);
    let words = format!("{} of {} GB billed", brief(paid), brief(gb));
    let at = (BillSection::Watching, "logs", "ingestion");
    bill.used(at, words, paid * LOGS_GB);
    let kept = gb * COMPRESSED * f64::from(days) / MONTH;
    let words = format!("{} GB, {days} days", brief(kept));
    let at = (BillSection::Watching, "logs", "storage");
    bill.used(at, words, kept * LOGS_KEPT_GB);
}

/// How many metrics an alarm is paid for.
fn metrics(alarm: &CloudWatchAlarm) -> f64 {
    match &alarm.watch {
        AlarmSource::Metric(_) => 1.0,
        AlarmSource::Expression(_, metrics) => number(metrics.len()),
        AlarmSource::Rule(_) => 0.0,
    }
}

fn alarms(stack: &Stack, usage: &Usage, bill: &mut BillBuilder) {
    let quick = |alarm: &&CloudWatchAlarm| alarm.period < 60;
    let sum = |want_quick: bool| -> f64 {
        let some = stack.alarms.iter().filter(|a| quick(a) == want_quick);
        some.map(metrics).sum()
    };
    let slos = number(stack.slos.len());
    let ordinary = sum(false) + slos * SLO_METRICS;
    let paid = usage.beyond(ordinary, ALARMS_FREE);
    let words = format!("{paid} of {ordinary} metrics billed");
    let at = (BillSection::Watching, "alarms", "metrics");
    bill.add_fixed(at, words, paid * ALARM);
    let fast = sum(true);
    let words = format!("{fast} metrics, every few seconds");
    let at = (BillSection::Watching, "alarms", "quick metrics");
    bill.add_fixed(at, words, fast * ALARM_QUICK);
    let rules = stack.alarms.iter();
    let rules = rules.filter(|alarm| matches!(alarm.watch, AlarmSource::Rule(_)));
    let rules = number(rules.count()) + slos * SLO_RULES;
    let words = format!("{rules} alarms over alarms");
    let at = (BillSection::Watching, "alarms", "composites");
    bill.add_fixed(at, words, rules * ALARM_RULE);
}

fn dashboard(stack: &Stack, usage: &Usage, bill: &mut BillBuilder) {
    if stack.dashboard.is_empty() {
        return;
    }
    let paid = usage.beyond(1.0, DASHBOARDS_FREE);
    let at = (BillSection::Watching, "dashboard", "dashboard");
    bill.add_fixed(at, "1 for the environment".to_owned(), paid * DASHBOARD);
}
