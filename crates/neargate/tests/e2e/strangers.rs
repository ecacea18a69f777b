//! What another service's processes can do at the ports of a service's tasks. As root only: an
//! ordinary user's tasks have no user of their own.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::app::{App, kill, root, wait_for};
use crate::load::Load;
use crate::releases::{ECHO, outcome};

/// A user as another service's tasks have one.
const ANOTHER: u32 = 65_533;
const RATE: u32 = 500;

/// Binds the port as soon as it is free, and says what it is sent but health checks.
const IN_ITS_PLACE: &str = r#"
import socket, sys, time
port, end = int(sys.argv[1]), time.time() + 20
print("TRIES", flush=True)
while time.time() < end:
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        own.bind(("127.0.0.1", port)); own.listen(50)
        break
    except OSError:
        own.close()
print("BOUND", flush=True)
own.settimeout(2)
try:
    while True:
        client, _ = own.accept()
        client.settimeout(1)
        try:
            sent = client.recv(2000)
            if sent and b"ELB-HealthChecker" not in sent:
                print("GOT", sent, flush=True)
            client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nEVIL\n")
        except OSError:
            pass
        client.close()
except OSError:
    pass
"#;

/// Listens at the IPv6 side of these ports, and in every way at those around them.
const BESIDE: &str = r#"
import socket, sys, time
tasks, held = [int(port) for port in sys.argv[1:]], []
def listen(family, address, port):
    own = socket.socket(family)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        own.bind((address, port)); own.listen(1)
        held.append(own)
        return 1
    except OSError:
        return 0
beside = sum(listen(socket.AF_INET6, "::", port) for port in tasks)
for port in {port + step for port in tasks for step in range(-100, 100)} - set(tasks):
    listen(socket.AF_INET, "127.0.0.1", port)
    listen(socket.AF_INET6, "::", port)
print("BESIDE", beside, flush=True)
time.sleep(60)
"#;

struct Stranger(Child);

impl Stranger {
    fn start(program: &str, ports: &[u64], first_word: &str) -> Self {
        let mut child = Command::new("python3")
            .args(["-c", program])
            .args(ports.iter().map(ToString::to_string))
            .uid(ANOTHER)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut word = vec![0; first_word.len()];
        let out = child.stdout.as_mut().expect("piped");
        out.read_exact(&mut word).expect("its first word");
        assert_eq!(String::from_utf8_lossy(&word), first_word);
        Self(child)
    }

    /// All that it says until its end.
    fn words(mut self) -> String {
        let mut words = String::new();
        let out = self.0.stdout.as_mut().expect("piped");
        out.read_to_string(&mut words).expect("its words");
        words
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tasks(app: &App) -> Vec<Value> {
    wait_for("two healthy tasks", || {
        let service = app.service("api");
        let tasks = service["tasks"].as_array()?.clone();
        let healthy = tasks.iter().filter(|task| task["health"] == "healthy");
        (tasks.len() == 2 && healthy.count() == 2).then_some(tasks)
    })
}

fn ports(app: &App) -> Vec<u64> {
    let tasks = tasks(app);
    let ports = tasks.iter().map(|task| task["port"].as_u64());
    ports.map(|port| port.expect("a port")).collect()
}

fn is_root() -> bool {
    if !root() {
        println!("skipped: tasks have users of their own only when the engine is root");
    }
    root()
}

#[test]
fn who_takes_the_port_of_a_killed_task_gets_no_byte_of_a_request() {
    if !is_root() {
        return;
    }
    let app = App::new(ECHO);
    app.up();
    let load = Load::start(app.address, "/", RATE);
    for _ in 0..3 {
        let task = &tasks(&app)[0];
        let port = task["port"].as_u64().expect("a port");
        let stranger = Stranger::start(IN_ITS_PLACE, &[port], "TRIES");
        kill(task["pid"].as_u64().expect("a pid"));
        let words = stranger.words();
        assert!(words.contains("BOUND"), "the port was never free: {words}");
        assert!(!words.contains("GOT"), "{words}");
    }
    let tally = load.finish();
    // Only those that were inside the killed tasks; all others had the other task.
    assert!(tally.failures() <= 3 * 16, "{:?}", tally.failed);
}

#[test]
fn who_listens_beside_and_around_tasks_disturbs_neither_them_nor_a_release() {
    if !is_root() {
        return;
    }
    let app = App::new(ECHO);
    app.up();
    let before = ports(&app);
    let load = Load::start(app.address, "/", RATE);
    let _stranger = Stranger::start(BESIDE, &before, "BESIDE 2");
    // The router looks once a second who listens.
    let served =
        || std::fs::read_to_string(app.state().join("access.log")).map(|log| log.lines().count());
    let begun = served().expect("an access log");
    wait_for("2.5 seconds of requests", || {
        let more = served().ok()?.saturating_sub(begun);
        (more >= 5 * RATE as usize / 2).then_some(())
    });
    assert_eq!(ports(&app), before, "the tasks were replaced");
    let output = app.run(&["deploy", "api", "--set", "service.api.env.X=1", "--json"]);
    let last = outcome(&output);
    assert_eq!(last["outcome"], "done", "{last}");
    let tally = load.finish();
    assert_eq!(tally.failures(), 0, "{:?}", tally.failed);
}
