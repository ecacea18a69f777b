//! The notes application on real PostgreSQL and Redis, and an application of others.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::app::{App, User, kill, root, wait_for};
use crate::basics::curl;
use crate::releases::ECHO;

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the repository")
        .to_owned()
}

/// The notes program that cargo built beside the tests.
pub(crate) fn notes() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.ancestors()
        .nth(2)
        .expect("target/<profile>")
        .join("notes")
}

/// A blueprint with the notes program at hand and the front end beside it.
pub(crate) fn blueprint(name: &str) -> App {
    blueprint_of(User::Own, name)
}

fn blueprint_of(user: User, name: &str) -> App {
    let text = std::fs::read_to_string(
        repository()
            .join("blueprints")
            .join(name)
            .join("neargate.toml"),
    )
    .expect("the blueprint");
    let lines: Vec<String> = text
        .lines()
        .filter(|line| {
            let key = line.split('=').next().unwrap_or_default().trim();
            key != "build" && !key.ends_with(".build")
        })
        .map(|line| {
            line.replace("../../target/release/", "")
                .replace("../../apps/notes/", "")
        })
        .collect();
    let app = App::owned_by(user, &lines.join("\n"));
    std::fs::copy(notes(), app.folder().join("notes")).expect("cargo built notes");
    let frontend = repository().join("apps/notes/frontend");
    std::fs::create_dir(app.folder().join("frontend")).expect("a folder");
    for file in std::fs::read_dir(frontend)
        .expect("the front end")
        .flatten()
    {
        std::fs::copy(
            file.path(),
            app.folder().join("frontend").join(file.file_name()),
        )
        .expect("a copy");
    }
    app
}

