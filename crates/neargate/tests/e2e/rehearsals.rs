//! What `neargate rehearse` says beside what happens: the notes blueprint, each fault for real.

use serde_json::Value;

use crate::app::App;
use crate::data::blueprint;
use crate::load::Load;
use crate::releases::outcome;

const RATE: u32 = 200;
/// The alarms' period: predictions are within one of it.
const PERIOD: u64 = 5_000;
/// How late the real app may be besides: other tests run beside it.
const LATE: u64 = 1_000;

/// The blueprint, released by a canary that success, latency and memory guard.
const SETTINGS: [&str; 10] = [
    "service.api.env.NOTES_RATE_LIMIT=off",
    "service.api.release={ strategy = \"canary\", steps = [20, 100], bake = \"10s\", before = [\"migrate\"], guard = [\"success\", \"slow\", \"memory\"], minimum-percent = 100, maximum-percent = 200 }",
    "service.api.release.breaker={ reset-on-healthy = false }",
    "service.api.health.interval=5s",
    "service.api.health.timeout=2s",
    "service.api.health.unhealthy=2",
    "service.api.health.grace=1s",
    "alarm.success={ service = \"api\", metric = \"success_rate\", below = 97, period = \"5s\", datapoints = \"2/2\", minimum-samples = 20 }",
    "alarm.slow={ service = \"api\", metric = \"latency\", statistic = \"p95\", above = 300, period = \"5s\", datapoints = \"2/2\", minimum-samples = 20 }",
    "alarm.memory={ service = \"api\", metric = \"memory\", statistic = \"maximum\", above = 20, period = \"5s\", datapoints = \"2/2\" }",
];

/// Compared facts: the outcome, the detector, and how long after the fault could first be met.
#[derive(Debug, PartialEq)]
struct Noticed {
    outcome: String,
    by: String,
    after: u64,
}

/// Reads a story: real and rehearsed releases tell it in the same words.
fn noticed(outcome: &str, story: &[(u64, String)]) -> Noticed {
    let at = |texts: &[&str]| {
        let told = story
            .iter()
            .find(|(_, told)| texts.iter().any(|text| told.starts_with(text)));
        told.map(|(at, _)| *at)
    };
    let from = at(&["shifting step 1"]).or_else(|| at(&["starting the new tasks"]));
    let from = from.unwrap_or_else(|| story.first().expect("a story").0);
    let (back, reason) = story
        .iter()
        .find(|(_, told)| told.starts_with("rolling back") || told.starts_with("rolled-back"))
        .unwrap_or_else(|| panic!("it did not go back: {story:#?}"));
    let words = [
        "guard `success`",
        "guard `slow`",
        "guard `memory`",
        "job `migrate`",
        "breaker",
    ];
    let by = words.iter().find(|word| reason.contains(**word));
    Noticed {
        outcome: outcome.to_owned(),
        by: by
            .unwrap_or_else(|| panic!("noticed by whom? {reason}"))
            .to_string(),
        after: back - from,
    }
}

fn story(moments: &Value) -> Vec<(u64, String)> {
    let moments = moments.as_array().expect("a story");
    let told = |moment: &Value| {
        let text = moment["text"].as_str().unwrap_or_default().to_owned();
        (moment["at"].as_u64().unwrap_or_default(), text)
    };
    moments.iter().map(told).collect()
}

fn with_settings<'a>(verb: &[&'a str], more: &'a [String]) -> Vec<&'a str> {
    let mut arguments = verb.to_vec();
    let settings = SETTINGS
        .iter()
        .copied()
        .chain(more.iter().map(String::as_str));
    arguments.extend(settings.flat_map(|setting| ["--set", setting]));
    arguments
}

fn rehearsed(app: &App, fault: &str) -> Noticed {
    let rate = format!("{RATE}rps");
    let verb = [
        "rehearse",
        "api",
        "--fault",
        fault,
        "--traffic",
        &rate,
        "--json",
    ];
    let output = app.run(&with_settings(&verb, &[]));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{fault} is caught: {said}");
    let found: Value = serde_json::from_slice(&output.stdout).expect("a rehearsal is JSON");
    assert_eq!(found["stable"]["failed"], 0);
    noticed(
        found["ending"].as_str().unwrap_or_default(),
        &story(&found["timeline"]),
    )
}

fn real(app: &App, fault: &str) -> Noticed {
    let more = [format!("service.api.env.NOTES_FAULT={fault}")];
    let load = Load::start(app.address, "/api/notes", RATE);
    let output = app.run(&with_settings(&["deploy", "api", "--json"], &more));
    load.finish();
    assert_eq!(output.status.code(), Some(1), "{fault} goes back");
    let releases: Value =
        serde_json::from_str(&app.ok(&["releases", "api", "--json"])).expect("releases are JSON");
    let newest = releases.as_array().and_then(|all| all.last()).expect("one");
    let ended = outcome(&output);
    noticed(
        ended["outcome"].as_str().unwrap_or_default(),
        &story(&newest["story"]),
    )
}

#[test]
fn rehearsals_tell_what_happens_to_the_notes_blueprint_with_each_fault() {
    for fault in [
        "migrate-fail",
        "bad-health",
        "crash=1s",
        "error-rate=20%",
        "latency=800ms",
        "leak=30MB/s",
    ] {
        // Anew each time: an alarm of the service remembers what the last fault did.
        let app = blueprint("2-cloud-native-notes");
        let port = app.address.port().to_string();
        app.ok(&with_settings(&["up", "--detach", "--port", &port], &[]));
        let predicted = rehearsed(&app, fault);
        let happened = real(&app, fault);
        let told = format!("{fault}: predicted {predicted:?}, happened {happened:?}");
        println!("{told}");
        assert_eq!(predicted.outcome, happened.outcome, "{told}");
        assert_eq!(predicted.by, happened.by, "{told}");
        assert!(
            predicted.after.abs_diff(happened.after) <= PERIOD + LATE,
            "{told}"
        );
    }
}
