//! Sticky sessions and slow start on real sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::support;
use crate::support::backend::Backend;
use crate::support::http2::{ask, client, connect, request};
use crate::support::{Engine, Router, Wire, group, health, listeners, target, until};
use neargate_core::ids::RevisionNumber;
use neargate_core::model::{Route, Sticky};
use neargate_core::routing::control::RequestCount;
use neargate_core::routing::sticky::CookieKey;
use neargate_core::routing::table::{
    Admission, Listener, ListenerRule, RoutingTable, RuleAction, Target, TargetHealth,
    WeightedGroup,
};

/// A browser: keeps what it is told to.
#[derive(Default, Clone)]
struct Browser(BTreeMap<String, String>);

impl Browser {
    fn header(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(n, v)| format!("{n}={v}")).collect();
        pairs.join("; ")
    }

    fn told(&mut self, set_cookie: &str) {
        let (pair, _) = set_cookie.split_once(';').expect("attributes");
        let (name, value) = pair.split_once('=').expect("a cookie");
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Asks for a path; the answer's body: the backend's name.
    fn get(&mut self, address: SocketAddr, path: &str) -> String {
        let mut wire = Wire::open(address);
        let cookie = self.header();
        wire.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: a.test\r\nCookie: {cookie}\r\n\r\n"
        ));
        let (status, head, body) = wire.response().expect("a response");
        assert_eq!(status, 200, "{head}");
        for line in head.lines() {
            if let Some(value) = line.strip_prefix("set-cookie: ") {
                self.told(value);
            } else if let Some(value) = line.strip_prefix("Set-Cookie: ") {
                self.told(value);
            }
        }
        body
    }
}

fn sticky(cookie: Option<&str>) -> Sticky {
    Sticky {
        duration: Duration::from_secs(3600),
        cookie: cookie.map(str::to_owned),
    }
}

/// One sticky group for everything.
fn table(targets: Vec<Target>, cookie: Option<&str>) -> RoutingTable {
    let mut table = support::table(targets);
    table.cookie_key = Some(CookieKey([3; 32]));
    table.groups.get_mut("api").expect("the group").sticky = Some(sticky(cookie));
    table
}

/// Two sticky groups with these weights, each of one revision.
fn shift(groups: [(&str, u32, u32, Vec<Target>); 2]) -> RoutingTable {
    let mut table = table(Vec::new(), None);
    table.groups.clear();
    let mut shared = Vec::new();
    for (name, revision, weight, targets) in groups {
        let mut group = group(targets);
        group.sticky = Some(sticky(None));
        group.revision = Some(RevisionNumber(revision));
        table.groups.insert(name.to_owned(), group);
        shared.push(WeightedGroup {
            group: name.to_owned(),
            weight,
        });
    }
    let rule = ListenerRule {
        route: Route {
            priority: 1,
            ..Route::default()
        },
        action: RuleAction::Forward(shared),
    };
    let listener = Listener { rules: vec![rule] };
    table.listeners = BTreeMap::from([("edge".to_owned(), listener)]);
    table
}

fn three() -> ([Backend; 3], Vec<Target>) {
    let backends = ["a", "b", "c"].map(Backend::start);
    let targets = backends
        .iter()
        .map(|backend| target(&backend.state.name, 1, backend.address))
        .collect();
    (backends, targets)
}

#[test]
fn a_client_stays_with_its_task_and_new_ones_take_turns() {
    let (_backends, targets) = three();
    let mut router = Router::start();
    router.engine.publish(&table(targets, None));
    let mut homes = BTreeSet::new();
    for _ in 0..12 {
        let mut browser = Browser::default();
        let home = browser.get(router.address, "/");
        for _ in 0..5 {
            assert_eq!(browser.get(router.address, "/"), home);
        }
        // A request from another site comes with the other cookie alone.
        browser.0.remove("AWSALB");
        assert_eq!(browser.get(router.address, "/"), home);
        homes.insert(home);
    }
    assert_eq!(homes.len(), 3);
}

