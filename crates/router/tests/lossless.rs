//! Invariants: nothing is lost by publications, drains, dead targets and
//! replaced routers; nothing goes to a target that is not healthy and admitted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support;
use crate::support::backend::Backend;
use crate::support::{
    Engine, Router, Wire, get, group, health, listeners, process, table, target, until,
};
use neargate_core::ids::RevisionNumber;
use neargate_core::routing::control::{FromRouter, ToRouter};
use neargate_core::routing::table::{Admission, TargetHealth};
use neargate_router::RouterLimits;

/// Clients that send one request after another, until told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    clients: Vec<std::thread::JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(address: SocketAddr, clients: usize) -> Self {
        let (stop, done) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let client = || {
            let (stop, done) = (stop.clone(), done.clone());
            std::thread::spawn(move || send(address, &stop, &done))
        };
        Self {
            clients: (0..clients).map(|_| client()).collect(),
            stop,
            done,
        }
    }

    fn go_on(&self, requests: usize) {
        let aim = self.done.load(Ordering::SeqCst) + requests;
        until("progress", || {
            (self.done.load(Ordering::SeqCst) >= aim).then_some(())
        });
    }

    fn failures(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.clients
            .into_iter()
            .flat_map(|c| c.join().expect("a client"))
            .collect()
    }
}

fn send(address: SocketAddr, stop: &AtomicBool, done: &AtomicUsize) -> Vec<String> {
    let mut failures = Vec::new();
    let mut wire: Option<Wire> = None;
    while !stop.load(Ordering::SeqCst) {
        let mut open = wire.take().unwrap_or_else(|| Wire::open(address));
        let sent = std::io::Write::write_all(&mut open.0, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        match open.response() {
            Ok((200, head, _)) => {
                done.fetch_add(1, Ordering::SeqCst);
                let close = support::header(&head, "connection").as_deref() == Some("close");
                wire = (!close).then_some(open);
            }
            other => failures.push(format!("{other:?} (sent: {sent:?})")),
        }
    }
    failures
}

#[test]
fn no_request_is_lost_by_publications_and_drains_under_load() {
    let backends: Vec<Backend> = (0..3).map(|i| Backend::start(&format!("t{i}"))).collect();
    let targets: Vec<_> = (0..3)
        .map(|i| target(&format!("t{i}"), 1, backends[i].address))
        .collect();
    let mut router = Router::start();
    router.engine.publish(&table(targets.clone()));
    let load = Load::start(router.address, 4);
    for round in 0..30 {
        let mut now = targets.clone();
        let leaving = round % 3;
        now[leaving].admission = Admission::Draining { delay_ms: 20_000 };
        router.engine.publish(&table(now.clone()));
        let task = now[leaving].task.clone();
        router
            .engine
            .wait(|m| matches!(m, FromRouter::Drained { task: t, cut: 0 } if *t == task));
        // Drained: nothing may reach it any more, so its connections may go.
        let before = backends[leaving].requests();
        backends[leaving].hang_up();
        load.go_on(50);
        assert_eq!(backends[leaving].requests(), before);
        router.engine.publish(&table(targets.clone()));
    }
    assert_eq!(load.failures(), Vec::<String>::new());
}

#[test]
fn a_killed_target_loses_nothing_that_was_not_inside_it() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let mut router = Router::start();
    router.engine.publish(&table(vec![
        target("a", 1, a.address),
        target("b", 1, b.address),
    ]));
    let load = Load::start(router.address, 4);
    load.go_on(200);
    a.kill();
    load.go_on(200);
    let failures = load.failures();
    assert!(
        failures.len() <= 4,
        "more than were in flight: {failures:?}"
    );
    assert_eq!(get(router.address, "/x").2, "b");
}

#[test]
fn a_router_that_replaces_another_loses_nothing() {
    let backend = Backend::start("t");
    let table = table(vec![target("t", 1, backend.address)]);
    let mut old = Router::start();
    old.engine.publish(&table);
    let load = Load::start(old.address, 4);
    for _ in 0..3 {
        load.go_on(200);
        let mut new = Router::on(
            old.address,
            support::again(&old.sockets),
            RouterLimits::default(),
        );
        new.engine.publish(&table);
        old.engine.order(&ToRouter::Drain { timeout_ms: 20_000 });
        old.thread.join().expect("no panic").expect("drained");
        load.go_on(200);
        old = new;
    }
    assert_eq!(load.failures(), Vec::<String>::new());
}

#[test]
fn connections_that_wait_while_a_killed_router_is_replaced_are_served() {
    let backend = Backend::start("t");
    let table = table(vec![target("t", 1, backend.address)]);
    let directory = tempfile::tempdir().expect("a directory");
    let (address, sockets) = listeners();
    let mut first = process(directory.path(), &sockets, None);
    Engine::connect(&directory.path().join("c")).publish(&table);
    assert_eq!(get(address, "/x").0, 200);
    first.kill().expect("killed");
    first.wait().expect("gone");
    let mut waiting: Vec<Wire> = (0..20).map(|_| Wire::open(address)).collect();
    for wire in &mut waiting {
        wire.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    std::fs::remove_file(directory.path().join("c")).expect("a dead socket");
    let mut second = process(directory.path(), &sockets, None);
    Engine::connect(&directory.path().join("c")).publish(&table);
    // Before the table came, 503 is the honest answer; none is refused or reset.
    for wire in &mut waiting {
        let status = wire.response().expect("served").0;
        assert!(status == 200 || status == 503, "{status}");
    }
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&second),
        rustix::process::Signal::TERM,
    )
    .expect("told");
    assert!(second.wait().expect("ended").success());
}

