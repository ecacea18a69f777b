//! How commands answer wrong names, pipes that close, and tasks that end in known ways.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::app::{App, ONE_TASK, User, root};
use crate::releases::ECHO;

/// A running app with two services and a secret.
fn running() -> App {
    let manifest = format!(
        "{ECHO}uses = [\"secret.token\"]\n\n[service.worker]\nartifact = \"echo\"\ncommand = [\"echo\"]\n\
         port = 3001\nscale = {{ min = 0, max = 1 }}\n\n[secret.token]\ngenerate = \"hex:16\"\n"
    );
    let app = App::new(&manifest);
    app.up();
    app
}

#[test]
fn a_wrong_name_is_exit_2_in_every_verb_and_the_right_ones_are_named() {
    let app = running();
    for (arguments, kind, known) in [
        (vec!["logs", "apo"], "service", "api"),
        (vec!["logs", "api", "--task", "nosuch"], "task", "api-r1-"),
        (vec!["scale", "apo=2"], "service", "api"),
        (vec!["scale", "a b=2"], "service", "api"),
        (vec!["deploy", "apo"], "service", "api"),
        (vec!["rollback", "apo"], "service", "api"),
        (vec!["promote", "apo"], "service", "api"),
        (vec!["pause", "apo"], "service", "api"),
        (vec!["resume", "apo"], "service", "api"),
        (vec!["abort", "apo"], "service", "api"),
        (vec!["metrics", "apo"], "service", "api"),
        (vec!["releases", "apo"], "service", "api"),
        (vec!["releases", "1"], "service", "neargate releases show 1"),
        (vec!["rehearse", "apo"], "service", "api"),
        (vec!["run", "apo", "--", "true"], "service", "api"),
        (vec!["exec", "apo", "--", "true"], "service", "api"),
        (vec!["exec", "api/nosuch", "--", "true"], "task", "api-r1-"),
        (vec!["secret", "get", "tokn"], "secret", "token"),
        (
            vec!["db", "connect", "main"],
            "database or cache",
            "no databases and no caches",
        ),
        (
            vec!["db", "connect", "database.main"],
            "database or cache",
            "no databases and no caches",
        ),
    ] {
        let output = app.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.contains(&format!("there is no {kind}")),
            "{arguments:?}: {said}"
        );
        assert!(said.contains(known), "{arguments:?}: {said}");
    }
    assert_eq!(app.service("api")["desired"], 2);
}