#[test]
fn a_client_of_a_task_that_is_sick_draining_or_gone_moves_and_stays_there() {
    for trouble in ["sick", "draining", "gone"] {
        let (_backends, targets) = three();
        let mut router = Router::start();
        router.engine.publish(&table(targets.clone(), None));
        let mut browser = Browser::default();
        let home = browser.get(router.address, "/");
        let mut changed = targets.clone();
        let at = targets
            .iter()
            .position(|t| t.task == home.as_str())
            .expect("a task");
        match trouble {
            "sick" => changed[at].health = TargetHealth::Unhealthy,
            "draining" => changed[at].admission = Admission::Draining { delay_ms: 60_000 },
            _ => drop(changed.remove(at)),
        }
        router.engine.publish(&table(changed, None));
        let next = browser.get(router.address, "/");
        assert_ne!(next, home, "{trouble}");
        // As on ALB, the old task coming back changes nothing.
        router.engine.publish(&table(targets, None));
        for _ in 0..6 {
            assert_eq!(browser.get(router.address, "/"), next, "{trouble}");
        }
    }
}

#[test]
fn a_client_of_a_killed_task_is_answered_by_another() {
    let (backends, targets) = three();
    let mut router = Router::start();
    router.engine.publish(&table(targets, None));
    let mut browser = Browser::default();
    let home = browser.get(router.address, "/");
    let killed = backends.iter().find(|b| b.state.name == home);
    killed.expect("the task").kill();
    let next = browser.get(router.address, "/");
    assert_ne!(next, home);
    assert_eq!(browser.get(router.address, "/"), next);
}

#[test]
fn an_applications_cookie_is_followed_from_when_the_task_sets_it() {
    let (_backends, targets) = three();
    let mut router = Router::start();
    router.engine.publish(&table(targets, Some("SID")));
    let mut browser = Browser::default();
    let turns: BTreeSet<String> = (0..6).map(|_| browser.get(router.address, "/")).collect();
    assert_eq!(turns.len(), 3, "not sticky before");
    assert!(browser.0.is_empty(), "{:?}", browser.0);
    let home = browser.get(router.address, "/login");
    assert_eq!(
        browser.0.keys().collect::<Vec<_>>(),
        ["AWSALBAPP", "SID"],
        "the task's own cookie is passed on"
    );
    for _ in 0..6 {
        assert_eq!(browser.get(router.address, "/"), home);
    }
    browser.0.remove("SID");
    let turns: BTreeSet<String> = (0..6).map(|_| browser.get(router.address, "/")).collect();
    assert_eq!(turns.len(), 3, "both cookies must come back");
}

#[test]
fn services_without_sticky_sessions_set_no_cookie() {
    let (_backends, targets) = three();
    let mut router = Router::start();
    let mut plain = table(targets, None);
    plain.groups.get_mut("api").expect("the group").sticky = None;
    router.engine.publish(&plain);
    let mut browser = Browser::default();
    let turns: BTreeSet<String> = (0..6).map(|_| browser.get(router.address, "/")).collect();
    assert_eq!((turns.len(), browser.0.len()), (3, 0));
}

/// Counts of this many requests in all.
fn counts(engine: &mut Engine, requests: u64) -> Vec<RequestCount> {
    let mut all: Vec<RequestCount> = Vec::new();
    let sum =
        |all: &[RequestCount]| -> u64 { all.iter().flat_map(|c| c.target_status.values()).sum() };
    while sum(&all) < requests {
        all.extend(engine.requests());
    }
    all
}

