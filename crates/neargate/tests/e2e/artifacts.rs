//! Artifacts of many files: what two revisions share, and how far a copy is.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::app::{App, User, root};
use crate::basics::curl;

const MANIFEST: &str = r#"
app = "many"
[service.web]
command = ["./echo"]
artifact = "dist"
port = 3000
route = "/*"
drain = "0s"
stop-timeout = "2s"
health = { path = "/healthz", interval = "5s", timeout = "2s", healthy = 2, unhealthy = 2 }
"#;

/// Nothing of the loop may take so long, on a busy machine either. `bench/snapshots` has figures.
const LONGEST_WAIT_MS: f64 = 250.0;

/// An app whose artifact has the echo program and so many small files.
fn app(user: User, files: usize) -> App {
    let app = App::owned_by(user, MANIFEST);
    let dist = app.folder().join("dist");
    for number in 0..files {
        let folder = dist.join(format!("lib/{}", number % 100));
        if number < 100 {
            fs::create_dir_all(&folder).expect("a folder");
        }
        fs::write(
            folder.join(format!("{number}.js")),
            format!("file {number:08}"),
        )
        .expect("a file");
    }
    fs::copy(app.folder().join("echo"), dist.join("echo")).expect("the program");
    app
}

/// The snapshots, oldest first.
fn snapshots(app: &App) -> Vec<PathBuf> {
    let entries = fs::read_dir(app.state().join("artifacts")).expect("artifacts");
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = paths.filter(|path| name(path).len() == 64).collect();
    found.sort_by_key(|path| fs::metadata(path).and_then(|found| found.modified()).ok());
    found
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// How many files below `lib` two snapshots share.
fn shared(one: &Path, other: &Path) -> usize {
    let mut shared = 0;
    for folder in fs::read_dir(one.join("lib")).expect("lib").flatten() {
        for file in fs::read_dir(folder.path()).expect("a folder").flatten() {
            let same = other
                .join("lib")
                .join(folder.file_name())
                .join(file.file_name());
            let inode = |path: &Path| fs::symlink_metadata(path).map(|found| found.ino()).ok();
            shared += usize::from(inode(&file.path()) == inode(&same));
        }
    }
    shared
}

#[test]
fn a_site_in_the_manifests_folder_shows_neither_the_manifest_nor_dot_files() {
    let app = App::new("app = \"site\"\n[service.web]\nstatic = \".\"\nroute = \"/*\"\n");
    let folder = app.folder();
    for made in [".git", ".well-known"] {
        fs::create_dir(folder.join(made)).expect("a folder");
    }
    for (name, text) in [
        ("index.html", "hello"),
        (".env", "SECRET=1"),
        (".git/config", "url"),
        (".well-known/security.txt", "mail"),
    ] {
        fs::write(folder.join(name), text).expect("a file");
    }
    let checked = app.run(&["check"]);
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(said.contains("warning[public-folder]"), "{said}");
    app.up();
    assert_eq!(curl(&app, "/"), "hello");
    assert_eq!(curl(&app, "/.well-known/security.txt"), "mail");
    for hidden in [
        "/neargate.toml",
        "/%6eeargate.toml",
        "/.env",
        "/.git/config",
        "/.neargate/state.db",
        "/.neargate/key",
    ] {
        assert_eq!(curl(&app, hidden), "", "{hidden}");
    }
}

#[test]
fn a_second_deploy_shares_what_did_not_change() {
    let app = app(User::Own, 300);
    app.up();
    let lib = app.folder().join("dist/lib");
    fs::write(lib.join("1/1.js"), "file 0000000x").expect("another content");
    fs::remove_file(lib.join("2/2.js")).expect("removed");
    fs::remove_file(lib.join("3/3.js")).expect("removed");
    symlink("103.js", lib.join("3/3.js")).expect("a link");
    app.ok(&["deploy", "web"]);
    let [first, second] = snapshots(&app).try_into().expect("two snapshots");
    let expected = if root() { 297 } else { 0 };
    assert_eq!(shared(&first, &second), expected);
    let read =
        |snapshot: &Path, file: &str| fs::read_to_string(snapshot.join("lib").join(file)).ok();
    for (file, before, after) in [
        ("1/1.js", Some("file 00000001"), Some("file 0000000x")),
        ("2/2.js", Some("file 00000002"), None),
        ("3/3.js", Some("file 00000003"), Some("file 00000103")),
        ("4/4.js", Some("file 00000004"), Some("file 00000004")),
    ] {
        assert_eq!(read(&first, file).as_deref(), before, "{file}");
        assert_eq!(read(&second, file).as_deref(), after, "{file}");
    }
    let again = app.run(&["deploy", "web"]);
    let text = String::from_utf8_lossy(&again.stderr);
    assert!(text.contains("nothing to release"), "{text}");
}

#[test]
fn tasks_of_an_ordinary_users_engine_share_no_files() {
    if !root() {
        return;
    }
    let app = app(User::Ordinary, 100);
    app.up();
    fs::write(app.folder().join("dist/lib/1/1.js"), "file 0000000x").expect("another content");
    app.ok(&["deploy", "web"]);
    let [first, second] = snapshots(&app).try_into().expect("two snapshots");
    assert_eq!(shared(&first, &second), 0);
}

#[test]
fn a_deploy_of_20_000_files_says_how_far_it_is_and_the_engine_answers_meanwhile() {
    let app = app(User::Own, 20_000);
    app.up();
    // A change of every file: all are read and copied.
    for number in 0..20_000 {
        let file = app
            .folder()
            .join(format!("dist/lib/{}/{number}.js", number % 100));
        fs::write(file, format!("once more {number}")).expect("another content");
    }
    let began = Instant::now();
    let mut deploy = app
        .command(&["deploy", "web", "--json"])
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut most = 0;
    while deploy.try_wait().expect("its end").is_none() {
        let status = app.status();
        most = status["copying"][0]["files"]
            .as_u64()
            .unwrap_or(0)
            .max(most);
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "the deploy does not end"
        );
    }
    assert!(most > 0, "nobody said how far the copy is");
    assert!(deploy.wait().expect("its end").success());
    let lag = app.status()["engine_loop"].clone();
    let longest = lag["longest_ms"].as_f64().expect("a gauge");
    assert!(longest < LONGEST_WAIT_MS, "{lag}");
    fs::write(app.folder().join("dist/lib/1/1.js"), "one line").expect("another content");
    app.ok(&["deploy", "web"]);
    let found = snapshots(&app);
    let [.., second, third] = found.as_slice() else {
        panic!("three snapshots: {found:?}");
    };
    assert_eq!(shared(second, third), if root() { 19_999 } else { 0 });
}
