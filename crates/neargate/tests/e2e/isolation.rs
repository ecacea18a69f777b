//! What the router and the tasks cannot do, whoever gets hold of them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use crate::app::{App, User, kill, root, wait_for};
use crate::basics::curl;

const SITE: &str = r#"
app = "isolation"

[service.web]
static = "site"
route = "/*"

[service.api]
artifact = "echo"
command = ["echo"]
port = 3000
route = "/api/*"
health = { path = "/healthz", interval = "5s", timeout = "2s", healthy = 2, unhealthy = 2 }
"#;

/// A field of `/proc/PID/status`.
fn field(pid: u64, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect("the field is there").trim().to_owned()
}

fn confined(pid: u64) {
    assert_eq!(field(pid, "NoNewPrivs"), "1");
    assert_eq!(field(pid, "Seccomp"), "2");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(pid, set), "0".repeat(16), "{set}");
    }
    if root() {
        assert_eq!(field(pid, "CapBnd"), "0".repeat(16));
        let users = field(pid, "Uid");
        assert!(users.split_whitespace().all(|user| user != "0"), "{users}");
        assert_eq!(field(pid, "Groups"), "");
    }
}

#[test]
fn a_router_has_no_rights_of_root_and_serves_everything_also_after_its_death() {
    let app = App::new(SITE);
    fs::create_dir(app.folder().join("site")).expect("a folder");
    fs::write(app.folder().join("site/index.html"), "the page").expect("a page");
    app.up();
    let router = |status: &Value| status["router"]["pid"].as_u64().expect("a router");
    let first = router(&app.status());
    for round in 0..2 {
        let pid = router(&app.status());
        confined(pid);
        assert_eq!(curl(&app, "/"), "the page");
        assert!(curl(&app, "/api/").starts_with("1 api-"));
        // A router that is killed takes the lines with it that it has not yet written.
        wait_for("its lines", || {
            let log = fs::read_to_string(app.state().join("access.log")).ok()?;
            (log.lines().count() >= 2 * (round + 1)).then_some(())
        });
        if round == 0 {
            kill(pid);
            app.wait("another router", |status| {
                status["router"]["pid"]
                    .as_u64()
                    .is_some_and(|new| new != first)
            });
        }
    }
    let task = app.service("api")["tasks"][0]["pid"].as_u64();
    assert_ne!(
        field(router(&app.status()), "Uid"),
        field(task.expect("a task"), "Uid"),
        "router and tasks share a user"
    );
    closed_to_others(&app.state());
}

/// Nobody but the owner enters the state directory, and of what is in it nobody reads more.
fn closed_to_others(state: &Path) {
    let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
    assert_eq!(mode(state), 0o700);
    for name in ["run", "tasks", "data", "logs", "router"] {
        assert_eq!(mode(&state.join(name)), 0o700, "{name}");
    }
    assert_eq!(mode(&state.join("artifacts")) & 0o067, 0);
    for name in ["state.db", "access.log"] {
        assert_eq!(mode(&state.join(name)) & 0o077, 0, "{name}");
    }
}

#[test]
fn tasks_have_no_rights_of_root_and_a_filter() {
    let app = App::new(crate::releases::ECHO);
    app.up();
    for task in app.service("api")["tasks"].as_array().expect("tasks") {
        confined(task["pid"].as_u64().expect("a pid"));
    }
}

/// A task that looks around, and one that it must not see. All serve a check: without one they would
/// count as healthy only after 40 s.
const CURIOUS: &str = r#"
app = "curious"

[service.other]
command = ["./echo"]
port = 3000
health = { path = "/healthz", interval = "5s", timeout = "2s" }
env = { WORD = "word-of-another-task" }
uses = ["secret.password"]

[service.spy]
command = ["sh", "spy.sh"]
port = 3000
health = { path = "/healthz", interval = "5s", timeout = "2s" }

[secret.password]
generate = "hex:16"
"#;

const SPY: &str = r#"
state=$PWD/.neargate
for file in key secrets.db state.db audit.log; do
    cat "$state/$file" >/dev/null 2>&1 && echo "READ $file"