#[test]
fn clients_stay_with_their_revision_while_weights_move_until_theirs_is_zero() {
    let ([a, b, c], _) = three();
    let old = || vec![target("a", 1, a.address), target("b", 1, b.address)];
    let new = || vec![target("c", 2, c.address)];
    let weights = |old_weight, new_weight| {
        shift([
            ("api", 1, old_weight, old()),
            ("api@2", 2, new_weight, new()),
        ])
    };
    let mut router = Router::start();
    // Sessions from before the release: one group, which stands for its revision.
    let mut before = table(old(), None);
    before.groups.get_mut("api").expect("the group").revision = Some(RevisionNumber(1));
    router.engine.publish(&before);
    let mut browsers: Vec<(Browser, String)> = Vec::new();
    let come = |browsers: &mut Vec<(Browser, String)>, count| {
        for _ in 0..count {
            let mut browser = Browser::default();
            let home = browser.get(router.address, "/");
            browsers.push((browser, home));
        }
    };
    let stay = |browsers: &mut Vec<(Browser, String)>, address| {
        for (browser, home) in browsers.iter_mut() {
            for _ in 0..3 {
                assert_eq!(browser.get(address, "/"), *home);
            }
        }
    };
    come(&mut browsers, 10);
    router.engine.publish(&weights(900, 100));
    stay(&mut browsers, router.address);
    assert!(browsers.iter().all(|(_, home)| home != "c"));
    come(&mut browsers, 40);
    let news = browsers.iter().filter(|(_, home)| home == "c").count();
    // Exact per worker, and there are two.
    assert!(
        (3..=5).contains(&news),
        "a tenth of the new clients: {news}"
    );
    router.engine.publish(&weights(500, 500));
    stay(&mut browsers, router.address);
    let counted = counts(&mut router.engine, 10 + 30 + 40 + 150);
    let kept: u64 = counted.iter().map(|count| count.kept).sum();
    assert_eq!(kept, 30 + 150, "what the weights did not choose");
    // The old revision goes: its clients move, the others stay.
    router.engine.publish(&weights(0, 1000));
    for (browser, _) in &mut browsers {
        assert_eq!(browser.get(router.address, "/"), "c");
    }
    // The release is done: the new revision's tasks are in the one group.
    let mut after = table(new(), None);
    after.groups.get_mut("api").expect("the group").revision = Some(RevisionNumber(2));
    router.engine.publish(&after);
    for (browser, home) in &mut browsers {
        "c".clone_into(home);
        assert_eq!(browser.get(router.address, "/"), "c");
    }
    // In the next release they are known as clients of the revision that is now the old one.
    let d = Backend::start("d");
    router.engine.publish(&shift([
        ("api", 2, 1, new()),
        ("api@3", 3, 999, vec![target("d", 3, d.address)]),
    ]));
    stay(&mut browsers, router.address);
}

#[test]
fn a_cookie_opens_no_group_that_weights_keep_shut() {
    let ([a, b, _c], _) = three();
    let mut router = Router::start();
    let groups = |old, new| {
        shift([
            ("api", 1, old, vec![target("a", 1, a.address)]),
            ("api@2", 2, new, vec![target("b", 2, b.address)]),
        ])
    };
    router.engine.publish(&groups(0, 1));
    let mut browser = Browser::default();
    assert_eq!(browser.get(router.address, "/"), "b");
    router.engine.publish(&groups(1, 0));
    let mut kept = browser.clone();
    assert_eq!(kept.get(router.address, "/"), "a");
    // Another environment's key: nobody is known, nobody fails.
    let mut other = groups(1, 1);
    other.cookie_key = Some(CookieKey([4; 32]));
    router.engine.publish(&other);
    let mut fresh: BTreeSet<String> = BTreeSet::new();
    for _ in 0..20 {
        fresh.insert(browser.clone().get(router.address, "/"));
    }
    assert_eq!(fresh.len(), 2);
}

#[test]
fn sessions_survive_another_router_and_are_the_same_on_both_workers() {
    let (_backends, targets) = three();
    let (address, sockets) = listeners();
    let mut first = Router::on(address, sockets, neargate_router::RouterLimits::default());
    let table = table(targets, None);
    first.engine.publish(&table);
    let mut browsers: Vec<(Browser, String)> = Vec::new();
    for _ in 0..6 {
        let mut browser = Browser::default();
        let home = browser.get(address, "/");
        browsers.push((browser, home));
    }
    let mut second = Router::on(
        address,
        support::again(&first.sockets),
        neargate_router::RouterLimits::default(),
    );
    second.engine.publish(&table);
    first
        .engine
        .order(&neargate_core::routing::control::ToRouter::Drain { timeout_ms: 10_000 });
    first
        .thread
        .join()
        .expect("no panic")
        .expect("it ended well");
    for (browser, home) in &mut browsers {
        for _ in 0..4 {
            assert_eq!(browser.get(address, "/"), *home);
        }
    }
}