#[test]
fn health_decides_who_gets_requests() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let mut targets = vec![target("a", 1, a.address), target("b", 1, b.address)];
    for target in &mut targets {
        target.health = TargetHealth::Initial;
    }
    b.state.sick.store(true, Ordering::SeqCst);
    let mut router = Router::start();
    let mut table = table(targets);
    let mut checked = group(table.groups["api"].targets.clone());
    checked.health = Some(health());
    table.groups.insert("api".into(), checked);
    router.engine.publish(&table);
    router.engine.wait_health("a", TargetHealth::Healthy);
    for _ in 0..10 {
        assert_eq!(get(router.address, "/x").2, "a");
    }
    b.state.sick.store(false, Ordering::SeqCst);
    router.engine.wait_health("b", TargetHealth::Healthy);
    a.state.sick.store(true, Ordering::SeqCst);
    router.engine.wait_health("a", TargetHealth::Unhealthy);
    for _ in 0..10 {
        assert_eq!(get(router.address, "/x").2, "b");
    }
    // A new engine is told the health of all, and a new table does not begin anew.
    let mut engine = Engine::connect(&router.control);
    engine.wait_health("a", TargetHealth::Unhealthy);
    engine.publish(&table);
    assert_eq!(get(router.address, "/x").2, "b");
    b.state.sick.store(true, Ordering::SeqCst);
    engine.wait_health("b", TargetHealth::Unhealthy);
    let names: Vec<String> = (0..4).map(|_| get(router.address, "/x").2).collect();
    assert!(
        names.contains(&"a".to_owned()) && names.contains(&"b".to_owned()),
        "{names:?}"
    );
}

#[test]
fn a_request_that_outlasts_the_deregistration_delay_is_cut() {
    let backend = Backend::start("t");
    let mut router = Router::start();
    let mut targets = vec![target("t", 1, backend.address)];
    router.engine.publish(&table(targets.clone()));
    let mut wire = Wire::open(router.address);
    wire.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    until("request", || (backend.requests() == 1).then_some(()));
    targets[0].admission = Admission::Draining { delay_ms: 100 };
    router.engine.publish(&table(targets));
    assert_eq!(wire.response().expect("an answer").0, 502);
    router
        .engine
        .wait(|m| matches!(m, FromRouter::Drained { cut: 1, .. }));
    assert_eq!(get(router.address, "/x").0, 503);
}

#[test]
fn slow_clients_and_targets_meet_their_timeouts() {
    let backend = Backend::start("t");
    let limits = RouterLimits {
        client_idle: Duration::from_millis(200),
        ..RouterLimits::default()
    };
    let mut router = Router::with(limits);
    let mut table = table(vec![target("t", 1, backend.address)]);
    if let Some(group) = table.groups.get_mut("api") {
        group.idle_timeout = Duration::from_millis(200);
    }
    router.engine.publish(&table);
    assert_eq!(get(router.address, "/never").0, 504);
    for half in [
        "GET / HT",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
    ] {
        let mut wire = Wire::open(router.address);
        assert_eq!(
            wire.send(half).response().expect("an answer").0,
            408,
            "{half}"
        );
    }
    assert_eq!(Wire::open(router.address).rest(), "");
}

/// A crash loop empties the new revision's group: its guards must see what its users see.
#[test]
fn a_request_that_finds_no_target_counts_for_the_revision_it_was_weighed_to() {
    let mut router = Router::start();
    let mut empty = table(vec![]);
    empty
        .groups
        .values_mut()
        .for_each(|group| group.revision = Some(RevisionNumber(2)));
    router.engine.publish(&empty);
    assert_eq!(get(router.address, "/").0, 503);
    let line = &router.log_lines(1)[0];
    assert_eq!(
        (&line["error"], &line["revision"], &line["task"]),
        (&"NoTarget".into(), &2.into(), &"".into())
    );
    let requests = router.engine.requests();
    assert_eq!(
        (requests[0].revision, requests[0].router_status[&503]),
        (RevisionNumber(2), 1)
    );
}

#[test]
fn the_log_and_the_counters_tell_what_happened() {
    let backend = Backend::start("t");
    let mut router = Router::start();
    router
        .engine
        .publish(&table(vec![target("t", 7, backend.address)]));
    get(router.address, "/x?q=1");
    get(router.address, "/close");
    let lines = router.log_lines(2);
    let ok = lines.iter().find(|l| l["path"] == "/x").expect("logged");
    for (field, value) in [
        ("method", "GET".into()),
        ("query", "q=1".into()),
        ("host", "a.test".into()),
        ("status", 200.into()),
        ("target_status", 200.into()),
        ("service", "api".into()),
        ("revision", 7.into()),
        ("task", "t".into()),
        ("listener", "edge".into()),
    ] as [(&str, serde_json::Value); 9]
    {
        assert_eq!(ok[field], value, "{field}");
    }
    let bad = lines
        .iter()
        .find(|l| l["path"] == "/close")
        .expect("logged");
    assert_eq!(
        (&bad["status"], &bad["error"]),
        (&502.into(), &"TargetClosed".into())
    );
    let (mut target, mut own) = (0, 0);
    while target == 0 || own == 0 {
        for count in router.engine.requests() {
            assert_eq!(
                (count.service.as_str(), count.revision),
                ("api", RevisionNumber(7))
            );
            target += count.target_status.get(&200).copied().unwrap_or(0);
            own += count.router_status.get(&502).copied().unwrap_or(0);
        }
    }
    assert_eq!((target, own), (1, 1));
}
