//! What commands say about releases and services is so, and what they leave out would not help.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use crate::app::{App, wait_for};
use crate::basics::curl;
use crate::releases::ECHO;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_deploy_of_what_is_being_released_follows_that_release_to_its_end() {
    let canary =
        "\n[service.api.release]\nstrategy = \"canary\"\nsteps = [20, 100]\nbake = \"60s\"\n";
    let app = App::new(&format!("{ECHO}{canary}"));
    app.up();
    let green = ["--set", "service.api.env.COLOUR=green"];
    let deploy = |rest: &[&'static str]| {
        let mut arguments = vec!["deploy", "api"];
        arguments.extend(green);
        arguments.extend(rest);
        app.run(&arguments)
    };
    assert!(deploy(&["--detach"]).status.success());
    app.wait("the first step", |status| {
        status["services"][0]["release"]["weight"] == 20.0
    });
    app.ok(&["pause", "api"]);
    let again = deploy(&["--detach"]);
    assert!(again.status.success());
    assert!(said(&again).contains("release 2 to revision 2 is in progress"));
    assert!(!said(&again).contains("nothing to release"));
    // What waits for a person holds no `up`.
    let port = app.address.port().to_string();
    let up = app.run(&["up", "--detach", "--port", &port]);
    assert!(up.status.success(), "{}", said(&up));
    for words in ["still in progress", "`neargate resume api`", "is up at"] {
        assert!(said(&up).contains(words), "{words}: {}", said(&up));
    }
    let mut follows = app.command(&["deploy", "api", green[0], green[1]]);
    follows.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut follows = follows.spawn().expect("the binary runs");
    let stderr = BufReader::new(follows.stderr.take().expect("its words"));
    let mut lines = stderr.lines().map_while(Result::ok);
    let follows_it = lines.any(|line| line.contains("waits for `neargate resume api`"));
    assert!(follows_it, "it says what the release waits for");
    let promoted = app.run(&["promote", "api"]);
    let over = said(&promoted).contains("the pause is over");
    assert!(over, "{}", said(&promoted));
    app.ok(&["abort", "api"]);
    let rest: Vec<String> = lines.collect();
    let ended = follows.wait().expect("it ends");
    assert_eq!(ended.code(), Some(1), "{rest:?}");
    let aborted = rest.iter().any(|line| line.contains("aborted by"));
    assert!(aborted, "{rest:?}");
}

#[test]
fn up_says_which_release_it_left_under_way_and_what_is_scaled_to_0() {
    let app = App::new(&format!(
        "{ECHO}\n[service.worker]\nartifact = \"echo\"\ncommand = [\"echo\"]\nport = 3001\n\
         scale = {{ min = 0, max = 2 }}\n"
    ));
    let port = app.address.port().to_string();
    let up = ["up", "--detach", "--port", &port];
    let first = app.run(&up);
    assert!(first.status.success(), "{}", said(&first));
    assert!(
        said(&first).contains("`worker` is scaled to 0"),
        "{}",
        said(&first)
    );
    let deaf = ["--set", "service.api.env.ECHO_FAULT=deaf", "--detach"];
    let mut deploy = vec!["deploy", "api"];
    deploy.extend(deaf);
    app.ok(&deploy);
    let status = app.ok(&["status"]);
    assert!(
        status.contains("0 of 2 healthy, 2 of revision 1"),
        "{status}"
    );
    assert!(!status.contains("% of the traffic"), "{status}");
    // It follows that release to its end, and the end is a bad one.
    let again = app.run(&up);
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    for words in ["continues (", "of `api` rolled back", "revision 1 serves"] {
        assert!(said(&again).contains(words), "{words}: {}", said(&again));
    }
}

