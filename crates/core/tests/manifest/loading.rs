//! Layers, defaults and what ends up in the model.

use std::time::Duration;

use neargate_core::manifest::{Diagnostics, LoadedManifest, ManifestSource, load};
use neargate_core::model::{DeploymentTarget, Manifest, Probe, Strategy, UsedResource, Workload};

use super::example::EXAMPLE;

fn try_load(text: &str, env: &str, overrides: &[&str]) -> Result<LoadedManifest, Diagnostics> {
    let source = ManifestSource {
        name: "neargate.toml".to_owned(),
        text: text.to_owned(),
    };
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    load(&source, env, &overrides)
}

fn right(text: &str, env: &str, overrides: &[&str]) -> Manifest {
    match try_load(text, env, overrides) {
        Ok(loaded) => loaded.manifest,
        Err(problems) => panic!("{}", problems.render(false)),
    }
}

const SECONDS_30: Duration = Duration::from_secs(30);

#[test]
fn the_designs_example_is_read_as_it_says() {
    let manifest = right(EXAMPLE, "local", &[]);
    assert_eq!(
        (manifest.app.as_str(), &manifest.target),
        ("notes", &DeploymentTarget::Near)
    );
    let api = &manifest.services["api"];
    assert_eq!(
        api.runs,
        Workload::Command(vec!["notes".into(), "serve".into()])
    );
    assert_eq!(api.port, Some(3000));
    assert_eq!(api.uses[0], UsedResource::Database("main".into()));
    assert_eq!(
        (api.scale.min, api.scale.max, api.scale.cpu),
        (1, 4, Some(70.0))
    );
    assert_eq!((api.drain, api.stop_timeout), (SECONDS_30, SECONDS_30));
    let health = api.health.as_ref().expect("written");
    assert_eq!((health.healthy, health.unhealthy), (2, 3));
    let Strategy::Canary { steps, bake } = &api.release.strategy else {
        panic!("{:?}", api.release.strategy);
    };
    assert_eq!(steps, &[10.0, 20.0, 50.0, 70.0, 100.0]);
    assert_eq!(*bake, Duration::from_secs(60));
    assert!(api.release.breaker.is_some());
    assert!(
        matches!(&manifest.services["web"].runs, Workload::Static(site) if site.root == "frontend")
    );
    assert!(manifest.edge.expose, "local exposes revisions");
    assert_eq!(manifest.edge.trusted, ["127.0.0.0/8", "::1/128"]);
    let trusted = ["edge.trusted=[\"10.0.0.0/8\", \"2001:db8::/32\"]"];
    let manifest = right(EXAMPLE, "local", &trusted);
    assert_eq!(manifest.edge.trusted, ["10.0.0.0/8", "2001:db8::/32"]);
    let nobody = right(EXAMPLE, "local", &["edge.trusted=[]"]);
    assert_eq!(nobody.edge.trusted, [""; 0]);
}

#[test]
fn an_environment_is_laid_over_the_file_key_by_key() {
    let manifest = right(EXAMPLE, "prod", &[]);
    let region = "eu-central-1".to_owned();
    assert_eq!(manifest.target, DeploymentTarget::Aws { region });
    assert_eq!(
        (
            manifest.services["api"].scale.min,
            manifest.services["api"].scale.max
        ),
        (2, 10)
    );
    let main = &manifest.databases["main"];
    assert!(main.multi_az && main.version.as_deref() == Some("16") && main.backup.is_some());
    assert!(!manifest.edge.expose);
}

#[test]
fn overrides_are_toml_when_they_parse_and_text_otherwise() {
    let manifest = right(
        EXAMPLE,
        "local",
        &[
            "service.api.env.NOTES_FAULT=error-rate=5%",
            "service.api.env.COUNT=5",
            "service.api.scale.min=2",
            "service.api.drain=5s",
            "database.main.version=17",
            "service.api.release.steps=[50, 100]",
        ],
    );
    let api = &manifest.services["api"];
    assert_eq!(api.env["NOTES_FAULT"], "error-rate=5%");
    assert_eq!(api.env["COUNT"], "5");
    assert_eq!((api.scale.min, api.drain), (2, Duration::from_secs(5)));
    assert_eq!(manifest.databases["main"].version.as_deref(), Some("17"));
    assert!(matches!(&api.release.strategy, Strategy::Canary { steps, .. } if steps.len() == 2));
}

#[test]
fn a_routed_service_without_health_is_asked_as_the_load_balancer_asks() {
    let text = "app = 'a'\n[service.api]\ncommand = ['x']\nport = 80\nroute = '/*'\nartifact = 'x'";
    let manifest = right(text, "local", &[]);
    let health = manifest.services["api"].health.as_ref().expect("a default");
    assert_eq!(
        health.probe,
        Probe::Http {
            path: "/".into(),
            matcher: vec![(200, 200)]
        }
    );
    assert_eq!(
        (health.interval, health.timeout),
        (SECONDS_30, Duration::from_secs(5))
    );
    assert_eq!((health.healthy, health.unhealthy), (5, 2));
}

#[test]
fn routes_are_numbered_by_how_exact_they_are_around_those_that_are() {
    let text = "app = 'a'
        [service.api]\ncommand = ['x']\nport = 80\nartifact = 'x'
        route = ['/api/*', { path = '/api/v2/*' }, { path = '/x', priority = 10 }]
        [service.host]\ncommand = ['x']\nport = 80\nartifact = 'x'\nroute = { host = 'a.example.com' }
        [service.web]\nstatic = 'w'\nroute = '/*'";
    let manifest = right(text, "local", &[]);
    let priorities = |name: &str| -> Vec<u32> {
        manifest.services[name]
            .routes
            .iter()
            .map(|r| r.priority)
            .collect()
    };
    assert_eq!(priorities("host"), [11]);
    assert_eq!(priorities("api"), [30, 20, 10]);
    assert_eq!(priorities("web"), [40]);
}
