//! Rehearsals of a canary: what is noticed, by whom, when, and who meets it.

use std::time::Duration;

use neargate_core::manifest::{ManifestSource, load};
use neargate_core::model::Manifest;
use neargate_core::rehearse::{
    Detector, Fault, Rehearsal, RehearsalOutcome, RehearsalSettings, RehearseError, TimingModel,
    advise, rehearse,
};

const CANARY: &str = r#"
app = "shop"

[service.api]
command = ["api"]
port = 3000
route = "/*"
size = { cpu = 256, memory = 512 }
health = { path = "/healthz", interval = "5s", timeout = "2s", healthy = 2, unhealthy = 2 }
scale = { min = 2, max = 4 }
uses = ["database.main"]

[service.api.release]
strategy = "canary"
steps = [10, 50, 100]
bake = "1m"
guard = ["success", "memory"]
before = ["migrate"]
smoke = ["look"]

[service.site]
static = "site"
route = "/site/*"

[job.migrate]
service = "api"
command = ["migrate"]

[job.look]
service = "api"
command = ["look"]
timeout = "20s"

[alarm.success]
metric = "success_rate"
service = "api"
below = 99.5
period = "10s"
datapoints = "2/2"
missing = "not-breaching"
minimum-samples = 20

[alarm.memory]
metric = "memory"
statistic = "maximum"
service = "api"
above = 50
period = "10s"
datapoints = "2/2"

[database.main]
engine = "postgres"
"#;

fn manifest(settings: &[String]) -> Option<Manifest> {
    let source = ManifestSource {
        name: "neargate.toml".to_owned(),
        text: CANARY.to_owned(),
    };
    load(&source, "local", settings)
        .ok()
        .map(|loaded| loaded.manifest)
}

fn question(fault: &str, on: TimingModel, seed: u64) -> RehearsalSettings {
    RehearsalSettings {
        service: "api".to_owned(),
        fault: fault.parse().expect("a fault"),
        on,
        rate: 200.0,
        seed,
    }
}

fn rehearsed(settings: &[&str], question: &RehearsalSettings) -> Rehearsal {
    let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
    let manifest = manifest(&settings).expect("a right manifest");
    rehearse(&manifest, question).expect("a rehearsal")
}

fn guard(name: &str) -> Option<Detector> {
    Some(Detector::Guard(name.to_owned()))
}

fn job(name: &str) -> Option<Detector> {
    Some(Detector::Job(name.to_owned()))
}

#[test]
fn each_fault_ends_as_the_manifest_asks_and_is_noticed_by_the_right_one() {
    use RehearsalOutcome::{Done, RolledBack, Waiting};
    let breaker = Some(Detector::Breaker);
    let timeout = Some(Detector::Timeout("migrate".to_owned()));
    let low = Some(Detector::LowTraffic("success".to_owned()));
    let back = "service.api.release.low-traffic=\"back\"";
    let go = "service.api.release.low-traffic=\"go\"";
    let breaching = "alarm.success.missing=\"breaching\"";
    for (fault, setting, ending, noticed) in [
        ("none", None, Done, None),
        ("error-rate=100%", None, RolledBack, guard("success")),
        ("error-rate=5%", None, RolledBack, guard("success")),
        ("latency=2s", None, Done, None),
        ("crash=0s", None, RolledBack, breaker.clone()),
        ("bad-health", None, RolledBack, breaker),
        ("leak=10MB/s", None, RolledBack, guard("memory")),
        ("migrate-fail", None, RolledBack, job("migrate")),
        ("smoke-fail", None, RolledBack, job("look")),
        ("hook-timeout", None, RolledBack, timeout),
        ("no-traffic", None, Waiting, None),
        ("no-traffic", Some(back), RolledBack, low),
        ("no-traffic", Some(go), Done, None),
        ("no-traffic", Some(breaching), RolledBack, guard("success")),
        ("database-down=30s", None, RolledBack, guard("success")),
    ] {
        let settings: Vec<&str> = setting.into_iter().collect();
        let found = rehearsed(&settings, &question(fault, TimingModel::Near, 1));
        assert_eq!(
            (found.ending, &found.noticed_by),
            (ending, &noticed),
            "{fault} {setting:?}: {}",
            found.reason
        );
        assert_eq!(found.new_serves, ending == Done, "{fault}");
        if ending != Waiting {
            assert_eq!(found.healthy, (2, 2), "{fault}");
        }
        if !fault.starts_with("database-down") {
            assert_eq!(found.stable.failed, 0, "{fault}");
        }
    }
}

#[test]
fn errors_are_noticed_within_the_guards_own_time_wherever_in_a_minute_it_begins() {
    for seed in 0..50 {
        let found = rehearsed(&[], &question("error-rate=5%", TimingModel::Near, seed));
        let step = found
            .timeline
            .iter()
            .find(|told| told.text.starts_with("shifting step 1"))
            .expect("a first step");
        let noticed = found.noticed_at.expect("it is noticed") - step.at;
        // 2 periods of 10 s; then samples settle, and there are four looks a second.
        assert!(noticed <= 22_000, "{seed}: {noticed} ms");
        let (new, stable) = (found.new, found.stable);
        assert!(new.failed > 0 && stable.failed == 0, "{seed}");
        let all = new.requests + stable.requests;
        // 5 % of a tenth of the requests.
        assert!(new.failed * 1000 <= all * 8, "{seed}: {new:?} of {all}");
    }
}

