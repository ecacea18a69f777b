//! What webhooks are told, and in which shape.

use std::collections::BTreeSet;

use neargate_core::alarm::{AlarmState, Transition};
use neargate_core::ids::{ReleaseId, RevisionNumber};
use neargate_core::machine::{ApprovalWanted, Fact, JournalEntry, ReleaseKind, ReleaseOutcome};
use neargate_core::manifest::{ManifestSource, load};
use neargate_core::model::{NotificationEvent, Notify, WebhookAddress, WebhookFormat};
use neargate_core::notify::{MOST_REASON, Notification, NotificationOrigin, body};
use neargate_core::time::Timestamp;
use serde_json::{Value, json};

const AT: Timestamp = Timestamp(1_700_000_000_000);

fn origin() -> NotificationOrigin {
    NotificationOrigin {
        app: "notes".into(),
        env: "prod".into(),
    }
}

fn entry(fact: Fact) -> JournalEntry {
    JournalEntry {
        at: AT,
        service: "api".into(),
        fact,
    }
}

fn ended(outcome: ReleaseOutcome, reason: &str, serving: RevisionNumber) -> Notification {
    let fact = Fact::ReleaseFinished {
        release: ReleaseId(7),
        outcome,
        reason: reason.into(),
        evidence: vec!["password=hunter2".into()],
        serving,
    };
    Notification::of_entry(&origin(), &entry(fact)).expect("it is news")
}

fn started() -> Notification {
    let fact = Fact::ReleaseStarted {
        from: None,
        release: ReleaseId(7),
        kind: ReleaseKind::Deploy,
        to: RevisionNumber(3),
        deadline: AT,
    };
    Notification::of_entry(&origin(), &entry(fact)).expect("it is news")
}

fn waits() -> Notification {
    let wanted = ApprovalWanted {
        release: ReleaseId(7),
        to: RevisionNumber(3),
        step: 2,
        steps: 5,
        weight: 205,
    };
    Notification::of_approval(&origin(), AT, "api", wanted)
}

fn alarm(service: Option<&str>, from: AlarmState, to: AlarmState) -> Option<Notification> {
    let change = Transition {
        at: AT,
        from,
        to,
        reason: "2 of 2 data points are below 99.5".into(),
        datapoints: Vec::new(),
    };
    Notification::of_alarm(&origin(), service, "success-rate", &change)
}

