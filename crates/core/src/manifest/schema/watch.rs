//! Alarms, service level objectives, and who is told.
//!
//! Invariant: names and ranges are those of CloudWatch.

use super::text_formats::{DATAPOINTS, NAME, STATISTIC, WEBHOOK};
use super::{KeySchema, TableSchema, ValueKind};

const LIMIT: ValueKind = ValueKind::Number(-1e15, 1e15);

pub(super) static ALARM: TableSchema = TableSchema {
    title: "[alarm.NAME]",
    doc: "Watches a metric, an expression, or other alarms.",
    also: None,
    fields: &[
        KeySchema::new(
            "metric",
            ValueKind::Text,
            "The metric, such as `success_rate`.",
        )
        .far("A metric of CloudWatch, of the target groups or the service.")
        .differs("Near counts at its router; the balancer's own errors are other metrics on AWS."),
        KeySchema::new(
            "expression",
            ValueKind::Text,
            "Metric math instead of a metric.",
        )
        .far("Metric math."),
        KeySchema::new(
            "rule",
            ValueKind::Text,
            "Other alarms instead: `ALARM(a) AND NOT ALARM(b)`.",
        )
        .far("A composite alarm."),
        KeySchema::new(
            "service",
            ValueKind::Form(&NAME),
            "The service whose metric it is.",
        )
        .far("The metric's dimensions."),
        KeySchema::new(
            "statistic",
            ValueKind::Form(&STATISTIC),
            "The statistic of a period: `average`, `sum`, `p95`, …",
        )
        .far("The alarm's statistic."),
        KeySchema::new("below", LIMIT, "Breaches below this.").far("The alarm's threshold."),
        KeySchema::new("at-most", LIMIT, "Breaches at this and below.")
            .far("The alarm's threshold."),
        KeySchema::new("above", LIMIT, "Breaches above this.").far("The alarm's threshold."),
        KeySchema::new("at-least", LIMIT, "Breaches at this and above.")
            .far("The alarm's threshold."),
        KeySchema::new(
            "period",
            ValueKind::Seconds(1, 86_400),
            "The length of one data point: 10s, 20s, 30s, or whole minutes; near also 1s and 5s.",
        )
        .far("The alarm's period.")
        .differs("Load balancers report each minute.")
        .or("\"1m\""),
        KeySchema::new(
            "datapoints",
            ValueKind::Form(&DATAPOINTS),
            "`M/N`: M breaching data points of the last N.",
        )
        .far("Data points to alarm.")
        .or("\"1/1\""),
        KeySchema::new(
            "missing",
            ValueKind::Choice(&["missing", "ignore", "breaching", "not-breaching"]),
            "How to treat a missing data point.",
        )
        .far("`treatMissingData`.")
        .or("\"missing\""),
        KeySchema::new(
            "minimum-samples",
            ValueKind::Whole(0, 1_000_000_000),
            "A period with fewer samples is a missing data point.",
        )
        .far("Metric math: a data point with fewer samples is missing.")
        .or("0"),
    ],
};

pub(super) static SLO: TableSchema = TableSchema {
    title: "[slo.NAME]",
    doc: "A service level objective: availability, or latency when `latency` is given.",
    also: None,
    fields: &[
        KeySchema::new("service", ValueKind::Form(&NAME), "The service.")
            .far("The target groups of the service.")
            .required(),
        KeySchema::new(
            "objective",
            ValueKind::Number(1.0, 99.999),
            "Percent of requests that are good.",
        )
        .far("Two alarms on burn rates.")
        .required(),
        KeySchema::new(
            "latency",
            ValueKind::Seconds(0, 3600),
            "A request is good if it is faster than this.",
        )
        .far("The burn rates are of requests that were slower: percentile ranks of the response time."),
        KeySchema::new(
            "window",
            ValueKind::Seconds(86_400, 90 * 86_400),
            "Over how long.",
        )
        .only_near("objectives on AWS are over 30 days")
        .or("\"30d\""),
    ],
};

pub(super) static NOTIFY: TableSchema = TableSchema {
    title: "[notify.NAME]",
    doc: "A webhook for notifications, with `url` or `secret`. Nothing waits for it: after 6 failed \
     attempts the engine drops the notification and logs that.",
    also: None,
    fields: &[
        KeySchema::new(
            "url",
            ValueKind::Form(&WEBHOOK),
            "The URL to post to. Anyone who knows the URL of a chat's webhook can write to the \
             chat: `secret` keeps it out of the file.",
        )
        .far("The last job of the pipeline's workflows reports how they ended.")
        .differs("Releases and drift checks only: no alarm, no approval."),
        KeySchema::new(
            "secret",
            ValueKind::Form(&NAME),
            "The name of a `[secret.NAME]` whose value is the URL; set it by \
             `neargate secret set`.",
        )
        .far("A secret of GitHub, `NEARGATE_NOTIFY_NAME`.")
        .differs("Near keeps it in its state directory."),
        KeySchema::new(
            "format",
            ValueKind::Choice(&["json", "slack", "teams"]),
            "The format: Neargate's own JSON, a Slack message, or an adaptive card for Teams.",
        )
        .same()
        .or("\"json\""),
        KeySchema::new(
            "on",
            ValueKind::List(
                &ValueKind::Choice(&[
                    "release-started",
                    "release-finished",
                    "release-failed",
                    "waits-for-approval",
                    "alarm",
                ]),
                1,
                5,
            ),
            "The events to send. A release that was rolled back has failed. `alarm` covers the \
             beginning and the end of an alarm.",
        )
        .far("`release-finished` and `release-failed`.")
        .differs("It sends nothing for the others.")
        .or("[\"release-finished\", \"release-failed\", \"alarm\"]"),
        KeySchema::new(
            "services",
            ValueKind::List(&ValueKind::Form(&NAME), 1, 100),
            "Only events about these services. A composite alarm is about none. Default: all events.",
        )
        .only_near("a workflow releases all services and reports all"),
    ],
};
