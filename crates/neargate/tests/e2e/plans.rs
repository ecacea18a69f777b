//! `plan` says what `up` does.

use std::fs;

use crate::app::{App, ONE_TASK};

#[test]
fn plan_says_what_up_does_of_secrets_of_a_stopped_app_and_of_a_moved_folder() {
    let app = App::new(&format!(
        "app = \"plans\"\n{ONE_TASK}uses = [\"secret.token\"]\n\n[secret.token]\nrequired = true\n"
    ));
    let port = format!("edge.port={}", app.address.port());
    let state = app.state().display().to_string();
    let plan =
        |folder: &str| app.ok(&["plan", "--set", &port, "-f", folder, "--state-dir", &state]);
    let here = app.folder().display().to_string();
    set_token(&app, "one");
    app.up();
    assert_eq!(plan(&here), "Nothing to do.\n");
    set_token(&app, "two");
    let told = plan(&here);
    assert!(
        told.starts_with("~ service.api: new version of secret token: "),
        "{told}"
    );
    app.up();
    assert_eq!(app.service("api")["revision"], 2);
    app.ok(&["down"]);
    assert_eq!(
        plan(&here),
        "> service.api: starts again, revision 2, 1 task\n"
    );
    // The same app from another folder: nothing to release.
    let moved = app.folder().join("moved");
    fs::create_dir(&moved).expect("a folder");
    for file in ["neargate.toml", "echo"] {
        fs::copy(app.folder().join(file), moved.join(file)).expect("a copy");
    }
    let there = moved.display().to_string();
    let number = app.address.port().to_string();
    let up = [
        "up",
        "--detach",
        "--port",
        &number,
        "-f",
        &there,
        "--state-dir",
        &state,
    ];
    app.ok(&up);
    assert_eq!(app.service("api")["revision"], 2);
    assert_eq!(plan(&there), "Nothing to do.\n");
}

#[test]
fn a_manifest_of_another_app_is_refused_by_plan_and_up_and_starts_nothing() {
    let app = App::new(&format!("app = \"old\"\n{ONE_TASK}"));
    app.up();
    app.ok(&["down"]);
    let manifest = app.folder().join("neargate.toml");
    fs::write(&manifest, format!("app = \"new\"\n{ONE_TASK}")).expect("the manifest");
    let port = app.address.port().to_string();
    for arguments in [vec!["plan"], vec!["up", "--detach", "--port", &port]] {
        let output = app.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        for words in ["belongs to app `old`", "down --purge", "--state-dir"] {
            assert!(said.contains(words), "{arguments:?}: {said}");
        }
        assert!(app.try_status().is_none(), "{arguments:?}: an engine runs");
    }
}

#[test]
fn the_edge_stays_where_it_is_and_a_move_is_said_by_plan_and_up() {
    let app = App::new(&format!("app = \"stays\"\n{ONE_TASK}"));
    app.up();
    let at = format!("http://{}", app.address);
    let up = ["up", "--detach"];
    app.ok(&up);
    assert_eq!(app.status()["endpoint"], at.as_str());
    assert_eq!(app.ok(&["plan"]), "Nothing to do.\n");
    // What is remembered after a stop is the same.
    app.ok(&["down"]);
    app.ok(&up);
    assert_eq!(app.status()["endpoint"], at.as_str());
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let other = free.local_addr().expect("its address").port();
    drop(free);
    let set = format!("edge.port={other}");
    let moves = format!("moves from {at} to http://127.0.0.1:{other}\n");
    let told = app.ok(&["plan", "--set", &set, "--set", "edge.expose=false"]);
    assert_eq!(
        told,
        format!("~ edge: {moves}~ edge: update\n    edge.expose: true → false\n")
    );
    let moved = app.run(&["up", "--detach", "--port", &other.to_string()]);
    let said = String::from_utf8_lossy(&moved.stderr);
    assert!(
        moved.status.success() && said.contains(&format!("the edge {moves}")),
        "{said}"
    );
}

#[test]
fn a_rollback_to_a_revision_without_an_artifact_says_whose_code_runs() {
    let task = ONE_TASK.replace("artifact = \"echo\"\n", "");
    let task = task.replace("[\"echo\"]", "[\"./echo\"]");
    let app = App::new(&format!("app = \"folder\"\n{task}"));
    app.up();
    app.ok(&["deploy", "api", "--set", "service.api.env.A=1"]);
    let unseen = |revision: u32| {
        format!("revision {revision} has no artifact: its tasks run the folder's present files")
    };
    let output = app.run(&["rollback", "api"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    assert!(
        first.contains(&unseen(1)) && last.contains(&unseen(1)),
        "{said}"
    );
    assert!(last.contains("rolled back from revision 2 to 1"), "{said}");
    let told = app.ok(&["--json", "rollback", "api", "--to", "2"]);
    let last = told.lines().last().expect("an object");
    let ended: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(ended["notes"][0], unseen(2), "{told}");
}

fn set_token(app: &App, value: &str) {
    let file = app.folder().join("token");
    fs::write(&file, value).expect("a file");
    app.ok(&["secret", "set", "token", "--from", "token"]);
}
