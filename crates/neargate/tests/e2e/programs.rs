//! Programs of others, installed from PyPI and npm, each from its manifest to a login and a release
//! under load. Two run always; the large ones when `NEARGATE_NIGHTLY` is set (`make nightly`).

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::app::{App, wait_for};
use crate::load::Load;

/// `setup.sh` says so when the registry cannot be reached.
const UNREACHABLE: i32 = 75;

/// Requests a second: a program of others on a busy machine, not a measurement.
const RATE: u32 = 40;

fn blueprints() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../blueprints/programs")
}

/// The folder with the installed program; nothing when its registry cannot be reached.
fn site(name: &str) -> Option<PathBuf> {
    // Installed once: these are thousands of files from the network.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    let own = folder.join(name);
    std::fs::create_dir_all(&own).expect("a folder");
    let source = blueprints();
    std::fs::copy(source.join("install"), folder.join("install")).expect("a copy");
    for entry in std::fs::read_dir(source.join(name))
        .expect("the blueprint")
        .flatten()
    {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), own.join(entry.file_name())).expect("a copy");
        }
    }
    let output = Command::new(own.join("setup.sh"))
        .output()
        .expect("setup.sh runs");
    if output.status.code() == Some(UNREACHABLE) {
        println!("skipped: the registry that {name} comes from cannot be reached");
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: setup.sh: {said}");
    Some(own.join("site"))
}

/// The app with the program as its artifact.
fn app(name: &str) -> Option<App> {
    let site = site(name)?;
    let manifest = blueprints().join(name).join("neargate.toml");
    let app = App::new(&std::fs::read_to_string(manifest).expect("the blueprint"));
    std::os::unix::fs::symlink(site, app.folder().join("site")).expect("a link");
    Some(app)
}

/// Runs the program's login; whether it succeeded, and what it said.
fn login(app: &App, name: &str, password: &str) -> (bool, String) {
    let output = Command::new(blueprints().join(name).join("login.sh"))
        .arg(format!("http://{}", app.address))
        .env("PASSWORD", password)
        .output()
        .expect("login.sh runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

/// The last lines of the program's own log, for messages.
fn log(app: &App) -> String {
    let output = app.run(&["logs", "--tail", "40"]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn expect_login(app: &App, name: &str) {
    let password = app.ok(&["secret", "get", "password", "--reveal"]);
    let (done, said) = login(app, name, password.trim());
    assert!(done, "{name}: {said}\n{}", log(app));
    let (done, _) = login(app, name, "another-password");
    assert!(!done, "{name}: login.sh succeeds with a wrong password");
}

/// Manifest, login, release under load, login, nothing left. `path` answers 200 without a login.
fn from_a_manifest_to_a_release_under_load(name: &str, path: &str) {
    let Some(app) = app(name) else {
        return;
    };
    app.up();
    expect_login(&app, name);
    let load = Load::start(app.address, path, RATE);
    app.ok(&["deploy", "web", "--set", "service.web.env.CHANGED=1"]);
    wait_for("a second of requests to the new revision", || {
        let table = app.run(&["metrics", "web", "--json"]).stdout;
        let table: serde_json::Value = serde_json::from_slice(&table).ok()?;
        let mut rows = table["rows"].as_array()?.iter();
        let new = rows.find(|row| row["revision"] == 2)?;
        (new["requests"].as_f64()? >= f64::from(RATE)).then_some(())
    });
    let tally = load.finish();
    assert_eq!(tally.failures(), 0, "{name}: {tally:?}\n{}", log(&app));
    let revisions: Vec<&str> = tally.by_revision.keys().map(String::as_str).collect();
    assert_eq!(revisions, ["1", "2"], "{name}: {tally:?}");
    expect_login(&app, name);
    app.ok(&["down", "--purge", "--yes"]);
    assert!(!app.state().exists(), "{name}: the state directory is left");
}

/// As the other, when the large programs are wanted.
fn nightly(name: &str, path: &str) {
    if std::env::var_os("NEARGATE_NIGHTLY").is_none() {
        println!("skipped: {name} runs with NEARGATE_NIGHTLY (make nightly)");
        return;
    }
    from_a_manifest_to_a_release_under_load(name, path);
}

#[test]
fn radicale_goes_from_a_manifest_to_a_release_under_load() {
    from_a_manifest_to_a_release_under_load("radicale", "/.web/");
}

#[test]
fn node_red_goes_from_a_manifest_to_a_release_under_load() {
    from_a_manifest_to_a_release_under_load("node-red", "/hello");
}

#[test]
fn jupyterlab_goes_from_a_manifest_to_a_release_under_load() {
    nightly("jupyterlab", "/api");
}

#[test]
fn mlflow_goes_from_a_manifest_to_a_release_under_load() {
    nightly("mlflow", "/health");
}

#[test]
fn directus_goes_from_a_manifest_to_a_release_under_load() {
    nightly("directus", "/server/ping");
}
