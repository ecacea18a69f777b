//! A router whose process may open few files: clients, health checks, requests.

mod support;

use std::process::Child;
use std::time::Duration;

use neargate_core::ids::RevisionNumber;
use neargate_core::routing::control::{FromRouter, RequestCount, RouterLoad};
use neargate_core::routing::table::{RoutingTable, TargetHealth};
use rustix::process::{Pid, Resource, Rlimit};
use support::backend::Backend;
use support::{Engine, Wire, header, health, listeners, process, table, target};

/// Of the router's process.
const FILES: u64 = 256;
/// More clients than such a router has places for.
const MANY: usize = 260;

/// A router in a process of its own, with one target that is checked every 50 ms.
struct Small {
    router: Child,
    engine: Engine,
    address: std::net::SocketAddr,
    backend: Backend,
    _directory: tempfile::TempDir,
    _sockets: Vec<(String, std::os::fd::OwnedFd)>,
}

impl Small {
    fn start() -> Self {
        let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
        let own = Rlimit {
            current: hard,
            maximum: hard,
        };
        rustix::process::setrlimit(Resource::Nofile, own).expect("the test's own limit");
        let backend = Backend::start("t");
        let directory = tempfile::tempdir().expect("a directory");
        let (address, sockets) = listeners();
        let router = process(directory.path(), &sockets, Some(FILES));
        let mut engine = Engine::connect(&directory.path().join("c"));
        engine.publish(&checked(&backend));
        engine.wait_health("t", TargetHealth::Healthy);
        Self {
            router,
            engine,
            address,
            backend,
            _directory: directory,
            _sockets: sockets,
        }
    }

    /// Waits until the router tells of a load; no target may become unhealthy meanwhile.
    fn load(&mut self, wanted: impl Fn(&RouterLoad) -> bool) -> RouterLoad {
        let message = self.engine.wait(|message| {
            if let FromRouter::HealthChanged { health, reason, .. } = message {
                assert_ne!(*health, TargetHealth::Unhealthy, "{reason}");
            }
            matches!(message, FromRouter::Beat { load, .. } if wanted(load))
        });
        let FromRouter::Beat { load, .. } = message else {
            unreachable!()
        };
        load
    }

    /// Sets the soft limit of the running router.
    fn allow(&self, files: u64) {
        let limit = Rlimit {
            current: Some(files),
            maximum: Some(FILES),
        };
        let pid = Pid::from_child(&self.router);
        rustix::process::prlimit(Some(pid), Resource::Nofile, limit).expect("limited");
    }

    /// CPU time that the router took so far.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.router.id()));
        let stat = stat.expect("it runs");
        let (_, rest) = stat.rsplit_once(") ").expect("a name");
        let ticks: u64 = rest
            .split(' ')
            .skip(11)
            .take(2)
            .map(|n| n.parse::<u64>().expect("ticks"))
            .sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Small {
    fn cpu_of_a_second(&self) -> Duration {
        let before = self.cpu();
        std::thread::sleep(Duration::from_secs(1));
        self.cpu() - before
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = self.router.kill();
        let _ = self.router.wait();
    }
}

fn checked(backend: &Backend) -> RoutingTable {
    let mut table = table(vec![target("t", 1, backend.address)]);
    let group = table.groups.get_mut("api").expect("a group");
    group.health = Some(health());
    group.targets[0].health = TargetHealth::Initial;
    table
}

fn ask(wire: &mut Wire, path: &str) -> u16 {
    wire.send(&format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    wire.response().expect("an answer").0
}

#[test]
fn idle_connections_are_closed_for_new_clients_and_targets_stay_healthy() {
    let mut small = Small::start();
    let mut kept: Vec<Wire> = Vec::new();
    for number in 0..MANY {
        let mut wire = Wire::open(small.address);
        assert_eq!(ask(&mut wire, "/x"), 200, "client {number}");
        kept.push(wire);
    }
    let load = small.load(|load| load.closed_idle > 0);
    assert!(load.most_connections < FILES / 2, "{load:?}");
    assert!(load.connections <= load.most_connections, "{load:?}");
    assert_eq!((load.refused, load.unmade_checks), (0, 0), "{load:?}");
    // The oldest had to go, the newest is there.
    assert_eq!(kept[0].rest(), "");
    assert_eq!(ask(kept.last_mut().expect("clients"), "/x"), 200);
}

#[test]
fn clients_that_send_half_a_head_leave_places_to_those_that_ask() {
    let mut small = Small::start();
    let half: Vec<Wire> = (0..MANY)
        .map(|_| {
            let mut wire = Wire::open(small.address);
            wire.send("GET / HT");
            wire
        })
        .collect();
    assert_eq!(ask(&mut Wire::open(small.address), "/x"), 200);
    let load = small.load(|load| load.closed_idle > 0);
    assert_eq!(load.unmade_checks, 0, "{load:?}");
    drop(half);
}

#[test]
fn while_all_requests_are_served_a_new_client_waits_and_then_gets_503() {
    let mut small = Small::start();
    let busy: Vec<Wire> = (0..150)
        .map(|_| {
            let mut wire = Wire::open(small.address);
            wire.send("GET /never HTTP/1.1\r\nHost: a.test\r\n\r\n");
            wire
        })
        .collect();
    small.load(|load| load.refused > 20);
    let mut wire = Wire::open(small.address);
    wire.send("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let (status, head, _) = wire.response().expect("an answer");
    assert_eq!(status, 503);
    assert_eq!(header(&head, "connection").as_deref(), Some("close"));
    let load = small.load(|load| load.connections == load.most_connections);
    assert_eq!((load.closed_idle, load.unmade_checks), (0, 0), "{load:?}");
    assert!(small.cpu_of_a_second() < Duration::from_millis(500));
    drop(busy);
    small.load(|load| load.connections == 0);
    assert_eq!(ask(&mut Wire::open(small.address), "/x"), 200);
}

#[test]
fn what_the_router_lacks_is_no_targets_failure() {
    let mut small = Small::start();
    let mut wire = Wire::open(small.address);
    assert_eq!(ask(&mut wire, "/x"), 200);
    // No kept connection is left to send a request on.
    small.backend.hang_up();
    small.allow(1);
    let load = small.load(|load| load.unmade_checks > 5);
    assert!(load.shortage.contains("open files"), "{load:?}");
    assert_eq!(ask(&mut wire, "/x"), 503);
    let failed = |count: &RequestCount| count.router_status.contains_key(&503);
    let all = |message: &FromRouter| match message {
        FromRouter::Counted { seconds, .. } => {
            let requests = seconds.iter().flat_map(|second| second.requests.clone());
            requests.filter(failed).collect()
        }
        _ => Vec::new(),
    };
    let counted = all(&small.engine.wait(|message| !all(message).is_empty()));
    for count in counted {
        assert_eq!(
            (count.revision, count.task.as_str()),
            (RevisionNumber::NONE, ""),
            "{count:?}"
        );
    }
    // A client that comes meanwhile waits; nothing spins.
    let mut waiting = Wire::open(small.address);
    waiting.send("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(small.cpu_of_a_second() < Duration::from_millis(500));
    small.allow(FILES);
    assert_eq!(waiting.response().expect("served").0, 200);
    small
        .backend
        .state
        .sick
        .store(true, std::sync::atomic::Ordering::SeqCst);
    small.engine.wait_health("t", TargetHealth::Unhealthy);
}