#[test]
fn code_outside_an_artifact_is_released_by_force_and_otherwise_named() {
    let manifest = ECHO
        .replace("artifact = \"echo\"\n", "")
        .replace("[\"echo\"]", "[\"./start\"]");
    let app = App::new(&manifest);
    let start = |colour: &str| {
        let path = app.folder().join("start");
        let text = format!("#!/bin/sh\nCOLOUR={colour} exec ./echo\n");
        std::fs::write(&path, text).expect("a start script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    };
    start("red");
    // Tasks have a user of their own.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(app.folder(), open).expect("its mode");
    app.up();
    start("green");
    let plain = app.run(&["deploy", "api"]);
    assert!(plain.status.success(), "{}", said(&plain));
    for words in ["no `artifact`", "neargate deploy api --force"] {
        assert!(said(&plain).contains(words), "{words}: {}", said(&plain));
    }
    assert!(curl(&app, "/env").contains("COLOUR=red"));
    app.ok(&["deploy", "api", "--force-new-deployment"]);
    assert_eq!(app.service("api")["stable_revision"], 2);
    assert!(curl(&app, "/env").contains("COLOUR=green"));
    let trail = app.ok(&["trail", "api"]);
    assert!(trail.contains("forced"), "{trail}");
}

#[test]
fn a_program_that_does_not_read_its_port_is_told_where_it_listens_instead() {
    let app = App::new(ECHO);
    app.up();
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let elsewhere = elsewhere.expect("a free port").port();
    let command = format!("service.api.command=[\"sh\", \"-c\", \"PORT={elsewhere} exec echo\"]");
    let one = ["--set", "service.api.scale={ min = 1, max = 1 }"];
    let mut arguments = vec!["deploy", "api", "--set", &command];
    arguments.extend(one);
    arguments.extend([
        "--set",
        "service.api.release.breaker={ threshold = \"count\", value = 1 }",
    ]);
    let output = app.run(&arguments);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let words = format!("the task listens at {elsewhere}, and not at its PORT");
    assert!(said(&output).contains(&words), "{}", said(&output));
    // Its last lines come with it.
    assert!(said(&output).contains("starts"), "{}", said(&output));
}

#[test]
fn what_the_last_check_found_is_said_while_a_version_is_waited_for() {
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let elsewhere = elsewhere.expect("a free port").port();
    let command = format!("service.api.command=[\"sh\", \"-c\", \"PORT={elsewhere} exec echo\"]");
    for (set, words) in [
        (
            "service.api.env.ECHO_FAULT=bad-health",
            "503 (1 of 2)".to_owned(),
        ),
        (
            command.as_str(),
            format!("(0 of 2); the task listens at {elsewhere}, and not at its PORT"),
        ),
    ] {
        let app = App::new(&ECHO.replace("interval = \"5s\"", "interval = \"30s\""));
        let port = app.address.port().to_string();
        let one = "service.api.scale={ min = 1, max = 1 }";
        let arguments = [
            "up", "--detach", "--port", &port, "--set", one, "--set", set,
        ];
        let mut up = app.command(&arguments);
        up.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut up = up.spawn().expect("the binary runs");
        let stderr = BufReader::new(up.stderr.take().expect("its words"));
        let mut lines = stderr.lines().map_while(Result::ok);
        let waits = lines.find(|line| line.contains("last check: "));
        let waits = waits.expect("a line with the last check");
        // The first look may come before the program listens.
        let status = wait_for("what the checks find", || {
            Some(app.ok(&["status"])).filter(|status| status.contains(&words))
        });
        app.ok(&["down"]);
        up.wait().expect("it ends");
        assert!(status.contains("(last check: "), "{status}");
        assert!(waits.contains("waits for 0 of 1 tasks"), "{waits}");
    }
}

#[test]
fn what_a_service_or_an_app_does_not_have_is_said() {
    let manifest = format!(
        "{}\n[service.site]\nstatic = \"site\"\nroute = \"/s/*\"\n",
        ECHO.replace("\"/*\"", "\"/api/*\"")
    );
    let app = App::new(&manifest);
    std::fs::create_dir(app.folder().join("site")).expect("a folder");
    std::fs::write(app.folder().join("site/index.html"), "hello").expect("a page");
    app.up();
    let alarm =
        "\n[alarm.errors]\nmetric = \"errors\"\nservice = \"api\"\nabove = 5\nperiod = \"1m\"\n";
    std::fs::write(
        app.folder().join("neargate.toml"),
        format!("{manifest}{alarm}"),
    )
    .expect("the manifest");
    for (line, code, words) in [
        ("trail apii", 2, "there is no"),
        ("run site -- true", 2, "static site"),
        ("exec site -- true", 2, "static site"),
        ("db connect", 2, "no database"),
        ("scale api=3 site=2", 2, "no tasks to scale"),
        ("rollback api --to 9", 2, "has no revision 9"),
        ("rollback api --to 1", 1, "serves already"),
        ("releases show 99", 2, "there is no release 99"),
        ("releases show nosuch", 2, "is not a release's number"),
        ("scale api=501", 2, "more than the 500"),
        ("promote api", 1, "no release in progress"),
        ("abort site", 1, "no release in progress"),
        ("logs api --since soon", 2, "soon"),
        ("metrics --since soon", 2, "soon"),
        ("trail --since soon", 2, "soon"),
        (
            "scale api=5",
            0,
            "5 is more than the 2 to 4 tasks that the manifest allows",
        ),
        ("alarms", 0, "`errors` of the manifest is not watched yet"),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let output = app.run(&arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{line}: {}",
            said(&output)
        );
        assert!(said(&output).contains(words), "{line}: {}", said(&output));
    }
    assert_eq!(app.service("api")["desired"], 5);
    app.ok(&["trail", "site"]);
}

#[test]
fn who_leaves_a_stop_is_told_that_it_goes_on() {
    let app = App::new(
        "app = \"stubborn\"\n[service.worker]\nstop-timeout = \"5s\"\n\
         command = [\"sh\", \"-c\", \"trap '' TERM; while :; do sleep 1; done\"]\n",
    );
    let port = app.address.port().to_string();
    let mut up = app.command(&["up", "--detach", "--port", &port]);
    let mut up = up.stderr(Stdio::null()).spawn().expect("it runs");
    wait_for("the task runs, and nothing checks its health", || {
        let status = app.try_status()?;
        let waits = status["services"][0]["release"]["waiting_for"].to_string();
        waits.contains("has no health check").then_some(())
    });
    up.kill().expect("it is killed");
    up.wait().expect("it has ended");
    let mut down = app.command(&["down"]);
    let down = down.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut down = down.spawn().expect("it runs");
    let mut lines = BufReader::new(down.stderr.take().expect("its words")).lines();
    let waits = |line: std::io::Result<String>| line.is_ok_and(|line| line.contains("waits for"));
    assert!(lines.by_ref().any(waits), "it says what it waits for");
    let pid = rustix::process::Pid::from_child(&down);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("Ctrl-C");
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(down.wait().expect("it ends").code(), Some(1), "{rest:?}");
    let told = rest.iter().any(|line| line.contains("stopping continues"));
    assert!(told, "{rest:?}");
}
