//! What clients do not take is not held for them: memory stays bounded, and comes back.
//!
//! Alone in its process: other tests' memory would be counted.

mod support;

use std::collections::BTreeMap;

use neargate_core::ids::RevisionNumber;
use neargate_core::model::{Route, Static};
use neargate_core::routing::table::{Listener, ListenerRule, RoutingTable, RuleAction, StaticSite};
use support::frames::{Frames, HEADERS, WINDOW_UPDATE, frame, get};
use support::{Router, until};

const CONNECTIONS: usize = 40;
const STREAMS: u32 = 128;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MEGABYTE: usize = 1 << 20;

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("readable");
    let pages = text.split(' ').nth(1).expect("resident pages");
    pages.parse::<usize>().expect("a number") * 4096
}

fn site(directory: &std::path::Path) -> RoutingTable {
    let site = StaticSite {
        service: "web".into(),
        revision: RevisionNumber(1),
        directory: directory.display().to_string(),
        site: Static {
            root: String::new(),
            index: "index.html".into(),
            fallback: None,
            not_found: None,
            cache: Vec::new(),
            keep: std::time::Duration::ZERO,
        },
        earlier: Vec::new(),
    };
    let rules = vec![ListenerRule {
        route: Route {
            priority: 1,
            ..Route::default()
        },
        action: RuleAction::Static(site),
    }];
    RoutingTable {
        version: 0,
        expose: false,
        listeners: BTreeMap::from([("edge".to_owned(), Listener { rules })]),
        groups: BTreeMap::new(),
        cookie_key: None,
        trusted: Vec::new(),
    }
}

/// Asks for the file on every stream, each with a window of this many bytes and the connection
/// with one without bound, and takes nothing.
fn stuck(router: &Router, connections: usize, window: u32) -> Vec<Frames> {
    let open = |_| Frames::try_open(router.address, &[(INITIAL_WINDOW_SIZE, window)]);
    let mut all: Vec<Frames> = (0..connections).filter_map(open).collect();
    for frames in &mut all {
        frames.send(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()));
        (0..STREAMS).for_each(|i| _ = frames.headers(1 + 2 * i, &get("/big.bin"), true));
    }
    for frames in &mut all {
        frames.wait(&[HEADERS]).expect("a head");
    }
    all
}

#[test]
fn what_clients_do_not_take_is_not_held() {
    let files = tempfile::tempdir().expect("a directory");
    std::fs::write(files.path().join("big.bin"), vec![b'x'; 300_000]).expect("written");
    let mut router = Router::start();
    router.engine.publish(&site(files.path()));
    drop(stuck(&router, 1, 65_535));
    let before = resident();
    for window in [0, 1, 100, 1 << 20] {
        let clients = stuck(&router, CONNECTIONS, window);
        // Until nothing more is read for them.
        let mut last = 0;
        until("a standstill", || {
            std::thread::sleep(std::time::Duration::from_millis(300));
            let now = resident();
            (std::mem::replace(&mut last, now) == now).then_some(())
        });
        let grown = resident().saturating_sub(before);
        println!("window {window}: {} KB more", grown / 1024);
        assert!(
            grown < 150 * MEGABYTE,
            "window {window}: {grown} bytes more"
        );
        drop(clients);
    }
    until("the memory back", || {
        (resident() < before + 20 * MEGABYTE).then_some(())
    });
}