fn post(app: &App, title: &str) -> Value {
    let output = Command::new("curl")
        .args([
            "-sS",
            "--fail-with-body",
            "--max-time",
            "20",
            "-H",
            "content-type: application/json",
            "-d",
        ])
        .arg(serde_json::json!({ "title": title, "body": "written by a test" }).to_string())
        .arg(format!("http://{}/api/notes", app.address))
        .output()
        .expect("curl runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    serde_json::from_slice(&output.stdout).expect("a note")
}

#[test]
fn both_notes_blueprints_run() {
    for name in ["1-shibakita", "2-cloud-native-notes"] {
        runs_and_keeps_its_data(&blueprint(name), name);
    }
}

#[test]
fn blueprints_of_several_services_run() {
    for (name, paths) in [
        ("3-portfolio", ["/api/notes", "/healthz"]),
        ("5-clinic", ["/api/notes", "/api/info"]),
    ] {
        let app = blueprint(name);
        app.up();
        for path in paths {
            let head = Command::new("curl")
                .args([
                    "-sS",
                    "-o",
                    "/dev/null",
                    "-w",
                    "%{http_code}",
                    "--max-time",
                    "20",
                ])
                .arg(format!("http://{}{path}", app.address))
                .output()
                .expect("curl runs");
            assert_eq!(
                String::from_utf8_lossy(&head.stdout),
                "200",
                "{name} {path}"
            );
        }
    }
}

#[test]
fn a_notes_blueprint_runs_for_an_ordinary_user() {
    if root() {
        let name = "2-cloud-native-notes";
        runs_and_keeps_its_data(&blueprint_of(User::Ordinary, name), name);
    } else {
        println!("skipped: the tests run as an ordinary user anyway");
    }
}

fn runs_and_keeps_its_data(app: &App, name: &str) {
    app.up();
    assert!(curl(app, "/").contains("<html"), "the page is served");
    let note = post(app, "first");
    let id = &note["id"];
    assert!(curl(app, &format!("/api/notes/{id}")).contains("first"));
    let status = app.status();
    for kind in ["databases", "caches"] {
        let data = &status[kind][0];
        assert_eq!(data["state"], "available", "{name}: {status}");
        assert!(
            data["url_redacted"]
                .as_str()
                .expect("a URL")
                .contains("***")
        );
    }
    app.ok(&["down"]);
    app.up();
    let notes = curl(app, "/api/notes");
    assert!(notes.contains("first"), "{name}: data survives down and up");
}

#[test]
fn a_stop_does_not_wait_for_tasks_that_wait_for_a_database_that_cannot_start() {
    let manifest = ECHO.replace("port = 3000\n", "port = 3000\nuses = [\"database.main\"]\n");
    let app = App::new(&format!(
        "{manifest}\n[database.main]\nengine = \"postgres\"\n"
    ));
    app.up();
    app.ok(&["down"]);
    let clusters = std::fs::read_dir(app.state().join("data/postgres-main")).expect("its data");
    let versions = clusters.map(|entry| entry.expect("an entry").path().join("PG_VERSION"));
    let version = versions.into_iter().find(|path| path.exists());
    let version = version.expect("a cluster");
    std::fs::rename(&version, version.with_extension("away")).expect("renamed");
    let port = app.address.port().to_string();
    let mut up = app.command(&["up", "--detach", "--port", &port]);
    let mut up = up
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it runs");
    wait_for("tasks wait for the database", || {
        let status = app.try_status()?;
        let waits = status["services"][0]["tasks"][0]["state"] == "pending";
        waits.then_some(())
    });
    let began = std::time::Instant::now();
    let down = app.run(&["down"]);
    let said = String::from_utf8_lossy(&down.stderr).into_owned();
    assert!(down.status.success(), "{said}");
    assert!(
        began.elapsed().as_secs() < 20,
        "{:?}: {said}",
        began.elapsed()
    );
    assert!(!said.contains("it is killed"), "{said}");
    up.kill().ok();
    up.wait().expect("it has ended");
}

#[test]
fn a_killed_postgres_comes_back_with_every_acknowledged_write() {
    let app = blueprint("2-cloud-native-notes");
    app.up();
    let mut acknowledged = Vec::new();
    for number in 0..20 {
        acknowledged.push(post(&app, &format!("before-{number}"))["title"].clone());
    }
    kill(postmaster(&app));
    wait_for("a write that is acknowledged again", || {
        let output = Command::new("curl")
            .args([
                "-s",
                "--fail",
                "--max-time",
                "5",
                "-H",
                "content-type: application/json",
            ])
            .args(["-d", r#"{"title":"after","body":"x"}"#])
            .arg(format!("http://{}/api/notes", app.address))
            .output()
            .expect("curl runs");
        output.status.success().then_some(())
    });
    let all = curl(&app, "/api/notes?limit=100");
    for title in acknowledged {
        assert!(
            all.contains(title.as_str().expect("a title")),
            "{title} is lost: {all}"
        );
    }
    app.wait("the database is available", |status| {
        status["databases"][0]["state"] == "available"
    });
}

/// The postmaster's pid, from its own file under the state directory.
fn postmaster(app: &App) -> u64 {
    let output = Command::new("find")
        .arg(app.state())
        .args(["-name", "postmaster.pid"])
        .output()
        .expect("find runs");
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines()
        .next()
        .and_then(|line| line.trim().parse().ok())
        .expect("a pid")
}

#[test]
fn the_page_shows_a_note_in_a_real_browser() {
    let app = blueprint("2-cloud-native-notes");
    app.up();
    post(&app, "seen in a browser");
    let profile = tempfile::tempdir().expect("a folder");
    let Ok(output) = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args(["--virtual-time-budget=8000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{}/", app.address))
        .output()
    else {
        println!("skipped: chromium is not installed");
        return;
    };
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.contains("seen in a browser"), "{page}");
}

/// The folder with the installed application; nothing when the package index cannot be reached.
fn third_party_site() -> Option<PathBuf> {
    let source = repository().join("blueprints/third-party");
    // Installed once: it is several hundred files from the network.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("third-party");
    std::fs::create_dir_all(&folder).expect("a folder");
    for file in ["setup.sh", "constraints.txt"] {
        std::fs::copy(source.join(file), folder.join(file)).expect("a copy");
    }
    let output = Command::new(folder.join("setup.sh"))
        .output()
        .expect("setup.sh runs");
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let unreachable = ["NewConnectionError", "Temporary failure in name resolution"];
        assert!(unreachable.iter().any(|text| said.contains(text)), "{said}");
        println!("skipped: the Python package index cannot be reached");
        return None;
    }
    Some(folder.join("site"))
}

#[test]
fn an_application_of_others_runs_from_a_ten_line_manifest() {
    let Some(site) = third_party_site() else {
        return;
    };
    let manifest = repository().join("blueprints/third-party/neargate.toml");
    let manifest = std::fs::read_to_string(manifest).expect("the blueprint");
    let lines = manifest.lines().filter(|line| !line.starts_with('#'));
    assert!(lines.count() <= 10);
    let app = App::new(&manifest);
    std::os::unix::fs::symlink(site, app.folder().join("site")).expect("a link");
    app.up();
    assert!(curl(&app, "/api/ping").contains("pong!"));
    assert!(curl(&app, "/").contains("FitTrackee"));
    let user = r#"{"username":"rosa","email":"rosa@example.com","password":"a long password","accepted_policy":true}"#;
    let output = Command::new("curl")
        .args(["-sS", "--fail-with-body", "--max-time", "20"])
        .args(["-H", "content-type: application/json", "-d", user])
        .arg(format!("http://{}/api/auth/register", app.address))
        .output()
        .expect("curl runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("success"),
        "{said}"
    );
    let name = "select username from users";
    let found = app.ok(&["db", "connect", "main", "--", "-Atc", name]);
    assert_eq!(found.trim(), "rosa");
}
