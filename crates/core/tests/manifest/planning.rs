//! Manifest and observed state to operations.

use std::collections::BTreeMap;

use neargate_core::ids::RevisionNumber;
use neargate_core::machine::RevisionDefinition;
use neargate_core::manifest::{ManifestSource, load};
use neargate_core::model::Manifest;
use neargate_core::plan::{ObservedService, Operation, PlanContext, RunningEnvironment, plan};

use super::example::EXAMPLE;

fn manifest(overrides: &[&str]) -> Manifest {
    let source = ManifestSource {
        name: "neargate.toml".into(),
        text: EXAMPLE.into(),
    };
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    load(&source, "local", &overrides)
        .expect("the example is right")
        .manifest
}

fn running(manifest: &Manifest) -> RunningEnvironment {
    let service = |(name, definition): (&String, &neargate_core::model::Service)| {
        let observed = ObservedService {
            definition: definition.clone(),
            digest: String::new(),
            desired: definition.scale.min,
            revision: RevisionNumber(3),
            failed: false,
            jobs: RevisionDefinition::of(manifest, definition).jobs,
            root: "/old".into(),
            secrets: BTreeMap::new(),
        };
        (name.clone(), observed)
    };
    RunningEnvironment {
        services: manifest.services.iter().map(service).collect(),
        databases: manifest.databases.clone(),
        caches: manifest.caches.clone(),
        secrets: manifest.secrets.keys().cloned().collect(),
        versions: BTreeMap::new(),
        stopped: false,
        edge: Some(manifest.edge.clone()),
        alarms: manifest.alarms.clone(),
        notify: manifest.notify.clone(),
    }
}

/// A folder, and the digest of the web's artifact.
fn of(web: &str) -> PlanContext {
    let digests = [("web".to_owned(), web.to_owned())];
    PlanContext {
        digests: digests
            .into_iter()
            .filter(|(_, digest)| !digest.is_empty())
            .collect(),
        root: "/old".into(),
    }
}

#[test]
fn a_first_plan_creates_secrets_then_data_then_services() {
    let plan = plan(&manifest(&[]), &of(""), &RunningEnvironment::default());
    let text = plan.to_string();
    let kinds: Vec<&str> = text
        .lines()
        .map(|l| l.split(':').next().unwrap_or(""))
        .collect();
    assert_eq!(
        kinds,
        [
            "+ secret.session",
            "+ database.main",
            "+ cache.main",
            "+ service.api",
            "+ service.web",
            "+ alarm.success-rate"
        ]
    );
}

#[test]
fn a_plan_for_what_runs_already_is_empty() {
    let wanted = manifest(&[]);
    assert!(plan(&wanted, &of(""), &running(&wanted)).is_empty());
}

#[test]
fn only_a_change_of_scale_makes_no_new_revision() {
    let observed = running(&manifest(&[]));
    let wanted = manifest(&["service.api.scale.min=3"]);
    let operations = plan(&wanted, &of(""), &observed).operations;
    let [
        Operation::ScaleService {
            from: 1,
            to: 3,
            changes,
            ..
        },
    ] = &operations[..]
    else {
        panic!("{operations:?}");
    };
    assert_eq!(changes[0].path, "scale.min");
}

#[test]
fn what_a_person_scaled_to_is_kept_and_every_change_of_count_is_told() {
    let at = |desired| {
        let mut observed = running(&manifest(&[]));
        if let Some(api) = observed.services.get_mut("api") {
            api.desired = desired;
        }
        observed
    };
    let text =
        |overrides: &[&str], desired| plan(&manifest(overrides), &of(""), &at(desired)).to_string();
    // The example gives no bounds of the web; those of the api are 1 to 4.
    assert_eq!(text(&[], 0), "Nothing to do.\n");
    assert_eq!(text(&[], 9), "Nothing to do.\n");
    let released = text(&["service.api.env.LOG=debug"], 9);
    assert!(released.starts_with("~ service.api: release a new revision\n"));
    let both = text(&["service.api.env.LOG=debug", "service.api.scale.max=5"], 9);
    assert!(
        both.starts_with("~ service.api: release a new revision, scale 9 → 5\n"),
        "{both}"
    );
    let scaled = text(&["service.api.scale.max=5"], 9);
    assert!(
        scaled.starts_with("~ service.api: scale 9 → 5\n"),
        "{scaled}"
    );
    let limits = text(&["service.api.scale.min=2"], 3);
    assert!(
        limits.starts_with("~ service.api: limits of its scale\n"),
        "{limits}"
    );
}

#[test]
fn a_change_of_environment_or_of_bytes_releases_a_revision() {
    let observed = running(&manifest(&[]));
    let wanted = manifest(&["service.api.env.LOG=debug"]);
    let operations = plan(&wanted, &of("sha256:1"), &observed).operations;
    let [
        Operation::ReleaseService {
            name: api, changes, ..
        },
        Operation::ReleaseService {
            name: web,
            changes: bytes,
            ..
        },
    ] = &operations[..]
    else {
        panic!("{operations:?}");
    };
    assert_eq!((api.as_str(), changes[0].path.as_str()), ("api", "env.LOG"));
    assert_eq!(
        (web.as_str(), bytes[0].path.as_str()),
        ("web", "artifact-digest")
    );
}