#[test]
fn equal_questions_have_equal_answers() {
    for fault in ["error-rate=5%", "leak=10MB/s", "crash=30s"] {
        let asked = question(fault, TimingModel::Near, 7);
        assert_eq!(rehearsed(&[], &asked), rehearsed(&[], &asked));
        let other = rehearsed(&[], &question(fault, TimingModel::Near, 8));
        assert_ne!(rehearsed(&[], &asked), other, "a seed decides something");
    }
}

#[test]
fn the_shares_of_each_step_are_the_ones_asked_for() {
    let found = rehearsed(&[], &question("none", TimingModel::Near, 3));
    for (step, share) in [(1, 10), (2, 50), (3, 100)] {
        let told = format!("step {step}: {share} %");
        assert!(found.timeline.iter().any(|one| one.text.contains(&told)));
    }
    let split = "the router sent the new revision 10 %";
    assert!(found.timeline.iter().any(|told| told.text.contains(split)));
    assert!(found.met_at.is_none() && found.new.failed == 0);
}

#[test]
fn what_is_not_caught_goes_on_and_is_counted_by_the_minute() {
    let found = rehearsed(&[], &question("latency=2s", TimingModel::Near, 1));
    assert!(!found.caught && found.new_serves);
    assert!((11_900..=12_100).contains(&found.met_per_minute_after));
    assert_eq!(found.new.slowed, found.new.requests);
    assert_eq!(found.new.failed, 0);
}

#[test]
fn on_ecs_alarms_need_minutes_and_the_bake_time_alone_decides() {
    let near = rehearsed(&[], &question("error-rate=5%", TimingModel::Near, 1));
    let ecs = rehearsed(&[], &question("error-rate=5%", TimingModel::Ecs, 1));
    let took = |found: &Rehearsal| {
        let met = found.met_at.expect("met");
        Duration::from_millis(found.noticed_at.expect("noticed") - met)
    };
    assert_eq!(ecs.noticed_by, guard("success"));
    assert!(took(&ecs) > took(&near) + Duration::from_secs(120));
    // Steps of a minute are over before CloudWatch has two minutes of data.
    assert!(
        ecs.timeline
            .iter()
            .any(|told| told.text.starts_with("shifting step 2"))
    );
    assert!(
        !near
            .timeline
            .iter()
            .any(|told| told.text.starts_with("shifting step 2"))
    );
    let quiet = rehearsed(&[], &question("no-traffic", TimingModel::Ecs, 1));
    assert_eq!(
        quiet.ending,
        RehearsalOutcome::Done,
        "ECS does not hold: {}",
        quiet.reason
    );
}

#[test]
fn every_change_that_is_advised_is_right_and_catches_the_fault() {
    for settings in [
        vec![],
        vec![
            "service.api.release.strategy=\"rolling\"",
            "service.api.release.guard=[]",
        ],
        vec![
            "service.api.release.guard=[]",
            "service.api.release.breaker=false",
        ],
    ] {
        let mut base: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
        if settings
            .first()
            .is_some_and(|text| text.contains("rolling"))
        {
            // A rolling release has no steps.
            base.push("service.api.release={ strategy = \"rolling\" }".to_owned());
        }
        let load = |more: &[String]| manifest(&[base.as_slice(), more].concat());
        let Some(first) = load(&[]) else {
            continue;
        };
        let asked = question("none", TimingModel::Near, 1);
        let table = advise(&first, &asked, load).expect("a table");
        for row in &table {
            let fault: Fault = row.rehearsal.fault.parse().expect("a fault");
            let fine = row.rehearsal.caught || row.not_here.is_some();
            assert!(
                fine || row.change.is_some(),
                "{settings:?}: {fault}: no advice"
            );
            let Some(change) = &row.change else { continue };
            let manifest = load(&change.settings).expect("the change is right");
            let then = rehearse(
                &manifest,
                &RehearsalSettings {
                    fault,
                    ..asked.clone()
                },
            )
            .expect("again");
            assert!(then.caught && then == *change.then, "{fault}");
        }
    }
}

#[test]
fn what_cannot_be_rehearsed_is_refused() {
    let manifest = manifest(&[]).expect("a right manifest");
    let ask = |service: &str, rate: f64| {
        let question = RehearsalSettings {
            service: service.to_owned(),
            rate,
            ..question("none", TimingModel::Near, 1)
        };
        rehearse(&manifest, &question).expect_err("a refusal")
    };
    assert_eq!(
        ask("web", 1.0),
        RehearseError::UnknownService("web".to_owned(), "api, site".to_owned())
    );
    assert_eq!(ask("site", 1.0), RehearseError::NoTasks("site".to_owned()));
    for rate in [-1.0, 10_001.0, f64::NAN] {
        assert_eq!(ask("api", rate), RehearseError::Rate);
    }
}