#[test]
fn secrets_without_a_value_are_listed_and_a_wrong_manifest_sets_none() {
    let app = App::new(&format!(
        "{ECHO}\n[secret.token]\n[secret.session]\ngenerate = \"base64:32\"\n"
    ));
    let listed = app.ok(&["secret", "list"]);
    for words in [
        "no value: neargate secret set token",
        "no value: the next `up` makes it",
    ] {
        assert!(listed.contains(words), "{words}: {listed}");
    }
    let rows: Vec<serde_json::Value> = app
        .ok(&["secret", "list", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    assert_eq!((rows.len(), &rows[1]["name"]), (2, &"token".into()));
    assert!(rows[1]["version"].is_null(), "{rows:?}");
    fs::write(app.folder().join("value"), "v").expect("written");
    let said = |arguments: &[&str], code: i32| {
        let output = app.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let get = said(&["secret", "get", "token"], 1);
    assert!(get.contains("secret.token has no value"), "{get}");
    assert!(get.contains("set it: neargate secret set token"), "{get}");
    let set = |name: &str, code| said(&["secret", "set", name, "--from", "value"], code);
    let session = set("session", 0);
    assert!(
        session.contains("replaces the generated value"),
        "{session}"
    );
    assert!(!set("token", 0).contains("replaces"));
    assert!(set("nope", 2).contains("no secret `nope`"));
    let listed = app.ok(&["secret", "list"]);
    assert!(!listed.contains("no value"), "{listed}");
    let wrong = format!("{ECHO}\n[secret.token]\n[service.web]\nnonsense = 1\n");
    fs::write(app.folder().join("neargate.toml"), wrong).expect("written");
    for name in ["nope", "token"] {
        assert!(set(name, 2).contains("nonsense"), "{name}");
    }
    fs::write(app.folder().join("neargate.toml"), ECHO).expect("written");
    let none = set("nope", 2);
    assert!(none.contains("the manifest has no secrets"), "{none}");
}

#[test]
fn a_secret_is_what_a_task_can_get_and_comes_out_byte_for_byte() {
    let app = App::new(&format!("{ECHO}\n[secret.token]\n"));
    let value = app.folder().join("value");
    for (bytes, code) in [(&b"a\0b"[..], 2), (&b"a\xffb"[..], 2), (&b"a b\n"[..], 0)] {
        fs::write(&value, bytes).expect("written");
        let set = app.run(&["secret", "set", "token", "--from", "value"]);
        assert_eq!(set.status.code(), Some(code), "{bytes:?}: {set:?}");
    }
    let shown = app.ok(&["secret", "get", "token", "--reveal"]);
    assert_eq!(shown, "a b\n", "no line end is added");
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&app.ok(arguments)).expect("JSON")
    };
    assert_eq!(
        json(&["secret", "get", "token", "--json"]),
        serde_json::json!({ "name": "token", "version": 1 })
    );
    assert_eq!(
        json(&["secret", "get", "token", "--reveal", "--json"])["value"],
        "a b\n"
    );
    for (arguments, said) in [
        (
            vec!["secret", "set", "tokn", "--from", "value"],
            "the manifest has no secret `tokn`",
        ),
        (vec!["up", "--port", "70000"], "1..=65535"),
        (vec!["up", "--port", "0"], "1..=65535"),
    ] {
        let output = app.run(&arguments);
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {words}");
        assert!(words.contains(said), "{arguments:?}: {words}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let app = running();
    for arguments in [
        vec!["status"],
        vec!["releases"],
        vec!["schema"],
        vec!["completions", "bash"],
        vec!["logs"],
        vec!["metrics"],
        vec!["trail"],
        vec!["plan"],
        vec!["--help"],
    ] {
        let mut command = app.command(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        drop(child.stdout.take());
        let mut said = String::new();
        let mut stderr = child.stderr.take().expect("its errors");
        stderr.read_to_string(&mut said).expect("text");
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{arguments:?}: {said}");
        for word in ["panic", "bug", "Broken pipe"] {
            assert!(!said.contains(word), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn an_image_near_is_said_at_once() {
    let app =
        App::new("app = \"a\"\n[service.web]\nimage = \"nginx\"\nport = 80\nroute = \"/*\"\n");
    let output = app.run(&["up", "--detach"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("near does not run container images"),
        "{said}"
    );
    assert!(app.try_status().is_none(), "no engine was started");
    for verb in ["check", "plan"] {
        let said = String::from_utf8_lossy(&app.run(&[verb]).stderr).into_owned();
        assert!(
            said.contains("`service.web` is a container image"),
            "{verb}: {said}"
        );
    }
}

#[test]
fn check_and_plan_name_a_secret_that_is_not_set_and_write_nothing() {
    let app = App::new(&format!(
        "{ECHO}uses = [\"secret.token\"]\n\n[secret.token]\n"
    ));
    let said = |verb: &str| {
        let output = app.run(&[verb]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{verb}: {said}");
        said
    };
    let words = "secret.token, which `api` uses, has no value yet: neargate secret set token";
    for verb in ["check", "plan"] {
        assert!(said(verb).contains(words), "{verb}: {}", said(verb));
    }
    assert!(!app.state().exists(), "a state directory was made");
    fs::create_dir(app.state()).expect("made");
    // Nothing that can be read: nothing is said of it, and nothing fails.
    fs::write(app.state().join("secrets.db"), "no database").expect("written");
    assert!(!said("check").contains("secret.token"));
    let files = fs::read_dir(app.state()).expect("a folder").count();
    assert_eq!(files, 1, "something was written");
}

#[test]
fn the_exit_codes_of_shells_are_explained() {
    let app = App::new(ECHO);
    app.up();
    for (command, words) in [
        ("exit 126", "may not be run"),
        ("nosuchprogram", "was not found"),
    ] {
        let set = format!("service.api.command=[\"sh\", \"-c\", \"{command}\"]");
        let output = app.run(&["deploy", "api", "--set", &set]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

/// An app with two environments that run here, of which `local` runs.
fn of_two_environments() -> App {
    let app = App::new(&format!(
        "{ECHO}\n[env.staging]\nservice.api.env.COLOUR = \"green\"\n"
    ));
    app.up();
    app
}

#[test]
fn no_verb_acts_on_another_environment_than_the_one_it_names() {
    let app = of_two_environments();
    let verbs = "down --purge --yes|down|deploy api|scale api=0|rollback api|promote api|pause api|resume api|\
                 abort api|status|logs|trail|releases|alarms|metrics|plan|secret list|db connect|\
                 run api -- true|exec api -- true|up --detach";
    for verb in verbs.split('|') {
        let mut arguments = vec!["-e", "staging"];
        arguments.extend(verb.split(' '));
        let output = app.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{verb}: {said}");
        for words in ["`local`", "`staging`", "--state-dir"] {
            assert!(said.contains(words), "{verb}: {said}");
        }
    }
    let status = app.status();
    assert_eq!(status["services"][0]["revision"], 1);
    assert_eq!(status["services"][0]["healthy"], 2);
}

#[test]
fn another_environment_runs_beside_in_a_state_directory_of_its_own() {
    let app = of_two_environments();
    let own = ["--state-dir", ".neargate-staging"];
    let staging = |rest: &[&str]| {
        let mut arguments = own.to_vec();
        arguments.extend(rest);
        app.run(&arguments)
    };
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let port = port.expect("a free port").port().to_string();
    let up = staging(&["up", "-e", "staging", "--detach", "--port", &port]);
    // Without -e: the environment of the state directory, but never its files with local's.
    let status = staging(&["status", "--json"]);
    let deploy = staging(&["deploy", "api"]);
    let down = staging(&["down", "-e", "staging", "--purge", "--yes"]);
    assert!(up.status.success(), "{up:?}");
    assert!(String::from_utf8_lossy(&status.stdout).contains("\"env\":\"staging\""));
    assert_eq!(deploy.status.code(), Some(2), "{deploy:?}");
    assert!(down.status.success(), "{down:?}");
    assert_eq!(app.service("api")["healthy"], 2);
}

#[test]
fn a_manifest_that_is_named_and_is_not_there_is_exit_2_before_anything_is_done() {
    let app = running();
    for (line, words) in [
        ("down -f nosuch.toml", "there is no manifest"),
        ("scale -f nosuch api=0", "there is no manifest"),
        ("status -f nosuch.toml", "there is no manifest"),
        ("logs -f api", "--follow"),
        ("logs api -f", "--follow"),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let output = app.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(said.contains(words), "{line}: {said}");
    }
    assert_eq!(app.service("api")["healthy"], 2);
}

#[test]
fn secrets_without_a_value_are_all_said_once_and_before_the_build() {
    let app = App::new(&format!(
        "app = \"secrets\"\n{ONE_TASK}build = \"touch built\"\n\
         uses = [\"secret.one\", \"secret.two\", \"secret.made\"]\n\n\
         [secret.one]\nrequired = true\n[secret.two]\nrequired = true\n\
         [secret.made]\ngenerate = \"hex:16\"\n"
    ));
    let port = app.address.port().to_string();
    let up = app.run(&["up", "--detach", "--port", &port]);
    let said = String::from_utf8_lossy(&up.stderr);
    assert_eq!(up.status.code(), Some(1), "{said}");
    assert!(
        said.contains("secret.one, secret.two have no value"),
        "{said}"
    );
    assert_eq!(said.matches("secret set one").count(), 1, "{said}");
    assert!(!app.folder().join("built").exists(), "{said}");
    assert!(app.try_status().is_none(), "nothing was started: {said}");
}

#[test]
fn an_app_of_another_user_is_exit_3_in_every_verb() {
    if !root() {
        println!("skipped: only root has other users' apps made");
        return;
    }
    let app = App::owned_by(User::Ordinary, &format!("app = \"other\"\n{ONE_TASK}"));
    fs::create_dir(app.state()).expect("the state directory, of root");
    fs::set_permissions(app.state(), fs::Permissions::from_mode(0o700)).expect("closed");
    for verb in [
        &["down"] as &[&str],
        &["logs"],
        &["plan"],
        &["up", "--detach"],
        &["status"],
    ] {
        let output = app.run(verb);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{verb:?}: {said}");
    }
}
