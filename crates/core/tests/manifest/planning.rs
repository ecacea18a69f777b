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
fn a_change_of_environment_or_of_bytes_releases_a_revision() {
    let observed = running(&manifest(&[]));
    let wanted = manifest(&["service.api.env.LOG=debug"]);
    let digests = BTreeMap::from([("web".to_owned(), "sha256:1".to_owned())]);
    let operations = plan(&wanted, &digests, &observed).operations;
    let [
        Operation::ReleaseService { name: api, changes },
        Operation::ReleaseService {
            name: web,
            changes: bytes,
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