fn webhook(on: &[NotificationEvent], services: &[&str]) -> Notify {
    Notify {
        name: "team".into(),
        to: WebhookAddress::Url("https://hooks.example.com/x".into()),
        format: WebhookFormat::Json,
        on: on.iter().copied().collect(),
        services: services.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[test]
fn each_piece_of_news_has_its_occasion_and_its_line() {
    let fired = alarm(Some("api"), AlarmState::Ok, AlarmState::Alarm).expect("news");
    let over = alarm(Some("api"), AlarmState::Alarm, AlarmState::InsufficientData).expect("news");
    for (news, occasion, line) in [
        (
            started(),
            NotificationEvent::ReleaseStarted,
            "api: release 7 to revision 3 starts",
        ),
        (
            ended(ReleaseOutcome::Done, "", RevisionNumber(3)),
            NotificationEvent::ReleaseFinished,
            "api: release 7 is done; revision 3 serves",
        ),
        (
            ended(ReleaseOutcome::RolledBack, "guard fired", RevisionNumber(2)),
            NotificationEvent::ReleaseFailed,
            "api: release 7 was rolled back; revision 2 serves",
        ),
        (
            ended(
                ReleaseOutcome::Failed,
                "the job failed",
                RevisionNumber::NONE,
            ),
            NotificationEvent::ReleaseFailed,
            "api: release 7 failed; no revision serves",
        ),
        (
            waits(),
            NotificationEvent::WaitsForApproval,
            "api: release 7 waits for approval of step 2 of 5 (20.5 % of the traffic)",
        ),
        (
            fired,
            NotificationEvent::Alarm,
            "alarm success-rate: OK → ALARM",
        ),
        (
            over,
            NotificationEvent::Alarm,
            "alarm success-rate is over: ALARM → INSUFFICIENT_DATA",
        ),
    ] {
        assert_eq!((news.occasion(), news.title().as_str()), (occasion, line));
    }
}

#[test]
fn what_is_no_news_makes_no_notification() {
    let fact = Fact::TaskRan {
        task: "api-r1-1".into(),
    };
    assert_eq!(Notification::of_entry(&origin(), &entry(fact)), None);
    for (from, to) in [
        (AlarmState::Ok, AlarmState::InsufficientData),
        (AlarmState::InsufficientData, AlarmState::Ok),
        (AlarmState::Alarm, AlarmState::Alarm),
    ] {
        assert_eq!(alarm(Some("api"), from, to), None, "{from} → {to}");
    }
}

#[test]
fn a_webhook_gets_what_it_asked_for_and_nothing_else() {
    use NotificationEvent::{Alarm, ReleaseFailed, ReleaseFinished};
    let composite = alarm(None, AlarmState::Ok, AlarmState::Alarm).expect("news");
    let done = ended(ReleaseOutcome::Done, "", RevisionNumber(3));
    for (news, on, services, wanted) in [
        (&done, &[ReleaseFinished][..], &[][..], true),
        (&done, &[ReleaseFailed, Alarm], &[], false),
        (&done, &[ReleaseFinished], &["api"], true),
        (&done, &[ReleaseFinished], &["web"], false),
        (&composite, &[Alarm], &[], true),
        (&composite, &[Alarm], &["api"], false),
    ] {
        let webhook = webhook(on, services);
        assert_eq!(news.is_for(&webhook), wanted, "{webhook:?}");
    }
}

#[test]
fn the_json_says_everything_a_script_needs() {
    let head = |occasion: &str, text: &str, reason: &str| {
        json!({
            "version": 1, "occasion": occasion, "at_ms": AT.0, "app": "notes", "env": "prod",
            "service": "api", "text": text, "reason": reason,
        })
    };
    let with = |mut body: Value, key: &str, value: Value| {
        body[key] = value;
        body
    };
    let back = ended(ReleaseOutcome::RolledBack, "guard fired", RevisionNumber(2));
    let title = back.title();
    let wanted = with(
        head("release-failed", &title, "guard fired"),
        "release",
        json!({ "id": 7, "outcome": "rolled-back", "serving": 2 }),
    );
    assert_eq!(body(WebhookFormat::Json, &back), wanted);
    let waiting = body(WebhookFormat::Json, &waits());
    let step = json!({ "id": 7, "to": 3, "step": 2, "steps": 5, "percent": 20.5 });
    assert_eq!(waiting["release"], step);
    assert_eq!(
        body(WebhookFormat::Json, &started())["release"],
        json!({ "id": 7, "to": 3 })
    );
    let fired = alarm(Some("api"), AlarmState::Ok, AlarmState::Alarm).expect("news");
    let change = json!({ "name": "success-rate", "from": "OK", "to": "ALARM" });
    assert_eq!(body(WebhookFormat::Json, &fired)["alarm"], change);
}

#[test]
fn slack_gets_a_message_in_which_no_text_is_markup() {
    let news = ended(
        ReleaseOutcome::Failed,
        "<!channel> & <http://evil>",
        RevisionNumber(2),
    );
    let message = body(WebhookFormat::Slack, &news);
    assert_eq!(message["text"], news.title());
    let kinds: Vec<&Value> = message["blocks"]
        .as_array()
        .expect("blocks")
        .iter()
        .map(|block| &block["type"])
        .collect();
    assert_eq!(kinds, ["header", "section", "context"]);
    let section = &message["blocks"][1]["text"];
    assert_eq!(
        section["text"],
        "&lt;!channel&gt; &amp; &lt;http://evil&gt;"
    );
    assert_eq!(section["verbatim"], true);
    // Without a reason there is no empty section, which Slack refuses.
    let blocks = body(WebhookFormat::Slack, &started())["blocks"].clone();
    assert_eq!(blocks.as_array().map(Vec::len), Some(2));
}

#[test]
fn teams_gets_an_adaptive_card_of_plain_text_runs() {
    let message = body(
        WebhookFormat::Teams,
        &ended(
            ReleaseOutcome::Failed,
            "[x](http://evil)",
            RevisionNumber(2),
        ),
    );
    assert_eq!(message["type"], "message");
    let attachment = &message["attachments"][0];
    let kind = "application/vnd.microsoft.card.adaptive";
    assert_eq!(attachment["contentType"], kind);
    let card = &attachment["content"];
    assert_eq!(
        (&card["type"], &card["version"]),
        (&json!("AdaptiveCard"), &json!("1.4"))
    );
    for block in card["body"].as_array().expect("a body") {
        assert_eq!(block["type"], "RichTextBlock");
        assert_eq!(block["inlines"][0]["type"], "TextRun");
    }
    assert_eq!(card["body"][0]["inlines"][0]["color"], "Attention");
    assert_eq!(card["body"][1]["inlines"][0]["text"], "[x](http://evil)");
}

#[test]
fn no_log_line_leaves_and_no_text_is_longer_than_receivers_take() {
    let news = ended(
        ReleaseOutcome::Failed,
        &"ü<".repeat(MOST_REASON),
        RevisionNumber(2),
    );
    assert_eq!(news.reason.chars().count(), MOST_REASON);
    for format in [
        WebhookFormat::Json,
        WebhookFormat::Slack,
        WebhookFormat::Teams,
    ] {
        assert!(!body(format, &news).to_string().contains("hunter2"));
    }
    let slack = body(WebhookFormat::Slack, &news);
    let section = slack["blocks"][1]["text"]["text"].as_str().expect("a text");
    assert!(section.chars().count() <= 3_000, "Slack's most");
}

#[test]
fn a_webhook_of_the_manifest_is_told_of_ends_and_alarms_unless_it_says_otherwise() {
    let text = "
        app = 'notes'
        [service.api]
        command = ['notes']
        artifact = 'bin'
        [secret.hook]
        [notify.team]
        secret = 'hook'
        format = 'slack'
        [notify.log]
        url = 'http://127.0.0.1:9000/hook?key=1'
        on = ['waits-for-approval']
        services = ['api']
    ";
    let source = ManifestSource {
        name: "neargate.toml".into(),
        text: text.into(),
    };
    let manifest = load(&source, "local", &[]).expect("it is right").manifest;
    let team = &manifest.notify["team"];
    assert_eq!(team.to, WebhookAddress::Secret("hook".into()));
    assert_eq!(team.format, WebhookFormat::Slack);
    let usual = [
        NotificationEvent::ReleaseFinished,
        NotificationEvent::ReleaseFailed,
        NotificationEvent::Alarm,
    ];
    assert_eq!(team.on, BTreeSet::from(usual));
    let log = &manifest.notify["log"];
    assert_eq!(log.format, WebhookFormat::Json);
    assert_eq!(
        log.on,
        BTreeSet::from([NotificationEvent::WaitsForApproval])
    );
    assert_eq!(log.services, ["api"]);
}
