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
        KeySchema::new("service", ValueKind::Form(&NAME), "Whose metric.")
            .far("The metric's dimensions."),
        KeySchema::new(
            "statistic",
            ValueKind::Form(&STATISTIC),
            "What is taken of a period: `average`, `sum`, `p95`, …",
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
            "Of one data point: 10s, 20s, 30s, or whole minutes; near also 1s and 5s.",
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
            "What a missing data point is.",
        )
        .far("`treatMissingData`.")
        .or("\"missing\""),
        KeySchema::new(
            "minimum-samples",
            ValueKind::Whole(0, 1_000_000_000),
            "Fewest samples of a period that can be judged.",
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
        KeySchema::new("service", ValueKind::Form(&NAME), "Whose.")
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
            "A request is good when it is faster than this.",
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
    doc: "A webhook that is told what happens: `url` or `secret`, one of them. Nothing waits for \
          it: what cannot be delivered after 6 attempts is dropped, and the engine's log says so.",
    also: None,
    fields: &[
        KeySchema::new(
            "url",
            ValueKind::Form(&WEBHOOK),
            "Where it is posted to. Whoever knows the URL of a chat's webhook can write to the \
             chat: `secret` keeps it out of the file.",
        )
        .far("The last job of the pipeline's workflows tells it how they ended.")
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
            "The shape of what is posted: Neargate's own JSON, a Slack message, or an adaptive \
             card for Teams.",
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
            "What it is told. A release that was rolled back has failed. `alarm` is both: an \
             alarm that begins, and its end.",
        )
        .far("`release-finished` and `release-failed`.")
        .differs("Nothing is told of the others.")
        .or("[\"release-finished\", \"release-failed\", \"alarm\"]"),
        KeySchema::new(
            "services",
            ValueKind::List(&ValueKind::Form(&NAME), 1, 100),
            "Only what is about these services. An alarm of other alarms is about none. Not \
             written: everything.",
        )
        .only_near("a workflow releases all services and tells of all"),
    ],
};
