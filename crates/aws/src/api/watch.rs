//! CloudWatch: states of alarms, data points of metrics, lines of logs.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, Dimension, Metric, MetricDataQuery, MetricStat, StateValue,
};
use neargate_core::alarm::AlarmState;
use neargate_core::time::Timestamp;

use super::{AwsClients, trouble};
use crate::error::DriverError;
use crate::figures::{MetricAnswers, MetricQuery, MetricsPeriod};

/// Lines that one call gives at most.
const LINES_MOST: i32 = 1000;
/// Pages that are read of one question for metrics, which is one data point per query.
const PAGES_MOST: usize = 5;
/// Names that one DescribeAlarms takes (CloudWatch API reference, DescribeAlarms).
const NAMES_MOST: usize = 100;

/// State of an alarm, in words, since when.
pub(super) type AlarmObservation = (AlarmState, String, Timestamp);

/// A line that a task wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// When CloudWatch got it.
    pub at: Timestamp,
    /// The log stream: its last part is the task.
    pub stream: String,
    /// The log line, as the task wrote it.
    pub text: String,
    /// CloudWatch's id of the event.
    pub id: String,
}

impl AwsClients {
    /// States of alarms by CloudWatch's names; those that are not there are left out.
    ///
    /// # Errors
    /// The call failed.
    pub async fn alarm_states(
        &self,
        names: &[String],
    ) -> Result<BTreeMap<String, AlarmObservation>, DriverError> {
        let mut found = BTreeMap::new();
        for some in names.chunks(NAMES_MOST) {
            let call = self
                .alarms
                .describe_alarms()
                .set_alarm_names(Some(some.to_vec()))
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm);
            let answer = call.send().await;
            let answer = answer.map_err(trouble("read the alarms", "cloudwatch:DescribeAlarms"))?;
            for alarm in answer.metric_alarms() {
                let seen = seen(
                    alarm.state_value(),
                    alarm.state_reason(),
                    alarm.state_updated_timestamp(),
                );
                found.insert(alarm.alarm_name().unwrap_or_default().to_owned(), seen);
            }
            for alarm in answer.composite_alarms() {
                let seen = seen(
                    alarm.state_value(),
                    alarm.state_reason(),
                    alarm.state_updated_timestamp(),
                );
                found.insert(alarm.alarm_name().unwrap_or_default().to_owned(), seen);
            }
        }
        Ok(found)
    }

    /// Data points of metrics, newest first, by the query's id.
    ///
    /// # Errors
    /// The call failed.
    pub async fn points(
        &self,
        queries: &[MetricQuery],
        over: MetricsPeriod,
    ) -> Result<MetricAnswers, DriverError> {
        let mut found = MetricAnswers::new();
        let mut next = None;
        for _ in 0..PAGES_MOST {
            let call = self
                .alarms
                .get_metric_data()
                .start_time(DateTime::from_secs(seconds(over.from)))
                .end_time(DateTime::from_secs(seconds(over.to)))
                .set_metric_data_queries(Some(queries.iter().map(|it| asked(it, over)).collect()))
                .set_next_token(next.take());
            let answer = call.send().await;
            let answer = answer.map_err(trouble("read metrics", "cloudwatch:GetMetricData"))?;
            for result in answer.metric_data_results() {
                let id = result.id().unwrap_or_default().to_owned();
                found.entry(id).or_default().extend(result.values());
            }
            next = answer
                .next_token()
                .filter(|it| !it.is_empty())
                .map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Lines of a log group from a moment on, oldest first; `prefix` chooses streams.
    ///
    /// # Errors
    /// The call failed.
    pub async fn log_lines(
        &self,
        group: &str,
        prefix: Option<&str>,
        from: Timestamp,
    ) -> Result<Vec<LogEvent>, DriverError> {
        let mut lines = Vec::new();
        let mut next = None;
        loop {
            let call = self
                .logs
                .filter_log_events()
                .log_group_name(group)
                .set_log_stream_name_prefix(prefix.map(str::to_owned))
                .start_time(i64::try_from(from.0).unwrap_or(i64::MAX))
                .limit(LINES_MOST)
                .set_next_token(next.take());
            let answer = call.send().await;
            let answer = match answer {
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(|e| e.is_resource_not_found_exception()) =>
                {
                    return Ok(lines);
                }
                answer => answer.map_err(trouble("read logs", "logs:FilterLogEvents"))?,
            };
            for event in answer.events() {
                lines.push(LogEvent {
                    at: Timestamp(u64::try_from(event.timestamp().unwrap_or(0)).unwrap_or(0)),
                    stream: event.log_stream_name().unwrap_or_default().to_owned(),
                    text: event.message().unwrap_or_default().trim_end().to_owned(),
                    id: event.event_id().unwrap_or_default().to_owned(),
                });
            }
            next = answer.next_token().map(str::to_owned);
            if next.is_none() {
                lines.sort_by_key(|line| line.at);
                return Ok(lines);
            }
        }
    }
}

fn asked(query: &MetricQuery, over: MetricsPeriod) -> MetricDataQuery {
    let dimension =
        |(name, value): &(&str, String)| Dimension::builder().name(*name).value(value).build();
    let metric = Metric::builder()
        .namespace(query.namespace)
        .metric_name(query.metric)
        .set_dimensions(Some(query.dimensions.iter().map(dimension).collect()))
        .build();
    let statistic = MetricStat::builder()
        .metric(metric)
        .period(i32::try_from(over.period()).unwrap_or(i32::MAX))
        .stat(query.statistic)
        .build();
    MetricDataQuery::builder()
        .id(&query.id)
        .metric_stat(statistic)
        .build()
}

fn seconds(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

fn seen(
    state: Option<&StateValue>,
    reason: Option<&str>,
    at: Option<&DateTime>,
) -> AlarmObservation {
    let state = match state {
        Some(StateValue::Ok) => AlarmState::Ok,
        Some(StateValue::Alarm) => AlarmState::Alarm,
        _ => AlarmState::InsufficientData,
    };
    let at = at.and_then(|at| at.to_millis().ok()).unwrap_or(0);
    let at = Timestamp(u64::try_from(at).unwrap_or(0));
    (state, reason.unwrap_or_default().to_owned(), at)
}
