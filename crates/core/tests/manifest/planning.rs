//! Manifest and observed state to operations.

use std::collections::BTreeMap;

use neargate_core::manifest::model::Manifest;
use neargate_core::manifest::{Source, load};
use neargate_core::plan::{Observed, ObservedService, Operation, plan};

use crate::example::EXAMPLE;

fn manifest(overrides: &[&str]) -> Manifest {
    let source = Source {
        name: "neargate.toml".into(),
        text: EXAMPLE.into(),
    };
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    load(&source, "local", &overrides)
        .expect("the example is right")
        .manifest
}

fn running(manifest: &Manifest) -> Observed {
    let service = |(name, definition): (&String, &neargate_core::manifest::model::Service)| {
        let observed = ObservedService {
            definition: definition.clone(),
            digest: String::new(),
            desired: definition.scale.min,
        };
        (name.clone(), observed)
    };
    Observed {
        services: manifest.services.iter().map(service).collect(),
        databases: manifest.databases.clone(),
        caches: manifest.caches.clone(),
        secrets: manifest.secrets.keys().cloned().collect(),
    }
}

#[test]
fn a_first_plan_creates_secrets_then_data_then_services() {
    let plan = plan(&manifest(&[]), &BTreeMap::new(), &Observed::default());
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
            "+ service.web"
        ]
    );
}

#[test]
fn a_plan_for_what_runs_already_is_empty() {
    let wanted = manifest(&[]);
    assert!(plan(&wanted, &BTreeMap::new(), &running(&wanted)).is_empty());
}

#[test]
fn only_a_change_of_scale_makes_no_new_revision() {
    let observed = running(&manifest(&[]));
    let wanted = manifest(&["service.api.scale.min=3"]);
    let operations = plan(&wanted, &BTreeMap::new(), &observed).operations;
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
    let text = |overrides: &[&str], desired| {
        plan(&manifest(overrides), &BTreeMap::new(), &at(desired)).to_string()
    };
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
}

#[test]
fn a_change_of_environment_or_of_bytes_releases_a_revision() {
    let observed = running(&manifest(&[]));
    let wanted = manifest(&["service.api.env.LOG=debug"]);
    let digests = BTreeMap::from([("web".to_owned(), "sha256:1".to_owned())]);
    let operations = plan(&wanted, &digests, &observed).operations;
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
    let text = plan(&wanted, &BTreeMap::new(), &observed).to_string();
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
