//! A notification as JSON: Neargate's own, Slack's message, Teams' adaptive card.
//!
//! Invariant: what comes from outside (a reason) is text for the receiver, never markup: it can
//! make no link, mention nobody, and call no channel. Sources: Slack, "Reference: blocks" (150
//! characters in a header, 3,000 in a section) and "Formatting text" (`&`, `<`, `>` are escaped);
//! Teams, "Create incoming webhooks with Workflows" and adaptive cards 1.4 (a `TextRun` has no
//! markup).

use serde_json::{Map, Value, json};

use super::{Notification, NotificationKind, bounded};
use crate::machine::ReleaseOutcome;
use crate::model::WebhookFormat;

/// Most characters of Slack's header.
const SLACK_HEADER: usize = 150;
/// Most characters of Slack's section, entities counted as written.
const SLACK_SECTION: usize = 3_000;

/// Body of the request that is posted.
#[must_use]
pub fn body(format: WebhookFormat, notification: &Notification) -> Value {
    match format {
        WebhookFormat::Json => own(notification),
        WebhookFormat::Slack => slack(notification),
        WebhookFormat::Teams => teams(notification),
    }
}

fn own(notification: &Notification) -> Value {
    let mut body = Map::new();
    body.insert("version".into(), json!(1));
    body.insert("occasion".into(), notification.occasion().name().into());
    body.insert("at_ms".into(), notification.at.0.into());
    body.insert("app".into(), notification.origin.app.as_str().into());
    body.insert("env".into(), notification.origin.env.as_str().into());
    body.insert("service".into(), json!(notification.service));
    body.insert("text".into(), notification.title().into());
    body.insert("reason".into(), notification.reason.as_str().into());
    let (key, value) = match &notification.news {
        NotificationKind::Started { release, to } => {
            ("release", json!({ "id": release, "to": to }))
        }
        NotificationKind::Ended {
            release,
            outcome,
            serving,
        } => (
            "release",
            json!({ "id": release, "outcome": outcome.name(), "serving": serving }),
        ),
        NotificationKind::Waits(wanted) => (
            "release",
            json!({
                "id": wanted.release,
                "to": wanted.to,
                "step": wanted.step,
                "steps": wanted.steps,
                "percent": f64::from(wanted.weight) / 10.0,
            }),
        ),
        NotificationKind::Alarm { name, from, to } => (
            "alarm",
            json!({ "name": name, "from": from.to_string(), "to": to.to_string() }),
        ),
    };
    body.insert(key.into(), value);
    Value::Object(body)
}

fn slack(notification: &Notification) -> Value {
    let title = notification.title();
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "text": bounded(&title, SLACK_HEADER), "emoji": false },
    })];
    if !notification.reason.is_empty() {
        let text = escaped(&notification.reason);
        blocks.push(json!({
            "type": "section",
            "text": { "type": "mrkdwn", "text": text, "verbatim": true },
        }));
    }
    let place = escaped(&place(notification));
    blocks.push(json!({
        "type": "context",
        "elements": [{ "type": "mrkdwn", "text": place, "verbatim": true }],
    }));
    json!({ "text": escaped(&title), "blocks": blocks })
}

fn teams(notification: &Notification) -> Value {
    let title = json!({
        "type": "TextRun", "text": notification.title(), "weight": "Bolder", "size": "Medium",
        "color": color(notification),
    });
    let rich = |run: Value| json!({ "type": "RichTextBlock", "inlines": [run] });
    let mut lines = vec![rich(title)];
    if !notification.reason.is_empty() {
        lines.push(rich(
            json!({ "type": "TextRun", "text": notification.reason }),
        ));
    }
    lines.push(rich(json!({
        "type": "TextRun", "text": place(notification), "isSubtle": true, "size": "Small",
    })));
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": notification.title(),
        "body": lines,
        "msteams": { "width": "Full" },
    });
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

/// A color of adaptive cards.
fn color(notification: &Notification) -> &'static str {
    use crate::alarm::AlarmState;
    match &notification.news {
        NotificationKind::Ended {
            outcome: ReleaseOutcome::Done,
            ..
        } => "Good",
        NotificationKind::Ended { .. } => "Attention",
        NotificationKind::Waits(_) => "Warning",
        NotificationKind::Alarm { to, .. } if *to == AlarmState::Alarm => "Attention",
        NotificationKind::Alarm { to, .. } if *to == AlarmState::Ok => "Good",
        NotificationKind::Started { .. } | NotificationKind::Alarm { .. } => "Default",
    }
}

fn place(notification: &Notification) -> String {
    let origin = &notification.origin;
    format!("app {} · environment {}", origin.app, origin.env)
}

/// A text whose control characters are Slack's entities, so that it stays a text; never cut within
/// an entity.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    let mut length = 0;
    for c in text.chars() {
        let piece = match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            other => other.to_string(),
        };
        length += piece.chars().count();
        if length >= SLACK_SECTION {
            out.push('…');
            break;
        }
        out.push_str(&piece);
    }
    out
}
