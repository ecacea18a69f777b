//! Alarms, objectives and notifications.

use crate::manifest::typed_table::TypedTable;
use crate::model::{
    Alarm, Comparison, NotificationEvent, Notify, Slo, TreatMissingData, WebhookAddress,
    WebhookFormat,
};

pub(super) fn alarm(name: &str, view: TypedTable<'_>) -> Alarm {
    let breach = [
        view.number("below").map(Comparison::Below),
        view.number("at-most").map(Comparison::AtMost),
        view.number("above").map(Comparison::Above),
        view.number("at-least").map(Comparison::AtLeast),
    ];
    let datapoints = view.text_or_empty("datapoints");
    let datapoints = datapoints.split_once('/').unwrap_or(("1", "1"));
    Alarm {
        name: name.to_owned(),
        metric: view.text("metric"),
        expression: view.text("expression"),
        rule: view.text("rule"),
        service: view.text("service"),
        statistic: view.text("statistic"),
        breach: breach.into_iter().flatten().next(),
        period: view.duration_or_zero("period"),
        datapoints: (
            datapoints.0.parse().unwrap_or(1),
            datapoints.1.parse().unwrap_or(1),
        ),
        missing: match view.text("missing").as_deref() {
            Some("ignore") => TreatMissingData::Ignore,
            Some("breaching") => TreatMissingData::Breaching,
            Some("not-breaching") => TreatMissingData::NotBreaching,
            _ => TreatMissingData::Missing,
        },
        minimum_samples: view.whole("minimum-samples").unwrap_or_default(),
    }
}

pub(super) fn slo(name: &str, view: TypedTable<'_>) -> Slo {
    let latency = view.duration("latency");
    Slo {
        name: name.to_owned(),
        service: view.text_or_empty("service"),
        objective: view.number("objective").unwrap_or_default(),
        latency_ms: latency.and_then(|latency| u64::try_from(latency.as_millis()).ok()),
        window: view.duration_or_zero("window"),
    }
}

pub(super) fn notify(name: &str, view: TypedTable<'_>) -> Notify {
    let on = view.texts_or_none("on");
    Notify {
        name: name.to_owned(),
        to: match view.text("secret") {
            Some(secret) => WebhookAddress::Secret(secret),
            None => WebhookAddress::Url(view.text_or_empty("url")),
        },
        format: match view.text("format").as_deref() {
            Some("slack") => WebhookFormat::Slack,
            Some("teams") => WebhookFormat::Teams,
            _ => WebhookFormat::Json,
        },
        on: on
            .iter()
            .filter_map(|word| NotificationEvent::of(word))
            .collect(),
        services: view.texts_or_none("services"),
    }
}
