//! Somebody sets the machine's clock while a release bakes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::app::{App, ONE_TASK, wait_for};
use crate::canary::{releases, story};

const BAKING: &str = r#"
[service.api.release]
strategy = "canary"
steps = [50, 100]
bake = "4s"
"#;

/// `bake` of the manifest above, in milliseconds; the story's times are whole.
const BAKE_MS: u64 = 4_000 - 100;

fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let found = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    found.into_iter().find(|library| library.exists())
}

/// Sets the clock of everything that was started with [`up`].
fn set(clock: &Path, to: &str) {
    std::fs::write(clock, format!("{to}\n")).expect("the clock");
}

fn up(app: &App, library: &Path, clock: &Path) {
    set(clock, "+0");
    let port = app.address.port().to_string();
    let status = app
        .command(&["up", "--detach", "--port", &port])
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", clock)
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_NO_CACHE", "1")
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("the binary runs").success());
}

#[test]
fn a_clock_that_is_set_while_a_release_bakes_neither_prolongs_nor_ends_the_bake() {
    let Some(library) = library() else {
        eprintln!("skipped: no libfaketime here; scripts/setup test installs it");
        return;
    };
    let app = App::new(&format!("app = \"clock\"\n{ONE_TASK}{BAKING}"));
    let clock = app.folder().join("clock");
    up(&app, &library, &clock);
    for to in ["-1h", "+3h"] {
        let before = releases(&app).len();
        let setting = format!("service.api.env.CLOCK={to}");
        app.ok(&["deploy", "api", "--detach", "--set", &setting]);
        wait_for("the first bake", || {
            let newest = releases(&app).pop()?;
            let baking = newest["reason"].as_str()?.contains("bake");
            (releases(&app).len() > before && baking).then_some(())
        });
        set(&clock, to);
        wait_for("the end of the release", || {
            releases(&app)
                .pop()
                .filter(|newest| newest["outcome"] == "done")
        });
        let told = story(&app);
        let lasted = told.last().expect("an end").0 - told.first().expect("a begin").0;
        assert!(
            (2 * BAKE_MS..60_000).contains(&lasted),
            "{to}: {lasted} ms in {told:?}"
        );
    }
}