#[test]
fn what_is_no_longer_wanted_goes_last() {
    let mut wanted = manifest(&["service.api.env.LOG=debug"]);
    let observed = running(&wanted);
    wanted.services.remove("web");
    wanted.databases.clear();
    wanted.caches.clear();
    let text = plan(&wanted, &of(""), &observed).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "- service.web: drain and stop",
            "- cache.main: stop",
            "- database.main: stop, data kept"
        ]
    );
}

#[test]
fn another_folder_is_a_new_revision_only_of_what_runs_in_it() {
    let wanted = manifest(&[]);
    let mut observed = running(&wanted);
    let moved = PlanContext {
        root: "/new".into(),
        ..of("sha256:1")
    };
    if let Some(web) = observed.services.get_mut("web") {
        web.digest = "sha256:1".into();
    }
    // The api has no artifact here, the web has one.
    let text = plan(&wanted, &moved, &observed).to_string();
    assert_eq!(
        text,
        "~ service.api: release a new revision\n    folder: \"/old\" → \"/new\"\n"
    );
    let back = PlanContext {
        root: "/old".into(),
        ..moved
    };
    assert_eq!(
        plan(&wanted, &back, &observed).to_string(),
        "Nothing to do.\n"
    );
}

#[test]
fn a_new_version_of_a_secret_and_a_failed_revision_are_released_and_a_build_step_is_not() {
    let wanted = manifest(&[]);
    let mut observed = running(&wanted);
    let api = |observed: &mut RunningEnvironment, version: u32, failed: bool| {
        observed.versions.insert("session".into(), 2);
        if let Some(api) = observed.services.get_mut("api") {
            api.secrets.insert("session".into(), version);
            api.failed = failed;
        }
        plan(&wanted, &of(""), observed).to_string()
    };
    assert_eq!(
        api(&mut observed, 1, false),
        "~ service.api: new version of secret session: release a new revision\n    \
         secret.session.version: 1 → 2\n"
    );
    assert_eq!(api(&mut observed, 2, false), "Nothing to do.\n");
    assert_eq!(
        api(&mut observed, 2, true),
        "~ service.api: release a new revision\n"
    );
    api(&mut observed, 2, false);
    let built = manifest(&["service.api.build=make"]);
    assert!(plan(&built, &of(""), &observed).is_empty());
}

#[test]
fn what_is_stopped_starts_again_as_it_was() {
    let wanted = manifest(&[]);
    let mut observed = running(&wanted);
    observed.stopped = true;
    if let Some(api) = observed.services.get_mut("api") {
        api.desired = 2;
    }
    let text = plan(&wanted, &of(""), &observed).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "> database.main: starts again with its data",
            "> cache.main: starts again, empty",
            "> service.api: starts again, revision 3, 2 tasks",
            "> service.web: starts again, revision 3"
        ]
    );
}

#[test]
fn what_up_does_about_the_environment_itself_is_told() {
    for (overrides, told) in [
        (
            &["edge.port=9000"][..],
            "~ edge: moves from http://127.0.0.1:8080 to http://127.0.0.1:9000\n",
        ),
        (
            &["edge.address=\"::1\""],
            "~ edge: moves from http://127.0.0.1:8080 to http://[::1]:8080\n",
        ),
        (
            &["edge.expose=false"],
            "~ edge: update\n    edge.expose: true → false\n",
        ),
        (
            &["edge.trusted=[\"10.0.0.0/8\"]"],
            "~ edge: update\n    edge.trusted: [\"127.0.0.0/8\", \"::1/128\"] → [\"10.0.0.0/8\"]\n",
        ),
        (
            &["alarm.success-rate.minimum-samples=7"],
            "~ alarm.success-rate: update\n    minimum-samples: 0 → 7\n",
        ),
        (
            &["notify.team.url=\"http://127.0.0.1/hook\""],
            "+ notify.team: create\n",
        ),
    ] {
        let observed = running(&manifest(&[]));
        let text = plan(&manifest(overrides), &of(""), &observed).to_string();
        assert_eq!(text, told, "{overrides:?}");
    }
    let mut wanted = manifest(&[]);
    let observed = running(&wanted);
    wanted.alarms.clear();
    let text = plan(&wanted, &of(""), &observed).to_string();
    assert_eq!(text, "- alarm.success-rate: remove\n");
}

#[test]
fn an_edge_stays_where_it_is_unless_the_manifest_says_otherwise() {
    let source = |text: &str| ManifestSource {
        name: "neargate.toml".into(),
        text: format!("app = \"a\"\n[service.a]\ncommand = [\"a\"]\n{text}"),
    };
    let before = manifest(&["edge.port=23000", "edge.address=\"0.0.0.0\""]).edge;
    for (text, overrides, stays) in [
        ("", &[][..], "http://0.0.0.0:23000"),
        ("[edge]\nexpose = false\n", &[], "http://0.0.0.0:23000"),
        ("[edge]\nport = 8080\n", &[], "http://0.0.0.0:8080"),
        ("", &["edge.port=9000"], "http://0.0.0.0:9000"),
        (
            "[edge]\naddress = \"127.0.0.1\"\n",
            &[],
            "http://127.0.0.1:23000",
        ),
        (
            "[env.local.edge]\nport = 7000\n",
            &[],
            "http://0.0.0.0:7000",
        ),
    ] {
        let overrides: Vec<String> = overrides.iter().map(|one| (*one).to_owned()).collect();
        let loaded = load(&source(text), "local", &overrides).expect("a manifest");
        let mut edge = loaded.manifest.edge;
        edge.stay(&before, loaded.edge_address);
        assert_eq!(edge.url(), stays, "{text} {overrides:?}");
    }
}
