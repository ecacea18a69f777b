//! `up` in the foreground: what tasks write, and what Ctrl-C waits for.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::app::{App, wait_for};

/// A worker that does not stop before it is killed. Its port has a check: without one it would count as
/// healthy only after 40 s.
const STUBBORN: &str = r#"
app = "foreground"

[service.worker]
artifact = "echo"
command = ["sh", "-c", "trap '' TERM; echo works; ./echo & while :; do sleep 0.1; done"]
port = 3000
health = { path = "/healthz", interval = "5s", timeout = "2s" }
stop-timeout = "4s"
"#;

/// `up` in the foreground.
struct Foreground {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Foreground {
    fn begin(app: &App, more: &[&str]) -> Self {
        let [out, err] = ["out", "err"].map(|name| app.folder().join(name));
        let port = app.address.port().to_string();
        let arguments = [&["up", "--port", &port], more].concat();
        let own = app.command(&arguments);
        // Whoever runs the tests may ignore a closed terminal (`nohup`); a person's shell does not.
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP");
        command.arg(own.get_program()).args(own.get_args());
        command.current_dir(app.folder()).stdin(Stdio::null());
        command.stdout(File::create(&out).expect("a file"));
        command.stderr(File::create(&err).expect("a file"));
        let child = command.spawn().expect("the binary runs");
        Self { child, out, err }
    }

    fn out(&self) -> String {
        std::fs::read_to_string(&self.out).expect("its output")
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.err).expect("its words")
    }

    /// Ctrl-C, and its end.
    fn interrupt(&mut self) {
        self.end_by("-INT");
    }

    fn end_by(&mut self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill runs").success());
        let ended = wait_for("the end of `up`", || {
            self.child.try_wait().expect("its state")
        });
        assert!(ended.success(), "{}", self.said());
    }
}

#[test]
fn a_foreground_up_shows_what_tasks_write_and_says_what_a_stop_waits_for() {
    let app = App::new(STUBBORN);
    let mut up = Foreground::begin(&app, &[]);
    wait_for("the task's line", || {
        let line = |line: &str| line.starts_with("worker-r1-") && line.ends_with(" | works");
        up.out().lines().any(line).then_some(())
    });
    wait_for("the app", || up.said().contains("is up at").then_some(()));
    up.interrupt();
    for words in [
        "stopping: waits for worker-r1-",
        " to stop (killed in ",
        // Nothing of databases and caches, of which there are none.
        "everything has stopped\n",
    ] {
        assert!(up.said().contains(words), "{words}: {}", up.said());
    }
    assert!(app.try_status().is_none(), "the engine has ended");
}

#[test]
fn a_closed_terminal_stops_a_foreground_up_as_ctrl_c_does() {
    let app = App::new(STUBBORN);
    let mut up = Foreground::begin(&app, &[]);
    wait_for("the app", || up.said().contains("is up at").then_some(()));
    up.end_by("-HUP");
    assert!(
        up.said().contains("everything has stopped\n"),
        "{}",
        up.said()
    );
    assert!(app.try_status().is_none(), "the engine has ended");
}

#[test]
fn a_foreground_up_without_logs_shows_none_and_down_says_what_it_waits_for() {
    let app = App::new(STUBBORN);
    let mut up = Foreground::begin(&app, &["--no-logs"]);
    wait_for("the app", || up.said().contains("is up at").then_some(()));
    wait_for("the task's line in its log", || {
        app.ok(&["logs"]).contains("works").then_some(())
    });
    let down = app.run(&["down"]);
    let said = String::from_utf8_lossy(&down.stderr);
    assert!(down.status.success(), "{said}");
    for words in [
        "stopping: waits for worker-r1-",
        " to stop (killed in ",
        // Nothing of databases and caches, of which there are none.
        "everything has stopped\n",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(up.out(), "");
    // It follows an engine that another command ended.
    let ended = up.child.wait().expect("it ends");
    assert!(!ended.success(), "{}", up.said());
}

#[test]
fn an_up_during_a_stop_waits_for_its_end_and_then_starts() {
    let app = App::new(STUBBORN);
    app.up();
    wait_for("the task's line in its log", || {
        app.ok(&["logs"]).contains("works").then_some(())
    });
    let engine = app.status()["engine"]["pid"].clone();
    let mut down = app.command(&["down"]).spawn().expect("the binary runs");
    app.wait("the stop", |status| {
        !status["services"][0]["tasks"][0]["leaves_by"].is_null()
    });
    let port = app.address.port().to_string();
    let up = app.run(&["up", "--detach", "--port", &port]);
    let said = String::from_utf8_lossy(&up.stderr);
    assert!(up.status.success(), "{said}");
    for words in ["a stop is in progress", "stopping: waits for worker-r1-"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(down.wait().expect("it ends").success());
    assert_ne!(app.status()["engine"]["pid"], engine);
    assert_eq!(app.service("worker")["healthy"], 1);
}

#[test]
fn a_first_up_in_the_foreground_that_fails_stops_what_it_started_and_another_says_what_is_up() {
    let app = App::new(crate::releases::ECHO);
    let faulty = [
        "--set",
        "service.api.env.ECHO_FAULT=exit",
        "--set",
        "service.api.release.breaker={ threshold = \"count\", value = 1 }",
    ];
    let failed = |app: &App| {
        let mut up = Foreground::begin(app, &faulty);
        let ended = up.child.wait().expect("it ends");
        assert_eq!(ended.code(), Some(1), "{}", up.said());
        up.said()
    };
    let said = failed(&app);
    assert!(said.contains("it stops what it started"), "{said}");
    assert!(!said.contains("is still up"), "{said}");
    assert!(app.try_status().is_none(), "nothing is up: {said}");
    app.up();
    let said = failed(&app);
    assert!(
        said.contains("is still up; `neargate down` ends it"),
        "{said}"
    );
    assert_eq!(app.service("api")["healthy"], 2);
}