done
for socket in "$state"/run/*; do
    [ -e "$socket" ] && echo "REACHED $socket"
done
for process in /proc/[0-9]*; do
    tr '\0' '\n' 2>/dev/null <"$process/environ" | grep -q word-of-another-task && echo "READ $process"
    head -c 1 "$process/root$state/key" >/dev/null 2>&1 && echo "READ key by $process"
done
touch "$state/made" 2>/dev/null && echo "WROTE"
touch "$PWD/own" && touch "$HOME/own" && echo writes
echo looked
exec ./echo
"#;

#[test]
fn a_task_of_an_ordinary_user_has_only_what_is_its_own_or_up_says_otherwise() {
    let user = if root() { User::Ordinary } else { User::Own };
    let app = App::owned_by(user, CURIOUS);
    fs::write(app.folder().join("spy.sh"), SPY).expect("a script");
    let up = app.run(&["up", "--detach", "--port", &app.address.port().to_string()]);
    assert!(up.status.success(), "{up:?}");
    let lines = wait_for("the task has looked", || {
        let lines = app.ok(&["logs", "spy"]);
        lines.contains("looked").then_some(lines)
    });
    assert!(lines.contains("writes"), "{lines}");
    if String::from_utf8_lossy(&up.stderr).contains("allows no user namespaces") {
        println!("this machine keeps nothing from tasks, and `up` says so");
        return;
    }
    for found in ["READ", "REACHED", "WROTE"] {
        assert!(!lines.contains(found), "{lines}");
    }
}

/// An app whose secrets are nobody else's.
const NEIGHBOUR: &str = r#"
app = "neighbour"

[service.worker]
command = ["./echo"]
port = 3000
health = { path = "/healthz", interval = "5s", timeout = "2s" }
uses = ["secret.password"]

[secret.password]
generate = "hex:16"
"#;

/// An app with a page, and a task that looks for what another app has.
const CURIOUS_NEIGHBOUR: &str = r#"
app = "curious"

[service.web]
static = "site"
route = "/*"

[service.spy]
command = ["sh", "spy.sh"]
port = 3000
health = { path = "/healthz", interval = "5s", timeout = "2s" }
"#;

/// Looks into a state directory that is there already, asks the engine of one that comes later, and
/// tries to share the port of the edge.
const SPY_ON_OTHERS: &str = r#"
./echo &
for file in key secrets.db state.db; do
    cat "$EARLIER/$file" >/dev/null 2>&1 && echo "READ $file"
done
for socket in "$EARLIER"/run/*; do
    [ -e "$socket" ] && echo "REACHED $socket"
done
"$PROGRAM" --state-dir "$EARLIER" secret get password --reveal >/dev/null 2>&1 && echo "READ password"
touch "$EARLIER/made" 2>/dev/null && echo "WROTE"
echo looked
until [ -e later ]; do sleep 0.1; done
"$PROGRAM" --state-dir "$(cat later)" status 2>&1
"$PROGRAM" --state-dir "$(cat later)" down >/dev/null 2>&1 && echo "ENDED"
python3 -c "
import socket
tried = socket.socket()
tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
tried.bind(('127.0.0.1', $EDGE))
tried.listen()
print('SHARED')
" 2>&1
echo asked
wait
"#;

#[test]
fn a_task_of_an_ordinary_user_reaches_no_other_app_of_that_user_and_cannot_share_the_edge() {
    let user = if root() { User::Ordinary } else { User::Own };
    let (earlier, later) = (
        App::owned_by(user, NEIGHBOUR),
        App::owned_by(user, NEIGHBOUR),
    );
    earlier.up();
    let app = App::owned_by(user, CURIOUS_NEIGHBOUR);
    fs::create_dir(app.folder().join("site")).expect("a folder");
    fs::write(app.folder().join("site/index.html"), "the page").expect("a page");
    let port = app.address.port();
    let names = format!(
        "EARLIER={}\nPROGRAM={}\nEDGE={port}\n",
        earlier.state().display(),
        env!("CARGO_BIN_EXE_neargate"),
    );
    fs::write(app.folder().join("spy.sh"), names + SPY_ON_OTHERS).expect("a script");
    let up = app.run(&["up", "--detach", "--port", &port.to_string()]);
    assert!(up.status.success(), "{up:?}");
    let seen = |word: &str| {
        wait_for(word, || {
            let lines = app.ok(&["logs", "spy"]);
            lines.contains(word).then_some(lines)
        })
    };
    seen("looked");
    later.up();
    let place = later.state().display().to_string();
    fs::write(app.folder().join("later"), place).expect("its place");
    let lines = seen("asked");
    assert!(!lines.contains("SHARED"), "{lines}");
    if String::from_utf8_lossy(&up.stderr).contains("allows no user namespaces") {
        println!("this machine keeps nothing from tasks, and `up` says so");
        return;
    }
    for found in ["READ", "REACHED", "WROTE", "ENDED"] {
        assert!(!lines.contains(found), "{lines}");
    }
    assert!(lines.contains("does not answer tasks"), "{lines}");
    assert_eq!(
        later.service("worker")["tasks"].as_array().map(Vec::len),
        Some(1)
    );
}