#[test]
fn http2_clients_stay_too() {
    let (_backends, targets) = three();
    let mut router = Router::start();
    let mut table = table(targets, None);
    table.groups.get_mut("api").expect("the group").revision = Some(RevisionNumber(1));
    router.engine.publish(&table);
    client(async {
        let send = connect(router.address).await;
        let (mut browser, mut home) = (Browser::default(), None);
        for _ in 0..6 {
            let mut request = request("GET", "/");
            // Each cookie in a header of its own, as HTTP/2 clients may send them.
            for (name, value) in &browser.0 {
                request = request.header("cookie", format!("{name}={value}"));
            }
            let answer = ask(&send, request, &[]).await.expect("an answer");
            for value in answer.headers.get_all("set-cookie") {
                browser.told(value.to_str().expect("text"));
            }
            let body = answer.body;
            assert_eq!(*home.get_or_insert(body.clone()), body);
        }
        let names: Vec<&str> = browser.0.keys().map(String::as_str).collect();
        assert_eq!(names, ["AWSALB", "AWSALBCORS", "AWSALBTG", "AWSALBTGCORS"]);
    });
}

#[test]
fn a_task_that_joins_or_recovers_warms_up() {
    let (backends, targets) = three();
    let [a, b, _] = &backends;
    let mut router = Router::start();
    let with = |targets: &[Target]| {
        let mut table = support::table(targets.to_vec());
        let group = table.groups.get_mut("api").expect("the group");
        group.slow_start = Duration::from_secs(900);
        group.health = Some(health());
        table
    };
    let begin = |task: &Target| Target {
        health: TargetHealth::Initial,
        ..task.clone()
    };
    // Together into an empty group: no slow start.
    let both = [begin(&targets[0]), begin(&targets[1])];
    router.engine.publish(&with(&both));
    let healthy = |name: &str| {
        until("traffic", || {
            let wire = &mut Wire::open(router.address);
            wire.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
            let (status, _, body) = wire.response().ok()?;
            (status == 200 && body == name).then_some(())
        });
    };
    healthy("a");
    healthy("b");
    // One more: in slow start, of which hardly anything has passed.
    let all = [both[0].clone(), both[1].clone(), begin(&targets[2])];
    router.engine.publish(&with(&all));
    router.engine.wait_health("c", TargetHealth::Healthy);
    let asked = |count: usize| -> BTreeMap<String, usize> {
        let mut seen = BTreeMap::new();
        for _ in 0..count {
            let (_, _, body) = support::get(router.address, "/");
            *seen.entry(body).or_default() += 1;
        }
        seen
    };
    let seen = asked(90);
    assert!(seen.get("c").copied().unwrap_or(0) <= 9, "{seen:?}");
    // It leaves slow start with its health, and so does one that was warm.
    b.state.sick.store(true, Ordering::SeqCst);
    router.engine.wait_health("b", TargetHealth::Unhealthy);
    b.state.sick.store(false, Ordering::SeqCst);
    router.engine.wait_health("b", TargetHealth::Healthy);
    let seen = asked(90);
    assert!(seen.get("b").copied().unwrap_or(0) <= 9, "{seen:?}");
    // The last one that takes a full share falls ill: the others carry the load.
    a.state.sick.store(true, Ordering::SeqCst);
    router.engine.wait_health("a", TargetHealth::Unhealthy);
    let seen = asked(30);
    assert_eq!(
        seen.values().sum::<usize>() - seen.get("a").copied().unwrap_or(0),
        30,
        "{seen:?}"
    );
}
