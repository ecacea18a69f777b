//! A many-step canary without AWS: core's machine, and a world of numbers that obeys each call.

use std::collections::BTreeMap;
use std::time::Duration;

use neargate_core::alarm::AlarmState;
use neargate_core::machine::{EnvironmentState, ReleaseOutcome, RevisionDefinition, apply, decide};
use neargate_core::manifest::{ManifestSource, load};
use neargate_core::time::Timestamp;
use neargate_far::driver::weighted_plan::{
    AwsChange, ReleaseTaskDefinitions, ServiceObservation, ServicesObserved, ended, events,
    finished, goal, next_call, of, replay, seed, verdict,
};

const MANIFEST: &str = r#"
app = "notes"

[service.api]
command = ["notes", "serve"]
port = 3000
route = "/*"
health = "/healthz"
release = { strategy = "canary", steps = [10, 50, 100], bake = "60s", guard = ["success-rate"] }

[alarm.success-rate]
metric = "success_rate"
service = "api"
below = 99.5
period = "60s"
"#;

fn definition() -> RevisionDefinition {
    let source = ManifestSource {
        name: "neargate.toml".to_owned(),
        text: MANIFEST.to_owned(),
    };
    let Ok(loaded) = load(&source, "local", &[]) else {
        panic!("the manifest is right");
    };
    RevisionDefinition {
        service: loaded.manifest.services["api"].clone(),
        jobs: BTreeMap::new(),
        guards: loaded.manifest.alarms.clone(),
        artifact: None,
        root: String::new(),
        secrets: BTreeMap::new(),
        overrides: Vec::new(),
        user: "ann".to_owned(),
        git: None,
    }
}

fn fleet(definition: &str, tasks: u32) -> ServiceObservation {
    ServiceObservation {
        definition: definition.to_owned(),
        desired: tasks,
        healthy: tasks,
        failed: 0,
        steady: true,
        said: String::new(),
    }
}

fn obey(world: &mut ServicesObserved, call: &AwsChange) {
    match call {
        AwsChange::CreateVisitor { definition, count }
        | AwsChange::UpdateVisitor { definition, count } => {
            world.visitor = Some(fleet(definition, *count));
        }
        AwsChange::UpdateMain { definition } => world.main = fleet(definition, world.main.desired),
        AwsChange::SetWeight { weight } => world.weight = *weight,
        AwsChange::DeleteVisitor => world.visitor = None,
    }
}

fn word(call: &AwsChange) -> String {
    match call {
        AwsChange::CreateVisitor { definition, count } => format!("create {definition} x{count}"),
        AwsChange::UpdateVisitor { definition, count } => format!("update {definition} x{count}"),
        AwsChange::UpdateMain { definition } => format!("main {definition}"),
        AwsChange::SetWeight { weight } => format!("weight {weight}"),
        AwsChange::DeleteVisitor => "delete".to_owned(),
    }
}

/// Runs a release of 3 tasks; the alarm is in this state once the weight is so high.
fn release(alarm: AlarmState, at_weight: u32) -> (Vec<String>, ReleaseOutcome, ServicesObserved) {
    let revision = definition();
    let mut now = Timestamp(1_000_000);
    let (old, new) = (of(&revision, "arn:1"), of(&revision, "arn:2"));
    let (mut state, mut journal) = seed("api", (7, &old), (9, &new), 3, now);
    let ends = ReleaseTaskDefinitions {
        from: "arn:1".to_owned(),
        to: "arn:2".to_owned(),
    };
    let mut world = ServicesObserved {
        main: fleet("arn:1", 3),
        ..ServicesObserved::default()
    };
    let mut calls = Vec::new();
    for _ in 0..1_000 {
        now = now.after(Duration::from_secs(5));
        let seen = if world.weight >= at_weight {
            alarm
        } else {
            AlarmState::Ok
        };
        let words = (seen, "5 of 100 failed".to_owned());
        world.alarms = BTreeMap::from([("success-rate".to_owned(), words)]);
        round(&mut state, &mut journal, &world, now);
        assert_eq!(replay(&journal), state, "the journal is the state");
        let service = &state.services["api"];
        let Some(goal) = goal(service, &ends, &world) else {
            let outcome = finished(service).expect("it has ended").outcome;
            return (calls, outcome, world);
        };
        if let Some(call) = next_call(&goal, &world) {
            calls.push(word(&call));
            obey(&mut world, &call);
        }
    }
    panic!("it never ends: {calls:?}");
}

fn round(
    state: &mut EnvironmentState,
    journal: &mut Vec<neargate_core::machine::JournalEntry>,
    world: &ServicesObserved,
    now: Timestamp,
) {
    let service = state.services["api"].clone();
    for event in events(&service, world, ended(journal, 2), now) {
        let step = decide(state, now, &event);
        for entry in step.entries() {
            apply(state, entry);
            journal.push(entry.clone());
        }
    }
}

#[test]
fn a_canary_that_stays_quiet_takes_its_steps_and_leaves_one_service() {
    let (calls, outcome, world) = release(AlarmState::Ok, 0);
    assert_eq!(outcome, ReleaseOutcome::Done);
    assert_eq!(
        calls,
        [
            "create arn:2 x3",
            "weight 100",
            "weight 500",
            "weight 1000",
            "main arn:2",
            "weight 0",
            "delete"
        ]
    );
    assert_eq!((world.main, world.visitor), (fleet("arn:2", 3), None));
}

#[test]
fn a_guard_that_fires_takes_the_weight_away_before_the_visitor_goes() {
    let (calls, outcome, world) = release(AlarmState::Alarm, 500);
    assert_eq!(outcome, ReleaseOutcome::RolledBack);
    assert_eq!(
        calls,
        [
            "create arn:2 x3",
            "weight 100",
            "weight 500",
            "weight 0",
            "delete"
        ]
    );
    assert_eq!((world.main, world.visitor), (fleet("arn:1", 3), None));
}

#[test]
fn an_alarm_is_believed_at_once_when_it_fires_and_after_its_data_when_it_is_quiet() {
    use neargate_core::machine::GuardVerdict;
    let alarm = definition().guards["success-rate"].clone();
    let whole = Duration::from_secs(60);
    for (state, age, expected) in [
        (AlarmState::Alarm, Duration::ZERO, GuardVerdict::Fired),
        (AlarmState::Ok, Duration::ZERO, GuardVerdict::Pending),
        (AlarmState::Ok, whole, GuardVerdict::Quiet),
        (
            AlarmState::InsufficientData,
            Duration::ZERO,
            GuardVerdict::Pending,
        ),
        (AlarmState::InsufficientData, whole, GuardVerdict::TooLittle),
    ] {
        assert_eq!(verdict(&alarm, state, age), expected, "{state} {age:?}");
    }
}
